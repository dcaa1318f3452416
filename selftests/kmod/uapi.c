// SPDX-License-Identifier: MIT
/* The contract of the calls: sizes, flags, reserved members, odd addresses. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

FIXTURE(uapi)
{
	int fd;
	char *p;		/* 8 extents: 0 and 1 committed */
	struct ashlar_range range;
};

FIXTURE_SETUP(uapi)
{
	self->fd = dev_open();
	self->p = dev_map(self->fd, 8);
	ASSERT_NE(NULL, self->p);
	ASSERT_EQ(0, dev_alloc(self->fd, self->p, 2));
	self->range.addr = (uintptr_t)self->p;
	self->range.length = EXTENT;
}

FIXTURE_TEARDOWN(uapi)
{
	munmap(self->p, 8 * EXTENT);
	close(self->fd);
}

static const struct {
	const char *name;
	unsigned long command;
	size_t size;
	size_t first;	/* its size when the command was new */
} commands[] = {
	{ "INFO", ASHLAR_IOC_INFO, sizeof(struct ashlar_info), sizeof(struct ashlar_info) },
	{ "ALLOC", ASHLAR_IOC_ALLOC, sizeof(struct ashlar_alloc), sizeof(struct ashlar_alloc) },
	{ "FREE", ASHLAR_IOC_FREE, sizeof(struct ashlar_free), sizeof(struct ashlar_free) },
	{ "PURGE", ASHLAR_IOC_PURGE, sizeof(struct ashlar_purge), sizeof(struct ashlar_purge) },
	{ "STAT", ASHLAR_IOC_STAT, sizeof(struct ashlar_stat),
	  offsetof(struct ashlar_stat, small) },
	{ "PUNCH", ASHLAR_IOC_PUNCH, sizeof(struct ashlar_punch), sizeof(struct ashlar_punch) },
	{ "MEND", ASHLAR_IOC_MEND, sizeof(struct ashlar_mend), sizeof(struct ashlar_mend) },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(*commands))

union any {
	uint32_t size;
	struct ashlar_info info;
	struct ashlar_alloc alloc;
	struct ashlar_free free;
	struct ashlar_purge purge;
	struct ashlar_stat stat;
	struct ashlar_punch punch;
	struct ashlar_mend mend;
	char bytes[8192];
};

/* An argument that the command accepts as it is. */
static void good(size_t i, struct ashlar_range *range, union any *any)
{
	memset(any, 0, sizeof(*any));
	any->size = commands[i].size;
	switch (commands[i].command) {
	case ASHLAR_IOC_ALLOC:
		/* Extents 2 and up: taken one after the other. */
		range->addr += 2 * EXTENT;
		any->alloc.ranges = (uintptr_t)range;
		any->alloc.nr_ranges = 1;
		any->alloc.node = ASHLAR_NODE_LOCAL;
		break;
	case ASHLAR_IOC_FREE:
		any->free.ranges = (uintptr_t)range;
		any->free.nr_ranges = 1;
		break;
	case ASHLAR_IOC_PURGE:
		any->purge.flags = ASHLAR_PURGE_FORCED;
		any->purge.ranges = (uintptr_t)range;
		any->purge.nr_ranges = 1;
		break;
	case ASHLAR_IOC_STAT:
		any->stat.addr = range->addr;
		break;
	case ASHLAR_IOC_PUNCH:
		any->punch.ranges = (uintptr_t)range;
		any->punch.nr_ranges = 1;
		break;
	case ASHLAR_IOC_MEND:
		any->mend.ranges = (uintptr_t)range;
		any->mend.nr_ranges = 1;
		break;
	}
}

TEST_F(uapi, cmd_length)
{
	struct ashlar_range range;
	union any any;
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++) {
		size_t size = commands[i].size;

		range = self->range;
		good(i, &range, &any);
		any.size = commands[i].first - 1;
		EXPECT_EQ(-EINVAL, dev_call(self->fd, commands[i].command, &any))
			TH_LOG("%s, one byte short", commands[i].name);
		any.size = 0;
		EXPECT_EQ(-EINVAL, dev_call(self->fd, commands[i].command, &any))
			TH_LOG("%s, size 0", commands[i].name);
		any.size = size + 1;
		any.bytes[size] = 1;
		EXPECT_EQ(-E2BIG, dev_call(self->fd, commands[i].command, &any))
			TH_LOG("%s, one byte more", commands[i].name);
		any.bytes[size] = 0;
		EXPECT_EQ(0, dev_call(self->fd, commands[i].command, &any))
			TH_LOG("%s, one zero more", commands[i].name);
		range = self->range;
		range.addr += 4 * EXTENT;
		good(i, &range, &any);
		any.size = 4096;
		EXPECT_EQ(0, dev_call(self->fd, commands[i].command, &any))
			TH_LOG("%s, many zeros more", commands[i].name);
		any.size = 4097;
		EXPECT_EQ(-E2BIG, dev_call(self->fd, commands[i].command, &any))
			TH_LOG("%s, more than a page", commands[i].name);
		any.size = ~0U;
		EXPECT_EQ(-E2BIG, dev_call(self->fd, commands[i].command, &any))
			TH_LOG("%s, the largest size", commands[i].name);
		/* What lies behind the size is not read. */
		EXPECT_EQ(-EFAULT, dev_call(self->fd, commands[i].command,
					    (void *)8))
			TH_LOG("%s, a wild pointer", commands[i].name);
		dev_free(self->fd, self->p, 8, NULL);
	}
}

TEST_F(uapi, half_readable)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	munmap(page + PAGE, PAGE);
	for (i = 0; i < NR_COMMANDS; i++) {
		char *at = page + PAGE - 8;

		*(uint32_t *)at = commands[i].size;
		EXPECT_EQ(-EFAULT, dev_call(self->fd, commands[i].command, at))
			TH_LOG("%s", commands[i].name);
	}
}

TEST_F(uapi, unknown_flags)
{
	/* One more than each command knows, and the highest. */
	static const uint32_t unknown[NR_COMMANDS] = { 1, 8, 1, 4, 1, 1, 1 };
	struct ashlar_range range;
	union any any;
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++) {
		range = self->range;
		good(i, &range, &any);
		any.info.flags |= unknown[i];
		EXPECT_EQ(-EOPNOTSUPP,
			  dev_call(self->fd, commands[i].command, &any))
			TH_LOG("%s", commands[i].name);
		range = self->range;
		good(i, &range, &any);
		any.info.flags |= 1U << 31;
		EXPECT_EQ(-EOPNOTSUPP,
			  dev_call(self->fd, commands[i].command, &any))
			TH_LOG("%s", commands[i].name);
	}
	range = self->range;
	good(3, &range, &any);
	any.purge.flags = 0;
	EXPECT_EQ(-EINVAL, dev_call(self->fd, ASHLAR_IOC_PURGE, &any));
	any.purge.flags = ASHLAR_PURGE_FORCED | ASHLAR_PURGE_LAZY;
	EXPECT_EQ(-EINVAL, dev_call(self->fd, ASHLAR_IOC_PURGE, &any));
}

TEST_F(uapi, lazy_only_where_it_is_listed)
{
	struct ashlar_info info = { .size = sizeof(info) };
	union any any;

	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_INFO, &info));
	good(3, &self->range, &any);
	any.purge.flags = ASHLAR_PURGE_LAZY;
	EXPECT_EQ(info.abilities & ASHLAR_CAN_PURGE_LAZY ? 0 : -EOPNOTSUPP,
		  dev_call(self->fd, ASHLAR_IOC_PURGE, &any));
}

TEST_F(uapi, reserved_members)
{
	union any any;

	good(2, &self->range, &any);
	any.free.reserved = 1;
	EXPECT_EQ(-EINVAL, dev_call(self->fd, ASHLAR_IOC_FREE, &any));
	good(3, &self->range, &any);
	any.purge.reserved = 1 << 30;
	EXPECT_EQ(-EINVAL, dev_call(self->fd, ASHLAR_IOC_PURGE, &any));
	/* Refused before anything was done. */
	EXPECT_EQ(ASHLAR_STATE_OWNED, dev_extent(self->fd, self->p).state);
}

TEST_F(uapi, unknown_commands)
{
	struct ashlar_info info = { .size = sizeof(info) };
	unsigned int nr;

	for (nr = NR_COMMANDS; nr < 256; nr++)
		EXPECT_EQ(-ENOTTY, dev_call(self->fd, _IO(ASHLAR_IOC_TYPE, nr),
					    &info));
	EXPECT_EQ(-ENOTTY, dev_call(self->fd, _IO(ASHLAR_IOC_TYPE + 1, 0),
				    &info));
	EXPECT_EQ(-ENOTTY, dev_call(self->fd,
				    _IOWR(ASHLAR_IOC_TYPE, 0, info), &info));
}

TEST_F(uapi, info)
{
	struct ashlar_info info = { .size = sizeof(info) };

	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_INFO, &info));
	EXPECT_EQ(EXTENT, info.extent_size);
	EXPECT_EQ(nodes_highest() + 1, info.nr_nodes);
	EXPECT_EQ(ASHLAR_MAX_RANGES, info.max_ranges);
	EXPECT_EQ(0, info.max_extents);
	EXPECT_TRUE(info.abilities & ASHLAR_CAN_FORK_COW);
	EXPECT_TRUE(info.abilities & ASHLAR_CAN_POPULATE);
}

static int call_range(int fd, size_t i, uint64_t addr, uint64_t length)
{
	struct ashlar_range range = { addr, length }, unused = { 0, 0 };
	union any any;

	good(i, &unused, &any);
	/* All three have ranges at the same place. */
	any.alloc.ranges = (uintptr_t)&range;
	return dev_call(fd, commands[i].command, &any);
}

TEST_F(uapi, addresses)
{
	static const uint64_t high = 0x7fffffe00000;
	uint64_t at = self->range.addr;
	size_t i;

	for (i = 1; i <= 3; i++) {
		const char *name = commands[i].name;
		const struct {
			uint64_t addr, length;
			int err;
		} cases[] = {
			{ at, 0, -EINVAL },
			{ at, 1, -EINVAL },
			{ at, EXTENT - 1, -EINVAL },
			{ at, EXTENT + PAGE, -EINVAL },
			{ at + 1, EXTENT, -EINVAL },
			{ at + PAGE, EXTENT, -EINVAL },
			{ 0, EXTENT, -ENXIO },
			{ high, EXTENT, -ENXIO },
			{ 1ULL << 47, EXTENT, -ENXIO },
			{ 1ULL << 63, EXTENT, -ENXIO },
			{ 0, 1ULL << 63, -ENXIO },
			{ at, -(uint64_t)EXTENT, -EINVAL },
			{ -(uint64_t)EXTENT, EXTENT, -EINVAL },
			{ -(uint64_t)EXTENT, 2 * EXTENT, -EINVAL },
			{ at - EXTENT, 2 * EXTENT, -ENXIO },
		};
		size_t j;

		for (j = 0; j < sizeof(cases) / sizeof(*cases); j++)
			EXPECT_EQ(cases[j].err,
				  call_range(self->fd, i, cases[j].addr,
					     cases[j].length))
				TH_LOG("%s, case %zu", name, j);
		EXPECT_EQ(ASHLAR_STATE_OWNED,
			  dev_extent(self->fd, self->p).state);
	}
}

TEST_F(uapi, counts)
{
	static struct ashlar_range ranges[ASHLAR_MAX_RANGES + 1];
	union any any;
	size_t i, j;

	for (i = 0; i <= ASHLAR_MAX_RANGES; i++)
		ranges[i] = self->range;
	for (i = 1; i <= 3; i++) {
		static const uint32_t bad[] = { 0, ASHLAR_MAX_RANGES + 1, 1U << 31, ~0U };
		struct ashlar_range unused = { 0, 0 };

		for (j = 0; j < 4; j++) {
			good(i, &unused, &any);
			any.alloc.ranges = (uintptr_t)ranges;
			any.alloc.nr_ranges = bad[j];
			EXPECT_EQ(-EINVAL, dev_call(self->fd,
						    commands[i].command, &any))
				TH_LOG("%s %u", commands[i].name, bad[j]);
		}
		good(i, &unused, &any);
		any.alloc.ranges = 8;
		EXPECT_EQ(-EFAULT, dev_call(self->fd, commands[i].command, &any));
		any.alloc.ranges = 1ULL << 63;
		EXPECT_EQ(-EFAULT, dev_call(self->fd, commands[i].command, &any));
	}
	/* The same range over and over is one range. */
	good(3, &self->range, &any);
	any.purge.ranges = (uintptr_t)ranges;
	any.purge.nr_ranges = ASHLAR_MAX_RANGES;
	EXPECT_EQ(0, dev_call(self->fd, ASHLAR_IOC_PURGE, &any));
	EXPECT_EQ(1, any.purge.done);
}

TEST_F(uapi, foreign_mappings)
{
	char *anon = mmap(NULL, 4 * EXTENT, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t at = ((uintptr_t)anon + EXTENT) & ~(EXTENT - 1);
	int shm = memfd_create("foreign", 0);
	char *file;
	size_t i;

	ASSERT_EQ(0, ftruncate(shm, 4 * EXTENT));
	file = mmap(NULL, 4 * EXTENT, PROT_READ | PROT_WRITE, MAP_SHARED, shm, 0);
	*(char *)at = 1;
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(-ENXIO, call_range(self->fd, i, at, EXTENT));
		EXPECT_EQ(-ENXIO, call_range(self->fd, i,
			  ((uintptr_t)file + EXTENT) & ~(EXTENT - 1), EXTENT));
	}
	EXPECT_EQ(1, *(char *)at);
	/* Half of a range is ours: FREE and PURGE do nothing at all. */
	ASSERT_NE(MAP_FAILED, mmap(self->p + EXTENT, EXTENT, PROT_READ,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	self->p[0] = 7;
	EXPECT_EQ(-ENXIO, call_range(self->fd, 2, self->range.addr, 2 * EXTENT));
	EXPECT_EQ(-ENXIO, call_range(self->fd, 3, self->range.addr, 2 * EXTENT));
	EXPECT_EQ(7, self->p[0]);
}

TEST_F(uapi, alloc_partial_success)
{
	struct ashlar_range ranges[3] = {
		{ (uintptr_t)self->p + 4 * EXTENT, 2 * EXTENT },
		{ (uintptr_t)self->p, EXTENT },
		{ (uintptr_t)self->p + 6 * EXTENT, EXTENT },
	};
	struct ashlar_alloc alloc = {
		.size = sizeof(alloc), .ranges = (uintptr_t)ranges,
		.nr_ranges = 3, .node = ASHLAR_NODE_LOCAL,
	};

	/* In order, up to the one that is there; the rest tells why. */
	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_ALLOC, &alloc));
	EXPECT_EQ(2, alloc.done);
	EXPECT_EQ(ASHLAR_STATE_NONE,
		  dev_extent(self->fd, self->p + 6 * EXTENT).state);
	alloc.ranges = (uintptr_t)&ranges[1];
	alloc.nr_ranges = 2;
	EXPECT_EQ(-EEXIST, dev_call(self->fd, ASHLAR_IOC_ALLOC, &alloc));
	alloc.ranges = (uintptr_t)&ranges[2];
	alloc.nr_ranges = 1;
	EXPECT_EQ(0, dev_call(self->fd, ASHLAR_IOC_ALLOC, &alloc));
	EXPECT_EQ(1, alloc.done);
}

TEST_F(uapi, nodes)
{
	static const int bad[] = { -2, -1000, 1023, 1024, 1 << 30, (-2147483647 - 1) };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-ENODEV, dev_alloc_on(self->fd, self->p + 2 * EXTENT,
						1, bad[i], 0, NULL))
			TH_LOG("node %d", bad[i]);
	EXPECT_EQ(-ENODEV, dev_alloc_on(self->fd, self->p + 2 * EXTENT, 1,
					nodes_highest() + 1, 0, NULL));
}

TEST_F(uapi, stat)
{
	static struct ashlar_extent_stat extents[8];
	struct ashlar_stat stat = {
		.size = sizeof(stat),
		.addr = (uintptr_t)self->p,
		.length = 8 * EXTENT,
		.extents = (uintptr_t)extents,
	};
	size_t i;

	self->p[0] = 1;
	ASSERT_EQ(0, dev_purge(self->fd, self->p + EXTENT, 1, NULL));
	ASSERT_EQ(0, dev_call(self->fd, ASHLAR_IOC_STAT, &stat));
	EXPECT_EQ(ASHLAR_STATE_OWNED, extents[0].state);
	EXPECT_GE(extents[0].node, 0);
	EXPECT_EQ(ASHLAR_STATE_PURGED, extents[1].state);
	EXPECT_EQ(-1, extents[1].node);
	for (i = 2; i < 8; i++) {
		EXPECT_EQ(ASHLAR_STATE_NONE, extents[i].state);
		EXPECT_EQ(-1, extents[i].node);
	}
	EXPECT_EQ(1, stat.committed);
	EXPECT_EQ(1, stat.purged);
	EXPECT_EQ(0, stat.shared);
	EXPECT_EQ(0, stat.lazy);
	EXPECT_EQ(2, stat.allocs);
	EXPECT_EQ(1, stat.purges);
	EXPECT_EQ(0, stat.frees);
	EXPECT_EQ(2, stat.hits + stat.misses);

	stat.extents = 8;
	EXPECT_EQ(-EFAULT, dev_call(self->fd, ASHLAR_IOC_STAT, &stat));
	stat.extents = 0;
	EXPECT_EQ(-EINVAL, dev_call(self->fd, ASHLAR_IOC_STAT, &stat));
	stat.extents = (uintptr_t)extents;
	stat.length = 0;
	EXPECT_EQ(-EINVAL, dev_call(self->fd, ASHLAR_IOC_STAT, &stat));
	stat.length = 9 * EXTENT;
	EXPECT_EQ(-ENXIO, dev_call(self->fd, ASHLAR_IOC_STAT, &stat));
	stat.addr += PAGE;
	stat.length = EXTENT;
	EXPECT_EQ(-EINVAL, dev_call(self->fd, ASHLAR_IOC_STAT, &stat));
	stat.addr = 0;
	EXPECT_EQ(-ENXIO, dev_call(self->fd, ASHLAR_IOC_STAT, &stat));
}

/* A 32-bit caller: the same structs through the kernel's compat entry. */
static int compat_ioctl(int fd, unsigned long command, void *arg)
{
	int result;

	__asm__ volatile("int $0x80" : "=a"(result)
			 : "a"(54), "b"(fd), "c"(command), "d"(arg)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static void no_compat(int signal)
{
	_exit(99);
}

static int compat_calls(void *arg)
{
	int fd = *(int *)arg;
	struct {
		struct ashlar_info info;
		struct ashlar_range range;
		struct ashlar_alloc alloc;
	} *low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	char *p = dev_map_at(fd, NULL, 1, 6);

	signal(SIGSEGV, no_compat);
	if (low == MAP_FAILED || !p)
		return 2;
	low->info.size = sizeof(low->info);
	if (compat_ioctl(fd, ASHLAR_IOC_INFO, &low->info))
		return 3;
	if (low->info.extent_size != EXTENT)
		return 4;
	low->range.addr = (uintptr_t)p;
	low->range.length = EXTENT;
	low->alloc.size = sizeof(low->alloc);
	low->alloc.ranges = (uintptr_t)&low->range;
	low->alloc.nr_ranges = 1;
	low->alloc.node = ASHLAR_NODE_LOCAL;
	if (compat_ioctl(fd, ASHLAR_IOC_ALLOC, &low->alloc))
		return 5;
	if (low->alloc.done != 1 || !bytes_are(p, 0, EXTENT))
		return 6;
	low->alloc.size = 4;
	return compat_ioctl(fd, ASHLAR_IOC_ALLOC, &low->alloc) == -EINVAL ? 0 : 7;
}

TEST_F(uapi, compat)
{
	int status = in_child(compat_calls, &self->fd);

	if (status == 99)
		SKIP(return, "this kernel has no 32-bit system calls");
	EXPECT_EQ(0, status);
}

/* The descriptor only carries the call: it need not be the mapping's. */
TEST_F(uapi, any_descriptor_serves)
{
	int other = dev_open();
	struct ashlar_stat stat;

	EXPECT_EQ(0, dev_alloc(other, self->p + 2 * EXTENT, 1));
	EXPECT_EQ(0, dev_stat(other, self->p, &stat));
	EXPECT_EQ(3, stat.committed);
	EXPECT_EQ(0, dev_free(other, self->p, 3, NULL));
	close(other);
}

TEST_HARNESS_MAIN
