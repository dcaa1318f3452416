// SPDX-License-Identifier: MIT
/* The reserve: watermarks, hits and misses, memory pressure, limits. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

FIXTURE(pool) { long low, high; };

FIXTURE_SETUP(pool)
{
	self->low = node_value(0, "low");
	self->high = node_value(0, "high");
	ASSERT_GE(self->high, self->low);
}

FIXTURE_TEARDOWN(pool)
{
	node_write(0, "rate", 0);
	node_write(0, "low", 0);
	node_write(0, "high", self->high);
	node_write(0, "low", self->low);
}

struct level { long ready; };

static bool ready_is(void *arg)
{
	struct level *level = arg;

	return node_value(0, "ready") == level->ready;
}

static bool fill_to(long high)
{
	struct level level = { high };

	return node_write(0, "low", 0) && node_write(0, "high", high) &&
	       node_write(0, "low", high / 2) && eventually(ready_is, &level, 60);
}

/* The first line of a file that contains a text, behind that; or "". */
static const char *file_line(const char *path, const char *text)
{
	static char line[512];
	FILE *file = fopen(path, "r");
	const char *found = "";

	while (file && fgets(line, sizeof(line), file)) {
		char *at = strstr(line, text);

		line[strcspn(line, "\n")] = 0;
		if (at) {
			found = at + strlen(text);
			break;
		}
	}
	if (file)
		fclose(file);
	return found;
}

/* The process id of a node's worker, or -1. */
static int worker_pid(int node)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], name[32];
	int pid = -1;

	snprintf(name, sizeof(name), "(ashlar/%d) ", node);
	while (proc && pid < 0 && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		if (atoi(entry->d_name) && *file_line(path, name))
			pid = atoi(entry->d_name);
	}
	if (proc)
		closedir(proc);
	return pid;
}

/* Node 0's worker has no page under way, and has not been told to look again. */
static bool worker_sleeps(void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", worker_pid(0));
	return *file_line(path, "(ashlar/0) ") == 'S';
}

TEST_F_TIMEOUT(pool, watermarks, 120)
{
	EXPECT_TRUE(fill_to(8));
	EXPECT_TRUE(fill_to(3));
	EXPECT_TRUE(fill_to(12));
	EXPECT_EQ(12, node_value(0, "target"));
	EXPECT_GT(node_value(0, "cputime"), 0);
	/* Out of order, or beyond the node's memory: refused. */
	EXPECT_FALSE(node_write(0, "low", 13));
	EXPECT_FALSE(node_write(0, "high", 1L << 40));
	EXPECT_FALSE(node_write(0, "high", -1));
	EXPECT_FALSE(node_write(0, "ready", 1));
	EXPECT_EQ(12, node_value(0, "high"));
	/* A high mark below the low one takes that along. */
	EXPECT_TRUE(node_write(0, "high", 2));
	EXPECT_EQ(2, node_value(0, "low"));
}

TEST_F_TIMEOUT(pool, hits_and_misses, 120)
{
	int fd = dev_open();
	char *p = dev_map(fd, 20);
	long hits, misses, washed;
	struct ashlar_stat stat;

	ASSERT_TRUE(fill_to(8));
	/* No refill meanwhile, but for a page that the worker may have begun. */
	ASSERT_TRUE(node_write(0, "low", 0));
	ASSERT_TRUE(eventually(worker_sleeps, NULL, 60));
	ASSERT_EQ(8, node_value(0, "ready"));
	hits = node_value(0, "hits");
	misses = node_value(0, "misses");
	washed = node_value(0, "washed");
	ASSERT_EQ(0, dev_alloc_on(fd, p, 8, 0, ASHLAR_ALLOC_STRICT, NULL));
	EXPECT_EQ(hits + 8, node_value(0, "hits"));
	EXPECT_EQ(misses, node_value(0, "misses"));
	EXPECT_LE(node_value(0, "ready"), 1);
	ASSERT_EQ(0, dev_alloc_on(fd, p + 8 * EXTENT, 2, 0,
				  ASHLAR_ALLOC_STRICT, NULL));
	/* A page is counted as washed before it is ready. */
	ASSERT_TRUE(eventually(worker_sleeps, NULL, 60));
	hits = node_value(0, "hits") - hits;
	misses = node_value(0, "misses") - misses;
	washed = node_value(0, "washed") - washed;
	/* Each extent is one or the other; what was ready and is not was a hit. */
	EXPECT_EQ(10, hits + misses);
	EXPECT_EQ(8 + washed, hits + node_value(0, "ready"));
	EXPECT_GE(misses, 1);
	ASSERT_EQ(0, dev_stat(fd, p, &stat));
	EXPECT_EQ(hits, stat.hits);
	EXPECT_EQ(misses, stat.misses);
	EXPECT_TRUE(bytes_are(p, 0, 10 * EXTENT));
}

/* Everything that was washed is ready, was handed out, or was given back. */
TEST_F_TIMEOUT(pool, washing_balances, 120)
{
	int node;

	ASSERT_TRUE(fill_to(6));
	for (node = 0; node <= nodes_highest(); node++) {
		long washed, gone, ready;

		/* The other node's worker may still fill: all of one moment. */
		do {
			washed = node_value(node, "washed");
			gone = node_value(node, "hits") +
			       node_value(node, "shrunk") +
			       node_value(node, "spoiled");
			ready = node_value(node, "ready");
		} while (washed != node_value(node, "washed"));
		EXPECT_EQ(washed, gone + ready)
			TH_LOG("node %d", node);
	}
}

TEST_F_TIMEOUT(pool, pressure_takes_the_reserve, 120)
{
	struct level none = { 0 };
	long shrunk;

	ASSERT_TRUE(fill_to(8));
	shrunk = node_value(0, "shrunk");
	/* Asks all shrinkers for everything they have. */
	ASSERT_TRUE(file_write("/proc/sys/vm/drop_caches", "2"));
	EXPECT_TRUE(ready_is(&none));
	EXPECT_EQ(shrunk + 8, node_value(0, "shrunk"));
	EXPECT_EQ(0, node_value(0, "target"));
	/* An operator's word fills it again at once. */
	EXPECT_TRUE(fill_to(4));
}

TEST_F(pool, worker_stays_at_home)
{
	int node;

	for (node = 0; node <= nodes_highest(); node++) {
		int pid = worker_pid(node);
		char path[64], cpus[512];

		ASSERT_GT(pid, 0);
		EXPECT_EQ(SCHED_IDLE, sched_getscheduler(pid));
		snprintf(path, sizeof(path),
			 "/sys/devices/system/node/node%d/cpulist", node);
		strcpy(cpus, file_line(path, ""));
		ASSERT_NE(0, cpus[0]);
		snprintf(path, sizeof(path), "/proc/%d/status", pid);
		EXPECT_STREQ(cpus, file_line(path, "Cpus_allowed_list:\t"));
	}
}

/* What we publish is what the scheduler says, and it is the washing. */
TEST_F_TIMEOUT(pool, cpu_time, 120)
{
	long before, after, least, most;
	char path[64];

	ASSERT_TRUE(fill_to(0));
	ASSERT_TRUE(eventually(worker_sleeps, NULL, 60));
	before = node_value(0, "cputime");
	ASSERT_TRUE(fill_to(8));
	ASSERT_TRUE(eventually(worker_sleeps, NULL, 60));
	after = node_value(0, "cputime");
	EXPECT_GT(after, before);
	snprintf(path, sizeof(path), "/proc/%d/schedstat", worker_pid(0));
	if (access(path, R_OK))
		SKIP(return, "this kernel has no /proc/<pid>/schedstat");
	least = node_value(0, "cputime");
	most = file_number(path);
	EXPECT_LE(least, most);
	EXPECT_GE(node_value(0, "cputime"), most);
}

/* Free pages of node 0, and the sum of its high watermarks. */
static void node_levels(long *free, long *high)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	bool inside = false;
	char line[256];
	long value;
	int node;

	*free = *high = 0;
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %d, zone", &node) == 1)
			inside = node == 0;
		if (inside && sscanf(line, " pages free %ld", &value) == 1)
			*free += value;
		if (inside && sscanf(line, " high %ld", &value) == 1)
			*high += value;
	}
	if (file)
		fclose(file);
}

static bool worker_gave_up(void *arg)
{
	long washed = node_value(0, "washed");

	(void)arg;
	usleep(1200000);	/* longer than it waits before it tries again */
	return washed == node_value(0, "washed");
}

/* Asked for more than the node can spare, the worker leaves the node its own. */
TEST_F_TIMEOUT(pool, refill_stops_near_the_watermarks, 300)
{
	long most = atol(file_line("/sys/devices/system/node/node0/meminfo",
				   "MemTotal:")) * 1024 / EXTENT;
	long free, high, ready;

	ASSERT_GT(most, 16);
	ASSERT_TRUE(fill_to(0));
	while (most && !node_write(0, "high", most))
		most--;
	ASSERT_TRUE(node_write(0, "low", most));
	EXPECT_TRUE(eventually(worker_gave_up, NULL, 2));
	ready = node_value(0, "ready");
	node_levels(&free, &high);
	EXPECT_GT(high, 0);
	EXPECT_GT(free, high);
	EXPECT_GT(ready, most / 4);
	EXPECT_LT(ready, most);
	TH_LOG("%ld of %ld extents; %ld pages free, watermark %ld", ready, most,
	       free, high);
}

/* How often anybody had to wait for reclaim or compaction. */
static long stalls(void)
{
	static const char * const names[] = { "allocstall_", "compact_stall",
					      "pgscan_direct ",
					      "pgsteal_direct " };
	FILE *file = fopen("/proc/vmstat", "r");
	long sum = 0, value;
	char line[256], name[128];
	size_t i;

	while (file && fgets(line, sizeof(line), file))
		for (i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (!strncmp(line, names[i], strlen(names[i])) &&
			    sscanf(line, "%127s %ld", name, &value) == 2)
				sum += value;
	if (file)
		fclose(file);
	return sum;
}

/* A caller on a node that has nothing left is told so at once. */
TEST_F_TIMEOUT(pool, no_reclaim_in_a_caller, 300)
{
	static const char huge[] = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";
	int fd = dev_open(), i;
	char *p = dev_map(fd, 4096);
	size_t got = 0, more;
	long before;

	ASSERT_TRUE(fill_to(0));
	while (!dev_alloc_on(fd, p + got * EXTENT, 4096 - got, 0,
			     ASHLAR_ALLOC_STRICT, &more))
		got += more;
	ASSERT_GT(got, 16);
	before = stalls();
	for (i = 0; i < 200; i++)
		dev_alloc_on(fd, p + got * EXTENT, 4, 0, ASHLAR_ALLOC_STRICT,
			     NULL);
	EXPECT_EQ(before, stalls());
	/* That these counters do count: hugetlbfs tries hard. */
	if (file_number(huge) >= 0) {
		file_write(huge, "64");
		EXPECT_GT(stalls(), before);
		file_write(huge, "0");
	}
	munmap(p, 4096 * EXTENT);
	close(fd);
}

/* One clear for each page made; none for one that was ready. */
TEST_F_TIMEOUT(pool, one_clear_per_owner, 120)
{
	bool ours = strstr(file_line("/proc/cmdline", ""), "init_on_alloc=0");
	int fd = dev_open(), round;
	char *p = dev_map(fd, 16);
	long washed, misses, lines;

	ASSERT_TRUE(fill_to(0));
	ASSERT_TRUE(eventually(worker_sleeps, NULL, 60));
	ASSERT_TRUE(trace_begin("ashlar_clear"));
	washed = node_value(0, "washed");
	misses = node_value(0, "misses");
	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, dev_alloc_on(fd, p, 4, 0, ASHLAR_ALLOC_STRICT, NULL));
		memset(p, 1, 4 * EXTENT);
		ASSERT_EQ(0, dev_free(fd, p, 4, NULL));
	}
	EXPECT_EQ(8, trace_lines("ashlar_clear: nid=0", NULL, NULL));
	EXPECT_EQ(misses + 8, node_value(0, "misses"));
	ASSERT_TRUE(fill_to(8));
	ASSERT_TRUE(node_write(0, "low", 0));
	ASSERT_TRUE(eventually(worker_sleeps, NULL, 60));
	lines = trace_lines("ashlar_clear: nid=0", NULL, NULL);
	EXPECT_EQ(8 + node_value(0, "washed") - washed, lines);
	/* Ready ones have had theirs. */
	ASSERT_EQ(0, dev_alloc_on(fd, p, 8, 0, ASHLAR_ALLOC_STRICT, NULL));
	EXPECT_EQ(misses + 8, node_value(0, "misses"));
	EXPECT_EQ(lines, trace_lines("ashlar_clear: nid=0", NULL, NULL));
	/* By the allocator, if it clears anyway: never by both. */
	if (ours)
		EXPECT_EQ(lines, trace_lines("ours=1", NULL, NULL));
	trace_end("ashlar_clear");
	EXPECT_TRUE(bytes_are(p, 0, 8 * EXTENT));
	close(fd);
}

/*
 * The OOM notifier gives what the shrinker would: all of it, lazy first. SysRq
 * calls it, and then kills who is the worst: a child of ours, made so.
 */
TEST_F_TIMEOUT(pool, out_of_memory, 120)
{
	long first = 0, last = 0, taken = node_value(0, "lazy_taken");
	int fd = dev_open();
	char *p = dev_map(fd, 4);
	pid_t victim;

	ASSERT_EQ(0, dev_alloc_on(fd, p, 4, 0, ASHLAR_ALLOC_STRICT, NULL));
	ASSERT_TRUE(fill_to(6));
	ASSERT_TRUE(eventually(worker_sleeps, NULL, 60));
	ASSERT_EQ(0, dev_purge_as(fd, p, 4, ASHLAR_PURGE_LAZY, NULL));
	victim = fork();
	if (!victim) {
		char *q = mmap(NULL, 4 * EXTENT, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		memset(q, 1, 4 * EXTENT);
		file_write("/proc/self/oom_score_adj", "1000");
		for (;;)
			pause();
	}
	usleep(200000);
	ASSERT_EQ(4, node_value(0, "lazy"));
	ASSERT_TRUE(trace_begin("ashlar_shrink"));
	if (!file_write("/proc/sysrq-trigger", "f")) {
		kill(victim, SIGKILL);
		child_status(victim);
		SKIP(return, "no SysRq");
	}
	EXPECT_EQ(128 + SIGKILL, child_status(victim));
	trace_end("ashlar_shrink");
	EXPECT_EQ(taken + 4, node_value(0, "lazy_taken"));
	EXPECT_EQ(0, node_value(0, "ready"));
	EXPECT_EQ(1, trace_lines("nid=0 nr=4 lazy=1", NULL, &last));
	EXPECT_EQ(1, trace_lines("nid=0 nr=6 lazy=0", &first, NULL));
	EXPECT_GT(first, last);
	munmap(p, 4 * EXTENT);
	close(fd);
}

TEST_F_TIMEOUT(pool, rate_limit, 120)
{
	struct level level = { 4 };
	long before;

	ASSERT_TRUE(fill_to(0));
	ASSERT_TRUE(node_write(0, "rate", 2));
	before = node_value(0, "washed");
	ASSERT_TRUE(node_write(0, "high", 4));
	/* The fourth comes a second and a half after the first, not sooner. */
	usleep(400000);
	EXPECT_LE(node_value(0, "washed") - before, 2);
	EXPECT_TRUE(eventually(ready_is, &level, 60));
}

/*
 * One victim is enough: a process that fills the machine is killed, and nobody
 * else; its extents are back.
 */
TEST_F_TIMEOUT(pool, one_victim_is_enough, 300)
{
	long out = nodes_sum("out");
	pid_t bystander = fork(), hog;
	int status;

	if (!bystander) {
		file_write("/proc/self/oom_score_adj", "0");
		pause();
		_exit(0);
	}
	hog = fork();
	if (!hog) {
		int fd = dev_open();
		char *p = dev_map(fd, 1 << 16);
		size_t done;

		/*
		 * First all extents there are, then ordinary memory. The OOM
		 * killer goes by what is mapped: an extent that nobody has
		 * touched does not count against its owner.
		 */
		dev_alloc_on(fd, p, 1 << 16, 0, ASHLAR_ALLOC_POPULATE, &done);
		for (;;) {
			char *q = mmap(NULL, EXTENT, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			size_t i;

			if (q == MAP_FAILED)
				_exit(1);
			for (i = 0; i < EXTENT; i += PAGE)
				q[i] = 1;
		}
	}
	status = child_status(hog);
	EXPECT_EQ(128 + 9, status);
	EXPECT_EQ(0, waitpid(bystander, NULL, WNOHANG));
	kill(bystander, SIGKILL);
	child_status(bystander);
	EXPECT_TRUE(out_returns_to(out));
}

TEST_HARNESS_MAIN
