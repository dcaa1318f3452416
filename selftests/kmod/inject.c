// SPDX-License-Identifier: MIT
/*
 * Every allocation fails once, in each path: the caller gets an errno or a
 * SIGBUS, nobody's data change, and nothing is left over. Needs the debug
 * kernel's fault injection (/proc/self/fail-nth).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define N 3
#define DEBUGFS "/sys/kernel/debug/"
#define MOST 400	/* failures in one path; more would be a loop */

FIXTURE(inject)
{
	long out;
	int nth;	/* /proc/self/fail-nth */
	int fd;
	char *p;
};

/*
 * On the way back from fork the kernel writes to the thread's rseq area, which
 * is a copy-on-write page then; if that page's allocation is the one to fail
 * it sends SIGSEGV, which says nothing about us.
 */
static void rseq_off(void)
{
	syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset,
		32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

FIXTURE_SETUP(inject)
{
	static const char * const files[][2] = {
		{ DEBUGFS "failslab/verbose", "0" },
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
	};
	size_t i;

	rseq_off();
	self->nth = open("/proc/self/fail-nth", O_RDWR);
	if (self->nth < 0)
		SKIP(return, "this kernel has no fault injection");
	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (!file_write(files[i][0], files[i][1]))
			SKIP(return, "no %s", files[i][0]);
	self->out = nodes_sum("out");
	self->fd = dev_open();
	/* With room behind, for what a child maps there. */
	self->p = dev_memory(self->fd, N + 1);
	munmap(self->p + N * EXTENT, EXTENT);
	memset(self->p, 1, N * EXTENT);
}

FIXTURE_TEARDOWN(inject)
{
	munmap(self->p, N * EXTENT);
	close(self->fd);
	EXPECT_TRUE(out_returns_to(self->out));
}

/* From now on the n-th allocation of this task fails. */
static void inject(int nth, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	if (pwrite(nth, text, len, 0) != len)
		_exit(120);
}

/* End it; true if an allocation has failed. */
static bool injected(int nth)
{
	char text[16] = "";

	if (pread(nth, text, sizeof(text) - 1, 0) <= 0)
		_exit(121);
	inject(nth, 0);
	/* What is left of the count: nothing, if it was used up. */
	return atoi(text) == 0;
}

TEST_F_TIMEOUT(inject, open_and_map, 300)
{
	bool failed = true;
	int n, fd;
	char *p;

	for (n = 1; failed && n < MOST; n++) {
		p = NULL;
		inject(self->nth, n);
		fd = open(DEVICE, O_RDWR);
		if (fd >= 0)
			p = dev_map(fd, N);
		failed = injected(self->nth);
		EXPECT_TRUE(failed || p);
		if (p) {
			EXPECT_TRUE(read_is_sigbus(p));
			munmap(p, N * EXTENT);
		}
		if (fd >= 0)
			close(fd);
	}
	EXPECT_LT(n, MOST);
	EXPECT_GT(n, 3);
}

TEST_F_TIMEOUT(inject, alloc, 300)
{
	char *p = dev_map_at(self->fd, NULL, N, 1000);
	bool failed = true;
	size_t done;
	int n, err;

	ASSERT_NE(NULL, p);
	for (n = 1; failed && n < MOST; n++) {
		inject(self->nth, n);
		done = 0;
		err = dev_alloc_on(self->fd, p, N, 0, ASHLAR_ALLOC_POPULATE, &done);
		failed = injected(self->nth);
		EXPECT_TRUE(!err || (failed && err == -ENOMEM)) TH_LOG("%d", err);
		EXPECT_EQ(self->out + N + (err ? 0 : done), nodes_sum("out"));
		if (!err)
			EXPECT_TRUE(bytes_are(p, 0, done * EXTENT));
		EXPECT_EQ(0, dev_free(self->fd, p, N, NULL));
	}
	EXPECT_LT(n, MOST);
	EXPECT_GT(n, 3);
	munmap(p, N * EXTENT);
}

/* A write whose n-th allocation fails may end in SIGBUS. Did one fail? */
static bool touch(struct __test_metadata *_metadata, int nth, int n, char *p)
{
	bool sigbus, failed;

	inject(nth, n);
	sigbus = write_is_sigbus(p);
	failed = injected(nth);
	EXPECT_TRUE(failed || !sigbus);
	/* Whatever it was, it was for once. */
	EXPECT_FALSE(write_is_sigbus(p));
	return failed;
}

TEST_F_TIMEOUT(inject, purge_and_touch, 300)
{
	bool failed = true;
	int n, err;

	for (n = 1; failed && n < MOST; n++) {
		memset(self->p, 1, EXTENT);
		inject(self->nth, n);
		err = dev_purge(self->fd, self->p, 1, NULL);
		failed = injected(self->nth);
		EXPECT_TRUE(!err || (failed && err == -ENOMEM));
		EXPECT_EQ(err ? 1 : 0, self->p[0]);
	}
	EXPECT_LT(n, MOST);
	for (n = 1, failed = true; failed && n < MOST; n++) {
		ASSERT_EQ(0, dev_purge(self->fd, self->p, 1, NULL));
		failed = touch(_metadata, self->nth, n, self->p);
		EXPECT_TRUE(bytes_are(self->p, 0, EXTENT));
	}
	EXPECT_LT(n, MOST);
	EXPECT_GT(n, 3);
}

/*
 * What a child may find: what was there at the fork, or SIGBUS. Page by page, since
 * an extent that mprotect() cut lies in several VMAs, and the fork may have had
 * memory for one of them and not for the next.
 */
static int child_looks(char *p)
{
	char *page;

	for (page = p; page < p + N * EXTENT; page += PAGE) {
		if (read_is_sigbus(page))
			continue;
		if (!bytes_are(page, 1, PAGE))
			return 1;
		if (write_is_sigbus(page))
			return 2;
		memset(page, 3, PAGE);
	}
	return 0;
}

/* What a child maps beside it is its own, even where the fork had no memory for p. */
static int child_maps_beside(int fd, char *p)
{
	char *beside = mmap(p + N * EXTENT, EXTENT, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED_NOREPLACE, fd, N * EXTENT);

	if (beside != p + N * EXTENT)
		return 3;
	if (dev_alloc(fd, beside, 1))
		return 4;
	return write_is_sigbus(beside) ? 5 : 0;
}

static void fork_with_failures(struct __test_metadata *_metadata, int nth,
			       int fd, char *p)
{
	bool failed = true;
	int n;

	for (n = 1; failed && n < MOST; n++) {
		pid_t pid;

		inject(nth, n);
		pid = fork();
		if (!pid)
			_exit(child_looks(p) ?: child_maps_beside(fd, p));
		failed = injected(nth);
		EXPECT_TRUE(failed || pid > 0);
		if (pid > 0)
			EXPECT_EQ(0, child_status(pid)) TH_LOG("n %d", n);
		EXPECT_TRUE(bytes_are(p, 1, N * EXTENT));
		memset(p, 1, N * EXTENT);
	}
	EXPECT_LT(n, MOST);
	EXPECT_GT(n, 10);
}

TEST_F_TIMEOUT(inject, fork, 900)
{
	fork_with_failures(_metadata, self->nth, self->fd, self->p);
}

/* The same with a pinned extent, which is copied, and one in pieces. */
TEST_F_TIMEOUT(inject, fork_pinned_and_split, 900)
{
	struct iovec iov = { self->p, PAGE };
	int pipefd[2];

	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_EQ(PAGE, vmsplice(pipefd[1], &iov, 1, 0));
	ASSERT_EQ(0, mprotect(self->p + EXTENT + PAGE, PAGE,
			      PROT_READ | PROT_WRITE | PROT_EXEC));
	fork_with_failures(_metadata, self->nth, self->fd, self->p);
	close(pipefd[0]);
	close(pipefd[1]);
}

/* A write after the fork, each of its allocations failing. */
TEST_F_TIMEOUT(inject, copy, 300)
{
	bool failed = true;
	int n;

	for (n = 1; failed && n < MOST; n++) {
		struct turn turn;
		bool sigbus;
		pid_t pid;

		turn_init(&turn);
		pid = fork();
		if (!pid) {
			turn_wait(&turn);
			_exit(child_looks(self->p));
		}
		inject(self->nth, n);
		sigbus = write_is_sigbus(self->p);
		failed = injected(self->nth);
		EXPECT_TRUE(failed || !sigbus);
		EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
		turn_give(&turn);
		EXPECT_EQ(0, child_status(pid));
		close(turn.fd[0]);
		close(turn.fd[1]);
	}
	EXPECT_LT(n, MOST);
	EXPECT_GT(n, 3);
}

/* All pages of an extent but the last four: so that few have to be moved. */
#define KEPT 4
#define HOLE (EXTENT - KEPT * PAGE)

static bool is_punched(char *p)
{
	return bytes_are(p, 0, HOLE) && bytes_are(p + HOLE, 1, KEPT * PAGE);
}

/* Refused, PUNCH has changed nothing. */
TEST_F_TIMEOUT(inject, punch, 300)
{
	bool failed = true;
	int n, err;

	for (n = 1; failed && n < MOST; n++) {
		memset(self->p, 1, EXTENT);
		inject(self->nth, n);
		err = dev_punch(self->fd, self->p, HOLE / PAGE, NULL);
		failed = injected(self->nth);
		EXPECT_TRUE(!err || (failed && err == -ENOMEM)) TH_LOG("%d", err);
		EXPECT_EQ(err ? ASHLAR_STATE_OWNED : ASHLAR_STATE_PIECES,
			  dev_extent(self->fd, self->p).state);
		EXPECT_TRUE(err ? bytes_are(self->p, 1, EXTENT) :
				  is_punched(self->p));
		EXPECT_EQ(0, dev_mend(self->fd, self->p, 1, NULL));
	}
	EXPECT_LT(n, MOST);
	EXPECT_GT(n, 5);
}

/* MEND, and mapping anew, which must leave no hole where the extent was. */
TEST_F_TIMEOUT(inject, mend, 300)
{
	bool failed = true;
	int n, err;

	for (n = 1; failed && n < MOST; n++) {
		memset(self->p, 1, EXTENT);
		ASSERT_EQ(0, dev_punch(self->fd, self->p, HOLE / PAGE, NULL));
		/* A page table is there, and is to go. */
		EXPECT_TRUE(bytes_are(self->p + HOLE, 1, KEPT * PAGE));
		inject(self->nth, n);
		err = dev_mend(self->fd, self->p, 1, NULL);
		failed = injected(self->nth);
		EXPECT_TRUE(!err || (failed && err == -ENOMEM)) TH_LOG("%d", err);
		EXPECT_TRUE(is_punched(self->p));
		EXPECT_EQ(0, dev_mend(self->fd, self->p, 1, NULL));
		EXPECT_EQ(ASHLAR_STATE_OWNED, dev_extent(self->fd, self->p).state);
		EXPECT_TRUE(is_punched(self->p));
	}
	EXPECT_LT(n, MOST);
	EXPECT_GT(n, 5);
}

/* A page of a punched extent comes back, or not; the next time it does. */
TEST_F_TIMEOUT(inject, touch_what_was_punched, 300)
{
	bool failed = true;
	int n;

	for (n = 1; failed && n < MOST; n++) {
		memset(self->p, 1, EXTENT);
		ASSERT_EQ(0, dev_punch(self->fd, self->p, HOLE / PAGE, NULL));
		failed = touch(_metadata, self->nth, n, self->p);
		EXPECT_TRUE(is_punched(self->p));
		EXPECT_EQ(0, dev_mend(self->fd, self->p, 1, NULL));
	}
	EXPECT_LT(n, MOST);
	EXPECT_GT(n, 3);
}

static bool nothing_lazy(void *arg)
{
	file_write("/proc/sys/vm/drop_caches", "2");
	return !nodes_sum("lazy");
}

/* The system has taken a lazy extent, and its process wants one again. */
TEST_F_TIMEOUT(inject, touch_what_was_lazy, 300)
{
	bool failed = true;
	int n;

	for (n = 1; failed && n < MOST; n++) {
		memset(self->p, 1, EXTENT);
		inject(self->nth, n);
		dev_purge_as(self->fd, self->p, 1, ASHLAR_PURGE_LAZY, NULL);
		injected(self->nth);
		ASSERT_EQ(0, dev_purge_as(self->fd, self->p, 1,
					  ASHLAR_PURGE_LAZY, NULL));
		ASSERT_TRUE(eventually(nothing_lazy, NULL, 20));
		EXPECT_EQ(ASHLAR_STATE_PURGED, dev_extent(self->fd, self->p).state);
		failed = touch(_metadata, self->nth, n, self->p);
		EXPECT_TRUE(bytes_are(self->p, 0, EXTENT));
	}
	EXPECT_LT(n, MOST);
	EXPECT_GT(n, 3);
}

TEST_HARNESS_MAIN
