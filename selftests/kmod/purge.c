// SPDX-License-Identifier: MIT
/* Forced PURGE and FREE: gone when the call returns, zero when touched again. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

TEST(gone_and_zero)
{
	long out = nodes_sum("out");
	int fd = dev_open();
	char *p = dev_memory(fd, 8);
	struct ashlar_stat stat;
	size_t done;

	memset(p, 0x5a, 8 * EXTENT);
	EXPECT_EQ(out + 8, nodes_sum("out"));
	ASSERT_EQ(0, dev_purge(fd, p, 8, &done));
	EXPECT_EQ(8, done);
	EXPECT_EQ(0, smaps_kb(p, "Rss"));
	EXPECT_TRUE(out_returns_to(out));
	ASSERT_EQ(0, dev_stat(fd, p, &stat));
	EXPECT_EQ(0, stat.committed);
	EXPECT_EQ(8, stat.purged);
	EXPECT_TRUE(bytes_are(p, 0, 8 * EXTENT));
	EXPECT_EQ(8 * EXTENT / 1024, smaps_kb(p, "FilePmdMapped"));
	ASSERT_EQ(0, dev_stat(fd, p, &stat));
	EXPECT_EQ(8, stat.committed);
	EXPECT_EQ(0, stat.purged);
	EXPECT_EQ(16, stat.allocs);
	EXPECT_EQ(stat.allocs, stat.hits + stat.misses);
}

TEST(alloc_recommits)
{
	int fd = dev_open();
	char *p = dev_memory(fd, 2);

	memset(p, 1, 2 * EXTENT);
	ASSERT_EQ(0, dev_purge(fd, p, 2, NULL));
	EXPECT_EQ(0, dev_alloc(fd, p, 1));
	EXPECT_EQ(ASHLAR_STATE_OWNED, dev_extent(fd, p).state);
	EXPECT_EQ(ASHLAR_STATE_PURGED, dev_extent(fd, p + EXTENT).state);
	EXPECT_EQ(-EEXIST, dev_alloc(fd, p, 1));
	EXPECT_TRUE(bytes_are(p, 0, 2 * EXTENT));
}

TEST(passes_over_what_is_not_there)
{
	int fd = dev_open();
	char *p = dev_map(fd, 6);
	size_t done;

	ASSERT_EQ(0, dev_alloc(fd, p + EXTENT, 1));
	ASSERT_EQ(0, dev_alloc(fd, p + 4 * EXTENT, 1));
	ASSERT_EQ(0, dev_purge(fd, p, 6, &done));
	EXPECT_EQ(2, done);
	ASSERT_EQ(0, dev_purge(fd, p, 6, &done));
	EXPECT_EQ(0, done);
	EXPECT_TRUE(read_is_sigbus(p));
	EXPECT_FALSE(read_is_sigbus(p + EXTENT));
	/* FREE takes purged ones too: their promise ends. */
	ASSERT_EQ(0, dev_free(fd, p, 6, &done));
	EXPECT_EQ(2, done);
	EXPECT_TRUE(read_is_sigbus(p + EXTENT));
	EXPECT_TRUE(read_is_sigbus(p + 4 * EXTENT));
	ASSERT_EQ(0, dev_free(fd, p, 6, &done));
	EXPECT_EQ(0, done);
}

TEST(vector_of_ranges)
{
	enum { N = 64 };
	int fd = dev_open();
	char *p = dev_map(fd, N);
	struct ashlar_range ranges[N / 2];
	struct ashlar_purge purge = {
		.size = sizeof(purge), .flags = ASHLAR_PURGE_FORCED,
		.ranges = (uintptr_t)ranges, .nr_ranges = N / 2,
	};
	size_t i;

	ASSERT_EQ(0, dev_alloc(fd, p, N));
	for (i = 0; i < N; i++)
		p[i * EXTENT] = i + 1;
	/* Every other one, backwards, one of them twice. */
	for (i = 0; i < N / 2; i++) {
		ranges[i].addr = (uintptr_t)p + (N - 2 - 2 * i) * EXTENT;
		ranges[i].length = EXTENT;
	}
	ranges[0] = ranges[1];
	ASSERT_EQ(0, dev_call(fd, ASHLAR_IOC_PURGE, &purge));
	EXPECT_EQ(N / 2 - 1, purge.done);
	for (i = 0; i < N; i++)
		EXPECT_EQ(i % 2 || i == N - 2 ? i + 1 : 0, p[i * EXTENT]);
}

/*
 * Threads write to extents that others purge, free and allocate: each byte is
 * then zero or what was written there, SIGBUS does not occur for purged ones,
 * and nothing is left over.
 */
#define RACE_ROUNDS 400

static void *race_touch(void *arg)
{
	struct race *race = arg;
	uint32_t state = (uintptr_t)&state | 1;

	while (!race->stop) {
		volatile char *at = race->p + random_next(&state) %
				    (RACE_EXTENTS * EXTENT);
		char byte = *at;

		if (byte && byte != 0x33)
			race->wrong++;
		*at = 0x33;
	}
	return NULL;
}

static void *race_purge(void *arg)
{
	struct race *race = arg;
	uint32_t state = (uintptr_t)&state | 1;
	int i;

	for (i = 0; i < RACE_ROUNDS; i++) {
		size_t first = random_next(&state) % RACE_EXTENTS;
		size_t n = 1 + random_next(&state) % (RACE_EXTENTS - first);
		int err = dev_purge(race->fd, race->p + first * EXTENT, n, NULL);

		if (!err && i % 4 == 0)
			err = dev_alloc_on(race->fd, race->p + first * EXTENT, n,
					   ASHLAR_NODE_LOCAL, 0, NULL);
		if (err && err != -EEXIST)
			race->wrong++;
	}
	return NULL;
}

/* Only for their longer time limit. */
FIXTURE(race) { char unused; };
FIXTURE_SETUP(race) { }
FIXTURE_TEARDOWN(race) { }

TEST_F_TIMEOUT(race, purge_against_touch, 300)
{
	long out = nodes_sum("out");
	const struct racer racers[] = {
		{ .run = race_touch }, { .run = race_touch },
		{ .run = race_purge, .ends = true }, { .run = race_purge, .ends = true },
	};
	struct ashlar_stat stat;
	struct race race;

	ASSERT_TRUE(race_open(&race));
	race_run(&race, racers, 4);
	EXPECT_EQ(0, race.wrong);
	ASSERT_EQ(0, dev_stat(race.fd, race.p, &stat));
	EXPECT_EQ(RACE_EXTENTS, stat.committed + stat.purged);
	EXPECT_EQ(stat.allocs, stat.hits + stat.misses);
	EXPECT_EQ(stat.committed, stat.allocs - stat.purges);
	EXPECT_EQ(out + stat.committed, nodes_sum("out"));
	race_close(&race);
	EXPECT_TRUE(out_returns_to(out));
}

/* The same calls at once, and munmap in the middle of them. */
static void *race_calls(void *arg)
{
	struct race *race = arg;
	uint32_t state = (uintptr_t)&state | 1;

	while (!race->stop) {
		char *at = race->p + random_next(&state) % RACE_EXTENTS * EXTENT;

		switch (random_next(&state) % 4) {
		case 0:
			dev_alloc_on(race->fd, at, 1, ASHLAR_NODE_LOCAL,
				     ASHLAR_ALLOC_POPULATE, NULL);
			break;
		case 1:
			dev_free(race->fd, at, 1, NULL);
			break;
		case 2:
			dev_purge(race->fd, race->p, RACE_EXTENTS, NULL);
			break;
		case 3:
			madvise(at, EXTENT, MADV_POPULATE_WRITE);
			break;
		}
	}
	return NULL;
}

static void *race_munmap(void *arg)
{
	struct race *race = arg;
	int i;

	for (i = 0; i < RACE_ROUNDS; i++) {
		size_t index = i % RACE_EXTENTS;
		char *at = race->p + index * EXTENT;

		if (munmap(at, EXTENT) || !dev_map_at(race->fd, at, 1, index))
			race->wrong++;
		usleep(1000);
	}
	return NULL;
}

TEST_F_TIMEOUT(race, calls_against_munmap, 300)
{
	long out = nodes_sum("out");
	const struct racer racers[] = {
		{ .run = race_calls }, { .run = race_calls }, { .run = race_calls },
		{ .run = race_munmap, .ends = true },
	};
	struct race race;

	ASSERT_TRUE(race_open(&race));
	race_run(&race, racers, 4);
	EXPECT_EQ(0, race.wrong);
	race_close(&race);
	EXPECT_TRUE(out_returns_to(out));
}

TEST_HARNESS_MAIN
