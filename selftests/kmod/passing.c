// SPDX-License-Identifier: MIT
/*
 * Two processes pass the descriptor: each has a heap of its own in the file,
 * and can neither see, free, purge nor count the other's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "common.h"

#define N 4

static int send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -1;
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(socket, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

#define CHECK(condition) do { if (!(condition)) _exit(__LINE__ % 127 + 1); } while (0)

/* It has the other's descriptor, and uses the same offsets and addresses. */
static int stranger(int socket, char *at)
{
	int fd = receive_fd(socket);
	struct ashlar_stat stat;
	char *p;

	CHECK(fd >= 0);
	p = mmap(at, N * EXTENT, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	CHECK(p == at);
	/* Nothing of the other's is to be seen or counted. */
	CHECK(read_is_sigbus(p));
	CHECK(!dev_stat(fd, p, &stat));
	CHECK(stat.committed == 0 && stat.allocs == 0);
	CHECK(dev_extent(fd, p).state == ASHLAR_STATE_NONE);
	CHECK(!dev_purge(fd, p, N, NULL));
	CHECK(!dev_free(fd, p, N, NULL));
	CHECK(!dev_alloc(fd, p, N));
	CHECK(bytes_are(p, 0, N * EXTENT));
	memset(p, 2, N * EXTENT);
	CHECK(!dev_free(fd, p, N, NULL));
	CHECK(!munmap(p, N * EXTENT));
	return 0;
}

TEST(strangers_with_one_descriptor)
{
	long out = nodes_sum("out");
	int sockets[2];
	int fd;
	char *at;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	/* The child must not inherit a mapping: fork first. */
	at = mmap(NULL, (N + 1) * EXTENT, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(at, (N + 1) * EXTENT);
	at = (char *)(((uintptr_t)at + EXTENT - 1) & ~(EXTENT - 1));
	pid = fork();
	if (!pid)
		_exit(stranger(sockets[0], at));
	fd = dev_open();
	ASSERT_NE(NULL, dev_map_at(fd, at, N, 0));
	ASSERT_EQ(0, dev_alloc(fd, at, N));
	memset(at, 1, N * EXTENT);
	ASSERT_EQ(0, send_fd(sockets[1], fd));
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(at, 1, N * EXTENT));
	EXPECT_EQ(out + N, nodes_sum("out"));
	munmap(at, N * EXTENT);
	EXPECT_TRUE(out_returns_to(out));
}

/* The first owner ends; the file lives on with the other's heap. */
TEST(owner_ends_first)
{
	long out = nodes_sum("out");
	int sockets[2];
	pid_t pid;
	char *p;
	int fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	pid = fork();
	if (!pid) {
		fd = dev_open();
		memset(dev_memory(fd, N), 1, N * EXTENT);
		_exit(!!send_fd(sockets[1], fd));
	}
	EXPECT_EQ(0, child_status(pid));
	fd = receive_fd(sockets[0]);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(out_returns_to(out));
	p = dev_memory(fd, N);
	EXPECT_TRUE(bytes_are(p, 0, N * EXTENT));
	munmap(p, N * EXTENT);
}

/* The inherited descriptor and mapping: the copy is the child's own. */
TEST(inherited_descriptor)
{
	int fd = dev_open();
	char *p = dev_memory(fd, N), *q;
	pid_t pid;

	memset(p, 1, N * EXTENT);
	pid = fork();
	if (!pid) {
		CHECK(!dev_free(fd, p, 1, NULL));
		q = dev_map_at(fd, NULL, N, 0);
		CHECK(q && read_is_sigbus(q));
		CHECK(bytes_are(q + EXTENT, 1, (N - 1) * EXTENT));
		CHECK(!dev_alloc(fd, q, 1));
		CHECK(bytes_are(p, 0, EXTENT));
		_exit(0);
	}
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(p, 1, N * EXTENT));
}

TEST_HARNESS_MAIN
