// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common.h"

#define SYSFS "/sys/class/misc/ashlar"

static void die(const char *what)
{
	printf("# %s: %s\n", what, strerror(errno));
	_exit(1);
}

int dev_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(DEVICE);
	return fd;
}

char *dev_map_at(int fd, void *addr, size_t n, size_t index)
{
	void *p = mmap(addr, n * EXTENT, PROT_READ | PROT_WRITE,
		       MAP_SHARED | (addr ? MAP_FIXED : 0), fd, index * EXTENT);

	return p == MAP_FAILED ? NULL : p;
}

char *dev_map(int fd, size_t n)
{
	return dev_map_at(fd, NULL, n, 0);
}

int dev_call(int fd, unsigned long command, void *arg)
{
	return ioctl(fd, command, arg) ? -errno : 0;
}

int dev_alloc_on(int fd, void *addr, size_t n, int node, unsigned int flags,
		 size_t *done)
{
	struct ashlar_range range = { (uintptr_t)addr, n * EXTENT };
	struct ashlar_alloc alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
		.node = node,
	};
	int err = dev_call(fd, ASHLAR_IOC_ALLOC, &alloc);

	if (done)
		*done = alloc.done;
	return err;
}

int dev_alloc(int fd, void *addr, size_t n)
{
	size_t done;
	int err = dev_alloc_on(fd, addr, n, ASHLAR_NODE_LOCAL, 0, &done);

	return err ? err : done == n ? 0 : -ENOMEM;
}

int dev_free(int fd, void *addr, size_t n, size_t *done)
{
	struct ashlar_range range = { (uintptr_t)addr, n * EXTENT };
	struct ashlar_free arg = {
		.size = sizeof(arg),
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
	};
	int err = dev_call(fd, ASHLAR_IOC_FREE, &arg);

	if (done)
		*done = arg.done;
	return err;
}

int dev_purge(int fd, void *addr, size_t n, size_t *done)
{
	return dev_purge_as(fd, addr, n, ASHLAR_PURGE_FORCED, done);
}

int dev_purge_as(int fd, void *addr, size_t n, unsigned int flags,
		 size_t *done)
{
	struct ashlar_range range = { (uintptr_t)addr, n * EXTENT };
	struct ashlar_purge arg = {
		.size = sizeof(arg),
		.flags = flags,
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
	};
	int err = dev_call(fd, ASHLAR_IOC_PURGE, &arg);

	if (done)
		*done = arg.done;
	return err;
}

int dev_punch(int fd, void *addr, size_t pages, size_t *done)
{
	struct ashlar_range range = { (uintptr_t)addr, pages * PAGE };
	struct ashlar_punch arg = {
		.size = sizeof(arg),
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
	};
	int err = dev_call(fd, ASHLAR_IOC_PUNCH, &arg);

	if (done)
		*done = arg.done;
	return err;
}

int dev_mend(int fd, void *addr, size_t n, size_t *done)
{
	struct ashlar_range range = { (uintptr_t)addr, n * EXTENT };
	struct ashlar_mend arg = {
		.size = sizeof(arg),
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
	};
	int err = dev_call(fd, ASHLAR_IOC_MEND, &arg);

	if (done)
		*done = arg.done;
	return err;
}

int dev_stat(int fd, void *addr, struct ashlar_stat *stat)
{
	memset(stat, 0, sizeof(*stat));
	stat->size = sizeof(*stat);
	stat->addr = (uintptr_t)addr;
	return dev_call(fd, ASHLAR_IOC_STAT, stat);
}

struct ashlar_extent_stat dev_extent(int fd, void *addr)
{
	struct ashlar_extent_stat extent = { .node = -2 };
	struct ashlar_stat stat = {
		.size = sizeof(stat),
		.addr = (uintptr_t)addr,
		.length = EXTENT,
		.extents = (uintptr_t)&extent,
	};

	if (dev_call(fd, ASHLAR_IOC_STAT, &stat))
		die("STAT");
	return extent;
}

char *dev_memory(int fd, size_t n)
{
	char *p = dev_map(fd, n);
	int err;

	if (!p)
		die("mmap");
	err = dev_alloc(fd, p, n);
	if (err) {
		errno = -err;
		die("ALLOC");
	}
	return p;
}

long smaps_kb(void *addr, const char *field)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start, end, at = (unsigned long)addr;
	bool inside = false;
	char line[512], name[64];
	long kb, found = -1;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= at && at < end;
		else if (inside &&
			 sscanf(line, "%63[^:]: %ld kB", name, &kb) == 2 &&
			 !strcmp(name, field))
			found = kb;
	}
	if (file)
		fclose(file);
	return found;
}

long file_number(const char *path)
{
	FILE *file = fopen(path, "r");
	long value = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

bool mkdir_once(const char *path)
{
	return !mkdir(path, 0755) || errno == EEXIST;
}

#define TRACING "/sys/kernel/tracing/"

static bool trace_switch(const char *event, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "events/ashlar/%s/enable", event);
	return file_write(path, value);
}

bool trace_begin(const char *event)
{
	/* Truncating the file empties the buffer. */
	int fd = open(TRACING "trace", O_WRONLY | O_TRUNC);

	if (fd >= 0)
		close(fd);
	return fd >= 0 && trace_switch(event, "1");
}

void trace_end(const char *event)
{
	trace_switch(event, "0");
}

long trace_lines(const char *text, long *first, long *last)
{
	FILE *file = fopen(TRACING "trace", "r");
	long number, lines = 0;
	char line[512];

	for (number = 0; file && fgets(line, sizeof(line), file); number++) {
		if (!strstr(line, text))
			continue;
		if (!lines++ && first)
			*first = number;
		if (last)
			*last = number;
	}
	if (file)
		fclose(file);
	return lines;
}

long node_value(int node, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), SYSFS "/node%d/%s", node, name);
	return file_number(path);
}

bool node_write(int node, const char *name, long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), SYSFS "/node%d/%s", node, name);
	snprintf(text, sizeof(text), "%ld", value);
	return file_write(path, text);
}

int nodes_highest(void)
{
	int node, highest = -1;

	for (node = 0; node < 64; node++)
		if (node_value(node, "ready") >= 0)
			highest = node;
	return highest;
}

long nodes_sum(const char *name)
{
	int node, highest = nodes_highest();
	long sum = 0;

	for (node = 0; node <= highest; node++)
		if (node_value(node, name) >= 0)
			sum += node_value(node, name);
	return sum;
}

bool bytes_are(const void *p, int value, size_t size)
{
	const unsigned char *byte = p;

	/* The first byte is right, and each is what the one before it is. */
	return !size || (*byte == value && !memcmp(byte, byte + 1, size - 1));
}

static sigjmp_buf after_sigbus;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(after_sigbus, 1);
}

static bool is_sigbus(volatile char *p, bool writing)
{
	struct sigaction old, action = { .sa_handler = on_sigbus };
	volatile bool caught = true;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(after_sigbus, 1)) {
		if (writing)
			*p = *p;
		else
			(void)*p;
		caught = false;
	}
	sigaction(SIGBUS, &old, NULL);
	return caught;
}

bool read_is_sigbus(const void *p)
{
	return is_sigbus((volatile char *)p, false);
}

bool write_is_sigbus(void *p)
{
	return is_sigbus(p, true);
}

bool eventually(bool (*what)(void *arg), void *arg, int seconds)
{
	int tries = seconds * 100;

	while (!what(arg)) {
		if (!tries--)
			return false;
		usleep(10000);
	}
	return true;
}

static bool out_is(void *arg)
{
	/* What is poisoned stays where it is. */
	return nodes_sum("out") == *(long *)arg &&
	       nodes_sum("quarantined") == nodes_sum("poisoned");
}

bool out_returns_to(long before)
{
	return eventually(out_is, &before, 20);
}

int child_status(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

int in_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (!pid)
		_exit(fn(arg));
	return child_status(pid);
}

void turn_init(struct turn *turn)
{
	if (pipe(turn->fd))
		die("pipe");
}

void turn_give(struct turn *turn)
{
	if (write(turn->fd[1], "", 1) != 1)
		die("write");
}

void turn_wait(struct turn *turn)
{
	char byte;

	if (read(turn->fd[0], &byte, 1) != 1)
		die("read");
}

bool race_open(struct race *race)
{
	char *cut;

	*race = (struct race){ .fd = dev_open() };
	race->p = dev_memory(race->fd, RACE_EXTENTS);
	cut = race->p + EXTENT + PAGE;
	return !mprotect(cut, PAGE, PROT_READ) &&
	       !mprotect(cut, PAGE, PROT_READ | PROT_WRITE);
}

void race_run(struct race *race, const struct racer *racers, size_t nr)
{
	pthread_t threads[nr];
	size_t i;

	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], NULL, racers[i].run,
				   racers[i].arg ? racers[i].arg : race))
			die("pthread_create");
	for (i = 0; i < nr; i++)
		if (racers[i].ends)
			pthread_join(threads[i], NULL);
	race->stop = true;
	for (i = 0; i < nr; i++)
		if (!racers[i].ends)
			pthread_join(threads[i], NULL);
}

void race_close(struct race *race)
{
	munmap(race->p, RACE_EXTENTS * EXTENT);
	close(race->fd);
}

uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}
