// SPDX-License-Identifier: MIT
/*
 * A fork as a snapshot: what it costs, that the parent keeps its huge pages, and
 * who inherits them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define N 8
#define PAGES (EXTENT / PAGE)
#define MAX_EXTENTS "/sys/module/ashlar/parameters/max_extents"

#define CHECK(condition) do { if (!(condition)) _exit(__LINE__ % 127 + 1); } while (0)

FIXTURE(snapshot)
{
	long out;
	int fd;
	char *p;
	struct turn child, parent;	/* whose turn it is */
};

FIXTURE_SETUP(snapshot)
{
	struct ashlar_info info = { .size = sizeof(info) };

	self->out = nodes_sum("out");
	self->fd = dev_open();
	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_INFO, &info));
	ASSERT_TRUE(info.abilities & ASHLAR_CAN_SNAPSHOT);
	self->p = dev_memory(self->fd, N);
	memset(self->p, 1, N * EXTENT);
	turn_init(&self->child);
	turn_init(&self->parent);
}

FIXTURE_TEARDOWN(snapshot)
{
	munmap(self->p, N * EXTENT);
	close(self->fd);
	EXPECT_TRUE(out_returns_to(self->out));
}

static struct ashlar_stat stat_of(char *p)
{
	int fd = dev_open();
	struct ashlar_stat stat;

	if (dev_stat(fd, p, &stat))
		_exit(126);
	close(fd);
	return stat;
}

/* All of it is mapped by PMDs after it was touched. */
static bool all_huge(void *arg)
{
	char *p = arg;
	size_t i;

	for (i = 0; i < N; i++)
		*(volatile char *)(p + i * EXTENT);
	return smaps_kb(p, "FilePmdMapped") == N * EXTENT / 1024;
}

/* But for the last extent. */
static bool the_rest_is_mapped(void *arg)
{
	return smaps_kb(arg, "FilePmdMapped") == (N - 1) * EXTENT / 1024 &&
	       smaps_kb(arg, "Rss") == (N - 1) * EXTENT / 1024;
}

static bool one_is_huge(void *arg)
{
	*(volatile char *)arg;
	return smaps_kb(arg, "FilePmdMapped") == EXTENT / 1024;
}

static bool nothing_small(void *arg)
{
	return stat_of(arg).small == 0;
}

static bool nothing_shared(void *arg)
{
	return stat_of(arg).shared == 0;
}

/* A child that sees all as it was, and exits on its turn. */
static pid_t watcher(struct turn *child, char *p, int value)
{
	pid_t pid = fork();

	if (!pid) {
		turn_wait(child);
		_exit(bytes_are(p, value, N * EXTENT) ? 0 : 1);
	}
	return pid;
}

/*
 * The parent writes a byte into every 16th page. That is what is copied, the
 * parent's extents stay its own, and are huge again afterwards.
 */
TEST_F_TIMEOUT(snapshot, costs_what_is_written, 180)
{
	pid_t pid = watcher(&self->child, self->p, 1);
	struct ashlar_stat stat;
	size_t i;

	for (i = 0; i < N * PAGES; i += 16)
		self->p[i * PAGE] = 2;
	stat = stat_of(self->p);
	EXPECT_EQ(N * PAGES / 16, stat.page_copies);
	EXPECT_EQ(0, stat.copies);
	/* Saved for the child: the parent writes in place. */
	EXPECT_EQ(0, stat.small);
	EXPECT_EQ(self->out + N, nodes_sum("out"));
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(eventually(all_huge, self->p, 10));
	for (i = 0; i < N * PAGES; i++)
		EXPECT_EQ(i % 16 ? 1 : 2, self->p[i * PAGE]);
	stat = stat_of(self->p);
	EXPECT_EQ(N * PAGES / 16, stat.page_copies);
	EXPECT_EQ(0, stat.copies);
	EXPECT_EQ(self->out + N, nodes_sum("out"));
}

/*
 * What a process holds is in its books again when the child is gone, touched or
 * not: a server that saved itself and idles is no small one to the OOM killer. The
 * last extent is lazy and stays so.
 */
TEST_F_TIMEOUT(snapshot, is_in_the_books_again, 180)
{
	pid_t pid;

	ASSERT_EQ(0, dev_purge_as(self->fd, self->p + (N - 1) * EXTENT, 1,
				  ASHLAR_PURGE_LAZY, NULL));
	ASSERT_EQ(1, stat_of(self->p).lazy);
	pid = watcher(&self->child, self->p, 3);
	self->p[0] = 2;
	turn_give(&self->child);
	EXPECT_EQ(1, child_status(pid));
	EXPECT_TRUE(eventually(the_rest_is_mapped, self->p, 10));
	EXPECT_EQ(1, stat_of(self->p).lazy);
}

/* Written once more, a page costs nothing more. */
TEST_F_TIMEOUT(snapshot, second_write_is_free, 180)
{
	pid_t pid = watcher(&self->child, self->p, 1);
	int round;

	for (round = 0; round < 10; round++) {
		memset(self->p, round, 64 * PAGE);
		/* Unmaps; the writes that follow fault again. */
		ASSERT_EQ(0, madvise(self->p, EXTENT, MADV_DONTNEED));
	}
	EXPECT_EQ(64, stat_of(self->p).page_copies);
	EXPECT_TRUE(bytes_are(self->p, 9, 64 * PAGE));
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
}

/* Many snapshots at a time share what is saved for them. */
TEST_F_TIMEOUT(snapshot, saved_once_for_all_children, 180)
{
	struct ashlar_stat stat;
	pid_t pids[6];
	int i;

	for (i = 0; i < 6; i++)
		pids[i] = watcher(&self->child, self->p, 1);
	memset(self->p, 2, EXTENT);
	stat = stat_of(self->p);
	EXPECT_EQ(PAGES, stat.page_copies);
	EXPECT_EQ(0, stat.small);
	for (i = 0; i < 6; i++)
		turn_give(&self->child);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0, child_status(pids[i]));
	EXPECT_TRUE(eventually(all_huge, self->p, 10));
}

/* One snapshot after the other, each of its own moment. */
TEST_F_TIMEOUT(snapshot, of_several_moments, 180)
{
	struct turn turns[5];
	pid_t pids[5];
	int i;

	for (i = 0; i < 5; i++) {
		memset(self->p, i, N * EXTENT);
		turn_init(&turns[i]);
		pids[i] = watcher(&turns[i], self->p, i);
	}
	memset(self->p, 9, N * EXTENT);
	/* From the middle outwards. */
	for (i = 0; i < 5; i++) {
		int next = (i * 3 + 2) % 5;

		turn_give(&turns[next]);
		EXPECT_EQ(0, child_status(pids[next]));
		EXPECT_TRUE(bytes_are(self->p, 9, N * EXTENT));
	}
	EXPECT_TRUE(eventually(all_huge, self->p, 10));
	EXPECT_TRUE(bytes_are(self->p, 9, N * EXTENT));
	EXPECT_EQ(self->out + N, nodes_sum("out"));
}

/* The child writes: its pages are its own, the parent pays and loses nothing. */
TEST_F_TIMEOUT(snapshot, child_writes, 180)
{
	pid_t pid = fork();

	if (!pid) {
		memset(self->p, 3, EXTENT);
		CHECK(stat_of(self->p).small == PAGES);
		CHECK(stat_of(self->p).page_copies == PAGES);
		CHECK(bytes_are(self->p, 3, EXTENT));
		CHECK(bytes_are(self->p + EXTENT, 1, (N - 1) * EXTENT));
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 3, EXTENT));
		_exit(0);
	}
	turn_wait(&self->parent);
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
	memset(self->p, 2, EXTENT);
	/* The child had its own already. */
	EXPECT_EQ(0, stat_of(self->p).page_copies);
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(self->p, 2, EXTENT));
}

/*
 * The one who forked goes first: the heir has what it saw, takes the extents over
 * and is huge again. No extent is made for it.
 */
static void be_heir(char *p, struct turn *ready, struct turn *gone)
{
	char byte;

	close(gone->fd[1]);
	memset(p + EXTENT, 4, 8 * PAGE);
	turn_give(ready);
	/* Until the other end is closed by its exit. */
	CHECK(read(gone->fd[0], &byte, 1) == 0);
	CHECK(eventually(nothing_small, p, 10));
	CHECK(bytes_are(p, 1, EXTENT));
	CHECK(bytes_are(p + EXTENT, 4, 8 * PAGE));
	CHECK(bytes_are(p + EXTENT + 8 * PAGE, 1, (N - 1) * EXTENT - 8 * PAGE));
	CHECK(eventually(all_huge, p, 10));
	memset(p, 5, N * EXTENT);
	CHECK(bytes_are(p, 5, N * EXTENT));
	CHECK(stat_of(p).copies == 0);
}

TEST_F_TIMEOUT(snapshot, heir, 180)
{
	pid_t pid = fork();

	if (!pid) {
		/* Its own, which this test's process has no share of. */
		char *p = dev_memory(dev_open(), N);
		struct turn gone;

		memset(p, 1, N * EXTENT);
		turn_init(&gone);
		if (!fork()) {
			be_heir(p, &self->parent, &gone);
			turn_give(&self->child);
			_exit(0);
		}
		turn_wait(&self->parent);
		/* In place: saved for the heir. */
		memset(p, 2, EXTENT);
		memset(p + EXTENT, 2, 4 * PAGE);
		CHECK(stat_of(p).small == 0);
		_exit(0);
	}
	EXPECT_EQ(0, child_status(pid));
	/* Ends the program if the heir did not get that far. */
	close(self->child.fd[1]);
	turn_wait(&self->child);
	EXPECT_TRUE(out_returns_to(self->out + N));
}

/* Several heirs of one extent: the first to write takes it. */
static void be_one_heir(char *p, int i, struct turn *turn, struct turn *back)
{
	turn_wait(turn);
	CHECK(bytes_are(p, 1, N * EXTENT));
	memset(p, 10 + i, EXTENT);
	memset(p + (i + 1) * EXTENT, 20 + i, 3 * PAGE);
	turn_give(back);
	turn_wait(turn);
	CHECK(bytes_are(p, 10 + i, EXTENT));
	CHECK(bytes_are(p + (i + 1) * EXTENT, 20 + i, 3 * PAGE));
	CHECK(bytes_are(p + (i + 1) * EXTENT + 3 * PAGE, 1, EXTENT - 3 * PAGE));
	CHECK(bytes_are(p + 4 * EXTENT, 1, 4 * EXTENT));
	turn_give(back);
	_exit(0);
}

TEST_F_TIMEOUT(snapshot, several_heirs, 180)
{
	pid_t pid = fork();
	int i;

	if (!pid) {
		char *p = dev_memory(dev_open(), N);

		memset(p, 1, N * EXTENT);
		for (i = 0; i < 3; i++)
			if (!fork())
				be_one_heir(p, i, &self->child, &self->parent);
		memset(p, 2, N * EXTENT);
		_exit(0);
	}
	EXPECT_EQ(0, child_status(pid));
	close(self->parent.fd[1]);
	for (i = 0; i < 3; i++) {
		turn_give(&self->child);
		turn_wait(&self->parent);
	}
	for (i = 0; i < 3; i++)
		turn_give(&self->child);
	for (i = 0; i < 3; i++)
		turn_wait(&self->parent);
	EXPECT_TRUE(out_returns_to(self->out + N));
}

/* A pipe was given a shared page: in place is nothing written meanwhile. */
TEST_F_TIMEOUT(snapshot, referenced, 180)
{
	struct iovec iov = { self->p, PAGE };
	char bytes[PAGE];
	int pipefd[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(pipefd));
	pid = fork();
	if (!pid) {
		CHECK(vmsplice(pipefd[1], &iov, 1, 0) == PAGE);
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 1, N * EXTENT));
		_exit(0);
	}
	turn_wait(&self->parent);
	memset(self->p, 2, 4 * PAGE);
	EXPECT_EQ(4, stat_of(self->p).small);
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	memset(self->p + 4 * PAGE, 3, PAGE);
	EXPECT_EQ(PAGE, read(pipefd[0], bytes, PAGE));
	EXPECT_TRUE(bytes_are(bytes, 1, PAGE));
	EXPECT_TRUE(bytes_are(self->p, 2, 4 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + 4 * PAGE, 3, PAGE));
	EXPECT_TRUE(bytes_are(self->p + 5 * PAGE, 1, EXTENT - 5 * PAGE));
	close(pipefd[0]);
	close(pipefd[1]);
}

/* There is room for small pages, but not for an extent: a snapshot needs none. */
TEST_F_TIMEOUT(snapshot, needs_no_extent, 180)
{
	pid_t pid = watcher(&self->child, self->p, 1);
	char limit[32];

	/* With the first copy the rest of the limit is less than an extent. */
	snprintf(limit, sizeof(limit), "%ld", nodes_sum("out") + 1);
	ASSERT_TRUE(file_write(MAX_EXTENTS, limit));
	EXPECT_FALSE(write_is_sigbus(self->p));
	EXPECT_EQ(-ENOMEM, dev_alloc(self->fd, dev_map_at(self->fd, NULL, 1, 1000), 1));
	memset(self->p, 2, EXTENT);
	ASSERT_TRUE(file_write(MAX_EXTENTS, "0"));
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(self->p, 2, EXTENT));
}

/*
 * Many threads write while children come and go: nobody's pages but those that
 * were written are copied, whoever leaves when, and nothing is lost.
 */
#define WRITERS 4
#define ROUNDS 12

struct writer {
	char *p;
	int number;
	volatile bool *stop;
	volatile uint64_t written;
};

static void *write_on(void *arg)
{
	struct writer *writer = arg;
	uint32_t seed = writer->number + 1;
	uint64_t i = 0;

	while (!*writer->stop) {
		size_t page = random_next(&seed) % (N * PAGES);
		volatile uint64_t *at = (uint64_t *)(writer->p + page * PAGE) +
					writer->number;

		*at = *at + 1;
		writer->written = ++i;
	}
	return NULL;
}

TEST_F_TIMEOUT(snapshot, threads_and_children, 120)
{
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	volatile bool stop = false;
	uint64_t sums[WRITERS] = { };
	pid_t pids[ROUNDS];
	size_t page;
	int i, round;

	memset(self->p, 0, N * EXTENT);
	for (i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ self->p, i, &stop, 0 };
		pthread_create(&threads[i], NULL, write_on, &writers[i]);
	}
	for (round = 0; round < ROUNDS; round++) {
		pids[round] = fork();
		if (!pids[round]) {
			uint64_t sum[2] = { };
			int look;

			for (look = 0; look < 2; look++)
				for (page = 0; page < N * PAGES * 512; page++)
					sum[look] += ((uint64_t *)self->p)[page];
			_exit(sum[0] == sum[1] ? 0 : 1);
		}
		/* Some live on beside the next ones. */
		if (round % 3)
			EXPECT_EQ(0, child_status(pids[round]));
	}
	for (round = 0; round < ROUNDS; round += 3)
		EXPECT_EQ(0, child_status(pids[round]));
	stop = true;
	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	for (page = 0; page < N * PAGES; page++)
		for (i = 0; i < WRITERS; i++)
			sums[i] += ((uint64_t *)(self->p + page * PAGE))[i];
	for (i = 0; i < WRITERS; i++)
		EXPECT_EQ(writers[i].written, sums[i]);
	EXPECT_EQ(0, stat_of(self->p).copies);
	EXPECT_TRUE(eventually(all_huge, self->p, 10));
	EXPECT_EQ(0, stat_of(self->p).small);
	EXPECT_EQ(self->out + N, nodes_sum("out"));
}

/*
 * While the mappings are made huge again, another thread unmaps them and puts
 * something else there: that must stay.
 */
struct swapper {
	int fd;
	char *p;
	volatile bool *stop;
	volatile int wrong;
};

static void *swap_on(void *arg)
{
	struct swapper *swapper = arg;
	char *p = swapper->p;

	while (!*swapper->stop) {
		munmap(p, EXTENT);
		if (mmap(p, EXTENT, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
			swapper->wrong |= 1;
		memset(p, 7, 3 * PAGE);
		usleep(500);
		if (!bytes_are(p, 7, 3 * PAGE) || p[3 * PAGE])
			swapper->wrong |= 2;
		if (!dev_map_at(swapper->fd, p, 1, 0) ||
		    dev_alloc(swapper->fd, p, 1))
			swapper->wrong |= 4;
		memset(p, 8, 3 * PAGE);
		usleep(500);
		if (!bytes_are(p, 8, 3 * PAGE) || p[3 * PAGE])
			swapper->wrong |= 8;
	}
	return NULL;
}

TEST_F_TIMEOUT(snapshot, mapped_anew_meanwhile, 120)
{
	volatile bool stop = false;
	struct swapper swapper = { self->fd, self->p, &stop, 0 };
	pthread_t thread;
	int round;

	pthread_create(&thread, NULL, swap_on, &swapper);
	for (round = 0; round < 60; round++) {
		pid_t pid = fork();

		if (!pid)
			_exit(bytes_are(self->p + EXTENT, round ? round : 1,
					EXTENT) ? 0 : 1);
		memset(self->p + EXTENT, round + 1, EXTENT);
		EXPECT_EQ(0, child_status(pid));
		EXPECT_TRUE(bytes_are(self->p + EXTENT, round + 1, EXTENT));
	}
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, swapper.wrong);
}

static int write_one(void *p)
{
	*(volatile char *)p = 1;
	return 0;
}

/* What mmap() could not give back is left alone: locked, cut, read-only. */
TEST_F_TIMEOUT(snapshot, keeps_properties, 180)
{
	char *locked = self->p + 2 * EXTENT, *cut = self->p + 5 * EXTENT;
	pid_t pid;

	ASSERT_EQ(0, mlock(locked, EXTENT));
	ASSERT_EQ(0, mprotect(cut + PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, madvise(self->p + 6 * EXTENT, EXTENT, MADV_DONTFORK));
	pid = fork();
	if (!pid) {
		turn_wait(&self->child);
		_exit(bytes_are(self->p, 1, 6 * EXTENT) ? 0 : 1);
	}
	memset(self->p, 2, EXTENT);
	memset(locked, 2, EXTENT);
	memset(self->p + 6 * EXTENT, 2, EXTENT);
	memset(self->p + 7 * EXTENT, 2, EXTENT);
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(eventually(nothing_shared, self->p, 10));
	EXPECT_TRUE(eventually(one_is_huge, self->p + 7 * EXTENT, 10));
	EXPECT_TRUE(bytes_are(self->p, 2, EXTENT));
	EXPECT_TRUE(bytes_are(locked, 2, EXTENT));
	EXPECT_EQ(2048, smaps_kb(locked, "Locked"));
	EXPECT_TRUE(bytes_are(self->p + 7 * EXTENT, 2, EXTENT));
	EXPECT_EQ(128 + SIGSEGV, in_child(write_one, cut + PAGE));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 1, EXTENT));
	EXPECT_TRUE(bytes_are(cut, 1, EXTENT));
	pid = fork();
	if (!pid)
		_exit(mincore(self->p + 6 * EXTENT, PAGE,
			      (unsigned char *)&self->fd) &&
		      errno == ENOMEM ? 0 : 1);
	EXPECT_EQ(0, child_status(pid));
}

TEST_HARNESS_MAIN
