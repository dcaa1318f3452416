// SPDX-License-Identifier: MIT
/*
 * Calls that come while a fault, or another call, is in the middle; with a delay
 * built in where it hurts (delay.h). Each test counts how often it was in time,
 * and fails if it never was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"
#include "delay.h"

#define ROUNDS	24

FIXTURE(race)
{
	int delay;
	long out;
	int fd;
	char *p;
};

FIXTURE_SETUP(race)
{
	self->delay = delay_begin("ashlar_fault");
	if (self->delay < 0)
		SKIP(return, "no delay: this kernel has no BPF on tracepoints");
	self->out = nodes_sum("out");
	self->fd = dev_open();
	self->p = dev_map(self->fd, 2);
	ASSERT_NE(NULL, self->p);
}

FIXTURE_TEARDOWN(race)
{
	delay_end(self->delay);
	munmap(self->p, 2 * EXTENT);
	close(self->fd);
	EXPECT_TRUE(out_returns_to(self->out));
}

/* A busy machine needs more rounds to be in time once. */
static bool go_on(int round, int in_time)
{
	return round < ROUNDS || (!in_time && round < 400);
}

/* A thread that touches one byte, once a round. */
struct toucher {
	char *p;
	bool write;
	bool begun;
	bool done;
	pthread_t thread;
};

static void *touch_once(void *arg)
{
	struct toucher *toucher = arg;

	__atomic_store_n(&toucher->begun, true, __ATOMIC_SEQ_CST);
	/* A byte that does not change: not a store that others wait for. */
	if (toucher->write)
		write_is_sigbus(toucher->p);
	else
		read_is_sigbus(toucher->p);
	__atomic_store_n(&toucher->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void touch_begin(struct toucher *toucher, char *p, bool write)
{
	*toucher = (struct toucher) { .p = p, .write = write };
	pthread_create(&toucher->thread, NULL, touch_once, toucher);
	while (!__atomic_load_n(&toucher->begun, __ATOMIC_SEQ_CST))
		;
	/* Until it is where the delay is, more or less. */
	for (volatile int i = rand() % 50000; i; i--)
		;
}

static bool touch_done(struct toucher *toucher)
{
	return __atomic_load_n(&toucher->done, __ATOMIC_SEQ_CST);
}

TEST_F_TIMEOUT(race, free_during_a_fault, 300)
{
	struct toucher toucher;
	int round, in_time = 0;

	for (round = 0; go_on(round, in_time); round++) {
		ASSERT_EQ(0, dev_alloc(self->fd, self->p, 1));
		touch_begin(&toucher, self->p + round * PAGE, round % 2);
		EXPECT_EQ(0, dev_free(self->fd, self->p, 1, NULL));
		in_time += !touch_done(&toucher);
		pthread_join(toucher.thread, NULL);
		EXPECT_TRUE(read_is_sigbus(self->p + round * PAGE));
	}
	EXPECT_GT(in_time, 0);
	TH_LOG("in time %d of %d", in_time, round);
}

TEST_F_TIMEOUT(race, purge_during_a_fault, 300)
{
	struct toucher toucher;
	int round, in_time = 0;

	ASSERT_EQ(0, dev_alloc(self->fd, self->p, 1));
	for (round = 0; go_on(round, in_time); round++) {
		memset(self->p, 5, EXTENT);
		/* Unmapped; the contents stay. */
		ASSERT_EQ(0, madvise(self->p, EXTENT, MADV_DONTNEED));
		touch_begin(&toucher, self->p + round * PAGE, false);
		EXPECT_EQ(0, dev_purge(self->fd, self->p, 1, NULL));
		in_time += !touch_done(&toucher);
		pthread_join(toucher.thread, NULL);
		EXPECT_TRUE(bytes_are(self->p, 0, EXTENT));
	}
	EXPECT_GT(in_time, 0);
	TH_LOG("in time %d of %d", in_time, round);
}

/* A reader has found the page that another thread is about to replace. */
TEST_F_TIMEOUT(race, copy_during_a_fault, 300)
{
	volatile char *word = self->p + PAGE;
	struct toucher toucher;
	int round, in_time = 0;

	ASSERT_EQ(0, dev_alloc(self->fd, self->p, 1));
	for (round = 0; go_on(round, in_time); round++) {
		struct turn turn;
		pid_t pid;

		turn_init(&turn);
		memset(self->p, 5, EXTENT);
		pid = fork();
		if (!pid) {
			turn_wait(&turn);
			_exit(!bytes_are(self->p, 5, EXTENT));
		}
		touch_begin(&toucher, (char *)word, false);
		*word = 6;
		in_time += !touch_done(&toucher);
		pthread_join(toucher.thread, NULL);
		EXPECT_EQ(6, *word);
		turn_give(&turn);
		EXPECT_EQ(0, child_status(pid));
		EXPECT_EQ(6, *word);
		close(turn.fd[0]);
		close(turn.fd[1]);
	}
	EXPECT_GT(in_time, 0);
	TH_LOG("in time %d of %d", in_time, round);
}

/* fork comes while a write fault is under way: it is before or after it. */
TEST_F_TIMEOUT(race, fork_during_a_fault, 300)
{
	struct toucher toucher;
	int round;

	ASSERT_EQ(0, dev_alloc(self->fd, self->p, 1));
	for (round = 0; round < ROUNDS; round++) {
		struct turn turn;
		pid_t pid;

		turn_init(&turn);
		memset(self->p, 5, EXTENT);
		ASSERT_EQ(0, madvise(self->p, EXTENT, MADV_DONTNEED));
		touch_begin(&toucher, self->p + round * PAGE, true);
		pid = fork();
		if (!pid) {
			turn_wait(&turn);
			_exit(!bytes_are(self->p, 5, EXTENT));
		}
		pthread_join(toucher.thread, NULL);
		memset(self->p, 6, EXTENT);
		turn_give(&turn);
		EXPECT_EQ(0, child_status(pid));
		EXPECT_TRUE(bytes_are(self->p, 6, EXTENT));
		close(turn.fd[0]);
		close(turn.fd[1]);
	}
}

/* Is something mapped there? A quick look, as smaps is none. */
static bool is_mapped(int pagemap, char *p)
{
	uint64_t entry = 0;

	pread(pagemap, &entry, 8, (uintptr_t)p / PAGE * 8);
	return entry >> 63;
}

/* Without sleeping; but not for ever. */
static bool becomes_mapped(int pagemap, char *p)
{
	time_t end = time(NULL) + 10;

	while (!is_mapped(pagemap, p))
		if (time(NULL) > end)
			return false;
	return true;
}

/*
 * The last child of a fork is gone, and a worker maps again what the parent holds: of
 * three extents, the middle one is purged while the worker is about to touch it.
 * It stays so, lazy or without memory.
 */
TEST_F_TIMEOUT(race, purge_during_a_remap, 300)
{
	int slow = delay_begin("ashlar_remap"), round, in_time = 0, i;
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	char *p = dev_map_at(self->fd, NULL, 3, 16);

	ASSERT_GE(slow, 0);
	ASSERT_GE(pagemap, 0);
	ASSERT_NE(NULL, p);
	for (round = 0; go_on(round, in_time); round++) {
		bool lazily = round % 2;
		struct ashlar_stat stat;
		size_t done = 0;
		pid_t pid;

		EXPECT_EQ(0, dev_alloc_on(self->fd, p, 3, ASHLAR_NODE_LOCAL,
					  ASHLAR_ALLOC_KEEP, NULL));
		for (i = 0; i < 3; i++)
			*(volatile char *)(p + i * EXTENT) = 5;
		pid = fork();
		if (!pid)
			_exit(0);
		EXPECT_EQ(0, child_status(pid));
		EXPECT_TRUE(becomes_mapped(pagemap, p));
		EXPECT_EQ(0, dev_purge_as(self->fd, p + EXTENT, 1,
					  lazily ? ASHLAR_PURGE_LAZY :
						   ASHLAR_PURGE_FORCED, &done));
		in_time += !is_mapped(pagemap, p + 2 * EXTENT);
		EXPECT_TRUE(becomes_mapped(pagemap, p + 2 * EXTENT));
		ASSERT_EQ(0, dev_stat(self->fd, p + EXTENT, &stat));
		/* The worker may have its page at this moment: none that becomes lazy. */
		EXPECT_EQ(lazily && done, stat.lazy);
		EXPECT_EQ(!lazily, stat.purged);
	}
	munmap(p, 3 * EXTENT);
	close(pagemap);
	delay_end(slow);
	EXPECT_GT(in_time, 0);
	TH_LOG("in time %d of %d", in_time, round);
}

struct caller {
	int fd;
	char *p;
	size_t done;
	bool finished;
};

static void *alloc_many(void *arg)
{
	struct caller *caller = arg;

	dev_alloc_on(caller->fd, caller->p, 8, ASHLAR_NODE_LOCAL, 0,
		     &caller->done);
	__atomic_store_n(&caller->finished, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Two threads in the same ALLOC share the extents out; munmap comes between. */
TEST_F_TIMEOUT(race, unmap_during_alloc, 300)
{
	int slow = delay_begin("ashlar_alloc"), round, in_time = 0;

	ASSERT_GE(slow, 0);
	for (round = 0; go_on(round, in_time); round++) {
		char *p = dev_map_at(self->fd, NULL, 8, 16);
		struct caller callers[2] = {
			{ .fd = self->fd, .p = p },
			{ .fd = self->fd, .p = p } };
		struct ashlar_stat stat;
		pthread_t threads[2];
		bool together;

		ASSERT_NE(NULL, p);
		pthread_create(&threads[0], NULL, alloc_many, &callers[0]);
		pthread_create(&threads[1], NULL, alloc_many, &callers[1]);
		usleep(rand() % 8000);
		together = !__atomic_load_n(&callers[0].finished, __ATOMIC_SEQ_CST);
		EXPECT_EQ(0, munmap(p + 6 * EXTENT, 2 * EXTENT));
		in_time += together;
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
		EXPECT_LE(callers[0].done + callers[1].done, 8);
		ASSERT_EQ(0, dev_stat(self->fd, p, &stat));
		EXPECT_LE(stat.committed, 6);
		munmap(p, 6 * EXTENT);
	}
	delay_end(slow);
	EXPECT_GT(in_time, 0);
	TH_LOG("in time %d of %d", in_time, round);
}

TEST_HARNESS_MAIN
