// SPDX-License-Identifier: MIT
/* Extents are charged to the memory cgroup when committed, pool hits too. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define ROOT "/sys/fs/cgroup"
#define CGROUP ROOT "/ashlar-test"
#define MB (1L << 20)

static long current_bytes(void)
{
	return file_number(CGROUP "/memory.current");
}

/* A number behind a word in a file of many lines; -1 if there is none. */
static long field(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	long value, found = -1;
	char word[64];

	while (file && fscanf(file, "%63s %ld%*[^\n]", word, &value) == 2)
		if (!strcmp(word, name))
			found = value;
	if (file)
		fclose(file);
	return found;
}

static long event(const char *name)
{
	return field(CGROUP "/memory.events", name);
}

static bool enter(void)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return file_write(CGROUP "/cgroup.procs", pid);
}

FIXTURE(cgroup) { long out; };

FIXTURE_SETUP(cgroup)
{
	self->out = nodes_sum("out");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		SKIP(return, "no cgroup2 hierarchy at " ROOT);
	if (current_bytes() < 0)
		SKIP(return, "no memory controller");
}

static bool removed(void *arg)
{
	return !rmdir(arg) || errno == ENOENT;
}

FIXTURE_TEARDOWN(cgroup)
{
	EXPECT_TRUE(out_returns_to(self->out));
	/* Possible once nobody is inside and the last extent is back. */
	EXPECT_TRUE(eventually(removed, CGROUP, 10));
}

#define CHECK(condition) do { if (!(condition)) _exit(__LINE__ % 127 + 1); } while (0)

#define N 64

static bool near_mb(long bytes, long mb)
{
	return bytes >= mb * MB - MB && bytes <= mb * MB + MB;
}

static int charged_exactly(void *arg)
{
	long before, after;
	int fd = dev_open(), round;
	char *p = dev_map(fd, N);
	struct ashlar_stat stat;
	size_t done;

	CHECK(enter());
	for (round = 0; round < 2; round++) {
		before = current_bytes();
		CHECK(!dev_alloc_on(fd, p, N, 0, 0, &done) && done == N);
		after = current_bytes();
		CHECK(near_mb(after - before, 2 * N));
		memset(p, 1, N * EXTENT);
		CHECK(near_mb(current_bytes() - after, 0));
		CHECK(!dev_purge(fd, p, N / 2, NULL));
		CHECK(near_mb(current_bytes() - before, N));
		CHECK(!dev_free(fd, p, N, NULL));
		CHECK(near_mb(current_bytes() - before, 0));
	}
	CHECK(!dev_stat(fd, p, &stat));
	/* Both kinds were seen: taken from the pool, and made. */
	CHECK(stat.hits > 0);
	return 0;
}

static bool some_ready(void *arg)
{
	return node_value(0, "ready") >= 4;
}

TEST_F_TIMEOUT(cgroup, charged_exactly, 120)
{
	/* Ends the pause after memory pressure that an earlier test made. */
	node_write(0, "high", node_value(0, "high"));
	ASSERT_TRUE(eventually(some_ready, NULL, 60));
	EXPECT_EQ(0, in_child(charged_exactly, NULL));
	EXPECT_EQ(0, event("oom_kill"));
}

static int at_the_limit(void *arg)
{
	int fd = dev_open();
	char *p = dev_map(fd, 32);
	size_t done = 0;

	CHECK(enter());
	CHECK(!dev_alloc_on(fd, p, 32, ASHLAR_NODE_LOCAL, 0, &done));
	CHECK(done >= 2 && done <= 8);
	CHECK(dev_alloc(fd, p + done * EXTENT, 1) == -ENOMEM);
	memset(p, 1, done * EXTENT);
	/* One given back is one to be had. */
	CHECK(!dev_free(fd, p, 1, NULL));
	CHECK(!dev_alloc(fd, p, 1));
	/* A touch of what was purged, with no room: SIGBUS, not for ever. */
	CHECK(!dev_purge(fd, p, 1, NULL));
	CHECK(!dev_alloc(fd, p + done * EXTENT, 1));
	CHECK(write_is_sigbus(p));
	CHECK(dev_alloc(fd, p, 1) == -ENOMEM);
	CHECK(!dev_free(fd, p + done * EXTENT, 1, NULL));
	CHECK(!write_is_sigbus(p));
	return 0;
}

TEST_F(cgroup, enomem_at_the_limit_and_no_kill)
{
	ASSERT_TRUE(file_write(CGROUP "/memory.max", "16777216"));
	EXPECT_EQ(0, in_child(at_the_limit, NULL));
	EXPECT_EQ(0, event("oom_kill"));
}

/*
 * Copies after a fork are charged, and end in SIGBUS when there is no room. In
 * one extent: the kernel's own page tables are not what is tested.
 */
static int copies_at_the_limit(void *arg)
{
	int fd = dev_open(), status;
	char *p = dev_map(fd, 7), limit[32];
	pid_t pid;

	CHECK(enter());
	CHECK(!dev_alloc(fd, p, 6));
	memset(p, 1, 6 * EXTENT);
	pid = fork();
	if (!pid) {
		/* All that is needed at the limit, a signal's frame too. */
		int file = open(CGROUP "/memory.max", O_WRONLY);
		size_t written = 1;

		CHECK(file >= 0 && !write_is_sigbus(p));
		CHECK(write_is_sigbus(p + 6 * EXTENT));
		snprintf(limit, sizeof(limit), "%ld", current_bytes() + MB / 2);
		CHECK(write(file, limit, strlen(limit)) > 0);
		while (written < EXTENT / PAGE &&
		       !write_is_sigbus(p + written * PAGE))
			written++;
		/* What CPUs keep charged in advance may become free for it. */
		CHECK(write(file, "max", 3) == 3);
		CHECK(written > 1 && written < EXTENT / PAGE);
		CHECK(bytes_are(p, 1, 6 * EXTENT));
		_exit(0);
	}
	status = child_status(pid);
	CHECK(bytes_are(p, 1, 6 * EXTENT));
	return status;
}

TEST_F(cgroup, copies_are_charged)
{
	EXPECT_EQ(0, in_child(copies_at_the_limit, NULL));
	EXPECT_EQ(0, event("oom_kill"));
}

/* The cgroup of the process pays, also where a debugger or a pipe faults. */
TEST_F(cgroup, the_owner_pays)
{
	struct turn turn, back;
	long before;
	pid_t pid;

	turn_init(&turn);
	turn_init(&back);
	pid = fork();
	if (!pid) {
		int fd = dev_open();
		char *p;

		CHECK(enter());
		p = dev_memory(fd, 4);
		memset(p, 1, 4 * EXTENT);
		CHECK(!dev_purge(fd, p, 4, NULL));
		CHECK(write(back.fd[1], &p, sizeof(p)) == sizeof(p));
		turn_wait(&turn);
		_exit(0);
	} else {
		char mem[64], byte = 5;
		char *p = NULL;
		int file;

		ASSERT_EQ(sizeof(p), read(back.fd[0], &p, sizeof(p)));
		before = current_bytes();
		snprintf(mem, sizeof(mem), "/proc/%d/mem", pid);
		file = open(mem, O_RDWR);
		ASSERT_GE(file, 0);
		/* Our write, but the child's extent. */
		EXPECT_EQ(1, pwrite(file, &byte, 1, (off_t)(uintptr_t)p));
		EXPECT_TRUE(near_mb(current_bytes() - before, 2));
		close(file);
		turn_give(&turn);
		EXPECT_EQ(0, child_status(pid));
	}
}

/*
 * Page cache: of a disk, if the guest has one; else anonymous memory that was given
 * up by MADV_FREE, which the kernel keeps in the same list, to be had as cheaply.
 */
static bool fill_with_cache(size_t size)
{
	static int fd = -1;
	static char buffer[1 << 20];
	ssize_t got = 1;
	char *p;

	/* Stays open: with the last descriptor the cache would go. */
	if (fd < 0)
		fd = open("/dev/nvme0n1", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || madvise(p, size, MADV_NOHUGEPAGE))
			return false;
		/* A part at a time: what is not given up yet counts in full. */
		for (size_t i = 0; i < size; i += MB) {
			memset(p + i, 1, MB);
			if (madvise(p + i, MB, MADV_FREE))
				return false;
		}
		return true;
	}
	while (size && got > 0) {
		got = read(fd, buffer, sizeof(buffer));
		size -= got > 0 ? got : 0;
	}
	return !size;
}

#define CACHE_MB 64

static bool full_enough(void)
{
	long now = current_bytes();

	if (now <= CACHE_MB * 3 / 4 * MB)
		printf("# the cache fills %ld bytes of %ld\n", now, CACHE_MB * MB);
	return now > CACHE_MB * 3 / 4 * MB;
}

static int beside_page_cache(void *arg)
{
	struct ashlar_stat stat;
	int fd = dev_open();
	char *p = dev_map(fd, 16);
	size_t done;

	CHECK(enter());
	CHECK(fill_with_cache(2 * CACHE_MB * MB));
	/* Full, near enough: what follows is more than there is room for. */
	CHECK(full_enough());
	CHECK(!dev_alloc_on(fd, p, 16, ASHLAR_NODE_LOCAL, 0, &done));
	CHECK(done == 16);
	memset(p, 1, 16 * EXTENT);
	CHECK(current_bytes() <= CACHE_MB * MB);
	/* A touch of what was purged has to find room too. */
	CHECK(!dev_purge(fd, p, 16, NULL));
	CHECK(fill_with_cache(2 * CACHE_MB * MB));
	CHECK(full_enough());
	memset(p, 2, 16 * EXTENT);
	CHECK(!dev_stat(fd, p, &stat));
	CHECK(stat.committed == 16);
	return 0;
}

TEST_F_TIMEOUT(cgroup, full_of_page_cache, 120)
{
	ASSERT_TRUE(file_write(CGROUP "/memory.max", "67108864"));
	EXPECT_EQ(0, in_child(beside_page_cache, NULL));
	EXPECT_EQ(0, event("oom_kill"));
}

/* --- a cgroup that was removed --- */

#define INNER CGROUP "/inner"

static int leave_extents_in(struct turn *left, struct turn *go)
{
	int inside = open(INNER "/cgroup.procs", O_WRONLY);
	int outside = open(ROOT "/cgroup.procs", O_WRONLY);
	int fd = dev_open(), round;
	char *p = dev_map(fd, 4);

	CHECK(inside >= 0 && outside >= 0 && p);
	/* The first round touches all pages of its own that the second one needs. */
	for (round = 0; round < 2; round++) {
		CHECK(write(round ? inside : outside, "0", 1) == 1);
		CHECK(!dev_alloc(fd, p, 4));
		CHECK(write(outside, "0", 1) == 1);
		if (!round)
			CHECK(!dev_free(fd, p, 4, NULL));
	}
	memset(p, 1, 4 * EXTENT);
	turn_give(left);
	turn_wait(go);
	CHECK(!dev_free(fd, p, 3, NULL));
	turn_give(left);
	turn_wait(go);
	CHECK(!munmap(p, 4 * EXTENT));
	turn_give(left);
	turn_wait(go);
	return 0;
}

static bool none_dying(void *arg)
{
	return !field(CGROUP "/cgroup.stat", "nr_dying_descendants");
}

TEST_F_TIMEOUT(cgroup, removed_with_extents, 120)
{
	struct turn left, go;
	pid_t pid;

	ASSERT_TRUE(file_write(CGROUP "/cgroup.subtree_control", "+memory"));
	ASSERT_TRUE(mkdir_once(INNER));
	turn_init(&left);
	turn_init(&go);
	pid = fork();
	if (!pid)
		_exit(leave_extents_in(&left, &go));
	turn_wait(&left);
	ASSERT_TRUE(near_mb(file_number(INNER "/memory.current"), 8));
	ASSERT_EQ(0, rmdir(INNER));
	/* Gone by name; what it was charged for is still the parent's. */
	EXPECT_EQ(1, field(CGROUP "/cgroup.stat", "nr_dying_descendants"));
	EXPECT_TRUE(near_mb(current_bytes(), 8));
	turn_give(&go);
	turn_wait(&left);
	EXPECT_TRUE(near_mb(current_bytes(), 2));
	EXPECT_EQ(1, field(CGROUP "/cgroup.stat", "nr_dying_descendants"));
	/* The last extent. The process lives on. */
	turn_give(&go);
	turn_wait(&left);
	EXPECT_TRUE(eventually(none_dying, NULL, 60));
	EXPECT_TRUE(near_mb(current_bytes(), 0));
	turn_give(&go);
	EXPECT_EQ(0, child_status(pid));
}

/* --- memory.high --- */

#define CLIENT CGROUP "/client"
#define NEIGHBOUR CGROUP "/neighbour"

/* Microseconds for which some task of the cgroup waited for memory; -1: not told. */
static long stalled(const char *cgroup)
{
	char path[128];
	long total = -1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/memory.pressure", cgroup);
	file = fopen(path, "r");
	if (file && fscanf(file, "some %*s %*s %*s total=%ld", &total) != 1)
		total = -1;
	if (file)
		fclose(file);
	return total;
}

struct traffic {
	int calls;	/* of the client, begun and ended: odd inside one */
	int over;	/* the client is through */
};

static int load(int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void step(int *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
}

/* 6 extents fit below the limit; the kernel slows who goes on. */
static int client(struct traffic *traffic)
{
	int fd = dev_open(), i;
	char *p = dev_map(fd, 8);

	CHECK(file_write(CLIENT "/cgroup.procs", "0"));
	CHECK(!dev_alloc(fd, p, 6));
	memset(p, 1, 6 * EXTENT);
	for (i = 6; i < 8; i++) {
		step(&traffic->calls);
		/* Not an error, as malloc would be told of one. */
		CHECK(!dev_alloc(fd, p + i * EXTENT, 1));
		step(&traffic->calls);
	}
	memset(p, 1, 8 * EXTENT);
	return 0;
}

/* How many rounds it made while the client was inside one and the same call. */
static int neighbour(struct traffic *traffic)
{
	int fd = dev_open(), rounds = 0;
	char *p = dev_map(fd, 4);

	CHECK(file_write(NEIGHBOUR "/cgroup.procs", "0"));
	while (!load(&traffic->over)) {
		int before = load(&traffic->calls);

		CHECK(!dev_alloc(fd, p, 4));
		memset(p, 1, 4 * EXTENT);
		CHECK(!dev_purge(fd, p, 2, NULL));
		p[0] = 1;
		CHECK(!dev_free(fd, p, 4, NULL));
		rounds += before % 2 && before == load(&traffic->calls);
	}
	return rounds > 0 ? 0 : 200;
}

TEST_F_TIMEOUT(cgroup, high_slows_the_client_alone, 120)
{
	struct traffic *traffic = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t slow, other;

	ASSERT_NE(MAP_FAILED, traffic);
	ASSERT_TRUE(file_write(CGROUP "/cgroup.subtree_control", "+memory"));
	ASSERT_TRUE(mkdir_once(CLIENT));
	ASSERT_TRUE(mkdir_once(NEIGHBOUR));
	ASSERT_TRUE(file_write(CLIENT "/memory.high", "13631488"));
	other = fork();
	if (!other)
		_exit(neighbour(traffic));
	slow = fork();
	if (!slow)
		_exit(client(traffic));
	EXPECT_EQ(0, child_status(slow));
	step(&traffic->over);
	EXPECT_EQ(0, child_status(other));
	EXPECT_GT(field(CLIENT "/memory.events", "high"), 0);
	EXPECT_EQ(0, field(CLIENT "/memory.events", "oom_kill"));
	EXPECT_EQ(0, field(NEIGHBOUR "/memory.events", "high"));
	/* Nobody's time but the client's was lost to memory, where the kernel tells. */
	if (!access(NEIGHBOUR "/memory.pressure", R_OK)) {
		EXPECT_GT(stalled(CLIENT), 0);
		EXPECT_EQ(0, stalled(NEIGHBOUR));
	}
	munmap(traffic, PAGE);
	EXPECT_TRUE(eventually(removed, CLIENT, 10));
	EXPECT_TRUE(eventually(removed, NEIGHBOUR, 10));
}

TEST_HARNESS_MAIN
