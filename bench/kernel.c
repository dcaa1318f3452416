// SPDX-License-Identifier: MIT
/*
 * What the device's calls and faults cost, beside anonymous transparent huge
 * pages and hugetlbfs. Runs in a guest whose time-stamp counter counts
 * instructions (selftests/guest/run --icount --cpus 1 --nodes 1), as root;
 * bench/kernel does that, and makes the table.
 *
 * Usage: kernel [MOST [SOURCE]]: grow up to MOST extents (2048); only SOURCE,
 * which is device, thp or hugetlb. kernel contend: four CPUs allocate at once.
 *
 * Prints "= ROW SOURCE VALUE" lines, instructions for each extent where the row
 * does not say otherwise. Each is the least of several rounds: the others had
 * the timer's interrupt in them. Pages that are called ready are in the pool, or
 * reserved for hugetlbfs, before the clock starts; nothing refills meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/ashlar.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define EXTENT	((size_t)ASHLAR_EXTENT_SIZE)
#define RUN	64	/* extents in a call */
#define ROUNDS	7
#define GB	512	/* extents in 1 GB */
#define NODE	"/sys/class/misc/ashlar/node0/"

static int device;

static void die(const char *what)
{
	fprintf(stderr, "kernel: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(bool ok, const char *what)
{
	if (!ok)
		die(what);
}

static long number(const char *path)
{
	FILE *file = fopen(path, "r");
	long value;

	must(file && fscanf(file, "%ld", &value) == 1, path);
	fclose(file);
	return value;
}

static void put_number(const char *path, long value)
{
	FILE *file = fopen(path, "w");

	must(file && fprintf(file, "%ld", value) > 0 && !fclose(file), path);
}

/* --- the device --- */

static void alloc(char *p, size_t n, size_t step, unsigned int flags)
{
	struct ashlar_range ranges[RUN];
	struct ashlar_alloc arg = {
		.size = sizeof(arg), .flags = flags,
		.ranges = (uintptr_t)ranges, .nr_ranges = step > 1 ? n : 1,
	};
	size_t i;

	for (i = 0; i < arg.nr_ranges; i++)
		ranges[i] = (struct ashlar_range) {
			(uintptr_t)p + i * step * EXTENT,
			(step > 1 ? 1 : n) * EXTENT };
	must(!ioctl(device, ASHLAR_IOC_ALLOC, &arg) && arg.done == n, "ALLOC");
}

static bool purge(char *p, size_t n, size_t step, unsigned int flags)
{
	struct ashlar_range ranges[RUN];
	struct ashlar_purge arg = {
		.size = sizeof(arg), .flags = flags,
		.ranges = (uintptr_t)ranges, .nr_ranges = step > 1 ? n : 1,
	};
	size_t i;

	for (i = 0; i < arg.nr_ranges; i++)
		ranges[i] = (struct ashlar_range) {
			(uintptr_t)p + i * step * EXTENT,
			(step > 1 ? 1 : n) * EXTENT };
	return !ioctl(device, ASHLAR_IOC_PURGE, &arg) && arg.done == n;
}

static void give(char *p, size_t n)
{
	struct ashlar_range range = { (uintptr_t)p, n * EXTENT };
	struct ashlar_free arg = { .size = sizeof(arg),
				   .ranges = (uintptr_t)&range, .nr_ranges = 1 };

	must(!ioctl(device, ASHLAR_IOC_FREE, &arg) && arg.done == n, "FREE");
}

/* --- three ways to 2 MB pages --- */

struct source {
	const char *name;
	char *(*map)(size_t n);		/* address space for n extents */
	void (*ready)(size_t n);	/* at least n pages are ready, and quiet */
	void (*commit)(char *p, size_t n);	/* what touching needs before */
	void (*purge)(char *p, size_t n, size_t step);
};

static char *device_map(size_t n)
{
	char *p = mmap(NULL, n * EXTENT, PROT_READ | PROT_WRITE, MAP_SHARED,
		       device, 0);

	must(p != MAP_FAILED, "mmap of /dev/ashlar");
	return p;
}

/* A write to high starts the worker; with low at 0 nothing else does. */
static void device_ready(size_t n)
{
	int tries;

	put_number(NODE "high", n);
	for (tries = 0; number(NODE "ready") < (long)n; tries++) {
		must(tries < 100000, "waiting for the pool");
		usleep(1000);
	}
	usleep(20000);
}

static void device_commit(char *p, size_t n)
{
	alloc(p, n, 1, 0);
}

static void device_purge(char *p, size_t n, size_t step)
{
	must(purge(p, n, step, ASHLAR_PURGE_FORCED), "PURGE");
}

static char *thp_map(size_t n)
{
	char *p = mmap(NULL, (n + 1) * EXTENT, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED, "mmap");
	p = (char *)(((uintptr_t)p + EXTENT - 1) & ~(EXTENT - 1));
	must(!madvise(p, n * EXTENT, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	return p;
}

static void thp_ready(size_t n)
{
	(void)n;
	usleep(20000);
}

static char *hugetlb_map(size_t n)
{
	char *p = mmap(NULL, n * EXTENT, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
		       MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED, "mmap of hugetlbfs");
	return p;
}

static void hugetlb_ready(size_t n)
{
	put_number("/proc/sys/vm/nr_hugepages", n);
	must(number("/proc/sys/vm/nr_hugepages") >= (long)n, "nr_hugepages");
	usleep(20000);
}

static void anon_commit(char *p, size_t n)
{
	(void)p;
	(void)n;
}

static void anon_purge(char *p, size_t n, size_t step)
{
	size_t i;

	if (step == 1)
		must(!madvise(p, n * EXTENT, MADV_DONTNEED), "MADV_DONTNEED");
	else
		for (i = 0; i < n; i++)
			must(!madvise(p + i * step * EXTENT, EXTENT,
				      MADV_DONTNEED), "MADV_DONTNEED");
}

static const struct source sources[] = {
	{ "device", device_map, device_ready, device_commit, device_purge },
	{ "thp", thp_map, thp_ready, anon_commit, anon_purge },
	{ "hugetlb", hugetlb_map, hugetlb_ready, anon_commit, anon_purge },
};

/* --- counting --- */

static uint64_t clock_cost;

static uint64_t now(void)
{
	unsigned int cpu;

	return __rdtscp(&cpu);
}

static uint64_t since(uint64_t start)
{
	return now() - start - clock_cost;
}

static void clock_init(void)
{
	uint64_t least = UINT64_MAX, start;
	int i;

	for (i = 0; i < 100; i++) {
		start = now();
		start = now() - start;
		if (start < least)
			least = start;
	}
	clock_cost = least;
}

struct row {
	const char *name;
	uint64_t least;
};

static void row_add(struct row *row, uint64_t count)
{
	if (!row->least || count < row->least)
		row->least = count;
}

static void row_print(const struct row *row, const struct source *source,
		      size_t n)
{
	printf("= %s %s %llu\n", row->name, source->name,
	       (unsigned long long)((row->least + n / 2) / n));
	fflush(stdout);
}

static void touch(volatile char *p, size_t n, size_t step)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i * step * EXTENT] = 1;
}

/* --- a run of 64, together and scattered --- */

static void together(const struct source *s, size_t step, const char *of)
{
	struct row rows[4] = {};
	char names[4][40];
	int round, i;

	for (i = 0; i < 4; i++) {
		static const char * const what[] = {
			"alloc", "touch", "purge", "unmap" };

		snprintf(names[i], sizeof(names[i]), "%s%s", what[i], of);
		rows[i].name = names[i];
	}
	for (round = 0; round < ROUNDS; round++) {
		char *p = s->map(RUN * step);
		uint64_t start;

		s->ready(RUN);
		if (!strcmp(s->name, "device")) {
			start = now();
			alloc(p, RUN, step, 0);
			row_add(&rows[0], since(start));
		}
		start = now();
		touch(p, RUN, step);
		row_add(&rows[1], since(start));
		start = now();
		s->purge(p, RUN, step);
		row_add(&rows[2], since(start));
		s->ready(RUN);
		if (step > 1)
			alloc(p, RUN, step, 0);
		else
			s->commit(p, RUN);
		touch(p, RUN, step);
		start = now();
		munmap(p, RUN * step * EXTENT);
		row_add(&rows[3], since(start));
	}
	for (i = 0; i < 4; i++)
		if (rows[i].least)
			row_print(&rows[i], s, RUN);
}

static void anon_scattered(const struct source *s)
{
	struct row rows[2] = { { .name = "touch-scattered" },
			       { .name = "purge-scattered" } };
	int round;

	for (round = 0; round < ROUNDS; round++) {
		char *p = s->map(RUN * 2);
		uint64_t start;

		s->ready(RUN * 2);
		start = now();
		touch(p, RUN, 2);
		row_add(&rows[0], since(start));
		start = now();
		s->purge(p, RUN, 2);
		row_add(&rows[1], since(start));
		munmap(p, RUN * 2 * EXTENT);
	}
	row_print(&rows[0], s, RUN);
	row_print(&rows[1], s, RUN);
}

/* What only the device has. */
static void device_only(const struct source *s)
{
	struct row populate = { .name = "alloc-populate" };
	struct row single = { .name = "alloc-single" };
	struct row release = { .name = "free" };
	struct row again = { .name = "touch-purged" };
	struct row lazy = { .name = "purge-lazy" };
	struct row cancel = { .name = "touch-lazy" };
	struct row zap = { .name = "unmap-alone" };
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		char *p = s->map(RUN);
		uint64_t start;

		s->ready(RUN);
		start = now();
		alloc(p, RUN, 1, ASHLAR_ALLOC_POPULATE);
		row_add(&populate, since(start));
		start = now();
		give(p, RUN);
		row_add(&release, since(start));
		s->ready(RUN);
		start = now();
		for (i = 0; i < RUN; i++)
			alloc(p + i * EXTENT, 1, 1, 0);
		row_add(&single, since(start));
		touch(p, RUN, 1);
		start = now();
		must(purge(p, RUN, 1, ASHLAR_PURGE_LAZY), "lazy PURGE");
		row_add(&lazy, since(start));
		start = now();
		touch(p, RUN, 1);
		row_add(&cancel, since(start));
		/* On the device it unmaps, and nothing else. */
		start = now();
		must(!madvise(p, RUN * EXTENT, MADV_DONTNEED), "MADV_DONTNEED");
		row_add(&zap, since(start));
		touch(p, RUN, 1);
		s->purge(p, RUN, 1);
		s->ready(RUN);
		start = now();
		touch(p, RUN, 1);
		row_add(&again, since(start));
		munmap(p, RUN * EXTENT);
	}
	row_print(&populate, s, RUN);
	row_print(&single, s, RUN);
	row_print(&release, s, RUN);
	row_print(&again, s, RUN);
	row_print(&lazy, s, RUN);
	row_print(&cancel, s, RUN);
	row_print(&zap, s, RUN);
}

/* --- fork --- */

/* A child that does nothing until its pipe is closed. */
static pid_t fork_idle(int *end, uint64_t *cost)
{
	uint64_t start;
	int fd[2];
	pid_t pid;
	char byte;

	must(!pipe(fd), "pipe");
	start = now();
	pid = fork();
	*cost = since(start);
	must(pid >= 0, "fork");
	if (!pid) {
		close(fd[1]);
		_exit(read(fd[0], &byte, 1));
	}
	close(fd[0]);
	*end = fd[1];
	return pid;
}

static void end_child(pid_t pid, int end)
{
	close(end);
	must(waitpid(pid, NULL, 0) == pid, "waitpid");
	/* What the kernel and the module do behind an exit. */
	usleep(50000);
}

static void end_child_now(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid && status == 0, "a child");
}

/* Percent of [p, p + n) that this process maps by 2 MB. */
static int huge_share(char *p, size_t n)
{
	static const char * const fields[] = {
		"AnonHugePages", "ShmemPmdMapped", "FilePmdMapped",
		"Private_Hugetlb", "Shared_Hugetlb" };
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start, end, at = (unsigned long)p, last = at + n * EXTENT;
	bool inside = false;
	char line[512], name[64];
	long kb, sum = 0;
	size_t i;

	must(file, "/proc/self/smaps");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start < last && end > at;
		else if (inside && sscanf(line, "%63[^:]: %ld kB", name, &kb) == 2)
			for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
				if (!strcmp(name, fields[i]))
					sum += kb;
	}
	fclose(file);
	return sum * 1024 * 100 / (n * EXTENT);
}

/* What this process's memory cgroup is charged for, and huge pages of hugetlbfs. */
#define CGROUP	"/sys/fs/cgroup/bench/"

static void cgroup_enter(void)
{
	must(!mkdir(CGROUP, 0755) || errno == EEXIST, CGROUP);
	put_number(CGROUP "cgroup.procs", 0);
}

static long used_kb(void)
{
	FILE *file = fopen(CGROUP "memory.stat", "r");
	long value, sum = 0;
	char name[64];

	must(file, CGROUP "memory.stat");
	while (fscanf(file, "%63s %ld", name, &value) == 2)
		if (!strcmp(name, "anon") || !strcmp(name, "file") ||
		    !strcmp(name, "kernel"))
			sum += value / 1024;
	fclose(file);
	file = fopen("/proc/meminfo", "r");
	must(file, "/proc/meminfo");
	while (fscanf(file, " %63[^:]: %ld%*[^\n]", name, &value) == 2)
		if (!strcmp(name, "HugePages_Total"))
			sum += value * 2048;
		else if (!strcmp(name, "HugePages_Free"))
			sum -= value * 2048;
	fclose(file);
	return sum;
}

static void share_print(const char *when, const struct source *s, int percent)
{
	printf("= huge-%s %s %d\n", when, s->name, percent);
}

/* The parent writes a byte into each 2 MB while the child looks. */
static void fork_and_write(const struct source *s)
{
	struct row write = { .name = "write-after-fork" };
	int round, before = 100, during = 100, after = 100, percent;
	long took = 0;
	char *p;

	/* On other pages than the first ones, and a second one each. */
	for (round = 0; round < 3; round++) {
		uint64_t cost;
		pid_t pid;
		long kb;
		int end;

		s->ready(RUN * 2 + 8);
		p = s->map(RUN);
		s->commit(p, RUN);
		touch(p, RUN, 1);
		touch(p + 8192, RUN, 1);
		percent = huge_share(p, RUN);
		before = percent < before ? percent : before;
		pid = fork_idle(&end, &cost);
		/* The child runs and waits; what fork gave it is counted. */
		usleep(20000);
		touch(p + 4096 * 3, 1, 1);
		kb = used_kb();
		cost = now();
		touch(p + 4096 + EXTENT, RUN - 1, 1);
		cost = since(cost);
		row_add(&write, cost);
		took = used_kb() - kb;
		touch(p, RUN, 1);
		percent = huge_share(p, RUN);
		during = percent < during ? percent : during;
		end_child(pid, end);
		touch(p, RUN, 1);
		percent = huge_share(p, RUN);
		after = percent < after ? percent : after;
		munmap(p, RUN * EXTENT);
	}
	row_print(&write, s, RUN - 1);
	printf("= write-after-fork-kb %s %ld\n", s->name,
	       (took + RUN / 2) / (RUN - 1));
	share_print("before", s, before);
	share_print("during", s, during);
	share_print("after", s, after);
}

/* fork of 1 GB: in all, and per extent until all were read again. */
static void fork_large(const struct source *s, uint64_t without)
{
	struct row whole = { .name = "fork-512" };
	struct row again = { .name = "fork-512-read-again" };
	struct row leave = { .name = "fork-512-exit" };
	int round;
	char *p;

	s->ready(GB);
	p = s->map(GB);
	s->commit(p, GB);
	touch(p, GB, 1);
	for (round = 0; round < 5; round++) {
		volatile char *q = p;
		uint64_t cost, start;
		pid_t pid;
		size_t i;
		int end;

		pid = fork_idle(&end, &cost);
		row_add(&whole, cost > without ? cost - without : 1);
		start = now();
		for (i = 0; i < GB; i++)
			(void)q[i * EXTENT];
		row_add(&again, cost - without + since(start));
		close(end);
		start = now();
		must(waitpid(pid, NULL, 0) == pid, "waitpid");
		row_add(&leave, since(start));
		usleep(50000);
	}
	munmap(p, GB * EXTENT);
	row_print(&whole, s, 1);
	row_print(&again, s, 1);
	row_print(&leave, s, 1);
}

/* fork and exec until the child has ended; all that the kernel does meanwhile counts. */
static uint64_t exec_once(void)
{
	uint64_t start = now();
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		execl("/proc/self/exe", "kernel", "nothing", NULL);
		_exit(1);
	}
	end_child_now(pid);
	return since(start);
}

/* The same with a heap of 1 GB, above that without one; and unmapping it. */
static void exec_large(const struct source *s)
{
	struct row exec = { .name = "exec-512" }, unmap = { .name = "unmap-512" };
	uint64_t without = UINT64_MAX, cost, start;
	int round;
	char *p;

	for (round = 0; round < ROUNDS; round++) {
		cost = exec_once();
		without = cost < without ? cost : without;
		usleep(50000);
	}
	s->ready(GB);
	p = s->map(GB);
	s->commit(p, GB);
	touch(p, GB, 1);
	for (round = 0; round < 5; round++) {
		cost = exec_once();
		row_add(&exec, cost > without ? cost - without : 1);
		usleep(50000);
	}
	start = now();
	munmap(p, GB * EXTENT);
	row_add(&unmap, since(start));
	row_print(&exec, s, 1);
	row_print(&unmap, s, 1);
}

/* fork of this program with next to no heap. */
static uint64_t fork_small(void)
{
	struct row row = {};
	int round, end;
	uint64_t cost;
	pid_t pid;

	for (round = 0; round < ROUNDS; round++) {
		pid = fork_idle(&end, &cost);
		row_add(&row, cost);
		end_child(pid, end);
	}
	return row.least;
}

/* --- growth: each figure per extent, which should stay --- */

static void growth(const struct source *s, size_t n)
{
	struct row rows[6] = { { .name = "alloc" }, { .name = "touch" },
			       { .name = "fork" }, { .name = "free" },
			       { .name = "purge" }, { .name = "lazy" } };
	uint64_t start, cost;
	int round, i, end;
	pid_t pid;

	for (round = 0; round < 2; round++) {
		char *p = s->map(n);

		s->ready(n);
		start = now();
		alloc(p, n, 1, 0);
		row_add(&rows[0], since(start));
		start = now();
		touch(p, n, 1);
		row_add(&rows[1], since(start));
		pid = fork_idle(&end, &cost);
		row_add(&rows[2], cost);
		end_child(pid, end);
		/* What the fork left exposed is settled by being written to. */
		touch(p, n, 1);
		start = now();
		must(purge(p, n, 1, ASHLAR_PURGE_LAZY), "lazy PURGE");
		row_add(&rows[5], since(start));
		touch(p, n, 1);
		start = now();
		if (round)
			give(p, n);
		else
			s->purge(p, n, 1);
		row_add(&rows[round ? 3 : 4], since(start));
		munmap(p, n * EXTENT);
	}
	for (i = 0; i < 6; i++)
		printf("= grow-%s-%zu device %llu\n", rows[i].name, n,
		       (unsigned long long)(rows[i].least / n));
	fflush(stdout);
}

/* --- contention: four CPUs allocate at once, each in calls for 64 --- */

#define WORKERS	4
#define CALLS	4	/* of each */

struct span {
	uint64_t start, end;
};

/* One worker's part, once the pipe is closed. @p: address space, or NULL: its own. */
static void work(int cpu, int gate, char *p, struct span *span)
{
	cpu_set_t set;
	char byte;
	int i;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
	if (!p) {
		device = open("/dev/ashlar", O_RDWR | O_CLOEXEC);
		must(device >= 0, "/dev/ashlar");
		p = device_map(CALLS * RUN);
	}
	must(read(gate, &byte, 1) == 0, "the gate");
	span->start = now();
	for (i = 0; i < CALLS; i++)
		alloc(p + i * RUN * EXTENT, RUN, 1, 0);
	__atomic_store_n(&span->end, now(), __ATOMIC_RELEASE);
}

struct thread {
	pthread_t id;
	int cpu, gate;
	char *p;
	struct span *span;
};

static void *thread_work(void *arg)
{
	struct thread *t = arg;

	work(t->cpu, t->gate, t->p, t->span);
	return NULL;
}

/* From the first one's start to the last one's end, for each extent of all of them. */
static uint64_t contended(int workers, bool threads)
{
	struct span *spans = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t first = UINT64_MAX, last = 0;
	size_t n = CALLS * RUN;
	struct thread t[WORKERS];
	pid_t pids[WORKERS];
	char *p = NULL;
	int gate[2], exits[2], i;
	char byte;

	must(spans != MAP_FAILED && !pipe(gate) && !pipe(exits), "mmap or pipe");
	device_ready(WORKERS * n);
	if (threads)
		p = device_map(WORKERS * n);
	for (i = 0; i < workers; i++) {
		t[i] = (struct thread){ .cpu = i, .gate = gate[0],
					.p = p + i * n * EXTENT, .span = &spans[i] };
		if (threads) {
			must(!pthread_create(&t[i].id, NULL, thread_work, &t[i]), "thread");
			continue;
		}
		pids[i] = fork();
		must(pids[i] >= 0, "fork");
		if (!pids[i]) {
			close(gate[1]);
			close(exits[1]);
			work(i, gate[0], NULL, &spans[i]);
			_exit(read(exits[0], &byte, 1));
		}
	}
	/* All wait at the gate. */
	usleep(100000);
	close(gate[1]);
	/* None is taken down before all have done. */
	for (i = 0; i < workers; i++)
		while (!__atomic_load_n(&spans[i].end, __ATOMIC_ACQUIRE))
			usleep(1000);
	close(exits[1]);
	for (i = 0; i < workers; i++) {
		if (threads)
			must(!pthread_join(t[i].id, NULL), "join");
		else
			end_child_now(pids[i]);
		first = spans[i].start < first ? spans[i].start : first;
		last = spans[i].end > last ? spans[i].end : last;
	}
	close(gate[0]);
	close(exits[0]);
	if (threads)
		munmap(p, WORKERS * n * EXTENT);
	munmap(spans, 4096);
	return (last - first) / (workers * n);
}

static int contend(void)
{
	static const struct {
		const char *name;
		int workers;
		bool threads;
	} cases[] = {
		{ "alloc-alone", 1, false },
		{ "alloc-threads", WORKERS, true },
		{ "alloc-processes", WORKERS, false },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t least = UINT64_MAX, cost;
		int round;

		for (round = 0; round < 3; round++) {
			cost = contended(cases[i].workers, cases[i].threads);
			least = cost < least ? cost : least;
		}
		printf("= %s device %llu\n", cases[i].name, (unsigned long long)least);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sched_param fifo = { .sched_priority = 1 };
	size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : 2048, n, i;
	uint64_t without;

	if (argc == 2 && !strcmp(argv[1], "nothing"))
		return 0;
	if (argc == 2 && !strcmp(argv[1], "contend"))
		most = RUN;
	if (most < RUN || argc > 3) {
		fprintf(stderr, "usage: kernel [MOST [SOURCE]], MOST >= %d\n", RUN);
		return 2;
	}
	device = open("/dev/ashlar", O_RDWR | O_CLOEXEC);
	must(device >= 0, "/dev/ashlar");
	put_number(NODE "low", 0);
	/* Nobody comes between, least of all the child before its parent. */
	put_number("/proc/sys/kernel/sched_rt_runtime_us", -1);
	must(!sched_setscheduler(0, SCHED_FIFO, &fifo), "SCHED_FIFO");
	cgroup_enter();
	clock_init();
	if (argc == 2 && !strcmp(argv[1], "contend"))
		return contend();
	without = fork_small();
	printf("= fork-empty process %llu\n", (unsigned long long)without);

	for (i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		const struct source *s = &sources[i];

		if (argc > 2 && strcmp(argv[2], s->name))
			continue;
		together(s, 1, "");
		if (i)
			anon_scattered(s);
		else
			together(s, 2, "-scattered");
		if (!i)
			device_only(s);
		fork_and_write(s);
		fork_large(s, without);
		exec_large(s);
		/* What it kept ready is the next one's. */
		if (!i)
			put_number(NODE "high", 0);
	}
	put_number("/proc/sys/vm/nr_hugepages", 0);
	for (n = RUN; n <= most; n *= 4)
		growth(&sources[0], n);
	return 0;
}
