// SPDX-License-Identifier: MIT
/*
 * A hardware memory error, simulated: SIGBUS under a touch, and the extent is
 * never used again. Leaves its page in quarantine until the machine restarts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kselftest_harness.h"
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

TEST_HARNESS_MAIN
