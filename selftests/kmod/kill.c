// SPDX-License-Identifier: MIT
/* kill -9 in the middle of things: every extent comes back. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define N 16

static void *allocate_for_ever(void *arg)
{
	int fd = dev_open();
	char *p = dev_map(fd, N);

	for (;;) {
		size_t done;

		dev_alloc_on(fd, p, N, ASHLAR_NODE_LOCAL,
			     ASHLAR_ALLOC_POPULATE, &done);
		if (done)
			memset(p, 1, done * EXTENT);
		dev_purge(fd, p, N / 2, NULL);
		p[0] = 1;
		dev_free(fd, p, N, NULL);
	}
	return NULL;
}

/* A child with threads in all calls, which forks on too. */
static void busy_child(void)
{
	pthread_t thread;
	pid_t pid;

	/* What it cannot touch for lack of memory must not end it early. */
	signal(SIGBUS, SIG_IGN);
	pthread_create(&thread, NULL, allocate_for_ever, NULL);
	pthread_create(&thread, NULL, allocate_for_ever, NULL);
	for (;;) {
		pid = fork();
		if (!pid) {
			usleep(1000);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

TEST(kill_in_mid_allocation)
{
	long out = nodes_sum("out");
	int round;

	for (round = 0; round < 12; round++) {
		pid_t pid = fork();

		if (!pid) {
			setpgid(0, 0);
			busy_child();
		}
		setpgid(pid, pid);
		usleep(20000 + round * 7000);
		ASSERT_EQ(0, kill(-pid, SIGKILL));
		child_status(pid);
	}
	EXPECT_TRUE(out_returns_to(out));
}

static void *touch_for_ever(void *arg)
{
	volatile char *p = arg;

	for (;;)
		for (size_t i = 0; i < N; i++)
			p[i * EXTENT] = 1;
	return NULL;
}

/* A killed process's extents are back before its parent has waited for it. */
TEST(back_before_it_is_reaped)
{
	long out = nodes_sum("out");
	struct turn turn;
	siginfo_t info;
	int round;
	pid_t pid;

	turn_init(&turn);
	for (round = 0; round < 4; round++) {
		pid = fork();
		if (!pid) {
			char *p = dev_memory(dev_open(), N);
			pthread_t thread;

			memset(p, 1, N * EXTENT);
			for (int i = 0; i < round; i++)
				pthread_create(&thread, NULL, touch_for_ever, p);
			turn_give(&turn);
			pause();
		}
		turn_wait(&turn);
		EXPECT_EQ(out + N, nodes_sum("out"));
		kill(pid, SIGKILL);
		/* Dead, and a zombie until it is waited for. */
		ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
		EXPECT_EQ(SIGKILL, info.si_status);
		EXPECT_EQ(out, nodes_sum("out"));
		EXPECT_EQ(128 + SIGKILL, child_status(pid));
	}
}

/* Forks a process with thousands of mappings for ever, its heap empty. */
static void fork_for_ever(int fd)
{
	int i;

	/* Unlike neighbours do not merge. */
	for (i = 0; i < 12000; i++)
		mmap(NULL, PAGE, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Low: its VMA is cloned early, most of the others after it. */
	if (!dev_map_at(fd, (void *)0x100000000UL, 1, 1))
		_exit(1);
	for (;;) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

/*
 * A fork that SIGKILL stops half-way leaves an mm that nobody may walk, while
 * another process of the same file makes all heaps calm again and again.
 */
FIXTURE(slow) { int none; };
FIXTURE_SETUP(slow) { }
FIXTURE_TEARDOWN(slow) { }

TEST_F_TIMEOUT(slow, kill_in_mid_fork, 300)
{
	long out = nodes_sum("out");
	int fd = dev_open(), round;
	char *p = dev_map(fd, 1);
	pid_t calm, pid;

	ASSERT_NE(NULL, p);
	calm = fork();
	if (!calm) {
		if (dev_alloc(fd, p, 1))
			_exit(1);
		for (;;) {
			pid = fork();
			if (!pid)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
	}
	for (round = 0; round < 20; round++) {
		pid = fork();
		if (!pid)
			fork_for_ever(fd);
		usleep(400000 + round * 3777);
		/* It was still at it. */
		EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
		kill(pid, SIGKILL);
		EXPECT_EQ(128 + SIGKILL, child_status(pid));
	}
	EXPECT_EQ(0, waitpid(calm, NULL, WNOHANG));
	kill(calm, SIGKILL);
	child_status(calm);
	munmap(p, EXTENT);
	close(fd);
	EXPECT_TRUE(out_returns_to(out));
}

/* Counters that balance: what went out is in use, or came back. */
TEST(counters_balance)
{
	long took, gave;
	int node;

	for (node = 0; node <= nodes_highest(); node++) {
		if (node_value(node, "ready") < 0)
			continue;
		took = node_value(node, "hits") + node_value(node, "misses");
		gave = node_value(node, "out") + node_value(node, "returned");
		EXPECT_EQ(took, gave) TH_LOG("node %d", node);
	}
}

TEST_HARNESS_MAIN
