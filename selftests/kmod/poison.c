// SPDX-License-Identifier: MIT
/*
 * Hardware memory errors, simulated: SIGBUS under a touch, no copy, and the extent
 * is never used again. Leaves pages in quarantine until the machine restarts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif

/* The error may or may not reach the process at once. */
static int strike(void *arg)
{
	char *p = arg;

	return madvise(p, PAGE, MADV_HWPOISON) ? errno : 0;
}

TEST(poisoned_and_given_back)
{
	long poisoned = nodes_sum("poisoned");
	long quarantined = nodes_sum("quarantined");
	int fd = dev_open(), status, i;
	char *p = dev_map(fd, 4);
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	ASSERT_EQ(0, dev_alloc(fd, p, 2));
	memset(p, 1, 2 * EXTENT);
	sigaction(SIGBUS, &ignore, NULL);
	status = strike(p + 5 * PAGE);
	if (status == EINVAL)
		SKIP(return, "no CONFIG_MEMORY_FAILURE");
	sigaction(SIGBUS, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	/* Unmapped and touched again: the bad page is refused, others are not. */
	EXPECT_EQ(0, madvise(p, 2 * EXTENT, MADV_DONTNEED));
	EXPECT_TRUE(read_is_sigbus(p + 5 * PAGE));
	EXPECT_FALSE(read_is_sigbus(p + EXTENT));
	EXPECT_EQ(0, dev_free(fd, p, 2, NULL));
	EXPECT_EQ(poisoned + 1, nodes_sum("poisoned"));
	EXPECT_EQ(quarantined + 1, nodes_sum("quarantined"));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, dev_alloc(fd, p, 4));
		EXPECT_TRUE(bytes_are(p, 0, 4 * EXTENT));
		ASSERT_EQ(0, dev_free(fd, p, 4, NULL));
	}
	usleep(300000);
	EXPECT_EQ(quarantined + 1, nodes_sum("quarantined"));
}

/* The frame number behind an address, or 0. */
static unsigned long frame_of(char *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8) != 8)
		entry = 0;
	close(fd);
	return entry >> 63 ? entry & ((1UL << 55) - 1) : 0;
}

/* What Documentation/admin-guide/mm/pagemap.rst calls them. */
enum { LRU = 5, HEAD = 15, TAIL = 16, HUGE = 17, HWPOISON = 19 };

static uint64_t frame_flags(unsigned long frame)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	uint64_t flags = 0;

	if (pread(fd, &flags, 8, frame * 8) != 8)
		flags = 0;
	close(fd);
	return flags;
}

/* An error at a frame that need not be mapped; false if it cannot be simulated. */
static bool strike_frame(unsigned long frame)
{
	char address[32];

	snprintf(address, sizeof(address), "%#lx", frame * PAGE);
	/* Fails where the kernel cannot do anything about it; but it is marked. */
	file_write("/sys/devices/system/memory/hard_offline_page", address);
	return frame_flags(frame) >> HWPOISON & 1;
}

/* Frames of 2 MB that nobody uses: so looks what is ready, and little else. */
#define FRAMES (1 << 20)	/* of 4 KB: more than the guest has */

static size_t idle_blocks(unsigned long *blocks, size_t max)
{
	unsigned long frame;
	size_t nr = 0;

	for (frame = 0; frame < FRAMES && nr < max; frame += EXTENT / PAGE) {
		uint64_t flags = frame_flags(frame);

		if (flags >> HEAD & 1 && !(flags >> LRU & 1) && !(flags >> HUGE & 1) &&
		    frame_flags(frame + EXTENT / PAGE - 1) >> TAIL & 1)
			blocks[nr++] = frame;
	}
	return nr;
}

static bool ready_is(void *arg)
{
	return node_value(0, "ready") == *(long *)arg;
}

#define READY 4

/* Fill node 0's pool, and find a page of it. */
static unsigned long ready_frame(void)
{
	static unsigned long before[FRAMES / 512], after[FRAMES / 512];
	long want = 0, high = READY;
	size_t nr, now, i, j;
	int node;

	for (node = 0; node <= nodes_highest(); node++)
		node_write(node, "high", 0);
	eventually(ready_is, &want, 20);
	nr = idle_blocks(before, FRAMES / 512);
	node_write(0, "high", high);
	node_write(0, "low", high);
	if (!eventually(ready_is, &high, 20))
		return 0;
	now = idle_blocks(after, FRAMES / 512);
	for (i = 0; i < now; i++) {
		for (j = 0; j < nr && before[j] != after[i]; j++)
			;
		if (j == nr)
			return after[i];
	}
	return 0;
}

FIXTURE(ready)
{
	long low[2], high[2], poisoned, spoiled, quarantined;
	unsigned long frame;
};

FIXTURE_SETUP(ready)
{
	int node;

	for (node = 0; node < 2; node++) {
		self->low[node] = node_value(node, "low");
		self->high[node] = node_value(node, "high");
	}
	self->poisoned = nodes_sum("poisoned");
	self->spoiled = nodes_sum("spoiled");
	self->quarantined = nodes_sum("quarantined");
	self->frame = ready_frame();
	if (!self->frame)
		SKIP(return, "the frames of ready extents cannot be found");
	if (!strike_frame(self->frame + 5))
		SKIP(return, "no CONFIG_MEMORY_FAILURE, or no CONFIG_MEMORY_HOTPLUG to say where");
}

FIXTURE_TEARDOWN(ready)
{
	int node;

	for (node = 0; node < 2; node++) {
		node_write(node, "high", self->high[node]);
		node_write(node, "low", self->low[node]);
	}
}

static bool still_ours(unsigned long frame)
{
	return frame_flags(frame) >> HEAD & 1 &&
	       frame_flags(frame + 511) >> TAIL & 1;
}

/* Struck while it is nobody's: who comes next does not get it. */
TEST_F(ready, not_handed_out)
{
	int fd = dev_open(), i;
	char *p = dev_map(fd, READY);
	size_t done;

	node_write(0, "low", 0);
	ASSERT_EQ(0, dev_alloc_on(fd, p, READY, 0, ASHLAR_ALLOC_STRICT, &done));
	EXPECT_EQ(READY, done);
	EXPECT_TRUE(bytes_are(p, 0, READY * EXTENT));
	for (i = 0; i < READY; i++)
		EXPECT_NE(self->frame, frame_of(p + i * EXTENT));
	EXPECT_EQ(self->spoiled + 1, nodes_sum("spoiled"));
	EXPECT_EQ(self->poisoned + 1, nodes_sum("poisoned"));
	EXPECT_EQ(self->quarantined + 1, nodes_sum("quarantined"));
	close(fd);
	munmap(p, READY * EXTENT);
	EXPECT_TRUE(still_ours(self->frame));
}

/* Nor does the kernel, when it wants the reserve back. */
TEST_F(ready, not_given_back)
{
	long shrunk = node_value(0, "shrunk");

	ASSERT_TRUE(node_write(0, "high", 0));
	EXPECT_EQ(0, node_value(0, "ready"));
	EXPECT_EQ(shrunk + READY - 1, node_value(0, "shrunk"));
	EXPECT_EQ(self->spoiled + 1, nodes_sum("spoiled"));
	EXPECT_EQ(self->quarantined + 1, nodes_sum("quarantined"));
	EXPECT_TRUE(still_ours(self->frame));
}

FIXTURE(lazy)
{
	long poisoned, quarantined, taken;
	int fd;
	char *p;
	unsigned long frame;
};

FIXTURE_SETUP(lazy)
{
	self->poisoned = nodes_sum("poisoned");
	self->quarantined = nodes_sum("quarantined");
	self->taken = nodes_sum("lazy_taken");
	self->fd = dev_open();
	self->p = dev_memory(self->fd, 2);
	memset(self->p, 1, 2 * EXTENT);
	self->frame = frame_of(self->p);
	ASSERT_NE(0, self->frame);
	ASSERT_EQ(0, dev_purge_as(self->fd, self->p, 2, ASHLAR_PURGE_LAZY, NULL));
	if (!strike_frame(self->frame + 5))
		SKIP(return, "no CONFIG_MEMORY_FAILURE, or no CONFIG_MEMORY_HOTPLUG to say where");
}

FIXTURE_TEARDOWN(lazy)
{
	munmap(self->p, 2 * EXTENT);
	close(self->fd);
	EXPECT_EQ(self->poisoned + 1, nodes_sum("poisoned"));
	EXPECT_EQ(self->quarantined + 1, nodes_sum("quarantined"));
	EXPECT_TRUE(still_ours(self->frame));
}

/* Its contents may vanish; so they do, and it works. */
TEST_F(lazy, touched)
{
	EXPECT_FALSE(read_is_sigbus(self->p));
	EXPECT_TRUE(bytes_are(self->p, 0, EXTENT));
	EXPECT_TRUE(bytes_are(self->p + EXTENT, 1, EXTENT));
	EXPECT_NE(self->frame, frame_of(self->p));
	EXPECT_EQ(self->taken + 1, nodes_sum("lazy_taken"));
}

static bool nothing_lazy(void *arg)
{
	file_write("/proc/sys/vm/drop_caches", "2");
	return !nodes_sum("lazy");
}

TEST_F(lazy, taken)
{
	EXPECT_TRUE(eventually(nothing_lazy, NULL, 20));
	EXPECT_FALSE(read_is_sigbus(self->p));
	EXPECT_TRUE(bytes_are(self->p, 0, 2 * EXTENT));
}

/* What is bad is never copied. */
FIXTURE(copy)
{
	int fd;
	char *p;
};

FIXTURE_SETUP(copy)
{
	self->fd = dev_open();
	self->p = dev_memory(self->fd, 1);
	memset(self->p, 1, EXTENT);
}

FIXTURE_TEARDOWN(copy)
{
	munmap(self->p, EXTENT);
	close(self->fd);
}

static bool strike_mapped(char *p)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	int err;

	sigaction(SIGBUS, &ignore, &old);
	err = strike(p);
	sigaction(SIGBUS, &old, NULL);
	return err != EINVAL;
}

#define NEED_STRIKE(p)							\
	do {								\
		if (!strike_mapped(p))					\
			SKIP(return, "no CONFIG_MEMORY_FAILURE");	\
	} while (0)

static bool only_page_5_is_bad(char *p, int first)
{
	return read_is_sigbus(p + 5 * PAGE) && bytes_are(p, first, PAGE) &&
	       bytes_are(p + PAGE, 1, 4 * PAGE) &&
	       bytes_are(p + 6 * PAGE, 1, EXTENT - 6 * PAGE);
}

TEST_F(copy, punch)
{
	NEED_STRIKE(self->p + 5 * PAGE);
	EXPECT_EQ(-EHWPOISON, dev_punch(self->fd, self->p, 1, NULL));
	EXPECT_EQ(ASHLAR_STATE_OWNED, dev_extent(self->fd, self->p).state);
	EXPECT_TRUE(only_page_5_is_bad(self->p, 1));
}

/* The bad page is a small one: it goes when it is punched, and all is well. */
TEST_F(copy, mend)
{
	ASSERT_EQ(0, dev_punch(self->fd, self->p, 1, NULL));
	NEED_STRIKE(self->p + 5 * PAGE);
	EXPECT_EQ(-EHWPOISON, dev_mend(self->fd, self->p, 1, NULL));
	EXPECT_TRUE(only_page_5_is_bad(self->p, 0));
	EXPECT_EQ(0, dev_punch(self->fd, self->p + 5 * PAGE, 1, NULL));
	EXPECT_EQ(0, dev_mend(self->fd, self->p, 1, NULL));
	EXPECT_TRUE(bytes_are(self->p + 5 * PAGE, 0, PAGE));
	EXPECT_TRUE(bytes_are(self->p + 6 * PAGE, 1, EXTENT - 6 * PAGE));
}

static int writes_beside(char *p)
{
	if (!write_is_sigbus(p + 5 * PAGE))
		return 1;
	if (write_is_sigbus(p + 6 * PAGE))
		return 2;
	return !bytes_are(p + 7 * PAGE, 1, PAGE);
}

static void bad_in_both(struct __test_metadata *_metadata, char *p)
{
	struct turn turn;
	pid_t pid;

	turn_init(&turn);
	pid = fork();
	if (!pid) {
		turn_wait(&turn);
		_exit(writes_beside(p));
	}
	/* The owner, who would save the page for the child, and then the child. */
	EXPECT_EQ(0, writes_beside(p));
	turn_give(&turn);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(0, writes_beside(p));
	close(turn.fd[0]);
	close(turn.fd[1]);
}

TEST_F(copy, fork)
{
	NEED_STRIKE(self->p + 5 * PAGE);
	bad_in_both(_metadata, self->p);
}

TEST_F(copy, fork_in_pieces)
{
	ASSERT_EQ(0, dev_punch(self->fd, self->p, 1, NULL));
	NEED_STRIKE(self->p + 5 * PAGE);
	bad_in_both(_metadata, self->p);
}

/* A snapshot's small page is bad; the extent's own page is there, and is not. */
TEST_F(copy, mend_after_fork)
{
	struct turn child, parent;
	char *bad = self->p + 5 * PAGE;
	int status;
	pid_t pid;

	turn_init(&child);
	turn_init(&parent);
	pid = fork();
	if (!pid) {
		bool struck;

		*bad = 2;
		struck = strike_mapped(bad);
		turn_give(&parent);
		turn_wait(&child);
		_exit(!struck ? 4 : dev_mend(self->fd, self->p, 1, NULL) != -EHWPOISON);
	}
	turn_wait(&parent);
	ASSERT_EQ(0, dev_free(self->fd, self->p, 1, NULL));
	turn_give(&child);
	status = child_status(pid);
	if (status == 4)
		SKIP(return, "no CONFIG_MEMORY_FAILURE");
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
