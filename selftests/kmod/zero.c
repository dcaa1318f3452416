// SPDX-License-Identifier: MIT
/*
 * No byte of an extent is ever another process's old data. One process fills
 * memory with a pattern and gives it back in every way there is; another takes
 * as much as it can get, and looks at each byte.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define N 24
#define SECRET 0xa5

enum way { BY_FREE, BY_PURGE, BY_MUNMAP, BY_EXIT, BY_KILL, BY_EXEC, WAYS };

static const char * const way_names[WAYS] = {
	"FREE", "PURGE", "munmap", "exit", "kill -9", "exec",
};

static int fill_and_give_back(void *arg)
{
	enum way way = *(enum way *)arg;
	int fd = dev_open();
	char *p = dev_map(fd, N);
	size_t i;

	/* As many as there are. */
	dev_alloc_on(fd, p, N, ASHLAR_NODE_LOCAL, 0, &i);
	if (i < N / 2)
		return 2;
	memset(p, SECRET, i * EXTENT);
	switch (way) {
	case BY_FREE:
		return !!dev_free(fd, p, N, NULL);
	case BY_PURGE:
		return !!dev_purge(fd, p, N, NULL);
	case BY_MUNMAP:
		return !!munmap(p, N * EXTENT);
	case BY_KILL:
		raise(SIGKILL);
		return 3;
	case BY_EXEC:
		execl("/bin/sh", "sh", "-c", ":", NULL);
		return 4;
	default:
		return 0;
	}
}

static int take_and_scan(void *arg)
{
	int fd = dev_open();
	char *p = dev_map(fd, N);
	size_t n;

	dev_alloc_on(fd, p, N, ASHLAR_NODE_LOCAL, 0, &n);
	if (n < N / 2)
		return 2;
	if (!bytes_are(p, 0, n * EXTENT))
		return 1;
	/* What a purged extent comes back with. */
	memset(p, SECRET, n * EXTENT);
	if (dev_purge(fd, p, n, NULL))
		return 3;
	/* Some may be SIGBUS if memory is short; what comes is zero. */
	if (dev_alloc_on(fd, p, n, ASHLAR_NODE_LOCAL, 0, &n))
		return 4;
	return bytes_are(p, 0, n * EXTENT) ? 0 : 1;
}

FIXTURE(zero) { long out; };
FIXTURE_SETUP(zero) { self->out = nodes_sum("out"); }
FIXTURE_TEARDOWN(zero) { EXPECT_TRUE(out_returns_to(self->out)); }

TEST_F_TIMEOUT(zero, every_way_of_giving_back, 300)
{
	enum way way;
	int round;

	for (way = 0; way < WAYS; way++) {
		for (round = 0; round < 2; round++) {
			int status = in_child(fill_and_give_back, &way);

			EXPECT_EQ(way == BY_KILL ? 128 + SIGKILL : 0, status)
				TH_LOG("%s", way_names[way]);
			EXPECT_EQ(0, in_child(take_and_scan, NULL))
				TH_LOG("after %s", way_names[way]);
		}
	}
}

/* Both at once: what one gives back the other may get at any moment. */
TEST_F_TIMEOUT(zero, at_the_same_time, 300)
{
	pid_t pid = fork();
	int round;

	if (!pid) {
		enum way way;

		for (round = 0; round < 4; round++)
			for (way = 0; way < BY_EXIT; way++)
				if (fill_and_give_back(&way) == 1)
					_exit(1);
		_exit(0);
	}
	for (round = 0; round < 6; round++)
		EXPECT_NE(1, in_child(take_and_scan, NULL));
	EXPECT_EQ(0, child_status(pid));
}

/* A child's copy holds what the parent had, and its pages come back clean. */
static int child_copies(void *arg)
{
	char *p = arg;

	if (!bytes_are(p, SECRET, 4 * EXTENT))
		return 1;
	memset(p, 0x77, 4 * EXTENT);
	return !bytes_are(p, 0x77, 4 * EXTENT);
}

TEST_F(zero, after_copies)
{
	int fd = dev_open();
	char *p = dev_memory(fd, 4);

	memset(p, SECRET, 4 * EXTENT);
	EXPECT_EQ(0, in_child(child_copies, p));
	EXPECT_TRUE(bytes_are(p, SECRET, 4 * EXTENT));
	munmap(p, 4 * EXTENT);
	EXPECT_EQ(0, in_child(take_and_scan, NULL));
}

TEST_HARNESS_MAIN
