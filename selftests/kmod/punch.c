// SPDX-License-Identifier: MIT
/* PUNCH and MEND: single pages go back, the others stay, all becomes huge again. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define N 4
#define PAGES (EXTENT / PAGE)
#define CGROUP "/sys/fs/cgroup/ashlar-punch"
#define CHECK(condition) do { if (!(condition)) _exit(__LINE__ % 127 + 1); } while (0)

FIXTURE(punch)
{
	long out;
	int fd;
	char *p;
};

FIXTURE_SETUP(punch)
{
	struct ashlar_info info = { .size = sizeof(info) };

	self->out = nodes_sum("out");
	self->fd = dev_open();
	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_INFO, &info));
	ASSERT_TRUE(info.abilities & ASHLAR_CAN_PUNCH);
	self->p = dev_memory(self->fd, N);
	memset(self->p, 1, N * EXTENT);
}

FIXTURE_TEARDOWN(punch)
{
	munmap(self->p, N * EXTENT);
	close(self->fd);
	EXPECT_TRUE(out_returns_to(self->out));
}

static struct ashlar_stat stat_of(int fd, char *p)
{
	struct ashlar_stat stat;

	if (dev_stat(fd, p, &stat))
		_exit(126);
	return stat;
}

TEST_F(punch, gives_back_and_mends)
{
	size_t done;

	ASSERT_EQ(0, dev_punch(self->fd, self->p + 10 * PAGE, PAGES - 10, &done));
	EXPECT_EQ(PAGES - 10, done);
	EXPECT_EQ(self->out + N - 1, nodes_sum("out"));
	EXPECT_EQ(10, stat_of(self->fd, self->p).small);
	EXPECT_EQ(ASHLAR_STATE_PIECES, dev_extent(self->fd, self->p).state);
	EXPECT_TRUE(bytes_are(self->p, 1, 10 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 1, (N - 1) * EXTENT));
	memset(self->p + 5 * PAGE, 2, PAGE);
	/* Touched again: zero, and a page more. */
	EXPECT_TRUE(bytes_are(self->p + 20 * PAGE, 0, PAGE));
	memset(self->p + 20 * PAGE, 3, PAGE);
	EXPECT_EQ(11, stat_of(self->fd, self->p).small);
	ASSERT_EQ(0, dev_punch(self->fd, self->p, 2, &done));
	EXPECT_EQ(2, done);
	ASSERT_EQ(0, dev_punch(self->fd, self->p, 2, &done));
	EXPECT_EQ(0, done);

	ASSERT_EQ(0, dev_mend(self->fd, self->p, N, &done));
	EXPECT_EQ(N, done);
	EXPECT_EQ(self->out + N, nodes_sum("out"));
	EXPECT_EQ(0, stat_of(self->fd, self->p).small);
	EXPECT_EQ(ASHLAR_STATE_OWNED, dev_extent(self->fd, self->p).state);
	EXPECT_TRUE(bytes_are(self->p, 0, 2 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + 2 * PAGE, 1, 3 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + 5 * PAGE, 2, PAGE));
	EXPECT_TRUE(bytes_are(self->p + 6 * PAGE, 1, 4 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + 10 * PAGE, 0, 10 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + 20 * PAGE, 3, PAGE));
	EXPECT_TRUE(bytes_are(self->p + 21 * PAGE, 0, EXTENT - 21 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 1, (N - 1) * EXTENT));
	EXPECT_EQ(N * EXTENT / 1024, smaps_kb(self->p, "FilePmdMapped"));
}

/* Ranges of all kinds in one call: across extents, joined, out of order. */
TEST_F(punch, many_ranges)
{
	struct ashlar_range ranges[] = {
		{ (uintptr_t)self->p + 2 * EXTENT + 7 * PAGE, PAGE },
		{ (uintptr_t)self->p + EXTENT - 3 * PAGE, 6 * PAGE },
		{ (uintptr_t)self->p + 2 * EXTENT + 8 * PAGE, PAGE },
		{ (uintptr_t)self->p + 100 * PAGE, 10 * PAGE },
		{ (uintptr_t)self->p + 105 * PAGE, 10 * PAGE },
	};
	struct ashlar_punch arg = {
		.size = sizeof(arg),
		.ranges = (uintptr_t)ranges,
		.nr_ranges = 5,
	};
	size_t page;

	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_PUNCH, &arg));
	EXPECT_EQ(3 + 3 + 2 + 15, arg.done);
	EXPECT_EQ(self->out + 1, nodes_sum("out"));
	EXPECT_EQ(3 * PAGES - 23, stat_of(self->fd, self->p).small);
	for (page = 0; page < N * PAGES; page++) {
		bool gone = (page >= 100 && page < 115) ||
			    (page >= PAGES - 3 && page < PAGES + 3) ||
			    page == 2 * PAGES + 7 || page == 2 * PAGES + 8;

		EXPECT_TRUE(bytes_are(self->p + page * PAGE, !gone, PAGE));
	}
	/* Gone as a whole, pieces and all. */
	ASSERT_EQ(0, dev_purge(self->fd, self->p, 1, NULL));
	ASSERT_EQ(0, dev_free(self->fd, self->p + EXTENT, 1, NULL));
	EXPECT_TRUE(bytes_are(self->p, 0, EXTENT));
	EXPECT_TRUE(read_is_sigbus(self->p + EXTENT));
}

TEST_F(punch, refusals)
{
	struct iovec iov = { self->p, PAGE };
	struct turn turn;
	int pipefd[2];
	pid_t pid;

	EXPECT_EQ(-EINVAL, dev_punch(self->fd, self->p + 1, 1, NULL));
	EXPECT_EQ(-EINVAL, dev_punch(self->fd, self->p, 0, NULL));
	EXPECT_EQ(-ENXIO, dev_punch(self->fd, (char *)&turn - (uintptr_t)&turn % PAGE,
				1, NULL));
	EXPECT_EQ(-EINVAL, dev_mend(self->fd, self->p + PAGE, 1, NULL));
	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_EQ(PAGE, vmsplice(pipefd[1], &iov, 1, 0));
	EXPECT_EQ(-EBUSY, dev_punch(self->fd, self->p + 9 * PAGE, 1, NULL));
	close(pipefd[0]);
	close(pipefd[1]);
	turn_init(&turn);
	pid = fork();
	if (!pid) {
		turn_wait(&turn);
		_exit(0);
	}
	EXPECT_EQ(-EBUSY, dev_punch(self->fd, self->p + EXTENT, 1, NULL));
	turn_give(&turn);
	EXPECT_EQ(0, child_status(pid));
	/* Alone again, though nobody has touched it since. */
	EXPECT_EQ(0, dev_punch(self->fd, self->p + EXTENT, 1, NULL));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 0, PAGE));
	EXPECT_TRUE(bytes_are(self->p + EXTENT + PAGE, 1, EXTENT - PAGE));
	EXPECT_TRUE(bytes_are(self->p, 1, EXTENT));
}

/* Nothing is done unless all ranges are the caller's, wherever the wrong one stands. */
TEST_F(punch, all_ranges_or_none)
{
	char *other = mmap(NULL, 2 * EXTENT, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *wrong = (char *)(((uintptr_t)other + EXTENT - 1) & ~(EXTENT - 1));
	struct ashlar_range range[2] = { { (uintptr_t)self->p, PAGE },
					 { (uintptr_t)wrong, PAGE } };
	struct ashlar_punch punch = {
		.size = sizeof(punch), .ranges = (uintptr_t)range, .nr_ranges = 2 };
	struct ashlar_mend mend = {
		.size = sizeof(mend), .ranges = (uintptr_t)range, .nr_ranges = 2 };

	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(-ENXIO, dev_call(self->fd, ASHLAR_IOC_PUNCH, &punch));
	EXPECT_EQ(0, punch.done);
	EXPECT_TRUE(bytes_are(self->p, 1, EXTENT));
	range[1].addr = (uintptr_t)self->p + EXTENT;
	EXPECT_EQ(0, dev_call(self->fd, ASHLAR_IOC_PUNCH, &punch));
	EXPECT_EQ(2, punch.done);
	range[0].length = EXTENT;
	range[1] = (struct ashlar_range) { (uintptr_t)wrong, EXTENT };
	EXPECT_EQ(-ENXIO, dev_call(self->fd, ASHLAR_IOC_MEND, &mend));
	EXPECT_EQ(0, mend.done);
	range[1].addr = (uintptr_t)self->p + EXTENT;
	EXPECT_EQ(0, dev_call(self->fd, ASHLAR_IOC_MEND, &mend));
	EXPECT_EQ(2, mend.done);
	munmap(other, 2 * EXTENT);
}

/* Pieces across a fork: each side has them, and mends its own. */
TEST_F(punch, forked_in_pieces)
{
	struct turn child, parent;
	pid_t pid;

	turn_init(&child);
	turn_init(&parent);
	ASSERT_EQ(0, dev_punch(self->fd, self->p + 8 * PAGE, PAGES - 8, NULL));
	pid = fork();
	if (!pid) {
		turn_wait(&child);
		CHECK(bytes_are(self->p, 1, 8 * PAGE));
		CHECK(bytes_are(self->p + 8 * PAGE, 0, 8 * PAGE));
		memset(self->p + PAGE, 3, PAGE);
		memset(self->p + 12 * PAGE, 3, PAGE);
		turn_give(&parent);
		turn_wait(&child);
		CHECK(bytes_are(self->p, 1, PAGE));
		CHECK(bytes_are(self->p + PAGE, 3, PAGE));
		_exit(0);
	}
	memset(self->p, 2, PAGE);
	memset(self->p + 12 * PAGE, 2, PAGE);
	turn_give(&child);
	turn_wait(&parent);
	EXPECT_TRUE(bytes_are(self->p, 2, PAGE));
	EXPECT_TRUE(bytes_are(self->p + PAGE, 1, 7 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + 12 * PAGE, 2, PAGE));
	EXPECT_TRUE(bytes_are(self->p + 13 * PAGE, 0, PAGE));
	turn_give(&child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(0, dev_mend(self->fd, self->p, N, NULL));
	EXPECT_TRUE(bytes_are(self->p, 2, PAGE));
	EXPECT_TRUE(bytes_are(self->p + PAGE, 1, 7 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + 12 * PAGE, 2, PAGE));
}

/* Live pages, while they are punched around and mended. */
#define WRITERS 3

struct writer {
	char *p;
	int number;
	volatile bool *stop;
	volatile int wrong;
};

static void *write_on(void *arg)
{
	struct writer *writer = arg;
	uint64_t i, j, was[8] = { };

	for (i = 1; !*writer->stop; i++) {
		for (j = 0; j < 8; j++) {
			volatile uint64_t *at = (uint64_t *)(writer->p +
				(writer->number * 160 + j * 13) * PAGE);

			if (*at != was[j])
				writer->wrong = 1;
			*at = was[j] = i;
		}
	}
	return NULL;
}

static bool is_live(size_t page)
{
	size_t i, j;

	for (i = 0; i < WRITERS; i++)
		for (j = 0; j < 8; j++)
			if (page == i * 160 + j * 13)
				return true;
	return false;
}

TEST_F_TIMEOUT(punch, under_threads, 120)
{
	struct ashlar_range ranges[PAGES];
	struct ashlar_punch arg = {
		.size = sizeof(arg),
		.ranges = (uintptr_t)ranges,
	};
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	volatile bool stop = false;
	size_t page;
	int i, round, mended = 0;

	memset(self->p, 0, EXTENT);
	for (page = 0; page < PAGES; page++)
		if (!is_live(page))
			ranges[arg.nr_ranges++] = (struct ashlar_range){
				(uintptr_t)self->p + page * PAGE, PAGE };
	for (i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ self->p, i, &stop, 0 };
		pthread_create(&threads[i], NULL, write_on, &writers[i]);
	}
	/* How often a writer is in the way is the scheduler's affair. */
	for (round = 0; round < 40 || (mended <= 20 && round < 1000); round++) {
		size_t done = 0;
		int err = dev_call(self->fd, ASHLAR_IOC_PUNCH, &arg);

		/* A thread in the middle of a fault has the page for a moment. */
		EXPECT_TRUE(!err || err == -EBUSY);
		err = dev_mend(self->fd, self->p, 1, &done);
		EXPECT_EQ(0, err);
		mended += done;
	}
	stop = true;
	for (i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, writers[i].wrong);
	}
	EXPECT_GT(mended, 20);
}

/* What is charged: small pages while in pieces, and nothing more. */
static int charge(void *arg)
{
	int fd = dev_open();
	char *p, pid[32];
	long whole, pieces;

	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECK(file_write(CGROUP "/cgroup.procs", pid));
	p = dev_memory(fd, 8);
	memset(p, 1, 8 * EXTENT);
	whole = file_number(CGROUP "/memory.current");
	CHECK(!dev_punch(fd, p + PAGE, 8 * PAGES - 1, NULL));
	pieces = file_number(CGROUP "/memory.current");
	CHECK(whole - pieces > 15L << 20 && whole - pieces < 17L << 20);
	return 0;
}

static bool removed(void *arg)
{
	return !rmdir(arg) || errno == ENOENT;
}

TEST_F(punch, charged)
{
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		SKIP(return, "no cgroup2 hierarchy");
	if (file_number(CGROUP "/memory.current") < 0)
		SKIP(return, "no memory controller");
	EXPECT_EQ(0, in_child(charge, NULL));
	EXPECT_TRUE(eventually(removed, CGROUP, 10));
}

TEST_HARNESS_MAIN
