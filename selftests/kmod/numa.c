// SPDX-License-Identifier: MIT
/* Extents come from the node that was asked for, within the cpuset. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <numa.h>
#include <numaif.h>
#include "harness.h"
#include "common.h"

#define N 8
#define CGROUP "/sys/fs/cgroup/ashlar-numa"

FIXTURE(numa)
{
	int fd;
	char *p;
};

FIXTURE_SETUP(numa)
{
	if (numa_available() < 0 || numa_max_node() < 1)
		SKIP(return, "needs two NUMA nodes");
	self->fd = dev_open();
	self->p = dev_map(self->fd, N);
	ASSERT_NE(NULL, self->p);
}

FIXTURE_TEARDOWN(numa)
{
	if (self->p)
		munmap(self->p, N * EXTENT);
}

/* The node of a page as the kernel tells it. */
static int node_of(void *p)
{
	int node = -1;

	if (get_mempolicy(&node, NULL, 0, p, MPOL_F_NODE | MPOL_F_ADDR))
		return -1;
	return node;
}

static int run_on_node(int node)
{
	int err = numa_run_on_node(node);

	sched_yield();
	return err;
}

TEST_F(numa, named_node)
{
	int node, i;

	for (node = 0; node <= 1; node++) {
		ASSERT_EQ(0, dev_alloc_on(self->fd, self->p, N, node,
					  ASHLAR_ALLOC_STRICT, NULL));
		memset(self->p, 1, N * EXTENT);
		for (i = 0; i < N; i++) {
			EXPECT_EQ(node, node_of(self->p + i * EXTENT));
			EXPECT_EQ(node, dev_extent(self->fd,
						   self->p + i * EXTENT).node);
		}
		ASSERT_EQ(0, dev_free(self->fd, self->p, N, NULL));
	}
}

TEST_F(numa, local_node)
{
	int node;

	for (node = 0; node <= 1; node++) {
		ASSERT_EQ(0, run_on_node(node));
		ASSERT_EQ(0, dev_alloc(self->fd, self->p, 2));
		self->p[0] = 1;
		EXPECT_EQ(node, node_of(self->p));
		EXPECT_EQ(node, dev_extent(self->fd, self->p + EXTENT).node);
		ASSERT_EQ(0, dev_free(self->fd, self->p, 2, NULL));
	}
}

/* A purged extent comes back on the node that it had, whoever touches it. */
TEST_F(numa, purged_returns_home)
{
	ASSERT_EQ(0, dev_alloc_on(self->fd, self->p, 1, 1, ASHLAR_ALLOC_STRICT,
				  NULL));
	ASSERT_EQ(0, dev_purge(self->fd, self->p, 1, NULL));
	ASSERT_EQ(0, run_on_node(0));
	self->p[0] = 1;
	EXPECT_EQ(1, node_of(self->p));
}

/* A copy after a fork stays on the node of what it copies. */
TEST_F(numa, copies_stay_home)
{
	pid_t pid;

	ASSERT_EQ(0, dev_alloc_on(self->fd, self->p, 2, 1, ASHLAR_ALLOC_STRICT,
				  NULL));
	memset(self->p, 1, 2 * EXTENT);
	ASSERT_EQ(0, run_on_node(0));
	pid = fork();
	if (!pid) {
		self->p[0] = 2;
		_exit(node_of(self->p) == 1 ? 0 : 1);
	}
	self->p[EXTENT] = 2;
	EXPECT_EQ(1, node_of(self->p + EXTENT));
	EXPECT_EQ(0, child_status(pid));
}

struct job {
	int fd;
	char *p;
};

/* In a cpuset that has node 0's memory alone. */
static int inside_cpuset(void *arg)
{
	struct job *job = arg;
	char pid[32];
	int i;

	snprintf(pid, sizeof(pid), "%d", getpid());
	if (!file_write(CGROUP "/cgroup.procs", pid))
		return 1;
	if (dev_alloc_on(job->fd, job->p, 1, 1, ASHLAR_ALLOC_STRICT, NULL) !=
	    -EPERM)
		return 2;
	/* Preferred is what it says: another node serves. */
	if (dev_alloc_on(job->fd, job->p, N, 1, 0, NULL))
		return 3;
	memset(job->p, 1, N * EXTENT);
	for (i = 0; i < N; i++)
		if (node_of(job->p + i * EXTENT) != 0)
			return 4;
	if (dev_purge(job->fd, job->p, N, NULL))
		return 5;
	memset(job->p, 1, N * EXTENT);
	for (i = 0; i < N; i++)
		if (node_of(job->p + i * EXTENT) != 0)
			return 6;
	return 0;
}

TEST_F(numa, cpuset_holds)
{
	struct job job = { self->fd, self->p };

	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		SKIP(return, "no cgroup2 hierarchy at /sys/fs/cgroup");
	if (!file_write(CGROUP "/cpuset.mems", "0"))
		SKIP(return, "no cpuset controller");
	/* Its own mapping: heaps do not pass to children uncopied. */
	EXPECT_EQ(0, in_child(inside_cpuset, &job));
	rmdir(CGROUP);
}

/* When a node has nothing left: strict fails with ENOMEM, preferred moves on. */
TEST_F(numa, node_is_full)
{
	long fails = node_value(1, "fails"), remote = node_value(0, "remote");
	char *p = dev_map_at(self->fd, NULL, 4096, 1000);
	size_t got = 0, more = 0;
	int err;

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, dev_alloc_on(self->fd, p, 4096, 1, ASHLAR_ALLOC_STRICT,
				  &got));
	ASSERT_LT(got, 4096);
	err = dev_alloc_on(self->fd, p + got * EXTENT, 4096 - got, 1,
			   ASHLAR_ALLOC_STRICT, &more);
	/* Some may have come free meanwhile, but not all. */
	if (!err)
		got += more;
	else
		EXPECT_EQ(-ENOMEM, err);
	EXPECT_GT(node_value(1, "fails"), fails);
	EXPECT_EQ(0, dev_alloc_on(self->fd, self->p, N, 1, 0, NULL));
	EXPECT_EQ(0, dev_extent(self->fd, self->p + (N - 1) * EXTENT).node);
	EXPECT_GT(node_value(0, "remote"), remote);
	EXPECT_EQ(0, munmap(p, 4096 * EXTENT));
}

TEST_HARNESS_MAIN
