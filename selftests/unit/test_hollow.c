// SPDX-License-Identifier: MIT
/* Free pages of slabs that are in use: which go, when, and that no slot on them is used meanwhile. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "arenas.h"
#include "fake.h"
#include "hollow.h"
#include "limit.h"

enum {
	SMALL = 5,		/* 64 bytes, slabs of 8 pages */
	ODD = 23,		/* 1280 bytes, 16 in 5 pages: slots lie across pages */
	WIDE = 35,		/* 7168 bytes, 4 in 7 pages: one has a page to itself, and parts of two others */
	LARGE = 38,		/* 12 KB, 2 in 6 pages */
	TURN = 3200,		/* ms, of the decay time below */
	MOST = 65536,
};

static struct arena *arena;
static struct pageheap *heap;
static unsigned char *block[MOST];
static unsigned int nblocks, block_class;
static size_t others;	/* pages used beside blocks */

static void start_with(const char *options, bool device)
{
	fake_start(options);
	fake.device = device;
	arena = arena_choose(0);
	heap = arena->heap;
	fake.now = 1000;
	pageheap_set_decay(heap, conf.dirty_decay_ms);
	hollow_purge(heap, fake.now, PURGE_DECAY);
}

static void start(void)
{
	start_with("source:anon,thp:never,dirty_decay_ms:6400", false);
}

TestSuite(hollow, .init = start);

static struct pageheap_stats stats(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s;
}

static size_t size_of(void)
{
	return sizeclass_bytes[block_class];
}

/* Blocks of @class until there are @n; those that there are stay. */
static void fill(unsigned int class, unsigned int n)
{
	block_class = class;
	nblocks = max(n, nblocks);
	for (unsigned int i = 0; i < n; i++) {
		void *p;

		if (block[i])
			continue;
		cr_assert_eq(arena_fill(arena, class, &p + 1, 1), 1);
		block[i] = p;
		memset(p, (int)(i % 251 + 1), size_of());
	}
}

static void release(unsigned int i)
{
	void *p = block[i];

	for (size_t k = 0; p && k < size_of(); k += 61)
		cr_assert_eq(block[i][k], i % 251 + 1, "block %u at %p, byte %zu", i, p, k);
	block[i] = NULL;
	if (p)
		arena_flush(NULL, block_class, &p, 1);
}

/* All but every @step-th; those are whole. */
static void keep_every(unsigned int step)
{
	for (unsigned int i = 0; i < nblocks; i++) {
		if (i % step || !block[i])
			release(i);
	}
}

static void release_all(void)
{
	for (unsigned int i = 0; i < nblocks; i++)
		release(i);
}

static void turn(void)
{
	fake.now += TURN;
	hollow_purge(heap, fake.now, PURGE_DECAY);
}

static void right(void)
{
	cr_assert(pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

/* Everything that was free is with the system when all blocks are gone. */
static void nothing_is_lost(void)
{
	struct bin_stats b;

	release_all();
	arena_bin_stats(arena, block_class, &b);
	cr_assert(b.out == 0 && b.nslabs == 0 && b.pages == 0, "%zu slots are out", b.out);
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert(stats().active == others && stats().dirty == 0 && stats().hollow == 0);
	right();
}

Test(hollow, a_page_goes_that_is_idle_at_two_turns)
{
	fill(SMALL, 2000);
	keep_every(500);
	turn();
	cr_assert_eq(stats().hollow, 0, "it may be wanted at once");
	turn();
	cr_assert_gt(stats().hollow, 15);
	cr_assert_leq(stats().hollow, stats().active - 4, "and not those with a block");
	right();
	nothing_is_lost();
}

Test(hollow, not_one_that_was_used_between)
{
	fill(SMALL, 2000);
	keep_every(500);
	turn();
	fill(SMALL, 2000);
	keep_every(500);
	turn();
	cr_assert_eq(stats().hollow, 0);
	turn();
	cr_assert_gt(stats().hollow, 15);
	right();
}

Test(hollow, each_goes_once)
{
	size_t purged;

	fill(SMALL, 2000);
	keep_every(500);
	turn();
	turn();
	purged = stats().purged;
	for (int i = 0; i < 5; i++)
		turn();
	cr_assert_eq(stats().purged, purged);
}

Test(hollow, what_is_used_again_has_memory_again)
{
	size_t hollow;

	fill(SMALL, 2000);
	keep_every(200);
	turn();
	turn();
	hollow = stats().hollow;
	cr_assert_gt(hollow, 15);
	fill(SMALL, 2000);
	cr_assert_leq(stats().hollow, 1);
	keep_every(200);
	turn();
	turn();
	cr_assert_geq(stats().hollow, hollow, "and goes again");
	right();
	nothing_is_lost();
}

/* A slot on a page with memory is had before one on a page without. */
Test(hollow, warm_slots_are_used_first)
{
	size_t hollow, active;

	fill(SMALL, 4000);
	keep_every(500);
	hollow_purge(heap, fake.now, PURGE_ALL);
	hollow = stats().hollow;
	active = stats().active;
	cr_assert_gt(hollow, 30);
	/* Beside each block that stayed there are 63 free slots on its page. */
	fill(SMALL, 7 * 63);
	cr_assert_eq(stats().hollow, hollow);
	cr_assert_eq(stats().active, active);
	fill(SMALL, 1000);
	cr_assert_lt(stats().hollow, hollow, "then those");
	cr_assert_eq(stats().active, active, "before there is a new slab");
	right();
	nothing_is_lost();
}

Test(hollow, where_dirty_pages_become_muzzy_first)
{
	pageheap_set_muzzy_decay(heap, 6400);
	fill(SMALL, 2000);
	keep_every(1000);
	turn();
	turn();
	cr_assert(stats().hollow > 5 && stats().muzzy > 5, "%zu hollow, %zu muzzy", stats().hollow, stats().muzzy);
	cr_assert_eq(fake.purged_bytes >> PAGE_SHIFT, stats().hollow, "nothing else by force");
	right();
}

/* Slots that lie across a page's end stay out of both. */
Test(hollow, slots_across_pages)
{
	for (unsigned int keep = 0; keep < 16; keep++) {
		fill(ODD, 64);
		for (unsigned int i = 0; i < nblocks; i++) {
			if (i % 16 != keep)
				release(i);
		}
		hollow_purge(heap, fake.now, PURGE_ALL);
		cr_assert_geq(stats().hollow, 3 * 3, "a block is on two pages of five at the most");
		right();
	}
	nothing_is_lost();
}

Test(hollow, half_of_a_slab_of_two)
{
	fill(LARGE, 64);
	keep_every(2);
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert_geq(stats().hollow, 3 * 30);
	right();
	nothing_is_lost();
}

Test(hollow, never_if_decay_is_off)
{
	pageheap_set_decay(heap, -1);
	fill(SMALL, 2000);
	keep_every(500);
	for (int i = 0; i < 10; i++)
		turn();
	cr_assert_eq(stats().hollow, 0);
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert_gt(stats().hollow, 15, "but by force");
	right();
}

/* Whatever nobody used is one look's work, however long ago the last one was. */
Test(hollow, a_long_sleep_is_no_reason)
{
	fill(SMALL, 2000);
	keep_every(500);
	fake.now += 1000 * TURN;
	hollow_purge(heap, fake.now, PURGE_DECAY);
	hollow_purge(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(stats().hollow, 0);
	turn();
	cr_assert_gt(stats().hollow, 15);
}

/* --- meanwhile ------------------------------------------------------------------------------ */

static unsigned int given;

/* Another thread: this one has locks. */
static void elsewhere(void *(*fn)(void *arg), void *arg)
{
	pthread_t t;

	cr_assert_eq(pthread_create(&t, NULL, fn, arg), 0);
	pthread_join(t, NULL);
}

struct going {
	const struct source_range *ranges;
	unsigned int n;
};

/* No slot that is handed out now lies on a page that goes. */
static void *take_slots(void *arg)
{
	const struct source_range *ranges = ((struct going *)arg)->ranges;
	unsigned int n = ((struct going *)arg)->n;
	void *p[64];
	unsigned int got = arena_fill(arena, SMALL, p + 64, 64);

	for (unsigned int i = 64 - got; i < 64; i++) {
		for (unsigned int k = 0; k < n; k++)
			cr_assert((char *)p[i] + 64 <= ranges[k].addr || (char *)p[i] >= ranges[k].addr + ranges[k].len);
		memset(p[i], 0xee, 64);
	}
	given += got;
	arena_flush(NULL, SMALL, p + 64 - got, got);
	return NULL;
}

static void take_slots_meanwhile(const struct source_range *ranges, unsigned int n)
{
	elsewhere(take_slots, &(struct going){ ranges, n });
}

Test(hollow, no_slot_of_it_is_had_meanwhile)
{
	fill(SMALL, 4000);
	keep_every(500);
	fake.during_purge = take_slots_meanwhile;
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert(given > 0 && stats().hollow > 30);
	fake.during_purge = NULL;
	right();
	nothing_is_lost();
}

static void *release_slots(void *arg)
{
	release_all();
	return arg;
}

static void release_slots_meanwhile(const struct source_range *ranges, unsigned int n)
{
	(void)ranges, (void)n;
	if (!given++)
		elsewhere(release_slots, NULL);
}

/* The slab is free memory once the slots that were set aside are back. */
Test(hollow, last_block_of_a_slab_goes_meanwhile)
{
	fill(SMALL, 4000);
	keep_every(500);
	fake.during_purge = release_slots_meanwhile;
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert_gt(given, 0);
	fake.during_purge = NULL;
	cr_assert_eq(stats().hollow, 0);
	nothing_is_lost();
}

static void *take_few(void *arg)
{
	void *p[4];
	unsigned int got = arena_fill(arena, SMALL, p + 4, 4);

	for (unsigned int i = 4 - got; i < 4; i++)
		cr_assert(slab_consistent(slab_of(window_of(p[i]), p[i])));
	arena_flush(NULL, SMALL, p + 4 - got, got);
	return arg;
}

static void take_few_meanwhile(const struct source_range *ranges, unsigned int n)
{
	(void)ranges, (void)n;
	elsewhere(take_few, NULL);
}

/* A fill that saw its slots set aside does not make a page count as without memory, and as zero, for ever. */
Test(hollow, used_again_after_a_fill_meanwhile)
{
	bool zeroed;
	char *p;

	fill(SMALL, 4000);
	keep_every(500);
	fake.during_purge = take_few_meanwhile;
	hollow_purge(heap, fake.now, PURGE_ALL);
	fake.during_purge = NULL;
	cr_assert_gt(stats().hollow, 30);
	fill(SMALL, 4000);
	cr_assert_leq(stats().hollow, 1);
	release_all();
	for (int i = 0; i < 60; i++) {
		p = pageheap_alloc(heap, 1, 1, &zeroed);
		for (unsigned int k = 0; zeroed && k < PAGE_SIZE; k++)
			cr_assert_eq(p[k], 0, "page %d, byte %u", i, k);
	}
	right();
}

static void *take_wide(void *arg)
{
	void *p[8];
	unsigned int got = arena_fill(arena, WIDE, p + 8, 8);

	arena_flush(NULL, WIDE, p + 8 - got, got);
	return arg;
}

static void take_wide_meanwhile(const struct source_range *ranges, unsigned int n)
{
	(void)ranges, (void)n;
	if (!given++)
		elsewhere(take_wide, NULL);
}

/* One slot on pages of two runs, with a hollow page of its own between them. */
Test(hollow, slots_are_counted_once, .timeout = 20)
{
	fill(WIDE, 4);
	release(1);
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert_eq(stats().hollow, 1);
	release(0);
	release(2);
	fake.during_purge = take_wide_meanwhile;
	hollow_purge(heap, fake.now, PURGE_ALL);
	fake.during_purge = NULL;
	cr_assert_gt(stats().hollow, 3);
	right();
	nothing_is_lost();
}

static void *fill_at_limit(void *arg)
{
	void *p;

	given = arena_fill(arena, SMALL, &p + 1, 1);
	if (given)
		arena_flush(NULL, SMALL, &p, 1);
	return arg;
}

static pthread_t filler;

static void begin_to_fill(const struct source_range *ranges, unsigned int n)
{
	(void)ranges, (void)n;
	if (filler)
		return;
	cr_assert_eq(pthread_create(&filler, NULL, fill_at_limit, NULL), 0);
	usleep(100000);
}

/* Where no slab can be made, the slots that are set aside are waited for. */
Test(hollow, no_request_is_refused_for_it, .timeout = 20)
{
	fill(SMALL, 512 * 4);
	for (unsigned int i = 0; i < nblocks; i++) {
		if (i / 64 % 2)
			release(i);
	}
	hollow_purge(heap, fake.now, PURGE_DECAY);
	limit_set_hard(limit_size());
	fake.during_purge = begin_to_fill;
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert_neq(filler, 0);
	pthread_join(filler, NULL);
	cr_assert_eq(given, 1);
	limit_set_hard(0);
	fake.during_purge = NULL;
	right();
}

Test(hollow, the_system_refuses)
{
	fill(SMALL, 2000);
	keep_every(500);
	fake.purge_fails = true;
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert_eq(stats().hollow, 0);
	right();
	fake.purge_fails = false;
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert_gt(stats().hollow, 15);
	nothing_is_lost();
}

/* --- huge pages ------------------------------------------------------------------------------ */

static void start_huge(void)
{
	start_with("source:anon,thp:always,dirty_decay_ms:6400", false);
}

static const unsigned int full = EXTENT_PAGES * PAGE_SIZE / 64 / 8;	/* of SMALL, an eighth of an extent */

/* @n blocks of SMALL, and the rest of their extent as one span, which is returned. */
static char *fill_extent(unsigned int n)
{
	char *rest;

	fill(SMALL, n);
	rest = pageheap_alloc(heap, (unsigned int)(EXTENT_PAGES - stats().active), 1, NULL);
	cr_assert(rest && stats().huge == 1);
	return rest;
}

Test(hollow, less_than_a_fifth_is_no_reason_to_tear, .init = start_huge)
{
	char *rest = fill_extent(full);

	keep_every(500);
	turn();
	turn();
	cr_assert(stats().hollow == 0 && fake.tears == 0 && stats().huge == 1);
	right();
	/* As long as the rest is used. */
	pageheap_free(rest, EXTENT_PAGES / 8);
	turn();
	cr_assert(stats().hollow > 40 && fake.tears == 1 && stats().huge == 0 && stats().dirty == 0,
		  "and what is free goes with them");
	right();
}

Test(hollow, less_than_a_fifth_by_force, .init = start_huge)
{
	fill_extent(full);
	keep_every(500);
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert(stats().hollow > 40 && fake.tears == 1 && stats().huge == 0);
	right();
}

/* What mending would bring back is not worth it. */
Test(hollow, a_few_pages_not_even_by_force, .init = start_huge)
{
	fill_extent(full / 4);
	/* Of the slabs but the first two, which have a page each, one block stays. */
	for (unsigned int i = 128; i < nblocks; i++) {
		if (i % 512 != 200)
			release(i);
	}
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert(stats().hollow == 0 && stats().huge == 1 && fake.tears == 0);
	right();
}

Test(hollow, mended_when_they_are_used_again, .init = start_huge)
{
	fill_extent(full);
	keep_every(500);
	hollow_purge(heap, fake.now, PURGE_ALL);
	turn();
	cr_assert(fake.mends == 0, "its pages are used, but they have no memory");
	right();
	fill(SMALL, full / 4 * 3);
	turn();
	cr_assert(fake.mends == 1 && stats().huge == 1);
	cr_assert_eq(stats().hollow, 0, "all of it has memory, or will have");
	right();
	release_all();
	right();
}

/* What nobody has come to yet is no reason to tear the extent that a heap grows into. */
Test(hollow, not_the_newest_extent_for_a_few_pages, .init = start_huge)
{
	fill(SMALL, full);
	for (unsigned int i = full / 2; i < full / 2 + 128; i++)
		release(i);
	turn();
	turn();
	cr_assert(fake.tears == 0 && stats().huge == 1 && stats().hollow == 0);
	right();
	/* When it is torn, that goes as well. */
	fill(SMALL, full * 3);
	keep_every(500);
	turn();
	turn();
	cr_assert(fake.tears == 1 && stats().untouched == 0 && stats().hollow > 100);
	cr_assert_geq(fake.purged_bytes >> PAGE_SHIFT, EXTENT_PAGES - (stats().active - stats().hollow));
	right();
}

static void start_device(void)
{
	start_with("source:auto,dirty_decay_ms:6400", true);
	/* The first extent is anonymous. */
	cr_assert(pageheap_alloc(heap, others = EXTENT_PAGES, 1, NULL));
	fill(SMALL, 1);
	cr_assert_eq(stats().device, 1);
}

/* What is in use is copied: blocks, and the rest of their pages. */
Test(hollow, punched_on_the_device, .init = start_device)
{
	fill(SMALL, full * 3);
	keep_every(500);
	turn();
	cr_assert_eq(fake.punches, 0);
	turn();
	cr_assert_eq(fake.punches, 1);
	cr_assert(stats().hollow > 15 && stats().pieces == 1);
	cr_assert_geq(fake.punched_pages, EXTENT_PAGES - (stats().active - others - stats().hollow));
	right();
	/* From then on one by one. */
	fill(SMALL, full * 3);
	keep_every(500);
	turn();
	turn();
	cr_assert(fake.punches == 2 && stats().hollow > 15);
	right();
	nothing_is_lost();
}

Test(hollow, the_device_refuses, .init = start_device)
{
	fill(SMALL, full * 3);
	keep_every(500);
	fake.shared = (char *)((uintptr_t)block[0] & -EXTENT_SIZE);
	turn();
	turn();
	cr_assert(stats().hollow == 0 && stats().pieces == 0);
	right();
	fake.shared = NULL;
	nothing_is_lost();
}

/* What is not enough by force either is enough when whole pages are free beside it. */
Test(hollow, more_is_free_later, .init = start_huge)
{
	char *rest = fill_extent(full);

	for (unsigned int i = 128; i < full / 4; i++) {
		if (i % 512 != 200)
			release(i);
	}
	turn();
	turn();
	hollow_purge(heap, fake.now, PURGE_ALL);
	cr_assert(stats().hollow == 0 && stats().huge == 1);
	pageheap_free(rest, TEAR_LEAST);
	turn();
	turn();
	cr_assert(stats().hollow > 10 && stats().huge == 0);
	right();
}

/* One that is shared, or locked, costs no others their turns. */
Test(hollow, others_do_not_wait_for_what_is_refused, .init = start_device)
{
	fill(SMALL, full * 15);
	cr_assert_geq(stats().device, 2);
	for (unsigned int i = 0; i < full * 7; i++) {
		if (i % 500)
			release(i);
	}
	fake.shared = (char *)((uintptr_t)block[0] & -EXTENT_SIZE);
	for (int i = 0; i < 8; i++)
		turn();
	cr_assert(stats().hollow == 0 && stats().pieces == 0);
	for (unsigned int i = full * 8; i < full * 15; i++) {
		if (i % 500)
			release(i);
	}
	turn();
	turn();
	cr_assert(stats().hollow > 100 && stats().pieces == 1);
	right();
}

/* --- the price -------------------------------------------------------------------------------- */

/* A caller of malloc pays for as many batches as for pages that are free as such, all together. */
Test(hollow, bounded_in_one_look)
{
	size_t ranges, pages = 0;
	unsigned int looks = 0;

	fill(ODD, 8000);
	keep_every(8);
	hollow_purge(heap, fake.now += TURN, PURGE_DECAY);
	fake.now += TURN;
	do {
		ranges = fake.purged_ranges;
		fake.purges = 0;
		pages = stats().hollow;
		hollow_purge(heap, fake.now, PURGE_DECAY_BATCH);
		cr_assert_leq(fake.purged_ranges - ranges, PURGE_BATCH * PURGE_BATCHES);
		cr_assert_leq(fake.purges, PURGE_BATCHES);
		looks++;
	} while (stats().hollow > pages);
	cr_assert(looks >= 4 && pages > 1000, "%u looks, %zu pages", looks, pages);
	right();
	nothing_is_lost();
}

/* What is refused was tried, and paid for. */
Test(hollow, bounded_where_the_system_refuses)
{
	fill(ODD, 40000);
	keep_every(8);
	hollow_purge(heap, fake.now += TURN, PURGE_DECAY);
	fake.now += TURN;
	fake.purge_fails = true;
	fake.purges = 0;
	hollow_purge(heap, fake.now, PURGE_DECAY_BATCH);
	cr_assert(fake.purges > 0 && fake.purges <= PURGE_BATCHES, "%zu calls", fake.purges);
	right();
}

/* Locked memory, say: it is tried less and less. */
Test(hollow, less_is_tried_where_the_system_refuses)
{
	fill(SMALL, 2000);
	keep_every(500);
	purge_heap(heap, fake.now, PURGE_ALL);
	fake.purge_fails = true;
	fake.purges = 0;
	for (int i = 0; i < 64; i++)
		turn();
	cr_assert(fake.purges >= 3 && fake.purges <= 7, "%zu calls in 64 turns", fake.purges);
	fake.purge_fails = false;
	for (int i = 0; i < 65; i++)
		turn();
	cr_assert_gt(stats().hollow, 15);
	right();
}

/* Free pages as such are overdue as well, and have their part of each look. */
Test(hollow, decay_goes_on_beside_it)
{
	void *big;
	size_t due;

	fill(ODD, 40000);
	keep_every(8);
	big = pageheap_alloc_huge(heap, (size_t)64 * EXTENT_PAGES, 1, NULL);
	pageheap_free(big, (size_t)64 * EXTENT_PAGES);
	hollow_purge(heap, fake.now, PURGE_DECAY);
	hollow_purge(heap, fake.now += TURN, PURGE_DECAY);
	hollow_purge(heap, fake.now += 100, PURGE_DECAY);
	due = stats().dirty;
	cr_assert_gt(due, 1000);
	hollow_purge(heap, fake.now += 2 * TURN, PURGE_DECAY_BATCH);
	cr_assert(stats().dirty < due && stats().hollow > 0, "%zu of %zu are left", stats().dirty, due);
	right();
}

Test(hollow, decay_goes_on_beside_copies, .init = start_device)
{
	void *p[20];
	size_t due;

	/* One slab in three of each extent is nearly empty: much is copied. */
	fill(ODD, 20000);
	for (unsigned int i = 0; i < nblocks; i++) {
		if (i % 48 < 16 && i % 16)
			release(i);
	}
	for (int i = 0; i < 20; i++)
		p[i] = pageheap_alloc(heap, EXTENT_PAGES, 1, NULL);
	for (int i = 0; i < 20; i++)
		pageheap_free(p[i], EXTENT_PAGES);
	hollow_purge(heap, fake.now += TURN, PURGE_DECAY);
	due = stats().dirty;
	cr_assert_geq(due, 10 * EXTENT_PAGES);
	hollow_purge(heap, fake.now += TURN, PURGE_DECAY_BATCH);
	cr_assert(stats().hollow > 0 && stats().dirty < due, "%zu hollow, %zu of %zu left", stats().hollow,
		  stats().dirty, due);
	right();
}

/* Many extents and little time: no turn comes before its time. */
Test(hollow, turns_of_a_large_heap)
{
	pageheap_set_decay(heap, 1000);
	fill(SMALL, 2000);
	keep_every(500);
	cr_assert(pageheap_alloc_huge(heap, (size_t)9000 * EXTENT_PAGES, 1, NULL));
	hollow_purge(heap, fake.now += 1000, PURGE_DECAY);
	hollow_purge(heap, fake.now += 1000, PURGE_DECAY);
	cr_assert_gt(stats().hollow, 15);
	fill(SMALL, 2000);
	keep_every(500);
	for (int i = 0; i < 2000; i++)
		hollow_purge(heap, fake.now + i / 1000, PURGE_DECAY_BATCH);
	cr_assert_eq(stats().hollow, 0, "it was used just now");
}

/* --- all at once --------------------------------------------------------------------------------- */

Test(hollow, random_blocks)
{
	static const unsigned int classes[] = { 2, SMALL, 12, 14, ODD, 30, WIDE, LARGE };

	fake_seed();
	for (int round = 0; round < 60; round++) {
		unsigned int n = (unsigned int)(1 + fake_random() % (round % 7 < 4 ? 3000 : 200));

		release_all();
		fill(classes[round % ARRAY_SIZE(classes)], n);
		for (int i = 0; i < 20; i++) {
			for (unsigned int k = 0; k < n / 4; k++)
				release((unsigned int)(fake_random() % n));
			if (fake_random() % 3 == 0)
				fill(block_class, n);
			fake.now += fake_random() % TURN;
			hollow_purge(heap, fake.now, (enum purge_scope)(fake_random() % 3));
			right();
		}
	}
	nothing_is_lost();
}

static _Atomic bool done;

static void *worker(void *arg)
{
	uint64_t x = (uintptr_t)arg * 2654435761u | 1;
	struct arena *a = arena_choose(0);
	static const unsigned int classes[] = { SMALL, ODD, WIDE };
	void *mine[300];
	unsigned int class = 0, n = 0;

	for (int round = 0; round < 4000; round++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		if (!n)
			class = classes[x % 3];
		if (n < 200 && x >> 8 & 3) {
			unsigned int got = arena_fill(a, class, mine + n + 100, 100);

			memmove(mine + n, mine + n + 100 - got, got * sizeof(void *));
			for (unsigned int i = n; i < n + got; i++)
				memset(mine[i], (int)(uintptr_t)arg, sizeclass_bytes[class]);
			n += got;
			continue;
		}
		for (unsigned int i = 0; i < n; i++) {
			unsigned char *p = mine[i];

			if (*p != (uintptr_t)arg || p[sizeclass_bytes[class] - 1] != (uintptr_t)arg)
				return p;
		}
		/* All but a few, which keep slabs from being empty; the next time those as well. */
		unsigned int left = n > 8 ? n % 7 : 0;

		arena_flush(NULL, class, mine + left, n - left);
		n = left;
	}
	arena_flush(NULL, class, mine, n);
	return NULL;
}

static void *purger(void *arg)
{
	(void)arg;
	while (!atomic_load(&done))
		hollow_purge(heap, 0, PURGE_ALL);
	return NULL;
}

Test(hollow, while_others_use_the_slabs, .timeout = 120)
{
	pthread_t t[3], p;

	cr_assert_eq(pthread_create(&p, NULL, purger, NULL), 0);
	for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
		cr_assert_eq(pthread_create(&t[i], NULL, worker, (void *)(i + 1)), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		void *wrong;

		pthread_join(t[i], &wrong);
		cr_assert_null(wrong, "block %p lost its contents", wrong);
	}
	atomic_store(&done, true);
	pthread_join(p, NULL);
	hollow_purge(heap, 0, PURGE_ALL);
	cr_assert(stats().active == 0 && stats().hollow == 0, "%zu pages, %zu hollow", stats().active, stats().hollow);
	right();
}
