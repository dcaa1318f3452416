// SPDX-License-Identifier: MIT
/*
 * Lazy PURGE: what is touched stays, what the system wants goes, and whatever is
 * in somebody's hands is left alone. Everything is counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define N 8
#define CGROUP "/sys/fs/cgroup/ashlar-lazy"

FIXTURE(lazy)
{
	long out, low, high;
	int fd;
	char *p;
};

FIXTURE_SETUP(lazy)
{
	size_t i;

	self->out = nodes_sum("out");
	self->low = node_value(0, "low");
	self->high = node_value(0, "high");
	self->fd = dev_open();
	self->p = dev_memory(self->fd, N);
	for (i = 0; i < N; i++)
		memset(self->p + i * EXTENT, i + 1, EXTENT);
}

static bool balanced(int node)
{
	return node_value(node, "lazied") ==
	       node_value(node, "lazy") + node_value(node, "lazy_cancelled") +
	       node_value(node, "lazy_taken") + node_value(node, "lazy_freed");
}

FIXTURE_TEARDOWN(lazy)
{
	int node;

	munmap(self->p, N * EXTENT);
	close(self->fd);
	EXPECT_TRUE(out_returns_to(self->out));
	EXPECT_EQ(0, nodes_sum("lazy"));
	for (node = 0; node <= nodes_highest(); node++)
		EXPECT_TRUE(balanced(node)) TH_LOG("node %d", node);
	node_write(0, "low", 0);
	node_write(0, "high", self->high);
	node_write(0, "low", self->low);
}

static int purge_lazy(int fd, void *addr, size_t n, size_t *done)
{
	return dev_purge_as(fd, addr, n, ASHLAR_PURGE_LAZY, done);
}

static int keep(int fd, void *addr, size_t n, size_t *done)
{
	return dev_alloc_on(fd, addr, n, ASHLAR_NODE_LOCAL, ASHLAR_ALLOC_KEEP,
			    done);
}

/* Memory pressure, as far as shrinkers are concerned. */
static bool press(void)
{
	return file_write("/proc/sys/vm/drop_caches", "2");
}

static bool nothing_lazy(void *arg)
{
	(void)arg;
	press();
	return !nodes_sum("lazy");
}

TEST_F(lazy, stays_until_it_is_touched)
{
	long cancelled = nodes_sum("lazy_cancelled");
	struct ashlar_stat stat;
	size_t done, i;

	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N, &done));
	EXPECT_EQ(N, done);
	EXPECT_EQ(N, nodes_sum("lazy"));
	EXPECT_EQ(self->out + N, nodes_sum("out"));
	EXPECT_EQ(0, smaps_kb(self->p, "Rss"));
	EXPECT_EQ(ASHLAR_STATE_LAZY, dev_extent(self->fd, self->p).state);
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(N, stat.committed);
	EXPECT_EQ(N, stat.lazy);
	EXPECT_EQ(N, stat.lazied);
	EXPECT_EQ(0, stat.purged);
	EXPECT_EQ(0, stat.purges);
	/* A read, a write; the others stay. */
	EXPECT_EQ(1, self->p[17]);
	self->p[EXTENT + 5] = 99;
	EXPECT_EQ(ASHLAR_STATE_OWNED, dev_extent(self->fd, self->p).state);
	EXPECT_EQ(ASHLAR_STATE_OWNED,
		  dev_extent(self->fd, self->p + EXTENT).state);
	EXPECT_EQ(ASHLAR_STATE_LAZY,
		  dev_extent(self->fd, self->p + 2 * EXTENT).state);
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(N - 2, stat.lazy);
	EXPECT_EQ(2, stat.lazy_cancelled);
	EXPECT_EQ(cancelled + 2, nodes_sum("lazy_cancelled"));
	/* By another task, through the kernel. */
	EXPECT_EQ(1, process_vm_readv(getpid(),
		  &(struct iovec){ &done, 1 }, 1,
		  &(struct iovec){ self->p + 2 * EXTENT, 1 }, 1, 0));
	EXPECT_EQ(ASHLAR_STATE_OWNED,
		  dev_extent(self->fd, self->p + 2 * EXTENT).state);
	for (i = 2; i < N; i++)
		EXPECT_TRUE(bytes_are(self->p + i * EXTENT, i + 1, EXTENT));
	EXPECT_EQ(N * EXTENT / 1024, smaps_kb(self->p, "FilePmdMapped"));
	/* Once more: what is lazy already counts, and is not lazied again. */
	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N / 2, &done));
	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N, &done));
	EXPECT_EQ(N, done);
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(N, stat.lazy);
	EXPECT_EQ(2 * N, stat.lazied);
}

TEST_F(lazy, the_system_takes_it)
{
	long taken = nodes_sum("lazy_taken");
	struct ashlar_stat stat;

	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N - 2, NULL));
	self->p[0] = 55;
	ASSERT_TRUE(eventually(nothing_lazy, NULL, 20));
	EXPECT_EQ(taken + N - 3, nodes_sum("lazy_taken"));
	EXPECT_TRUE(out_returns_to(self->out + 3));
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(3, stat.committed);
	EXPECT_EQ(N - 3, stat.purged);
	EXPECT_EQ(N - 3, stat.lazy_taken);
	EXPECT_EQ(0, stat.lazy);
	EXPECT_EQ(0, stat.purges);
	EXPECT_EQ(stat.committed, stat.allocs - stat.frees - stat.purges -
				  stat.lazy_taken);
	EXPECT_EQ(ASHLAR_STATE_PURGED,
		  dev_extent(self->fd, self->p + EXTENT).state);
	/* What was touched, and what was never lazy, is there; the rest is zero. */
	EXPECT_EQ(55, self->p[0]);
	EXPECT_TRUE(bytes_are(self->p + 1, 1, EXTENT - 1));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 0, (N - 3) * EXTENT));
	EXPECT_TRUE(bytes_are(self->p + (N - 2) * EXTENT, N - 1, EXTENT));
	EXPECT_TRUE(bytes_are(self->p + (N - 1) * EXTENT, N, EXTENT));
}

TEST_F_TIMEOUT(lazy, before_what_is_ready, 120)
{
	long shrunk, taken, i, first, last;

	ASSERT_TRUE(node_write(0, "low", 0));
	ASSERT_TRUE(node_write(0, "high", 4));
	ASSERT_TRUE(node_write(0, "low", 4));
	ASSERT_EQ(0, dev_free(self->fd, self->p, N, NULL));
	ASSERT_EQ(0, dev_alloc_on(self->fd, self->p, N, 0, ASHLAR_ALLOC_STRICT,
				  NULL));
	for (i = 0; i < 2000 && node_value(0, "ready") < 4; i++)
		usleep(10000);
	ASSERT_EQ(4, node_value(0, "ready"));
	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N, NULL));
	ASSERT_EQ(N, node_value(0, "lazy"));
	shrunk = node_value(0, "shrunk");
	taken = node_value(0, "lazy_taken");
	ASSERT_TRUE(trace_begin("ashlar_shrink"));
	ASSERT_TRUE(press());
	EXPECT_EQ(taken + N, node_value(0, "lazy_taken"));
	EXPECT_EQ(shrunk + 4, node_value(0, "shrunk"));
	trace_end("ashlar_shrink");
	/* The shrinker is asked for one at a time. */
	EXPECT_EQ(N, trace_lines("ashlar_shrink: nid=0 nr=1 lazy=1", NULL,
				&last));
	EXPECT_EQ(4, trace_lines("ashlar_shrink: nid=0 nr=1 lazy=0", &first,
				NULL));
	EXPECT_GT(first, last);
	EXPECT_EQ(0, node_value(0, "target"));
}

TEST_F(lazy, freed_and_purged_by_force)
{
	long freed = nodes_sum("lazy_freed");
	struct ashlar_stat stat;
	size_t done;

	ASSERT_EQ(0, purge_lazy(self->fd, self->p, 6, NULL));
	ASSERT_EQ(0, dev_free(self->fd, self->p, 2, &done));
	EXPECT_EQ(2, done);
	ASSERT_EQ(0, dev_purge(self->fd, self->p + 2 * EXTENT, 2, &done));
	EXPECT_EQ(2, done);
	ASSERT_EQ(0, munmap(self->p + 4 * EXTENT, EXTENT));
	EXPECT_EQ(1, nodes_sum("lazy"));
	EXPECT_EQ(freed + 5, nodes_sum("lazy_freed"));
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(1, stat.lazy);
	EXPECT_EQ(3, stat.committed);
	EXPECT_TRUE(read_is_sigbus(self->p));
	EXPECT_TRUE(bytes_are(self->p + 2 * EXTENT, 0, 2 * EXTENT));
	EXPECT_TRUE(bytes_are(self->p + 5 * EXTENT, 6, EXTENT));
	/* Neither is what has no memory. */
	ASSERT_EQ(0, dev_purge(self->fd, self->p + 6 * EXTENT, 1, NULL));
	ASSERT_EQ(0, purge_lazy(self->fd, self->p + 6 * EXTENT, 1, &done));
	EXPECT_EQ(0, done);
}

TEST_F(lazy, alloc_keeps_what_is_left)
{
	struct ashlar_stat stat;
	size_t done, i;

	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N, NULL));
	/* Plain ALLOC says what it always says, and cancels nothing. */
	EXPECT_EQ(-EEXIST, dev_alloc(self->fd, self->p, 1));
	EXPECT_EQ(ASHLAR_STATE_LAZY, dev_extent(self->fd, self->p).state);
	ASSERT_EQ(0, keep(self->fd, self->p, 3, &done));
	EXPECT_EQ(3, done);
	EXPECT_EQ(ASHLAR_STATE_OWNED,
		  dev_extent(self->fd, self->p + 2 * EXTENT).state);
	ASSERT_TRUE(eventually(nothing_lazy, NULL, 20));
	ASSERT_EQ(0, keep(self->fd, self->p, N, &done));
	EXPECT_EQ(N, done);
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(N, stat.committed);
	EXPECT_EQ(3, stat.lazy_cancelled);
	EXPECT_EQ(N - 3, stat.lazy_taken);
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(bytes_are(self->p + i * EXTENT, i + 1, EXTENT));
	EXPECT_TRUE(bytes_are(self->p + 3 * EXTENT, 0, (N - 3) * EXTENT));
}

/* One flush for what lies together, whatever order it is named in. */
TEST_F(lazy, flushes)
{
	struct ashlar_range ranges[4];
	struct ashlar_purge purge = {
		.size = sizeof(purge), .flags = ASHLAR_PURGE_LAZY,
		.ranges = (uintptr_t)ranges, .nr_ranges = 4,
	};
	struct ashlar_stat stat;
	size_t i;

	for (i = 0; i < 4; i++)
		ranges[i] = (struct ashlar_range) {
			(uintptr_t)self->p + (3 - i) * EXTENT, EXTENT };
	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_PURGE, &purge));
	EXPECT_EQ(4, purge.done);
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(1, stat.flushes);
	/* Nothing is mapped there any more. */
	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_PURGE, &purge));
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(1, stat.flushes);
	for (i = 0; i < N; i++)
		self->p[i * EXTENT] = 1;
	/* Every other one: four runs. */
	for (i = 0; i < 4; i++)
		ranges[i].addr = (uintptr_t)self->p + 2 * i * EXTENT;
	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_PURGE, &purge));
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(5, stat.flushes);
	ASSERT_EQ(0, dev_purge(self->fd, self->p, N, NULL));
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(6, stat.flushes);
}

/* A page in a pipe is in use: its extent is left alone, and its bytes stay. */
TEST_F(lazy, pinned)
{
	long kept = nodes_sum("lazy_kept");
	struct iovec iov = { self->p, PAGE };
	char byte = 0;
	size_t done;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ((long)PAGE, vmsplice(pipes[1], &iov, 1, 0));
	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N, &done));
	EXPECT_EQ(N - 1, done);
	EXPECT_EQ(kept + 1, nodes_sum("lazy_kept"));
	EXPECT_EQ(ASHLAR_STATE_OWNED, dev_extent(self->fd, self->p).state);
	ASSERT_TRUE(eventually(nothing_lazy, NULL, 20));
	EXPECT_TRUE(bytes_are(self->p, 1, EXTENT));
	ASSERT_EQ(1, read(pipes[0], &byte, 1));
	EXPECT_EQ(1, byte);
	close(pipes[0]);
	close(pipes[1]);
}

/* What is shared after a fork, or in small pages, is left alone. */
TEST_F(lazy, shared_and_in_pieces)
{
	long kept = nodes_sum("lazy_kept");
	struct ashlar_range hole = { (uintptr_t)self->p, 300 * PAGE };
	struct ashlar_punch punch = {
		.size = sizeof(punch), .ranges = (uintptr_t)&hole, .nr_ranges = 1,
	};
	struct turn go;
	size_t done;
	pid_t pid;

	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_PUNCH, &punch));
	ASSERT_EQ(0, purge_lazy(self->fd, self->p, 1, &done));
	EXPECT_EQ(0, done);
	EXPECT_EQ(kept + 1, nodes_sum("lazy_kept"));
	EXPECT_EQ(ASHLAR_STATE_PIECES, dev_extent(self->fd, self->p).state);
	turn_init(&go);
	pid = fork();
	if (!pid) {
		turn_wait(&go);
		if (purge_lazy(self->fd, self->p, N, &done) || done)
			_exit(1);
		press();
		_exit(!bytes_are(self->p + 2 * EXTENT, 3, EXTENT));
	}
	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N, &done));
	EXPECT_EQ(0, done);
	turn_give(&go);
	EXPECT_EQ(0, child_status(pid));
	press();
	EXPECT_TRUE(bytes_are(self->p + 2 * EXTENT, 3, EXTENT));
	EXPECT_TRUE(bytes_are(self->p + 300 * PAGE, 1, 212 * PAGE));
	/* Alone again, once it has been taken back, it may be lazy. */
	self->p[3 * EXTENT] = 4;
	ASSERT_EQ(0, purge_lazy(self->fd, self->p + 3 * EXTENT, 1, &done));
	EXPECT_EQ(1, done);
}

/* PUNCH is a touch: what it does not name is kept. */
TEST_F(lazy, punched)
{
	struct ashlar_range hole = { (uintptr_t)self->p, PAGE };
	struct ashlar_punch punch = {
		.size = sizeof(punch), .ranges = (uintptr_t)&hole, .nr_ranges = 1,
	};

	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N, NULL));
	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_PUNCH, &punch));
	EXPECT_EQ(1, punch.done);
	EXPECT_EQ(N - 1, nodes_sum("lazy"));
	press();
	EXPECT_TRUE(bytes_are(self->p, 0, PAGE));
	EXPECT_TRUE(bytes_are(self->p + PAGE, 1, EXTENT - PAGE));
}

/* To the child they are gone; the parent has them back by a touch. */
TEST_F(lazy, forked)
{
	struct ashlar_stat stat;
	pid_t pid;

	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N - 1, NULL));
	pid = fork();
	if (!pid) {
		if (dev_stat(self->fd, self->p, &stat) ||
		    stat.committed != 1 || stat.purged != N - 1 || stat.lazy)
			_exit(1);
		if (!bytes_are(self->p, 0, (N - 1) * EXTENT))
			_exit(2);
		memset(self->p, 77, N * EXTENT);
		_exit(!bytes_are(self->p, 77, N * EXTENT));
	}
	EXPECT_EQ(0, child_status(pid));
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(N - 1, stat.lazy);
	EXPECT_EQ(0, stat.copies);
	EXPECT_TRUE(bytes_are(self->p, 1, EXTENT));
	EXPECT_TRUE(bytes_are(self->p + (N - 1) * EXTENT, N, EXTENT));
}

/* A process that ends with lazy extents leaves nothing. */
static int purge_and_end(void *arg)
{
	int fd = dev_open();
	char *p = dev_memory(fd, 4);

	memset(p, 1, 4 * EXTENT);
	purge_lazy(fd, p, 4, NULL);
	if (arg)
		raise(SIGKILL);
	return nodes_sum("lazy") < 4;
}

TEST_F(lazy, exit_and_kill)
{
	EXPECT_EQ(0, in_child(purge_and_end, NULL));
	EXPECT_EQ(128 + SIGKILL, in_child(purge_and_end, self->p));
	EXPECT_TRUE(out_returns_to(self->out + N));
	EXPECT_EQ(0, nodes_sum("lazy"));
}

/* Charged while lazy, and not afterwards. */
static int charged(void *arg)
{
	char text[32];
	long before, lazy, after;
	int fd;
	char *p;

	snprintf(text, sizeof(text), "%d", getpid());
	if (!file_write(CGROUP "/cgroup.procs", text))
		return 1;
	fd = dev_open();
	p = dev_memory(fd, N);
	memset(p, 1, N * EXTENT);
	before = file_number(CGROUP "/memory.current");
	if (purge_lazy(fd, p, N, NULL))
		return 2;
	lazy = file_number(CGROUP "/memory.current");
	if (labs(lazy - before) > 1 << 20)
		return 3;
	if (!eventually(nothing_lazy, NULL, 20))
		return 4;
	after = file_number(CGROUP "/memory.current");
	return labs(before - after - (long)(N * EXTENT)) > 1 << 20 ? 5 : 0;
}

TEST_F(lazy, stays_charged)
{
	file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir_once(CGROUP);
	if (file_number(CGROUP "/memory.current") < 0)
		SKIP(return, "no memory cgroups");
	EXPECT_EQ(0, in_child(charged, NULL));
	EXPECT_EQ(0, rmdir(CGROUP));
}

/* --- races --- */

#define RACE_ROUNDS 300

/*
 * Each thread has a page of its own in each extent, writes to it and looks. It may
 * find zero: then the extent was taken, with all that was in it.
 */
struct toucher {
	struct race *race;
	size_t page;
};

static void *race_touch(void *arg)
{
	struct toucher *toucher = arg;
	struct race *race = toucher->race;
	uint32_t state = (uintptr_t)&state | 1, last[RACE_EXTENTS] = { 0 };

	while (!race->stop) {
		size_t i = random_next(&state) % RACE_EXTENTS;
		volatile uint32_t *at = (void *)(race->p + i * EXTENT +
						 toucher->page * PAGE);
		uint32_t found = *at;

		if (found && found != last[i])
			race->wrong++;
		last[i] = random_next(&state) | 1;
		*at = last[i];
	}
	return NULL;
}

static void *race_purge(void *arg)
{
	struct race *race = arg;
	uint32_t state = (uintptr_t)&state | 1;
	int i;

	for (i = 0; i < RACE_ROUNDS; i++) {
		size_t first = random_next(&state) % RACE_EXTENTS;
		size_t n = 1 + random_next(&state) % (RACE_EXTENTS - first);
		char *at = race->p + first * EXTENT;
		int err = purge_lazy(race->fd, at, n, NULL);

		if (!err && i % 3 == 0)
			err = dev_purge(race->fd, at, n, NULL);
		if (!err && i % 5 == 0)
			err = keep(race->fd, at, n, NULL);
		if (err && err != -ENOMEM)
			race->wrong++;
	}
	return NULL;
}

static void *race_press(void *arg)
{
	struct race *race = arg;

	while (!race->stop) {
		press();
		usleep(1000);
	}
	return NULL;
}

static void *race_fork(void *arg)
{
	struct race *race = arg;

	while (!race->stop) {
		pid_t pid = fork();
		int i;

		if (!pid) {
			for (i = 0; i < RACE_EXTENTS; i++)
				race->p[i * EXTENT] = 7;
			_exit(0);
		}
		if (pid > 0 && child_status(pid))
			race->wrong++;
		usleep(3000);
	}
	return NULL;
}

TEST_F_TIMEOUT(lazy, races, 300)
{
	struct race race;
	struct toucher touchers[2] = { { &race, 3 }, { &race, 400 } };
	const struct racer racers[] = {
		{ .run = race_touch, .arg = &touchers[0] }, { .run = race_touch, .arg = &touchers[1] },
		{ .run = race_press }, { .run = race_fork },
		{ .run = race_purge, .ends = true }, { .run = race_purge, .ends = true },
	};
	struct ashlar_stat stat;

	ASSERT_TRUE(race_open(&race));
	race_run(&race, racers, 6);
	EXPECT_EQ(0, race.wrong);
	ASSERT_EQ(0, dev_stat(race.fd, race.p, &stat));
	EXPECT_EQ(RACE_EXTENTS, stat.committed + stat.purged);
	EXPECT_EQ(stat.committed,
		  stat.allocs - stat.purges - stat.lazy_taken);
	EXPECT_GT(stat.lazied, 0);
	TH_LOG("%llu lazy, %llu cancelled, %llu taken", stat.lazied,
	       stat.lazy_cancelled, stat.lazy_taken);
	race_close(&race);
}

/* Heaps that end while memory pressure looks at their extents. */
static void *race_end(void *unused)
{
	int i;

	for (i = 0; i < RACE_ROUNDS / 3; i++) {
		int fd = dev_open();
		char *p = dev_map(fd, 3);

		if (p && !dev_alloc_on(fd, p, 3, 0, 0, NULL)) {
			p[0] = 1;
			purge_lazy(fd, p, 3, NULL);
			if (i % 2)
				dev_free(fd, p, 1, NULL);
		}
		munmap(p, 3 * EXTENT);
		close(fd);
	}
	return NULL;
}

TEST_F_TIMEOUT(lazy, ends_under_pressure, 300)
{
	const struct racer racers[] = {
		{ .run = race_press }, { .run = race_press },
		{ .run = race_end, .ends = true }, { .run = race_end, .ends = true },
	};
	struct race race = { .fd = -1 };

	race_run(&race, racers, 4);
}

/* A node without anything else gives lazy extents to who asks for one. */
TEST_F_TIMEOUT(lazy, serves_an_empty_node, 300)
{
	enum { MANY = 1 << 12 };
	long taken;
	size_t got = 0, more;
	char *q;
	int fd = dev_open();

	ASSERT_TRUE(node_write(0, "low", 0));
	ASSERT_TRUE(node_write(0, "high", 0));
	ASSERT_EQ(0, dev_free(self->fd, self->p, N, NULL));
	ASSERT_EQ(0, dev_alloc_on(self->fd, self->p, N, 0, ASHLAR_ALLOC_STRICT,
				  NULL));
	q = dev_map(fd, MANY);
	/* All that node 0 has without reclaim. */
	while (!dev_alloc_on(fd, q + got * EXTENT, MANY - got, 0,
			     ASHLAR_ALLOC_STRICT, &more) && more)
		got += more;
	ASSERT_GT(got, 0);
	memset(self->p, 0x5a, N * EXTENT);
	taken = node_value(0, "lazy_taken");
	ASSERT_EQ(0, purge_lazy(self->fd, self->p, N, NULL));
	/*
	 * What a slow worker has under way, or ends elsewhere, comes to the
	 * node late, and is handed out first.
	 */
	do {
		ASSERT_LT(got, MANY);
		ASSERT_EQ(0, dev_alloc_on(fd, q + got * EXTENT, 1, 0,
					  ASHLAR_ALLOC_STRICT, &more));
		ASSERT_EQ(1, more);
		EXPECT_TRUE(bytes_are(q + got * EXTENT, 0, EXTENT));
		got++;
	} while (node_value(0, "lazy_taken") == taken);
	munmap(q, MANY * EXTENT);
	close(fd);
}

TEST_HARNESS_MAIN
