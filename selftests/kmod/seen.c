// SPDX-License-Identifier: MIT
/*
 * What the system tells of device memory is true: smaps, numa_maps, the OOM score,
 * core dumps; and each tracepoint fires.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define N 8
#define KB (EXTENT / 1024)

static void fill(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memset(p + i * EXTENT, i + 1, EXTENT);
}

/* --- smaps --- */

struct one {
	int fd;
	char *p;
};

static bool becomes_lazy(void *arg)
{
	struct one *one = arg;
	size_t done = 0;

	return !dev_purge_as(one->fd, one->p, 1, ASHLAR_PURGE_LAZY, &done) && done;
}

TEST(smaps)
{
	int fd = dev_open();
	char *p = dev_memory(fd, N);
	struct turn read, over;
	pid_t pid;

	turn_init(&read);
	turn_init(&over);
	/* Committed is not resident: it is mapped by the first touch. */
	EXPECT_EQ(0, smaps_kb(p, "Rss"));
	fill(p, N);
	EXPECT_EQ(N * KB, smaps_kb(p, "Size"));
	EXPECT_EQ(N * KB, smaps_kb(p, "Rss"));
	EXPECT_EQ(N * KB, smaps_kb(p, "Pss"));
	EXPECT_EQ(N * KB, smaps_kb(p, "FilePmdMapped"));
	EXPECT_EQ(0, smaps_kb(p, "Anonymous"));
	EXPECT_EQ(0, smaps_kb(p, "Swap"));
	EXPECT_EQ(0, smaps_kb(p, "Shared_Clean") + smaps_kb(p, "Shared_Dirty"));
	/* Two processes that both have it mapped have a half of it each. */
	pid = fork();
	if (!pid) {
		for (size_t i = 0; i < N; i++)
			(void)*(volatile char *)(p + i * EXTENT);
		turn_give(&read);
		turn_wait(&over);
		_exit(0);
	}
	turn_wait(&read);
	for (size_t i = 0; i < N; i++)
		(void)*(volatile char *)(p + i * EXTENT);
	EXPECT_EQ(N * KB, smaps_kb(p, "Rss"));
	EXPECT_EQ(N * KB / 2, smaps_kb(p, "Pss"));
	EXPECT_EQ(N * KB, smaps_kb(p, "Shared_Clean") + smaps_kb(p, "Shared_Dirty"));
	turn_give(&over);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(0, dev_purge(fd, p, N / 2, NULL));
	/* What was shared is left alone until a worker has looked at it. */
	EXPECT_TRUE(eventually(becomes_lazy, &(struct one){ fd, p + N / 2 * EXTENT }, 20));
	EXPECT_LE(smaps_kb(p, "Rss"), (N / 2 - 1) * KB);
	EXPECT_EQ(smaps_kb(p, "Rss"), smaps_kb(p, "Pss"));
}

/* --- numa_maps --- */

/* Pages of a node in the line of the mapping at p; -1 if it has no line. */
static long numa_pages(void *p, int node)
{
	FILE *file = fopen("/proc/self/numa_maps", "r");
	char line[1024], key[16], *at;
	long pages = -1;

	snprintf(key, sizeof(key), " N%d=", node);
	while (file && fgets(line, sizeof(line), file)) {
		if (strtoul(line, NULL, 16) != (unsigned long)p)
			continue;
		at = strstr(line, key);
		pages = at ? atol(at + strlen(key)) : 0;
	}
	if (file)
		fclose(file);
	return pages;
}

TEST(numa_maps)
{
	int fd = dev_open(), node;

	if (access("/proc/self/numa_maps", R_OK) || nodes_highest() < 1)
		SKIP(return, "needs two NUMA nodes");
	for (node = 0; node <= 1; node++) {
		char *p = dev_map(fd, N);

		ASSERT_EQ(0, dev_alloc_on(fd, p, N, node, ASHLAR_ALLOC_STRICT, NULL));
		EXPECT_EQ(0, numa_pages(p, node));
		fill(p, N);
		EXPECT_EQ(N * EXTENT / PAGE, numa_pages(p, node));
		EXPECT_EQ(0, numa_pages(p, !node));
		munmap(p, N * EXTENT);
	}
}

/* --- the OOM killer's choice --- */

static long mem_total_kb(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	long kb = 0;

	if (!file || fscanf(file, "MemTotal: %ld kB", &kb) != 1)
		kb = 0;
	if (file)
		fclose(file);
	return kb;
}

#define BIG 64

TEST(oom_score)
{
	long before = file_number("/proc/self/oom_score");
	/* The kernel's score: two thirds of the memory's share in thousandths. */
	long share = BIG * KB * 1000 / mem_total_kb() * 2 / 3;
	int fd = dev_open();
	char *p;

	if (share < 10)
		SKIP(return, "so much memory that 128 MB do not show in the score");
	p = dev_memory(fd, BIG);
	for (size_t i = 0; i < BIG; i++)
		p[i * EXTENT] = 1;
	EXPECT_GE(file_number("/proc/self/oom_score") - before, share - 3);
	EXPECT_LE(file_number("/proc/self/oom_score") - before, share + 3);
	ASSERT_EQ(0, dev_free(fd, p, BIG, NULL));
	EXPECT_LE(file_number("/proc/self/oom_score") - before, 3);
}

/* --- core dumps --- */

#define DIRECTORY "/tmp/ashlar-core"
#define CORE DIRECTORY "/core"

FIXTURE(core)
{
	char pattern[256];
	struct rlimit limit;
};

FIXTURE_SETUP(core)
{
	FILE *file = fopen("/proc/sys/kernel/core_pattern", "r");

	if (!file || !fgets(self->pattern, sizeof(self->pattern), file))
		SKIP(return, "this kernel dumps no core");
	fclose(file);
	ASSERT_TRUE(mkdir_once(DIRECTORY));
	ASSERT_TRUE(file_write("/proc/sys/kernel/core_pattern", CORE));
	ASSERT_TRUE(file_write("/proc/sys/kernel/core_uses_pid", "0"));
	getrlimit(RLIMIT_CORE, &self->limit);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, self->limit.rlim_max });
}

FIXTURE_TEARDOWN(core)
{
	file_write("/proc/sys/kernel/core_pattern", self->pattern);
	setrlimit(RLIMIT_CORE, &self->limit);
	unlink(CORE);
	rmdir(DIRECTORY);
}

/* A process with a heap of n extents, in address space for @space, that aborts. */
struct dumped {
	char *p;
	size_t space, n, unmapped, purged, punched, hidden;
	long faults;	/* out: all of its life */
	long made;	/* out: extents made or taken from the pool meanwhile */
};

static void dump(struct dumped *d)
{
	struct rusage usage = {};
	struct turn ready;
	int status;
	pid_t pid;

	unlink(CORE);
	/* Nothing else is there: the child maps it where we know it to be. */
	d->p = dev_map(dev_open(), d->space);
	munmap(d->p, d->space * EXTENT);
	turn_init(&ready);
	pid = fork();
	if (!pid) {
		int fd = dev_open();

		if (!dev_map_at(fd, d->p, d->space, 0) || dev_alloc(fd, d->p, d->n))
			_exit(1);
		fill(d->p, d->n);
		if (d->unmapped)
			madvise(d->p, d->unmapped * EXTENT, MADV_DONTNEED);
		if (d->purged && dev_purge(fd, d->p, d->purged, NULL))
			_exit(2);
		/* Pages, at the end. */
		if (d->punched &&
		    dev_punch(fd, d->p + d->n * EXTENT - d->punched * PAGE,
			      d->punched, NULL))
			_exit(5);
		if (d->hidden && madvise(d->p + (d->n - d->hidden) * EXTENT,
					 d->hidden * EXTENT, MADV_DONTDUMP))
			_exit(3);
		turn_give(&ready);
		pause();
		_exit(4);
	}
	turn_wait(&ready);
	d->made = nodes_sum("hits") + nodes_sum("misses");
	kill(pid, SIGQUIT);
	wait4(pid, &status, 0, &usage);
	d->made = nodes_sum("hits") + nodes_sum("misses") - d->made;
	d->faults = usage.ru_minflt + usage.ru_majflt;
	if (!WIFSIGNALED(status) || !WCOREDUMP(status))
		d->faults = -1;
}

/* The byte that the core has for an address, or -1: it has none. */
static int core_byte(const char *p)
{
	int fd = open(CORE, O_RDONLY), byte = -1;
	unsigned char found;
	Elf64_Ehdr elf;
	Elf64_Phdr part;

	if (fd < 0 || pread(fd, &elf, sizeof(elf), 0) != sizeof(elf))
		return -2;
	for (int i = 0; i < elf.e_phnum; i++) {
		if (pread(fd, &part, sizeof(part), elf.e_phoff + i * sizeof(part)) !=
		    sizeof(part))
			break;
		if (part.p_type == PT_LOAD && part.p_vaddr <= (uintptr_t)p &&
		    (uintptr_t)p - part.p_vaddr < part.p_filesz &&
		    pread(fd, &found, 1, part.p_offset + (uintptr_t)p - part.p_vaddr) == 1)
			byte = found;
	}
	close(fd);
	return byte;
}

/* The blocks that the file takes, holes left out. */
static long core_pages(void)
{
	struct stat st;

	return stat(CORE, &st) ? -1 : st.st_blocks * 512L / (long)PAGE;
}

static long core_extents(void)
{
	return core_pages() * (long)PAGE / (long)EXTENT;
}

TEST_F(core, has_the_heap)
{
	struct dumped d = { .space = 2 * N, .n = N, .hidden = 2 };

	dump(&d);
	ASSERT_GE(d.faults, 0);
	for (int i = 0; i < N - 2; i++) {
		EXPECT_EQ(i + 1, core_byte(d.p + i * EXTENT));
		EXPECT_EQ(i + 1, core_byte(d.p + (i + 1) * EXTENT - 1));
	}
	/* Asked to leave it out; and what was never allocated is no bytes, or zero. */
	EXPECT_EQ(-1, core_byte(d.p + (N - 2) * EXTENT));
	EXPECT_EQ(-1, core_byte(d.p + N * EXTENT - 1));
	EXPECT_LE(core_byte(d.p + N * EXTENT), 0);
	/* Half an extent, at the most, is the rest of the process. */
	EXPECT_EQ(N - 2, core_extents());
}

/* What was purged has no bytes, and a dump does not get memory for it. */
TEST_F(core, takes_no_memory)
{
	struct dumped d = { .space = N, .n = N, .purged = N - 2, .punched = 300 };

	dump(&d);
	ASSERT_GE(d.faults, 0);
	EXPECT_EQ(0, d.made);
	EXPECT_LE(core_byte(d.p), 0);
	EXPECT_EQ(N - 1, core_byte(d.p + (N - 2) * EXTENT));
	EXPECT_EQ(N, core_byte(d.p + (N - 1) * EXTENT));
	EXPECT_LE(core_byte(d.p + N * EXTENT - 1), 0);
	EXPECT_GE(core_pages(), 1024 - 300);
	EXPECT_LT(core_pages(), 1024);
}

/* One fault for an extent that was not mapped: not one for each of its pages. */
TEST_F_TIMEOUT(core, work_is_in_proportion, 120)
{
	struct dumped few = { .space = 64, .n = 4 }, many = { .space = 64, .n = 32 };
	struct dumped mapped = { .space = 64, .n = 32 };

	few.unmapped = few.n;
	many.unmapped = many.n;
	dump(&mapped);
	dump(&few);
	EXPECT_EQ(4, core_extents());
	dump(&many);
	EXPECT_EQ(32, core_extents());
	ASSERT_TRUE(mapped.faults >= 0 && few.faults >= 0 && many.faults >= 0);
	/* Its faults before are one an extent more, too. */
	EXPECT_LE(many.faults - few.faults, 2 * (32 - 4) + 8);
	EXPECT_LE(many.faults - mapped.faults, 32 + 8);
}

/* --- tracepoints --- */

#define EVENTS "/sys/kernel/tracing/events/ashlar"

static bool pool_is_full(void *arg)
{
	return node_value(0, "ready") >= node_value(0, "high");
}

/* What a fork has unmapped is mapped again, but for what was copied or is in a pipe. */
static bool most_is_mapped(void *arg)
{
	return smaps_kb(arg, "Rss") >= (long)((N - 2) * EXTENT / 1024);
}

/* Something for each event. */
static void all_that_is_traced(int fd)
{
	long high = node_value(0, "high");
	char *p = dev_map(fd, N);
	struct iovec iov = { p + EXTENT, PAGE };
	int pipes[2];
	struct turn end;
	pid_t pid;

	turn_init(&end);
	/* wash, clear: the pool is empty, and has to be filled again. */
	node_write(0, "high", 0);
	node_write(0, "high", 4);
	eventually(pool_is_full, NULL, 60);
	/* alloc, fault */
	dev_alloc_on(fd, p, N, 0, 0, NULL);
	fill(p, N);
	/* punch, mend */
	dev_punch(fd, p, 1, NULL);
	dev_mend(fd, p, 1, NULL);
	/* copy: of an extent that has a page in a pipe, at the fork; copy_page: of others */
	if (pipe(pipes) || vmsplice(pipes[1], &iov, 1, 0) < 0)
		return;
	pid = fork();
	if (!pid) {
		turn_wait(&end);
		_exit(0);
	}
	p[3 * EXTENT] = 1;
	turn_give(&end);
	child_status(pid);
	close(pipes[0]);
	close(pipes[1]);
	/* remap: a worker's, when the child is gone */
	eventually(most_is_mapped, p, 60);
	/* lazy, cancel, shrink: on extents that no fork has seen */
	dev_free(fd, p, N, NULL);
	dev_alloc_on(fd, p, N, 0, 0, NULL);
	fill(p, N);
	dev_purge_as(fd, p, N, ASHLAR_PURGE_LAZY, NULL);
	p[0] = 1;
	file_write("/proc/sys/vm/drop_caches", "2");
	/* purge, free */
	dev_purge(fd, p, N, NULL);
	dev_free(fd, p, N, NULL);
	munmap(p, N * EXTENT);
	node_write(0, "high", high);
}

FIXTURE(trace) { char unused; };
FIXTURE_SETUP(trace) { }
FIXTURE_TEARDOWN(trace) { }

TEST_F_TIMEOUT(trace, each_event_fires, 120)
{
	char path[300], text[280];
	int fd = dev_open(), events = 0;
	struct dirent *entry;
	DIR *dir = opendir(EVENTS);

	if (!dir)
		SKIP(return, "no tracefs at /sys/kernel/tracing");
	/* Empties the buffer as well. */
	ASSERT_TRUE(trace_begin("ashlar_alloc"));
	ASSERT_TRUE(file_write(EVENTS "/enable", "1"));
	all_that_is_traced(fd);
	ASSERT_TRUE(file_write(EVENTS "/enable", "0"));
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), EVENTS "/%s/format", entry->d_name);
		if (access(path, R_OK))
			continue;
		events++;
		snprintf(text, sizeof(text), " %s: ", entry->d_name);
		EXPECT_GT(trace_lines(text, NULL, NULL), 0) TH_LOG("%s", entry->d_name);
	}
	EXPECT_GE(events, 13);
	closedir(dir);
	close(fd);
}

TEST_HARNESS_MAIN
