// SPDX-License-Identifier: MIT
/* Load and unload: refused while a descriptor or a heap lives, clean after. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

static const char *module_file(void)
{
	const char *file = getenv("ASHLAR_KO");

	return file ? file : "/lib/ashlar.ko";
}

static int load(const char *parameters)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, parameters, 0))
		err = -errno;
	close(fd);
	return err;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "ashlar", O_NONBLOCK) ? -errno : 0;
}

static bool unloaded(void *arg)
{
	return !unload();
}

FIXTURE(unload) { char unused; };

FIXTURE_SETUP(unload)
{
	if (access(module_file(), R_OK))
		SKIP(return, "no module file; set ASHLAR_KO");
	if (access(DEVICE, F_OK))
		ASSERT_EQ(0, load(""));
}

FIXTURE_TEARDOWN(unload)
{
	if (access(DEVICE, F_OK))
		load("");
}

TEST_F(unload, refused_while_open)
{
	int fd = dev_open();

	EXPECT_EQ(-EWOULDBLOCK, unload());
	close(fd);
	EXPECT_TRUE(eventually(unloaded, NULL, 10));
	EXPECT_NE(0, access(DEVICE, F_OK));
	ASSERT_EQ(0, load(""));
	EXPECT_EQ(0, access(DEVICE, F_OK));
}

TEST_F(unload, refused_while_a_heap_lives)
{
	int fd = dev_open();
	char *p = dev_memory(fd, 4);

	memset(p, 1, 4 * EXTENT);
	close(fd);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_TRUE(bytes_are(p, 1, 4 * EXTENT));
	ASSERT_EQ(0, munmap(p, 2 * EXTENT));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	ASSERT_EQ(0, munmap(p + 2 * EXTENT, 2 * EXTENT));
	EXPECT_TRUE(eventually(unloaded, NULL, 10));
	ASSERT_EQ(0, load(""));
}

static bool reserve_is_six(void *arg)
{
	int node;

	(void)arg;
	for (node = 0; node <= nodes_highest(); node++)
		if (node_value(node, "ready") != 6)
			return false;
	return true;
}

/* The reserve that a machine boots with. */
TEST_F_TIMEOUT(unload, parameters_set_the_reserve, 120)
{
	ASSERT_TRUE(eventually(unloaded, NULL, 10));
	ASSERT_EQ(0, load("pool_low=2 pool_high=6"));
	EXPECT_EQ(2, node_value(0, "low"));
	EXPECT_EQ(6, node_value(0, "high"));
	EXPECT_TRUE(eventually(reserve_is_six, NULL, 60));
	ASSERT_TRUE(eventually(unloaded, NULL, 10));
	ASSERT_EQ(0, load(""));
}

TEST_F(unload, refused_while_a_child_lives)
{
	struct turn child;
	int fd = dev_open();
	char *p = dev_memory(fd, 2);
	pid_t pid;

	turn_init(&child);
	memset(p, 1, 2 * EXTENT);
	pid = fork();
	if (!pid) {
		close(fd);
		turn_wait(&child);
		_exit(bytes_are(p, 1, 2 * EXTENT) ? 0 : 1);
	}
	close(fd);
	ASSERT_EQ(0, munmap(p, 2 * EXTENT));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	turn_give(&child);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(eventually(unloaded, NULL, 10));
	ASSERT_EQ(0, load(""));
}

TEST_F_TIMEOUT(unload, over_and_over, 120)
{
	int i;

	for (i = 0; i < 12; i++) {
		EXPECT_TRUE(eventually(unloaded, NULL, 10));
		ASSERT_EQ(0, load(i % 2 ? "pool_high=4" : ""));
		EXPECT_EQ(0, access(DEVICE, R_OK | W_OK));
		if (i % 2) {
			EXPECT_EQ(4, node_value(0, "high"));
			EXPECT_EQ(2, node_value(0, "low"));
		}
		if (i % 3 == 0) {
			int fd = dev_open();
			char *p = dev_memory(fd, 2);

			memset(p, 1, EXTENT);
			munmap(p, 2 * EXTENT);
			close(fd);
		}
	}
	EXPECT_TRUE(eventually(unloaded, NULL, 10));
	ASSERT_EQ(0, load(""));
}

/* The node's directory is busy while the module goes. */
TEST_F_TIMEOUT(unload, against_readers, 120)
{
	pid_t pid = fork();
	int i;

	if (!pid)
		for (;;) {
			node_value(0, "ready");
			node_write(0, "high", 3);
		}
	for (i = 0; i < 12; i++) {
		EXPECT_TRUE(eventually(unloaded, NULL, 10));
		ASSERT_EQ(0, load(""));
	}
	kill(pid, SIGKILL);
	child_status(pid);
}

/* Others open, map, allocate and leave while the module comes and goes. */
TEST_F_TIMEOUT(unload, against_users, 120)
{
	int i, unloaded_times = 0;
	pid_t pid = fork();

	if (!pid)
		for (;;) {
			int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
			char *p = fd < 0 ? NULL : dev_map(fd, 2);

			if (p && !dev_alloc(fd, p, 2)) {
				memset(p, 1, EXTENT);
				dev_purge(fd, p, 1, NULL);
			}
			if (p)
				munmap(p, 2 * EXTENT);
			if (fd >= 0)
				close(fd);
			usleep(1000);
		}
	for (i = 0; i < 12; i++) {
		if (!eventually(unloaded, NULL, 10))
			continue;
		unloaded_times++;
		ASSERT_EQ(0, load(""));
	}
	kill(pid, SIGKILL);
	child_status(pid);
	EXPECT_GT(unloaded_times, 0);
}

TEST_HARNESS_MAIN
