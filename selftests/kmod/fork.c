// SPDX-License-Identifier: MIT
/* fork: each side has the memory as it was, and nothing of the other's later. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define N 4
#define CGROUP "/sys/fs/cgroup/ashlar-fork"
#define MAX_EXTENTS "/sys/module/ashlar/parameters/max_extents"

FIXTURE(fork)
{
	long out;
	int fd;
	char *p;
	struct turn child, parent;	/* whose turn it is */
};

FIXTURE_SETUP(fork)
{
	self->out = nodes_sum("out");
	self->fd = dev_open();
	self->p = dev_memory(self->fd, N);
	memset(self->p, 1, N * EXTENT);
	turn_init(&self->child);
	turn_init(&self->parent);
}

FIXTURE_TEARDOWN(fork)
{
	munmap(self->p, N * EXTENT);
	EXPECT_TRUE(out_returns_to(self->out));
}

/* In a child: end it with a number that says which check failed. */
#define CHECK(condition) do { if (!(condition)) _exit(__LINE__ % 127 + 1); } while (0)

static bool owned_again(void *arg)
{
	char *p = arg;
	int fd = dev_open();
	struct ashlar_stat stat;
	bool owned = !dev_stat(fd, p, &stat) && !stat.shared;

	close(fd);
	return owned;
}

TEST_F(fork, both_sides_write)
{
	struct ashlar_stat stat;
	pid_t pid = fork();

	if (!pid) {
		turn_wait(&self->child);
		/* The parent wrote 2 to the first half meanwhile. */
		CHECK(bytes_are(self->p, 1, N * EXTENT));
		memset(self->p + EXTENT, 3, EXTENT);
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 1, EXTENT));
		CHECK(bytes_are(self->p + EXTENT, 3, EXTENT));
		CHECK(bytes_are(self->p + 2 * EXTENT, 1, 2 * EXTENT));
		_exit(0);
	}
	EXPECT_EQ(ASHLAR_STATE_SHARED, dev_extent(self->fd, self->p).state);
	memset(self->p, 2, 2 * EXTENT);
	turn_give(&self->child);
	turn_wait(&self->parent);
	EXPECT_TRUE(bytes_are(self->p, 2, 2 * EXTENT));
	EXPECT_TRUE(bytes_are(self->p + 2 * EXTENT, 1, 2 * EXTENT));
	memset(self->p + 2 * EXTENT, 4, EXTENT);
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(self->p + 2 * EXTENT, 4, EXTENT));
	EXPECT_TRUE(bytes_are(self->p + 3 * EXTENT, 1, EXTENT));
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(N, stat.committed);
	/* Not an extent was copied, but each page that either side wrote. */
	EXPECT_EQ(0, stat.copies);
	EXPECT_EQ(3 * EXTENT / PAGE, stat.page_copies);
	EXPECT_EQ(0, stat.shared);
	EXPECT_EQ(self->out + N, nodes_sum("out"));
}

/* Reading first maps read-only; the write that follows must still copy. */
TEST_F(fork, read_then_write)
{
	pid_t pid = fork();

	if (!pid) {
		CHECK(bytes_are(self->p, 1, N * EXTENT));
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 1, N * EXTENT));
		memset(self->p, 3, N * EXTENT);
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 3, N * EXTENT));
		_exit(0);
	}
	turn_wait(&self->parent);
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
	memset(self->p, 2, N * EXTENT);
	turn_give(&self->child);
	turn_wait(&self->parent);
	EXPECT_TRUE(bytes_are(self->p, 2, N * EXTENT));
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
}

/* Written to and all there by PMDs: what comes after the last child may unmap it once more. */
static bool written_and_huge(void *arg)
{
	char *p = arg;

	memset(p, 2, N * EXTENT);
	return smaps_kb(p, "FilePmdMapped") == N * EXTENT / 1024 &&
	       smaps_kb(p, "Rss") == N * EXTENT / 1024;
}

TEST_F(fork, huge_again_when_the_child_is_gone)
{
	pid_t pid = fork();

	if (!pid)
		_exit(bytes_are(self->p, 1, N * EXTENT) ? 0 : 1);
	memset(self->p, 2, EXTENT);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(eventually(written_and_huge, self->p, 10));
}

/* Extents cut by mprotect, in the parent before and in the child after. */
TEST_F(fork, split_mappings)
{
	char *cut = self->p + EXTENT + 100 * PAGE;
	pid_t pid;

	ASSERT_EQ(0, mprotect(cut, 3 * PAGE, PROT_READ));
	EXPECT_EQ(1, cut[0]);
	memset(self->p + EXTENT, 1, PAGE);
	pid = fork();
	if (!pid) {
		CHECK(bytes_are(self->p, 1, N * EXTENT));
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 1, N * EXTENT));
		CHECK(!mprotect(cut, 3 * PAGE, PROT_READ | PROT_WRITE));
		memset(cut, 5, 3 * PAGE);
		memset(self->p + EXTENT, 6, PAGE);
		CHECK(!mprotect(self->p + 2 * EXTENT + PAGE, PAGE, PROT_NONE));
		memset(self->p + 2 * EXTENT, 7, PAGE);
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(cut, 5, 3 * PAGE));
		CHECK(bytes_are(self->p + EXTENT + PAGE, 1, 99 * PAGE));
		CHECK(bytes_are(self->p + 2 * EXTENT + 2 * PAGE, 1, PAGE));
		_exit(0);
	}
	turn_wait(&self->parent);
	memset(self->p + EXTENT + 4 * PAGE, 2, PAGE);
	ASSERT_EQ(0, mprotect(cut, 3 * PAGE, PROT_READ | PROT_WRITE));
	memset(cut + PAGE, 2, PAGE);
	turn_give(&self->child);
	turn_wait(&self->parent);
	EXPECT_TRUE(bytes_are(cut, 1, PAGE));
	EXPECT_TRUE(bytes_are(cut + PAGE, 2, PAGE));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 1, 4 * PAGE));
	EXPECT_TRUE(bytes_are(self->p + EXTENT + 4 * PAGE, 2, PAGE));
	EXPECT_TRUE(bytes_are(self->p + 2 * EXTENT, 1, 2 * EXTENT));
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
}

TEST_F(fork, purge_and_free_on_either_side)
{
	pid_t pid = fork();
	size_t done;

	if (!pid) {
		CHECK(!dev_purge(self->fd, self->p, 1, &done) && done == 1);
		CHECK(!dev_free(self->fd, self->p + EXTENT, 1, &done) && done == 1);
		CHECK(self->p[0] == 0);
		CHECK(read_is_sigbus(self->p + EXTENT));
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 0, EXTENT));
		CHECK(bytes_are(self->p + 2 * EXTENT, 1, 2 * EXTENT));
		CHECK(!dev_alloc(self->fd, self->p + EXTENT, 1));
		CHECK(bytes_are(self->p + EXTENT, 0, EXTENT));
		_exit(0);
	}
	turn_wait(&self->parent);
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
	EXPECT_EQ(0, dev_purge(self->fd, self->p + 2 * EXTENT, 1, NULL));
	EXPECT_EQ(0, dev_free(self->fd, self->p + 3 * EXTENT, 1, NULL));
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(self->p, 1, 2 * EXTENT));
	EXPECT_TRUE(bytes_are(self->p + 2 * EXTENT, 0, EXTENT));
	EXPECT_TRUE(read_is_sigbus(self->p + 3 * EXTENT));
}

/* What was purged before the fork is zero on both sides, and apart. */
TEST_F(fork, purged_before)
{
	pid_t pid;

	ASSERT_EQ(0, dev_purge(self->fd, self->p, 2, NULL));
	pid = fork();
	if (!pid) {
		CHECK(bytes_are(self->p, 0, EXTENT));
		memset(self->p, 5, EXTENT);
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 5, EXTENT));
		_exit(0);
	}
	turn_wait(&self->parent);
	EXPECT_TRUE(bytes_are(self->p, 0, EXTENT));
	memset(self->p, 6, EXTENT);
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(self->p, 6, EXTENT));
}

/* Who is left inherits: parent gone, child gone, grandchild last. */
TEST_F(fork, exit_orders)
{
	int order;

	for (order = 0; order < 2; order++) {
		pid_t child = fork();

		if (!child) {
			pid_t grandchild;

			memset(self->p, 2, EXTENT);
			grandchild = fork();
			if (!grandchild) {
				turn_wait(&self->child);
				CHECK(bytes_are(self->p, 2, EXTENT));
				CHECK(bytes_are(self->p + EXTENT, 1,
						(N - 1) * EXTENT));
				memset(self->p, 3, N * EXTENT);
				turn_give(&self->parent);
				turn_wait(&self->child);
				CHECK(bytes_are(self->p, 3, N * EXTENT));
				turn_give(&self->parent);
				_exit(0);
			}
			if (order)
				_exit(0);
			_exit(child_status(grandchild));
		}
		if (order) {
			/* The one in the middle is gone already. */
			EXPECT_EQ(0, child_status(child));
		}
		turn_give(&self->child);
		turn_wait(&self->parent);
		EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
		turn_give(&self->child);
		turn_wait(&self->parent);
		if (!order)
			EXPECT_EQ(0, child_status(child));
	}
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
	/* The parent first: it is a child of ours here. */
	if (!fork()) {
		if (!fork()) {
			turn_wait(&self->child);
			/* The write after the fork is not its to see. */
			CHECK(bytes_are(self->p, 1, N * EXTENT));
			memset(self->p, 8, N * EXTENT);
			CHECK(bytes_are(self->p, 8, N * EXTENT));
			turn_give(&self->parent);
			_exit(0);
		}
		memset(self->p, 7, EXTENT);
		_exit(0);
	}
	wait(NULL);
	turn_give(&self->child);
	turn_wait(&self->parent);
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
}

/*
 * A tree of processes that do random things, each with its own model of what
 * its memory holds: the model is ordinary memory and forks along.
 */
#define TREE_EXTENTS 3
#define TREE_PAGES (TREE_EXTENTS * EXTENT / PAGE)

struct tree {
	int fd;
	char *p;
	uint32_t seed;
	unsigned char model[TREE_PAGES];
};

#define TREE_GONE 0xff

static bool tree_holds(struct tree *tree)
{
	size_t i;

	for (i = 0; i < TREE_PAGES; i++) {
		unsigned char *page = (unsigned char *)tree->p + i * PAGE;

		if (tree->model[i] == TREE_GONE)
			continue;
		if (page[0] != tree->model[i] || page[PAGE - 1] != tree->model[i])
			return false;
	}
	return true;
}

static void tree_set(struct tree *tree, size_t extent, unsigned char value)
{
	memset(tree->model + extent * (EXTENT / PAGE), value, EXTENT / PAGE);
}

static int tree_run(struct tree *tree, int depth, int steps)
{
	pid_t children[8];
	int nr = 0, i, bad = 0;

	for (i = 0; i < steps && !bad; i++) {
		uint32_t r = random_next(&tree->seed);
		size_t extent = r / 16 % TREE_EXTENTS;
		size_t page = r / 64 % TREE_PAGES;
		char *at = tree->p + extent * EXTENT;

		switch (r % 16) {
		case 0:
			if (depth == 0 || nr == 8)
				break;
			children[nr] = fork();
			if (!children[nr]) {
				tree->seed += 0x9e3779b9 * (i + 1);
				if (!tree->seed)
					tree->seed = 1;
				_exit(tree_run(tree, depth - 1, steps - i - 1));
			}
			if (children[nr] > 0)
				nr++;
			break;
		case 1:
			if (tree->model[extent * (EXTENT / PAGE)] == TREE_GONE)
				break;
			bad |= !!dev_purge(tree->fd, at, 1, NULL);
			tree_set(tree, extent, 0);
			break;
		case 2:
			bad |= !!dev_free(tree->fd, at, 1, NULL);
			tree_set(tree, extent, TREE_GONE);
			break;
		case 3:
			if (!dev_alloc_on(tree->fd, at, 1, ASHLAR_NODE_LOCAL, 0,
					  NULL))
				tree_set(tree, extent, 0);
			break;
		case 4:
			/* Cut the extent at a random page, and mend it. */
			mprotect(tree->p + page * PAGE, PAGE, PROT_READ);
			mprotect(tree->p + page * PAGE, PAGE,
				 PROT_READ | PROT_WRITE);
			break;
		case 5:
			bad |= !tree_holds(tree);
			break;
		default:
			if (tree->model[page] == TREE_GONE)
				break;
			tree->model[page] = 1 + r / 4096 % 200;
			memset(tree->p + page * PAGE, tree->model[page], PAGE);
		}
	}
	bad |= !tree_holds(tree);
	while (nr--)
		bad |= child_status(children[nr]) != 0;
	bad |= !tree_holds(tree);
	return bad;
}

TEST_F_TIMEOUT(fork, random_tree, 300)
{
	struct tree *tree = malloc(sizeof(*tree));
	uint32_t seed = getenv("SEED") ? strtoul(getenv("SEED"), NULL, 0) :
			(uint32_t)getpid() * 2654435761U | 1;
	int round;

	TH_LOG("SEED=%u", seed);
	for (round = 0; round < 6; round++) {
		int fd = dev_open();

		memset(tree, 0, sizeof(*tree));
		tree->fd = fd;
		tree->p = dev_memory(fd, TREE_EXTENTS);
		tree->seed = seed + round * 2;
		EXPECT_EQ(0, tree_run(tree, 3, 60));
		munmap(tree->p, TREE_EXTENTS * EXTENT);
		close(fd);
	}
}

/*
 * Threads write while others of the same process fork. A child finds the
 * numbers of one page never behind those of the next one, which is written
 * later; and its view stands still.
 */
#define WRITERS 3

struct writer {
	volatile uint64_t *first, *second;
	volatile bool *stop;
};

static void *write_on(void *arg)
{
	struct writer *writer = arg;
	uint64_t i = 0;

	while (!*writer->stop) {
		*writer->first = ++i;
		*writer->second = i;
	}
	return NULL;
}

static int look_twice(struct writer *writers)
{
	uint64_t first[WRITERS], second[WRITERS];
	int i, round;

	for (i = 0; i < WRITERS; i++) {
		second[i] = *writers[i].second;
		first[i] = *writers[i].first;
		CHECK(first[i] >= second[i] && first[i] <= second[i] + 1);
	}
	for (round = 0; round < 3; round++) {
		usleep(2000);
		for (i = 0; i < WRITERS; i++) {
			CHECK(*writers[i].second == second[i]);
			CHECK(*writers[i].first == first[i]);
		}
	}
	for (i = 0; i < WRITERS; i++)
		*writers[i].first = *writers[i].second = 0;
	return 0;
}

TEST_F_TIMEOUT(fork, threads_write_meanwhile, 120)
{
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	volatile bool stop = false;
	int i, round;

	memset(self->p, 0, N * EXTENT);
	/* In one extent, across two, and in one that is cut. */
	writers[0].first = (void *)self->p;
	writers[0].second = (void *)(self->p + EXTENT - PAGE);
	writers[1].first = (void *)(self->p + EXTENT);
	writers[1].second = (void *)(self->p + 2 * EXTENT);
	writers[2].first = (void *)(self->p + 3 * EXTENT);
	writers[2].second = (void *)(self->p + 3 * EXTENT + 9 * PAGE);
	mprotect(self->p + 3 * EXTENT + 5 * PAGE, PAGE, PROT_READ);
	for (i = 0; i < WRITERS; i++) {
		writers[i].stop = &stop;
		pthread_create(&threads[i], NULL, write_on, &writers[i]);
	}
	for (round = 0; round < 12; round++) {
		pid_t pids[3];

		for (i = 0; i < 3; i++) {
			pids[i] = fork();
			if (!pids[i])
				_exit(look_twice(writers));
		}
		for (i = 0; i < 3; i++)
			EXPECT_EQ(0, child_status(pids[i]));
	}
	stop = true;
	for (i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(*writers[i].first, *writers[i].second);
		EXPECT_NE(0, *writers[i].first);
	}
}

/* Threads that allocate, purge and free while the process forks. */
static void *allocate_on(void *arg)
{
	struct writer *writer = arg;
	char *p = (char *)writer->first;
	int fd = dev_open();
	unsigned char i = 0;

	while (!*writer->stop) {
		if (dev_alloc_on(fd, p, 1, ASHLAR_NODE_LOCAL, 0, NULL))
			continue;
		memset(p, ++i, PAGE);
		if (!bytes_are(p, i, PAGE) || p[PAGE])
			*writer->second = 1;
		if (i % 3 == 0)
			dev_purge(fd, p, 1, NULL);
		dev_free(fd, p, 1, NULL);
	}
	close(fd);
	return NULL;
}

TEST_F_TIMEOUT(fork, threads_allocate_meanwhile, 120)
{
	struct writer writers[2];
	volatile uint64_t wrong[2] = { 0, 0 };
	volatile bool stop = false;
	pthread_t threads[2];
	int i, round;

	ASSERT_EQ(0, dev_free(self->fd, self->p, 2, NULL));
	for (i = 0; i < 2; i++) {
		writers[i].first = (void *)(self->p + i * EXTENT);
		writers[i].second = &wrong[i];
		writers[i].stop = &stop;
		pthread_create(&threads[i], NULL, allocate_on, &writers[i]);
	}
	for (round = 0; round < 20; round++) {
		pid_t pid = fork();

		if (!pid) {
			CHECK(bytes_are(self->p + 2 * EXTENT, 1, 2 * EXTENT));
			dev_alloc_on(self->fd, self->p, 2, 0, 0, NULL);
			dev_purge(self->fd, self->p, N, NULL);
			CHECK(bytes_are(self->p + 2 * EXTENT, 0, 2 * EXTENT));
			_exit(0);
		}
		EXPECT_EQ(0, child_status(pid));
	}
	stop = true;
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, wrong[i]);
	}
	EXPECT_TRUE(bytes_are(self->p + 2 * EXTENT, 1, 2 * EXTENT));
}

/* A page in a pipe by reference: the pipe goes on seeing the parent's page. */
TEST_F(fork, vmsplice_held_across)
{
	struct iovec iov = { self->p, PAGE };
	char page[4096];
	struct ashlar_stat stat;
	int pipefd[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_EQ(PAGE, vmsplice(pipefd[1], &iov, 1, 0));
	pid = fork();
	if (!pid) {
		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 1, N * EXTENT));
		memset(self->p, 3, EXTENT);
		turn_give(&self->parent);
		_exit(0);
	}
	/* Pinned, so copied for the child; the rest is shared. */
	EXPECT_EQ(ASHLAR_STATE_OWNED, dev_extent(self->fd, self->p).state);
	EXPECT_EQ(ASHLAR_STATE_SHARED,
		  dev_extent(self->fd, self->p + EXTENT).state);
	memset(self->p, 2, PAGE);
	turn_give(&self->child);
	turn_wait(&self->parent);
	EXPECT_EQ(PAGE, read(pipefd[0], page, PAGE));
	EXPECT_TRUE(bytes_are(page, 2, PAGE));
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(self->p, 2, PAGE));
	EXPECT_TRUE(bytes_are(self->p + PAGE, 1, N * EXTENT - PAGE));
	/* The parent had nothing to copy. */
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(0, stat.copies);
}

static bool pinned_are(void *arg)
{
	return nodes_sum("pinned") == *(long *)arg;
}

/* Freed while a pipe still holds it: not reused until the pipe lets go. */
TEST_F(fork, pinned_when_freed)
{
	struct iovec iov = { self->p + PAGE, PAGE };
	char page[4096];
	long quarantined = nodes_sum("quarantined");
	long pinned = nodes_sum("pinned");
	int pipefd[2], i;

	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_EQ(PAGE, vmsplice(pipefd[1], &iov, 1, 0));
	ASSERT_EQ(0, dev_free(self->fd, self->p, 1, NULL));
	EXPECT_EQ(quarantined + 1, nodes_sum("quarantined"));
	pinned++;
	EXPECT_TRUE(eventually(pinned_are, &pinned, 20));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, dev_alloc(self->fd, self->p, 1));
		memset(self->p, 9, EXTENT);
		ASSERT_EQ(0, dev_free(self->fd, self->p, 1, NULL));
	}
	EXPECT_EQ(PAGE, read(pipefd[0], page, PAGE));
	EXPECT_TRUE(bytes_are(page, 1, PAGE));
	/* The teardown waits for the quarantine to be empty. */
}

/* Another process, or a debugger, writes: the right heap is changed. */
TEST_F(fork, written_by_another_process)
{
	static char twos[8192];
	struct iovec local = { twos, sizeof(twos) };
	struct iovec remote = { self->p + EXTENT - PAGE, sizeof(twos) };
	pid_t pid = fork();
	int status;

	memset(twos, 2, sizeof(twos));
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		CHECK(bytes_are(self->p, 1, EXTENT - PAGE));
		CHECK(bytes_are(self->p + EXTENT - PAGE, 2, 2 * PAGE));
		CHECK(self->p[2 * EXTENT] == 0x55);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(sizeof(twos),
		  process_vm_writev(pid, &local, 1, &remote, 1, 0));
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, pid, self->p + 2 * EXTENT, 0x55));
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, 0, 0));
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
}

/* A second view of the same extents shows the same after the fork too. */
TEST_F(fork, second_view)
{
	char *q = dev_map(self->fd, N);
	pid_t pid;

	ASSERT_NE(NULL, q);
	memset(q, 1, N * EXTENT);
	pid = fork();
	if (!pid) {
		memset(q, 3, EXTENT);
		CHECK(bytes_are(self->p, 3, EXTENT));
		turn_give(&self->parent);
		turn_wait(&self->child);
		CHECK(bytes_are(self->p + EXTENT, 1, EXTENT));
		CHECK(bytes_are(q + EXTENT, 1, EXTENT));
		_exit(0);
	}
	turn_wait(&self->parent);
	EXPECT_TRUE(bytes_are(q, 1, EXTENT));
	memset(self->p + EXTENT, 2, EXTENT);
	EXPECT_TRUE(bytes_are(q + EXTENT, 2, EXTENT));
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	memset(q, 4, N * EXTENT);
	EXPECT_TRUE(bytes_are(self->p, 4, N * EXTENT));
	munmap(q, N * EXTENT);
}

/* One half of an extent is not for the child; the other is as at the fork. */
TEST_F(fork, dontfork_in_the_middle)
{
	char *half = self->p + EXTENT + EXTENT / 2;
	pid_t pid;

	ASSERT_EQ(0, madvise(half, EXTENT / 2, MADV_DONTFORK));
	memset(half, 1, EXTENT / 2);
	pid = fork();
	if (!pid) {
		char *q;

		turn_wait(&self->child);
		CHECK(bytes_are(self->p, 1, EXTENT + EXTENT / 2));
		/* Its own mapping of the whole shows nothing newer either. */
		q = dev_map_at(self->fd, NULL, 1, 1);
		CHECK(q);
		CHECK(bytes_are(q, 1, EXTENT));
		_exit(0);
	}
	memset(half, 2, EXTENT / 2);
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(half, 2, EXTENT / 2));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 1, EXTENT / 2));
}

/* exec ends the sharing: nothing was copied, and pins work as before. */
TEST_F(fork, exec_copies_nothing)
{
	struct ashlar_stat stat;
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/sh", "sh", "-c", ":", NULL);
		_exit(1);
	}
	EXPECT_EQ(0, child_status(pid));
	memset(self->p, 2, N * EXTENT);
	ASSERT_EQ(0, dev_stat(self->fd, self->p, &stat));
	EXPECT_EQ(0, stat.copies);
	EXPECT_TRUE(eventually(owned_again, self->p, 10));
}

/* A pinned extent that cannot be copied at the fork: SIGBUS in the child. */
TEST_F(fork, no_memory_for_a_pinned_copy)
{
	struct iovec iov = { self->p, PAGE };
	char limit[32];
	int pipefd[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_EQ(PAGE, vmsplice(pipefd[1], &iov, 1, 0));
	snprintf(limit, sizeof(limit), "%ld", nodes_sum("out"));
	ASSERT_TRUE(file_write(MAX_EXTENTS, limit));
	pid = fork();
	if (!pid) {
		turn_wait(&self->child);
		CHECK(read_is_sigbus(self->p));
		CHECK(dev_extent(self->fd, self->p).state == ASHLAR_STATE_LOST);
		CHECK(bytes_are(self->p + EXTENT, 1, (N - 1) * EXTENT));
		CHECK(!dev_purge(self->fd, self->p, 1, NULL));
		CHECK(bytes_are(self->p, 0, EXTENT));
		_exit(0);
	}
	ASSERT_TRUE(file_write(MAX_EXTENTS, "0"));
	turn_give(&self->child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
	close(pipefd[0]);
	close(pipefd[1]);
}

/* The pids controller refuses a fork after its address space was copied. */
TEST_F(fork, fails_half_way)
{
	char pid[32];
	int i;

	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		SKIP(return, "no cgroup2 hierarchy at /sys/fs/cgroup");
	if (!file_write(CGROUP "/pids.max", "1"))
		SKIP(return, "no pids controller");
	snprintf(pid, sizeof(pid), "%d", getpid());
	ASSERT_TRUE(file_write(CGROUP "/cgroup.procs", pid));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(-1, fork());
		EXPECT_EQ(EAGAIN, errno);
		memset(self->p, i, N * EXTENT);
		EXPECT_TRUE(bytes_are(self->p, i, N * EXTENT));
	}
	EXPECT_TRUE(file_write("/sys/fs/cgroup/cgroup.procs", pid));
	rmdir(CGROUP);
	EXPECT_TRUE(eventually(owned_again, self->p, 10));
	EXPECT_EQ(self->out + N, nodes_sum("out"));
}

/* Many generations in a row, each changing a little. */
TEST_F_TIMEOUT(fork, to_any_depth, 120)
{
	int depth, status = 0;

	for (depth = 0; depth < 24; depth++) {
		pid_t pid = fork();

		if (pid) {
			status = child_status(pid);
			if (depth)
				_exit(status || !bytes_are(self->p + EXTENT,
							   depth, 64));
			break;
		}
		if (depth) {
			CHECK(bytes_are(self->p + EXTENT, depth, 64));
		}
		CHECK(self->p[0] == 1 && self->p[2 * EXTENT] == 1);
		memset(self->p + EXTENT, depth + 1, 64);
		if (depth == 23)
			_exit(0);
	}
	EXPECT_EQ(0, status);
	EXPECT_TRUE(bytes_are(self->p, 1, N * EXTENT));
}

TEST_HARNESS_MAIN
