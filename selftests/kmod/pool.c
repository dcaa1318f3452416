// SPDX-License-Identifier: MIT
/* The reserve: watermarks, hits and misses, memory pressure, limits. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "common.h"

#define MAX_EXTENTS "/sys/module/ashlar/parameters/max_extents"

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

/* Node 0's worker has no page under way, and has not been told to look again. */
static bool worker_sleeps(void *arg)
{
	DIR *proc = opendir("/proc");
	bool sleeps = false;
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		char path[300], line[256] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(line, sizeof(line), file))
			sleeps |= !!strstr(line, "(ashlar/0) S");
		fclose(file);
	}
	if (proc)
		closedir(proc);
	return sleeps;
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
	long hits, misses;
	struct ashlar_stat stat;

	ASSERT_TRUE(fill_to(8));
	/* No refill meanwhile, nor a page that was begun before. */
	ASSERT_TRUE(node_write(0, "low", 0));
	ASSERT_TRUE(eventually(worker_sleeps, NULL, 60));
	ASSERT_EQ(8, node_value(0, "ready"));
	hits = node_value(0, "hits");
	misses = node_value(0, "misses");
	ASSERT_EQ(0, dev_alloc_on(fd, p, 8, 0, ASHLAR_ALLOC_STRICT, NULL));
	EXPECT_EQ(hits + 8, node_value(0, "hits"));
	EXPECT_EQ(misses, node_value(0, "misses"));
	EXPECT_EQ(0, node_value(0, "ready"));
	ASSERT_EQ(0, dev_alloc_on(fd, p + 8 * EXTENT, 2, 0,
				  ASHLAR_ALLOC_STRICT, NULL));
	EXPECT_EQ(hits + 8, node_value(0, "hits"));
	EXPECT_EQ(misses + 2, node_value(0, "misses"));
	ASSERT_EQ(0, dev_stat(fd, p, &stat));
	EXPECT_EQ(8, stat.hits);
	EXPECT_EQ(2, stat.misses);
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
			       node_value(node, "shrunk");
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

TEST_F(pool, max_extents)
{
	long out = nodes_sum("out") + nodes_sum("quarantined");
	struct ashlar_info info = { .size = sizeof(info) };
	int fd = dev_open();
	char *p = dev_map(fd, 8), limit[32];
	size_t done;

	snprintf(limit, sizeof(limit), "%ld", out + 3);
	ASSERT_TRUE(file_write(MAX_EXTENTS, limit));
	EXPECT_EQ(0, dev_call(fd, ASHLAR_IOC_INFO, &info));
	EXPECT_EQ(out + 3, info.max_extents);
	EXPECT_EQ(0, dev_alloc_on(fd, p, 8, 0, 0, &done));
	EXPECT_EQ(3, done);
	EXPECT_EQ(-ENOMEM, dev_alloc(fd, p + 3 * EXTENT, 1));
	EXPECT_EQ(0, dev_free(fd, p, 1, NULL));
	EXPECT_EQ(0, dev_alloc(fd, p, 1));
	ASSERT_TRUE(file_write(MAX_EXTENTS, "0"));
	EXPECT_EQ(0, dev_alloc(fd, p + 3 * EXTENT, 5));
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
