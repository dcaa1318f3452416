// SPDX-License-Identifier: MIT
/* Extents are charged to the memory cgroup when committed, pool hits too. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "common.h"

#define ROOT "/sys/fs/cgroup"
#define CGROUP ROOT "/ashlar-test"
#define MB (1L << 20)

static long current_bytes(void)
{
	return file_number(CGROUP "/memory.current");
}

/* A counter in memory.events. */
static long event(const char *name)
{
	FILE *file = fopen(CGROUP "/memory.events", "r");
	char word[32];
	long value, found = -1;

	while (file && fscanf(file, "%31s %ld", word, &value) == 2)
		if (!strcmp(word, name))
			found = value;
	if (file)
		fclose(file);
	return found;
}

static bool enter(void)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return file_write(CGROUP "/cgroup.procs", pid);
}

FIXTURE(cgroup) { long out; };

FIXTURE_SETUP(cgroup)
{
	self->out = nodes_sum("out");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		SKIP(return, "no cgroup2 hierarchy at " ROOT);
	if (current_bytes() < 0)
		SKIP(return, "no memory controller");
}

static bool removed(void *arg)
{
	return !rmdir(arg) || errno == ENOENT;
}

FIXTURE_TEARDOWN(cgroup)
{
	EXPECT_TRUE(out_returns_to(self->out));
	/* Possible once nobody is inside and the last extent is back. */
	EXPECT_TRUE(eventually(removed, CGROUP, 10));
}

#define CHECK(condition) do { if (!(condition)) _exit(__LINE__ % 127 + 1); } while (0)

#define N 64

static bool near_mb(long bytes, long mb)
{
	return bytes >= mb * MB - MB && bytes <= mb * MB + MB;
}

static int charged_exactly(void *arg)
{
	long before, after;
	int fd = dev_open(), round;
	char *p = dev_map(fd, N);
	struct ashlar_stat stat;
	size_t done;

	CHECK(enter());
	for (round = 0; round < 2; round++) {
		before = current_bytes();
		CHECK(!dev_alloc_on(fd, p, N, 0, 0, &done) && done == N);
		after = current_bytes();
		CHECK(near_mb(after - before, 2 * N));
		memset(p, 1, N * EXTENT);
		CHECK(near_mb(current_bytes() - after, 0));
		CHECK(!dev_purge(fd, p, N / 2, NULL));
		CHECK(near_mb(current_bytes() - before, N));
		CHECK(!dev_free(fd, p, N, NULL));
		CHECK(near_mb(current_bytes() - before, 0));
	}
	CHECK(!dev_stat(fd, p, &stat));
	/* Both kinds were seen: taken from the pool, and made. */
	CHECK(stat.hits > 0);
	return 0;
}

static bool some_ready(void *arg)
{
	return node_value(0, "ready") >= 4;
}

TEST_F_TIMEOUT(cgroup, charged_exactly, 120)
{
	/* Ends the pause after memory pressure that an earlier test made. */
	node_write(0, "high", node_value(0, "high"));
	ASSERT_TRUE(eventually(some_ready, NULL, 60));
	EXPECT_EQ(0, in_child(charged_exactly, NULL));
	EXPECT_EQ(0, event("oom_kill"));
}

static int at_the_limit(void *arg)
{
	int fd = dev_open();
	char *p = dev_map(fd, 32);
	size_t done = 0;

	CHECK(enter());
	CHECK(!dev_alloc_on(fd, p, 32, ASHLAR_NODE_LOCAL, 0, &done));
	CHECK(done >= 2 && done <= 8);
	CHECK(dev_alloc(fd, p + done * EXTENT, 1) == -ENOMEM);
	memset(p, 1, done * EXTENT);
	/* One given back is one to be had. */
	CHECK(!dev_free(fd, p, 1, NULL));
	CHECK(!dev_alloc(fd, p, 1));
	/* A touch of what was purged, with no room: SIGBUS, not for ever. */
	CHECK(!dev_purge(fd, p, 1, NULL));
	CHECK(!dev_alloc(fd, p + done * EXTENT, 1));
	CHECK(write_is_sigbus(p));
	CHECK(dev_alloc(fd, p, 1) == -ENOMEM);
	CHECK(!dev_free(fd, p + done * EXTENT, 1, NULL));
	CHECK(!write_is_sigbus(p));
	return 0;
}

TEST_F(cgroup, enomem_at_the_limit_and_no_kill)
{
	ASSERT_TRUE(file_write(CGROUP "/memory.max", "16777216"));
	EXPECT_EQ(0, in_child(at_the_limit, NULL));
	EXPECT_EQ(0, event("oom_kill"));
}

/*
 * Copies after a fork are charged, and end in SIGBUS when there is no room. In
 * one extent: the kernel's own page tables are not what is tested.
 */
static int copies_at_the_limit(void *arg)
{
	int fd = dev_open(), status;
	char *p = dev_map(fd, 7), limit[32];
	pid_t pid;

	CHECK(enter());
	CHECK(!dev_alloc(fd, p, 6));
	memset(p, 1, 6 * EXTENT);
	pid = fork();
	if (!pid) {
		/* All that is needed at the limit, a signal's frame too. */
		int file = open(CGROUP "/memory.max", O_WRONLY);
		size_t written = 1;

		CHECK(file >= 0 && !write_is_sigbus(p));
		CHECK(write_is_sigbus(p + 6 * EXTENT));
		snprintf(limit, sizeof(limit), "%ld", current_bytes() + MB / 2);
		CHECK(write(file, limit, strlen(limit)) > 0);
		while (written < EXTENT / PAGE &&
		       !write_is_sigbus(p + written * PAGE))
			written++;
		/* What CPUs keep charged in advance may become free for it. */
		CHECK(write(file, "max", 3) == 3);
		CHECK(written > 1 && written < EXTENT / PAGE);
		CHECK(bytes_are(p, 1, 6 * EXTENT));
		_exit(0);
	}
	status = child_status(pid);
	CHECK(bytes_are(p, 1, 6 * EXTENT));
	return status;
}

TEST_F(cgroup, copies_are_charged)
{
	EXPECT_EQ(0, in_child(copies_at_the_limit, NULL));
	EXPECT_EQ(0, event("oom_kill"));
}

/* The cgroup of the process pays, also where a debugger or a pipe faults. */
TEST_F(cgroup, the_owner_pays)
{
	struct turn turn, back;
	long before;
	pid_t pid;

	turn_init(&turn);
	turn_init(&back);
	pid = fork();
	if (!pid) {
		int fd = dev_open();
		char *p;

		CHECK(enter());
		p = dev_memory(fd, 4);
		memset(p, 1, 4 * EXTENT);
		CHECK(!dev_purge(fd, p, 4, NULL));
		CHECK(write(back.fd[1], &p, sizeof(p)) == sizeof(p));
		turn_wait(&turn);
		_exit(0);
	} else {
		char mem[64], byte = 5;
		char *p = NULL;
		int file;

		ASSERT_EQ(sizeof(p), read(back.fd[0], &p, sizeof(p)));
		before = current_bytes();
		snprintf(mem, sizeof(mem), "/proc/%d/mem", pid);
		file = open(mem, O_RDWR);
		ASSERT_GE(file, 0);
		/* Our write, but the child's extent. */
		EXPECT_EQ(1, pwrite(file, &byte, 1, (off_t)(uintptr_t)p));
		EXPECT_TRUE(near_mb(current_bytes() - before, 2));
		close(file);
		turn_give(&turn);
		EXPECT_EQ(0, child_status(pid));
	}
}

TEST_HARNESS_MAIN
