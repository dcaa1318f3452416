// SPDX-License-Identifier: MIT
/* Pins: io_uring's fixed buffers and pipes, across forks and afterwards. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <liburing.h>
#include "harness.h"
#include "common.h"

#define N 2

FIXTURE(pin)
{
	long out;
	int fd, file;
	char *p;
	struct io_uring ring;
	bool refused;		/* 6.1 registers no file-backed memory */
};

static int register_buffer(struct io_uring *ring, char *p, size_t size)
{
	struct iovec iov = { p, size };

	return io_uring_register_buffers(ring, &iov, 1);
}

FIXTURE_SETUP(pin)
{
	static const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int err;

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	self->out = nodes_sum("out");
	self->fd = dev_open();
	self->p = dev_memory(self->fd, N);
	memset(self->p, 1, N * EXTENT);
	self->file = memfd_create("data", 0);
	memset(self->p, 7, PAGE);
	ASSERT_EQ(PAGE, write(self->file, self->p, PAGE));
	memset(self->p, 1, PAGE);
	err = io_uring_queue_init(8, &self->ring, 0);
	if (err == -ENOSYS || err == -EPERM)
		SKIP(return, "no io_uring here");
	ASSERT_EQ(0, err);
	err = register_buffer(&self->ring, self->p, EXTENT);
	self->refused = err == -EOPNOTSUPP;
	if (!self->refused)
		ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(pin)
{
	io_uring_queue_exit(&self->ring);
	munmap(self->p, N * EXTENT);
	close(self->file);
	EXPECT_TRUE(out_returns_to(self->out));
}

/* Read a page of sevens from the file into the pinned buffer at offset at. */
static int read_fixed(struct io_uring *ring, int file, char *at)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int res;

	io_uring_prep_read_fixed(sqe, file, at, PAGE, 0, 0);
	io_uring_submit(ring);
	if (io_uring_wait_cqe(ring, &cqe))
		return -1;
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

#define NEED_FIXED_BUFFERS()						\
	do {								\
		if (self->refused)					\
			SKIP(return, "this kernel registers no file-backed buffers (6.1)"); \
	} while (0)

TEST_F(pin, registers_and_reads)
{
	NEED_FIXED_BUFFERS();
	EXPECT_EQ(PAGE, read_fixed(&self->ring, self->file, self->p + 8 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + 8 * PAGE, 7, PAGE));
	EXPECT_TRUE(bytes_are(self->p, 1, 8 * PAGE));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->ring));
	EXPECT_EQ(0, dev_free(self->fd, self->p, N, NULL));
	EXPECT_EQ(self->out, nodes_sum("out"));
}

/* The kernel's writes through the pin land in the parent's memory alone. */
TEST_F(pin, held_across_fork)
{
	struct turn child;
	pid_t pid;

	NEED_FIXED_BUFFERS();
	turn_init(&child);
	pid = fork();
	if (!pid) {
		turn_wait(&child);
		if (!bytes_are(self->p, 1, N * EXTENT))
			_exit(1);
		memset(self->p, 3, N * EXTENT);
		_exit(0);
	}
	memset(self->p + PAGE, 2, PAGE);
	EXPECT_EQ(PAGE, read_fixed(&self->ring, self->file, self->p));
	EXPECT_TRUE(bytes_are(self->p, 7, PAGE));
	turn_give(&child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(PAGE, read_fixed(&self->ring, self->file, self->p + 2 * PAGE));
	EXPECT_TRUE(bytes_are(self->p, 7, PAGE));
	EXPECT_TRUE(bytes_are(self->p + PAGE, 2, PAGE));
	EXPECT_TRUE(bytes_are(self->p + 2 * PAGE, 7, PAGE));
	EXPECT_TRUE(bytes_are(self->p + 3 * PAGE, 1, N * EXTENT - 3 * PAGE));
}

struct attempt {
	struct io_uring *ring;
	char *p;
};

static bool registers(void *arg)
{
	struct attempt *attempt = arg;

	return !register_buffer(attempt->ring, attempt->p, EXTENT);
}

/* Refused while extents are shared, and possible again soon after. */
TEST_F(pin, registers_again_after_the_child)
{
	struct attempt attempt = { &self->ring, self->p + EXTENT };
	struct turn child;
	pid_t pid;

	NEED_FIXED_BUFFERS();
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	turn_init(&child);
	pid = fork();
	if (!pid) {
		turn_wait(&child);
		_exit(0);
	}
	EXPECT_EQ(-EFAULT, register_buffer(&self->ring, self->p, EXTENT));
	turn_give(&child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(eventually(registers, &attempt, 10));
	EXPECT_EQ(PAGE, read_fixed(&self->ring, self->file, self->p + EXTENT));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 7, PAGE));
	EXPECT_TRUE(bytes_are(self->p + EXTENT + PAGE, 1, EXTENT - PAGE));
}

static bool pinned_are(void *arg)
{
	return nodes_sum("pinned") == *(long *)arg;
}

/* Freed under a pin: quarantined until it ends, and counted. */
TEST_F(pin, freed_under_the_pin)
{
	long pinned = nodes_sum("pinned");

	NEED_FIXED_BUFFERS();
	ASSERT_EQ(0, dev_free(self->fd, self->p, N, NULL));
	pinned++;
	EXPECT_TRUE(eventually(pinned_are, &pinned, 20));
	EXPECT_EQ(1, nodes_sum("quarantined"));
	EXPECT_EQ(PAGE, read_fixed(&self->ring, self->file, self->p));
	ASSERT_EQ(0, dev_alloc(self->fd, self->p, 1));
	EXPECT_TRUE(bytes_are(self->p, 0, EXTENT));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->ring));
}

/* A reference taken by reading, in a pipe, must not show the other's writes. */
FIXTURE(pipe)
{
	long out;
	int fd;
	char *p;
	int pipe[2];
	struct turn child, parent;	/* whose turn it is */
};

FIXTURE_SETUP(pipe)
{
	self->out = nodes_sum("out");
	self->fd = dev_open();
	self->p = dev_memory(self->fd, N);
	memset(self->p, 1, N * EXTENT);
	ASSERT_EQ(0, pipe(self->pipe));
	turn_init(&self->child);
	turn_init(&self->parent);
}

FIXTURE_TEARDOWN(pipe)
{
	munmap(self->p, N * EXTENT);
	close(self->pipe[0]);
	close(self->pipe[1]);
	EXPECT_TRUE(out_returns_to(self->out));
}

static bool pipe_takes(int *pipe, char *p)
{
	struct iovec iov = { p, PAGE };

	return vmsplice(pipe[1], &iov, 1, 0) == PAGE;
}

static bool pipe_holds(int *pipe, int value)
{
	char bytes[PAGE];

	return read(pipe[0], bytes, PAGE) == PAGE &&
	       bytes_are(bytes, value, PAGE);
}

/* How the process that filled the pipe loses the extent. */
enum way { BY_FREE, BY_PURGE, BY_UNMAP, BY_WRITE, BY_EXIT };

static void lose(int fd, char *p, enum way way)
{
	switch (way) {
	case BY_FREE:
		dev_free(fd, p, N, NULL);
		break;
	case BY_PURGE:
		dev_purge(fd, p, N, NULL);
		break;
	case BY_UNMAP:
		munmap(p, N * EXTENT);
		break;
	case BY_WRITE:
		memset(p, 2, N * EXTENT);
		break;
	case BY_EXIT:
		_exit(0);
	}
}

FIXTURE_VARIANT(pipe) { enum way way; };
FIXTURE_VARIANT_ADD(pipe, free) { .way = BY_FREE };
FIXTURE_VARIANT_ADD(pipe, purge) { .way = BY_PURGE };
FIXTURE_VARIANT_ADD(pipe, unmap) { .way = BY_UNMAP };
FIXTURE_VARIANT_ADD(pipe, write) { .way = BY_WRITE };
FIXTURE_VARIANT_ADD(pipe, exit) { .way = BY_EXIT };

static bool nothing_shared(void *arg)
{
	struct ashlar_stat stat;
	int fd = dev_open();
	bool nothing = !dev_stat(fd, arg, &stat) && !stat.shared;

	close(fd);
	return nothing;
}

/* What is left alone writes: at once, after a read, and when all is calm. */
static void write_three_ways(char *p)
{
	volatile char *page = p;

	(void)page[2 * PAGE];
	memset(p, 3, PAGE);
	eventually(nothing_shared, p, 5);
	usleep(100000);
	memset(p, 4, PAGE);
	memset(p + EXTENT, 4, PAGE);
}

TEST_F(pipe, filled_by_the_child)
{
	pid_t pid = fork();

	if (!pid) {
		volatile char *page = self->p;

		(void)page[EXTENT];
		if (!pipe_takes(self->pipe, self->p) ||
		    !pipe_takes(self->pipe, self->p + EXTENT))
			_exit(1);
		turn_give(&self->parent);
		turn_wait(&self->child);
		lose(self->fd, self->p, variant->way);
		turn_give(&self->parent);
		_exit(0);
	}
	turn_wait(&self->parent);
	/* Mapped for reading while it is shared. */
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	write_three_ways(self->p);
	EXPECT_TRUE(pipe_holds(self->pipe, 1));
	EXPECT_TRUE(pipe_holds(self->pipe, 1));
	EXPECT_TRUE(bytes_are(self->p, 4, PAGE));
	EXPECT_TRUE(bytes_are(self->p + PAGE, 1, EXTENT - PAGE));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 4, PAGE));
}

/* In a child, so that it may exit and leave the grandchild alone. */
TEST_F(pipe, filled_by_the_parent)
{
	pid_t pid = fork(), child;

	if (!pid) {
		memset(self->p, 1, N * EXTENT);
		child = fork();
		if (!child) {
			bool same = bytes_are(self->p, 1, N * EXTENT);

			turn_give(&self->parent);
			turn_wait(&self->child);
			usleep(100000);
			write_three_ways(self->p);
			same &= pipe_holds(self->pipe, 1);
			same &= pipe_holds(self->pipe, 1);
			if (same)
				turn_give(&self->parent);
			_exit(0);
		}
		turn_wait(&self->parent);
		if (!pipe_takes(self->pipe, self->p) ||
		    !pipe_takes(self->pipe, self->p + EXTENT))
			_exit(1);
		turn_give(&self->child);
		lose(self->fd, self->p, variant->way);
		_exit(0);
	}
	close(self->parent.fd[1]);
	EXPECT_EQ(0, child_status(pid));
	/* Ends the program if the grandchild did not say that all is well. */
	turn_wait(&self->parent);
}

/* --- references that last, and those in passing --- */

static bool quarantine_empty(void *arg)
{
	return nodes_sum("quarantined") == nodes_sum("poisoned");
}

/* Give an extent back under a pipe's reference, which ends at once or later. */
static void give_back(struct __test_metadata *_metadata, int fd, char *p, bool wait)
{
	struct iovec iov = { p, PAGE };
	long pinned = nodes_sum("pinned") + 1;
	int ends[2];

	ASSERT_EQ(0, dev_alloc_on(fd, p, 1, 0, 0, NULL));
	memset(p, 1, PAGE);
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ((long)PAGE, vmsplice(ends[1], &iov, 1, 0));
	ASSERT_EQ(0, dev_free(fd, p, 1, NULL));
	if (wait)
		EXPECT_TRUE(eventually(pinned_are, &pinned, 20));
	close(ends[0]);
	close(ends[1]);
	EXPECT_TRUE(eventually(quarantine_empty, NULL, 20));
}

TEST(passing_and_pinned_are_counted_apart)
{
	long pinned = nodes_sum("pinned"), passing = nodes_sum("passing");
	int fd = dev_open(), n;
	char *p = dev_map(fd, 1);

	give_back(_metadata, fd, p, true);
	EXPECT_EQ(pinned + 1, nodes_sum("pinned"));
	EXPECT_EQ(passing, nodes_sum("passing"));
	/* However slow we are: one of them is over within a tenth of a second. */
	for (n = 1; n < 200 && nodes_sum("passing") == passing; n++) {
		give_back(_metadata, fd, p, false);
		EXPECT_EQ(pinned + passing + 1 + n,
			  nodes_sum("pinned") + nodes_sum("passing"));
	}
	EXPECT_EQ(passing + 1, nodes_sum("passing"));
	close(fd);
	munmap(p, EXTENT);
}

/* While the worker has a minute's work, at an extent a second. */
TEST(let_go_beside_slow_washing)
{
	long high = node_value(0, "high"), low = node_value(0, "low");
	long washed;
	int fd = dev_open();
	char *p = dev_map(fd, 1);

	node_write(0, "low", 0);
	node_write(0, "high", 0);
	node_write(0, "rate", 1);
	washed = node_value(0, "washed");
	node_write(0, "high", 60);
	node_write(0, "low", 60);
	give_back(_metadata, fd, p, true);
	give_back(_metadata, fd, p, false);
	EXPECT_LT(node_value(0, "washed") - washed, 60);
	node_write(0, "rate", 0);
	node_write(0, "high", high);
	node_write(0, "low", low);
	close(fd);
	munmap(p, EXTENT);
}

static bool washed_are(void *arg)
{
	return node_value(0, "washed") >= *(long *)arg;
}

/* Run on the last CPU, which is not node 0's. */
static bool far_away(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sysconf(_SC_NPROCESSORS_CONF) - 1, &cpus);
	return !sched_setaffinity(0, sizeof(cpus), &cpus);
}

/*
 * While another takes them as fast as they are washed: from the other node's CPUs, since the
 * worker runs only where nobody else wants to.
 */
TEST(let_go_beside_busy_washing)
{
	long high = node_value(0, "high"), low = node_value(0, "low");
	long washed = node_value(0, "washed") + 100;
	int fd = dev_open(), taker;
	char *p = dev_map(fd, 1);

	node_write(0, "low", 0);
	node_write(0, "high", 60);
	node_write(0, "low", 60);
	taker = fork();
	if (!taker) {
		char *mine = dev_map(dev_open(), 60);

		while (far_away()) {
			size_t done = 0;

			dev_alloc_on(fd, mine, 60, 0, 0, &done);
			dev_free(fd, mine, 60, NULL);
		}
		_exit(1);
	}
	/* More than there is room for, and likewise when all is over. */
	EXPECT_TRUE(eventually(washed_are, &washed, 60));
	give_back(_metadata, fd, p, true);
	give_back(_metadata, fd, p, false);
	washed = node_value(0, "washed") + 100;
	EXPECT_TRUE(eventually(washed_are, &washed, 60));
	EXPECT_EQ(0, kill(taker, SIGKILL));
	child_status(taker);
	node_write(0, "low", 0);
	node_write(0, "high", high);
	node_write(0, "low", low);
	close(fd);
	munmap(p, EXTENT);
}

TEST_HARNESS_MAIN
