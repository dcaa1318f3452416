// SPDX-License-Identifier: MIT
/*
 * Strangers: a process with whatever descriptor of another's, inherited, passed,
 * taken or opened anew, has a heap of its own. It can neither see, map, free, purge,
 * count nor slow the other's. Nor can a child its parent's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "harness.h"
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

/* What the owner tells, and the ways to a descriptor from there. */
struct owner {
	pid_t pid;
	int fd;
	char *p;
};

static int passed(const struct owner *owner, int socket)
{
	return receive_fd(socket);
}

static int inherited(const struct owner *owner, int socket)
{
	return owner->fd;
}

/* Another open file, as far as the kernel is concerned. */
static int opened_anew(const struct owner *owner, int socket)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", owner->pid, owner->fd);
	return open(path, O_RDWR);
}

static int taken(const struct owner *owner, int socket)
{
	int process = syscall(SYS_pidfd_open, owner->pid, 0);

	return syscall(SYS_pidfd_getfd, process, owner->fd, 0);
}

static int its_own(const struct owner *owner, int socket)
{
	return dev_open();
}

/* The addresses that are the owner's mean nothing here. */
static void at_foreign_addresses(int fd, char *p)
{
	struct ashlar_range page = { (uintptr_t)p, PAGE };
	struct ashlar_punch punch = {
		.size = sizeof(punch), .ranges = (uintptr_t)&page, .nr_ranges = 1,
	};
	struct ashlar_mend mend = {
		.size = sizeof(mend), .nr_ranges = 1,
		.ranges = (uintptr_t)&(struct ashlar_range){ (uintptr_t)p, EXTENT },
	};
	struct ashlar_stat stat;

	CHECK(dev_stat(fd, p, &stat) == -ENXIO);
	CHECK(dev_alloc(fd, p, N) == -ENXIO);
	CHECK(dev_purge(fd, p, N, NULL) == -ENXIO);
	CHECK(dev_purge_as(fd, p, N, ASHLAR_PURGE_LAZY, NULL) == -ENXIO);
	CHECK(dev_free(fd, p, N, NULL) == -ENXIO);
	CHECK(dev_call(fd, ASHLAR_IOC_PUNCH, &punch) == -ENXIO);
	CHECK(dev_call(fd, ASHLAR_IOC_MEND, &mend) == -ENXIO);
}

/* Mapped at the owner's offsets and addresses, nothing of the owner's is there. */
static void at_the_same_places(int fd, char *at)
{
	struct ashlar_stat stat;
	char *p = mmap(at, N * EXTENT, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	unsigned char resident[N * EXTENT / PAGE];

	CHECK(p == at);
	CHECK(read_is_sigbus(p));
	CHECK(!mincore(p, N * EXTENT, resident));
	CHECK(!(resident[0] & 1));
	CHECK(!dev_stat(fd, p, &stat));
	CHECK(stat.committed == 0 && stat.allocs == 0);
	CHECK(dev_extent(fd, p).state == ASHLAR_STATE_NONE);
	CHECK(!dev_purge(fd, p, N, NULL));
	CHECK(!dev_free(fd, p, N, NULL));
	CHECK(!dev_alloc(fd, p, N));
	CHECK(bytes_are(p, 0, N * EXTENT));
	memset(p, 2, N * EXTENT);
	CHECK(!dev_stat(fd, p, &stat));
	CHECK(stat.committed == N && stat.allocs == N);
	CHECK(!dev_free(fd, p, N, NULL));
	CHECK(!munmap(p, N * EXTENT));
}

/* All that unmaps, again and again, in the same file where it is the same. */
static void unmap_often(int fd, char *at)
{
	char *p = dev_map_at(fd, at, N, 0);
	int i;

	CHECK(p);
	for (i = 0; i < 200; i++) {
		CHECK(!dev_alloc(fd, p, N));
		p[(i % N) * EXTENT] = 1;
		CHECK(!dev_purge_as(fd, p, N / 2, i % 2 ? ASHLAR_PURGE_LAZY :
				    ASHLAR_PURGE_FORCED, NULL));
		CHECK(!madvise(p, N * EXTENT, MADV_DONTNEED));
		CHECK(!dev_free(fd, p, N, NULL));
		CHECK(!munmap(p, N * EXTENT));
		CHECK(dev_map_at(fd, at, N, 0));
	}
	CHECK(!munmap(p, N * EXTENT));
}

FIXTURE(stranger)
{
	long out;
	char *at;
};

FIXTURE_VARIANT(stranger)
{
	int (*get)(const struct owner *owner, int socket);
};

FIXTURE_VARIANT_ADD(stranger, passed) { .get = passed };
FIXTURE_VARIANT_ADD(stranger, inherited) { .get = inherited };
FIXTURE_VARIANT_ADD(stranger, opened_anew) { .get = opened_anew };
FIXTURE_VARIANT_ADD(stranger, taken) { .get = taken };
FIXTURE_VARIANT_ADD(stranger, its_own) { .get = its_own };

FIXTURE_SETUP(stranger)
{
	char *hole = mmap(NULL, (N + 1) * EXTENT, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	self->out = nodes_sum("out");
	/* A place that is free in both. */
	munmap(hole, (N + 1) * EXTENT);
	self->at = (char *)(((uintptr_t)hole + EXTENT - 1) & ~(EXTENT - 1));
}

FIXTURE_TEARDOWN(stranger)
{
	EXPECT_TRUE(out_returns_to(self->out));
}

static void touch_all(volatile char *p)
{
	for (size_t i = 0; i < N; i++)
		p[i * EXTENT] = 1;
}

/* The device's faults of a process since trace_begin("ashlar_fault"). */
static long faults_of(pid_t pid)
{
	char task[16];

	/* A task is COMM-PID, and blanks to seven places. */
	snprintf(task, sizeof(task), "-%d ", pid);
	return trace_lines(task, NULL, NULL);
}

TEST_F(stranger, sees_nothing)
{
	struct owner owner = { .pid = getpid(), .fd = dev_open(), .p = self->at };
	struct turn mapped, done;
	int sockets[2];
	pid_t pid;

	turn_init(&mapped);
	turn_init(&done);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	/* It must not inherit a mapping: fork first. */
	pid = fork();
	if (!pid) {
		int fd;

		turn_wait(&mapped);
		fd = variant->get(&owner, sockets[0]);
		CHECK(fd >= 0);
		at_foreign_addresses(fd, owner.p);
		at_the_same_places(fd, owner.p);
		turn_give(&done);
		turn_wait(&mapped);
		unmap_often(fd, owner.p);
		turn_give(&done);
		_exit(0);
	}
	ASSERT_NE(NULL, dev_map_at(owner.fd, owner.p, N, 0));
	ASSERT_EQ(0, dev_alloc(owner.fd, owner.p, N));
	memset(owner.p, 1, N * EXTENT);
	ASSERT_EQ(0, send_fd(sockets[1], owner.fd));
	turn_give(&mapped);
	turn_wait(&done);
	EXPECT_TRUE(bytes_are(owner.p, 1, N * EXTENT));
	EXPECT_EQ(self->out + N, nodes_sum("out"));
	/* What it unmaps is its own: here no touch is a fault. */
	touch_all(owner.p);
	ASSERT_TRUE(trace_begin("ashlar_fault"));
	turn_give(&mapped);
	while (poll(&(struct pollfd){ .fd = done.fd[0], .events = POLLIN }, 1, 0) == 0)
		touch_all(owner.p);
	touch_all(owner.p);
	EXPECT_EQ(0, faults_of(getpid()));
	EXPECT_GT(faults_of(pid), 0);
	trace_end("ashlar_fault");
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(owner.p, 1, N * EXTENT));
	munmap(owner.p, N * EXTENT);
	close(owner.fd);
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

/*
 * A child gives its share up, and unmaps what it has since, over and over: the
 * parent's pages are touched by 2 MB again, once each, and that is all it feels.
 */
TEST(child_unmaps)
{
	int fd = dev_open();
	char *p = dev_memory(fd, N);
	struct turn go, done;
	long faults;
	pid_t pid;

	turn_init(&go);
	turn_init(&done);
	memset(p, 1, N * EXTENT);
	pid = fork();
	if (!pid) {
		int i;

		turn_wait(&go);
		for (i = 0; i < 200; i++) {
			CHECK(!dev_purge(fd, p, N, NULL));
			touch_all(p);
			CHECK(!madvise(p, N * EXTENT, MADV_DONTNEED));
			CHECK(!dev_free(fd, p, N, NULL));
			CHECK(!dev_alloc(fd, p, N));
		}
		turn_give(&done);
		_exit(0);
	}
	touch_all(p);
	ASSERT_TRUE(trace_begin("ashlar_fault"));
	turn_give(&go);
	while (poll(&(struct pollfd){ .fd = done.fd[0], .events = POLLIN }, 1, 0) == 0)
		touch_all(p);
	touch_all(p);
	faults = faults_of(getpid());
	trace_end("ashlar_fault");
	/* Some are looked up again where something changed just then; 200 rounds are not. */
	EXPECT_LE(faults, 16 * N);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(bytes_are(p, 1, N * EXTENT));
	munmap(p, N * EXTENT);
	close(fd);
}

TEST_HARNESS_MAIN
