// SPDX-License-Identifier: MIT
/* What a mapping is: huge, counted, cut and moved without losing its data. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>
#include "harness.h"
#include "common.h"

#define N 8

static void fill(char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n * EXTENT; i += PAGE)
		*(size_t *)(p + i) = i;
}

static bool filled(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n * EXTENT; i += PAGE)
		if (*(size_t *)(p + i) != i)
			return false;
	return true;
}

TEST(device_mode)
{
	struct stat st;

	ASSERT_EQ(0, stat(DEVICE, &st));
	EXPECT_EQ(0660, st.st_mode & 0777);
	EXPECT_TRUE(S_ISCHR(st.st_mode));
}

TEST(all_huge_and_counted)
{
	int fd = dev_open();
	char *p = dev_memory(fd, N);

	EXPECT_EQ(0, smaps_kb(p, "Rss"));
	fill(p, N);
	EXPECT_EQ(N * EXTENT / 1024, smaps_kb(p, "Rss"));
	EXPECT_EQ(N * EXTENT / 1024, smaps_kb(p, "FilePmdMapped"));
	EXPECT_TRUE(filled(p, N));
}

/* Who may stat the node is not told when others touch their memory. */
TEST(touching_leaves_the_nodes_times)
{
	int fd = dev_open();
	char *p = dev_memory(fd, 1);
	struct stat before, after;

	ASSERT_EQ(0, fstat(fd, &before));
	usleep(50000);	/* Several ticks, of which times are whole numbers. */
	fill(p, 1);
	ASSERT_EQ(0, fstat(fd, &after));
	EXPECT_EQ(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	EXPECT_EQ(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

TEST(read_first_then_write)
{
	int fd = dev_open();
	char *p = dev_memory(fd, 2);

	EXPECT_TRUE(bytes_are(p, 0, 2 * EXTENT));
	EXPECT_EQ(2 * EXTENT / 1024, smaps_kb(p, "FilePmdMapped"));
	fill(p, 2);
	EXPECT_TRUE(filled(p, 2));
	EXPECT_EQ(2 * EXTENT / 1024, smaps_kb(p, "FilePmdMapped"));
}

TEST(sigbus_unless_allocated)
{
	int fd = dev_open();
	char *p = dev_map(fd, 3);

	ASSERT_NE(NULL, p);
	EXPECT_TRUE(read_is_sigbus(p));
	EXPECT_TRUE(write_is_sigbus(p + EXTENT));
	ASSERT_EQ(0, dev_alloc(fd, p + EXTENT, 1));
	EXPECT_TRUE(read_is_sigbus(p + EXTENT - 1));
	EXPECT_FALSE(write_is_sigbus(p + EXTENT));
	EXPECT_FALSE(write_is_sigbus(p + 2 * EXTENT - 1));
	EXPECT_TRUE(write_is_sigbus(p + 2 * EXTENT));
	ASSERT_EQ(0, dev_free(fd, p + EXTENT, 1, NULL));
	EXPECT_TRUE(read_is_sigbus(p + EXTENT));
}

TEST(populate_maps_at_once)
{
	int fd = dev_open();
	char *p = dev_map(fd, 4);
	size_t done;

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, dev_alloc_on(fd, p, 4, ASHLAR_NODE_LOCAL,
				  ASHLAR_ALLOC_POPULATE, &done));
	EXPECT_EQ(4, done);
	EXPECT_EQ(4 * EXTENT / 1024, smaps_kb(p, "FilePmdMapped"));
	EXPECT_TRUE(bytes_are(p, 0, 4 * EXTENT));
}

static int map_errno(int fd, void *addr, size_t length, int flags, off_t offset)
{
	void *p = mmap(addr, length, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, length);
	return 0;
}

TEST(mmap_refusals)
{
	int fd = dev_open();
	char *hole = mmap(NULL, 8 * EXTENT, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)(((uintptr_t)hole + EXTENT) & ~(EXTENT - 1));

	EXPECT_EQ(0, map_errno(fd, NULL, EXTENT, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, map_errno(fd, NULL, EXTENT, MAP_PRIVATE, 0));
	EXPECT_EQ(EINVAL, map_errno(fd, NULL, PAGE, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, map_errno(fd, NULL, EXTENT + PAGE, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, map_errno(fd, NULL, EXTENT, MAP_SHARED, PAGE));
	EXPECT_EQ(0, map_errno(fd, at, EXTENT, MAP_SHARED | MAP_FIXED, 0));
	EXPECT_EQ(EINVAL, map_errno(fd, at + PAGE, EXTENT,
				    MAP_SHARED | MAP_FIXED, 0));
	EXPECT_NE(0, map_errno(fd, NULL, EXTENT, MAP_SHARED,
			       0x7fffffffffe00000));
	/* A crooked hint is only a hint. */
	EXPECT_EQ(0, map_errno(fd, at + PAGE, EXTENT, MAP_SHARED, 0));
	fd = open(DEVICE, O_RDONLY);
	EXPECT_NE(MAP_FAILED, (void *)(intptr_t)fd);
	EXPECT_EQ(EACCES, map_errno(fd, NULL, EXTENT, MAP_SHARED, 0));
}

TEST(address_space_is_free)
{
	int fd = dev_open();
	long out = nodes_sum("out");
	char *p = mmap(NULL, 1UL << 40, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, (uintptr_t)p % EXTENT);
	EXPECT_EQ(out, nodes_sum("out"));
	ASSERT_EQ(0, dev_alloc(fd, p + (1UL << 39), 1));
	p[1UL << 39] = 1;
	EXPECT_EQ(0, munmap(p, 1UL << 40));
	EXPECT_TRUE(out_returns_to(out));
}

TEST(mprotect_splits_and_keeps_data)
{
	int fd = dev_open();
	char *p = dev_memory(fd, 3);

	fill(p, 3);
	ASSERT_EQ(0, mprotect(p + EXTENT + 64 * PAGE, PAGE, PROT_READ));
	EXPECT_TRUE(filled(p, 3));
	fill(p, 1);
	fill(p + 2 * EXTENT, 1);
	memset(p + EXTENT, 1, 64 * PAGE);
	EXPECT_TRUE(bytes_are(p + EXTENT, 1, 64 * PAGE));
	EXPECT_EQ(64 * PAGE + EXTENT, *(size_t *)(p + EXTENT + 64 * PAGE));
	/* The calls still take the extent for one. */
	EXPECT_EQ(ASHLAR_STATE_OWNED, dev_extent(fd, p + EXTENT).state);
	EXPECT_EQ(0, dev_purge(fd, p + EXTENT, 1, NULL));
	EXPECT_EQ(0, p[EXTENT]);
	EXPECT_EQ(0, *(size_t *)(p + EXTENT + 64 * PAGE));
	EXPECT_EQ(0, dev_free(fd, p + EXTENT, 1, NULL));
	EXPECT_TRUE(read_is_sigbus(p + EXTENT));
	EXPECT_TRUE(read_is_sigbus(p + EXTENT + 64 * PAGE));
	EXPECT_EQ(0, dev_alloc(fd, p + EXTENT, 1));
	EXPECT_FALSE(read_is_sigbus(p + EXTENT + 64 * PAGE));
}

TEST(munmap_gives_back)
{
	long out = nodes_sum("out");
	int fd = dev_open();
	char *p = dev_memory(fd, 6);
	struct ashlar_stat stat;

	fill(p, 6);
	EXPECT_EQ(out + 6, nodes_sum("out"));
	/* A page of an extent unmapped is not the extent unmapped. */
	ASSERT_EQ(0, munmap(p + EXTENT, PAGE));
	EXPECT_EQ(out + 6, nodes_sum("out"));
	EXPECT_EQ(EXTENT + PAGE, *(size_t *)(p + EXTENT + PAGE));
	ASSERT_EQ(0, munmap(p + EXTENT + PAGE, 2 * EXTENT - PAGE));
	EXPECT_TRUE(out_returns_to(out + 4));
	ASSERT_EQ(0, dev_stat(fd, p, &stat));
	EXPECT_EQ(4, stat.committed);
	EXPECT_EQ(-ENXIO, dev_alloc(fd, p + EXTENT, 1));
	/* Mapped anew, at the same offset, there is nothing. */
	ASSERT_NE(NULL, dev_map_at(fd, p + EXTENT, 2, 1));
	EXPECT_TRUE(read_is_sigbus(p + EXTENT));
	EXPECT_TRUE(filled(p, 1));
	ASSERT_EQ(0, munmap(p, 6 * EXTENT));
	EXPECT_TRUE(out_returns_to(out));
}

TEST(two_views_of_one_extent)
{
	long out = nodes_sum("out");
	int fd = dev_open();
	char *p = dev_memory(fd, 2);
	char *q = dev_map(fd, 2);

	ASSERT_NE(NULL, q);
	fill(p, 2);
	EXPECT_TRUE(filled(q, 2));
	EXPECT_EQ(-EEXIST, dev_alloc(fd, q, 1));
	ASSERT_EQ(0, munmap(p, 2 * EXTENT));
	EXPECT_TRUE(filled(q, 2));
	EXPECT_EQ(out + 2, nodes_sum("out"));
	ASSERT_EQ(0, dev_purge(fd, q, 2, NULL));
	EXPECT_TRUE(bytes_are(q, 0, 2 * EXTENT));
	ASSERT_EQ(0, munmap(q, 2 * EXTENT));
	EXPECT_TRUE(out_returns_to(out));
}

TEST(mremap_moves_and_grows)
{
	long out = nodes_sum("out");
	int fd = dev_open();
	char *p = dev_memory(fd, 2), *q, *r;

	fill(p, 2);
	q = dev_map_at(fd, NULL, 8, 100);
	ASSERT_NE(NULL, q);
	ASSERT_EQ(0, munmap(q, 8 * EXTENT));
	r = mremap(p, 2 * EXTENT, 4 * EXTENT, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	ASSERT_EQ(q, r);
	EXPECT_TRUE(filled(r, 2));
	EXPECT_EQ(2 * EXTENT / 1024, smaps_kb(r, "FilePmdMapped"));
	EXPECT_TRUE(read_is_sigbus(r + 2 * EXTENT));
	EXPECT_EQ(0, dev_alloc(fd, r + 2 * EXTENT, 2));
	fill(r, 4);
	/* To where nothing could be huge: refused, and nothing is lost. */
	EXPECT_EQ(MAP_FAILED, mremap(r, 2 * EXTENT, 2 * EXTENT,
				     MREMAP_MAYMOVE | MREMAP_FIXED,
				     r + 5 * EXTENT + PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(filled(r, 4));
	ASSERT_EQ(0, munmap(r, 4 * EXTENT));
	EXPECT_TRUE(out_returns_to(out));
}

/*
 * What madvise does here. Device memory is not anonymous memory; this is the
 * table of the README, line by line.
 */
static const struct {
	const char *name;
	int advice;
	int error;
	bool kept;
} advices[] = {
	{ "DONTNEED", MADV_DONTNEED, 0, true },
	{ "FREE", MADV_FREE, EINVAL, true },
	{ "REMOVE", MADV_REMOVE, ENODEV, true },
	{ "WIPEONFORK", MADV_WIPEONFORK, EINVAL, true },
	{ "DONTFORK", MADV_DONTFORK, 0, true },
	{ "DOFORK", MADV_DOFORK, 0, true },
	{ "DONTDUMP", MADV_DONTDUMP, 0, true },
	{ "DODUMP", MADV_DODUMP, 0, true },
	{ "HUGEPAGE", MADV_HUGEPAGE, 0, true },
	{ "WILLNEED", MADV_WILLNEED, 0, true },
	{ "COLD", MADV_COLD, 0, true },
	{ "PAGEOUT", MADV_PAGEOUT, 0, true },
	{ "POPULATE_WRITE", MADV_POPULATE_WRITE, 0, true },
};

TEST(madvise_table)
{
	int fd = dev_open();
	size_t i;

	for (i = 0; i < sizeof(advices) / sizeof(*advices); i++) {
		char *p = dev_memory(fd, 1);
		int err;

		fill(p, 1);
		err = madvise(p, EXTENT, advices[i].advice) ? errno : 0;
		EXPECT_EQ(advices[i].error, err)
			TH_LOG("MADV_%s", advices[i].name);
		EXPECT_EQ(advices[i].kept, filled(p, 1))
			TH_LOG("MADV_%s", advices[i].name);
		munmap(p, EXTENT);
	}
}

TEST(mlock_and_msync)
{
	int fd = dev_open();
	char *p = dev_memory(fd, 2);

	fill(p, 2);
	EXPECT_EQ(0, mlock(p, 2 * EXTENT));
	EXPECT_TRUE(filled(p, 2));
	EXPECT_EQ(0, dev_purge(fd, p, 1, NULL));
	EXPECT_EQ(0, p[0]);
	EXPECT_EQ(0, munlock(p, 2 * EXTENT));
	EXPECT_EQ(0, dev_free(fd, p, 2, NULL));
}

/* A process-shared futex is found by page and file, not by address. */
TEST(shared_futex)
{
	int fd = dev_open();
	uint32_t *word = (uint32_t *)dev_memory(fd, 1);
	struct timespec soon = { 0, 1000000 };

	*word = 1;
	/* Woken nobody; would have blocked; waited its time: never EFAULT. */
	EXPECT_EQ(0, syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0));
	EXPECT_EQ(-1, syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, syscall(SYS_futex, word, FUTEX_WAIT, 1, &soon, NULL, 0));
	EXPECT_EQ(ETIMEDOUT, errno);
}

TEST(survives_its_descriptor)
{
	int fd = dev_open();
	char *p = dev_memory(fd, 2);

	close(fd);
	fill(p, 2);
	EXPECT_TRUE(filled(p, 2));
	/* Any open descriptor of the device serves. */
	fd = dev_open();
	EXPECT_EQ(-EEXIST, dev_alloc(fd, p, 1));
	EXPECT_EQ(0, dev_purge(fd, p, 1, NULL));
	EXPECT_EQ(0, p[0]);
	EXPECT_EQ(0, dev_free(fd, p, 2, NULL));
	EXPECT_TRUE(read_is_sigbus(p));
}

TEST_HARNESS_MAIN
