// SPDX-License-Identifier: MIT
/* What is purged when, in what order, and at what price for the caller. */
#include "ashlar.h"
#include "fake.h"
#include "hollow.h"
#include "thread.h"

static struct pageheap *heap;

static void start(void)
{
	fake_start("source:anon,dirty_decay_ms:6400");
	heap = ash_pageheaps[0];
	cr_assert(pageheap_ready(heap));
}

TestSuite(purge, .init = start);

static size_t dirty(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s.dirty;
}

/* @n spans of a page each with used pages between them. */
static void scatter(unsigned int n)
{
	char **p = meta_alloc(2 * n * sizeof(*p));

	for (unsigned int i = 0; i < 2 * n; i++) {
		p[i] = pageheap_alloc(heap, 1, 1, NULL);
		*p[i] = 1;
	}
	for (unsigned int i = 0; i < 2 * n; i += 2)
		pageheap_free(p[i], 1);
}

Test(purge, follows_decay)
{
	size_t before, after = 0;

	scatter(1000);
	cr_assert_eq(dirty(), 1000);
	fake.now += 100;
	purge_heap(heap, fake.now, PURGE_DECAY);
	before = dirty();
	cr_assert_eq(before, 1000, "all may stay at first");
	for (int i = 0; i < 66; i++) {
		fake.now += 100;
		purge_heap(heap, fake.now, PURGE_DECAY);
		after = dirty();
		cr_assert_leq(after, before);
		before = after;
		if (i == 31)
			cr_assert(after > 400 && after < 600, "half-way: %zu of 1000", after);
	}
	cr_assert_eq(after, 0);
	cr_assert(pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

/* A free extent with a few dirty pages goes as a whole, and counts as those. */
Test(purge, extents_that_are_hardly_dirty_follow_decay_too)
{
	enum { EXTENTS = 100 };
	void *most[EXTENTS], *few[EXTENTS];

	for (unsigned int i = 0; i < EXTENTS; i++) {
		most[i] = pageheap_alloc(heap, 500, 1, NULL);
		few[i] = pageheap_alloc(heap, 12, 1, NULL);
		cr_assert(most[i] && few[i]);
	}
	for (unsigned int i = 0; i < EXTENTS; i++)
		pageheap_free(most[i], 500);
	purge_heap(heap, fake.now, PURGE_ALL);
	for (unsigned int i = 0; i < EXTENTS; i++)
		pageheap_free(few[i], 12);
	cr_assert_eq(dirty(), EXTENTS * 12);
	for (int i = 0; i < 67; i++) {
		fake.now += 100;
		purge_heap(heap, fake.now, PURGE_DECAY);
		cr_assert(i != 31 || (dirty() > 400 && dirty() < 800), "half-way: %zu", dirty());
	}
	cr_assert_eq(dirty(), 0, "%zu pages", dirty());
	cr_assert(pageheap_consistent(heap));
}

Test(purge, batch_is_bounded)
{
	scatter(1000);
	fake.now += 100;
	purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	fake.now += 100000;
	fake.purged_ranges = 0;
	/* After a long sleep everything is due; one caller pays for a few batches of it. */
	purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	cr_assert(fake.purged_ranges > 0 && fake.purged_ranges <= PURGE_BATCH * PURGE_BATCHES);
	cr_assert_geq(dirty(), 1000 - PURGE_BATCH * PURGE_BATCHES);
}

Test(purge, all_regardless_of_decay)
{
	pageheap_set_decay(heap, -1);
	scatter(500);
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_DECAY), 0);
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_ALL), 500);
	cr_assert_eq(dirty(), 0);
}

Test(purge, at_once_with_decay_0)
{
	pageheap_set_decay(heap, 0);
	scatter(100);
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_DECAY), 100);
}

Test(purge, whole_extents_first)
{
	char *used = pageheap_alloc(heap, 100, 1, NULL), *part = pageheap_alloc(heap, 100, 1, NULL);
	char *whole = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);

	memset(part, 1, 100 * PAGE_SIZE);
	memset(whole, 1, EXTENT_SIZE);
	*used = 1;
	pageheap_free(part, 100);
	pageheap_free(whole, EXTENT_PAGES);
	/* The limit asks for some pages only: the whole extent goes, the part stays. */
	fake.now += 100;
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(dirty(), EXTENT_PAGES + 100);
	fake.now += 2000;
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(dirty(), 100);
	cr_assert_eq(part[5], 1);
}

Test(purge, neighbours_are_joined)
{
	char *p = pageheap_alloc_huge(heap, 8 * EXTENT_PAGES, EXTENT_SIZE, NULL);

	memset(p, 1, 8 * EXTENT_SIZE);
	pageheap_free(p, 8 * EXTENT_PAGES);
	fake.purged_ranges = fake.purges = 0;
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_ALL), 8 * EXTENT_PAGES);
	cr_assert_eq(fake.purges, 1);
	cr_assert_eq(fake.purged_ranges, 1, "eight neighbours are one range, not %zu", fake.purged_ranges);
	cr_assert_eq(fake.purged_bytes, 8 * EXTENT_SIZE);
}

/* Another thread allocates while the system calls run: it gets none of what is leaving. */
static unsigned int met, extensions;
static char *before_whole;	/* an extent in use; the one behind it is leaving */

static void allocate_meanwhile(const struct source_range *ranges, unsigned int n)
{
	bool clean;

	for (unsigned int r = 0; r < n; r++) {
		if (ranges[r].addr == before_whole + EXTENT_SIZE)
			cr_assert(!pageheap_extend(before_whole, EXTENT_PAGES, 1, &clean) && ++extensions);
	}
	for (int i = 0; i < 20; i++) {
		size_t pages = i % 4 == 1 ? EXTENT_PAGES : i % 4 == 3 ? EXTENT_PAGES + 5 : 3;
		char *p = i % 2 ? pageheap_alloc_huge(heap, pages, EXTENT_SIZE, NULL) :
				  pageheap_alloc(heap, (unsigned int)pages, 1, NULL);
		size_t len = pages * PAGE_SIZE;
		bool zeroed;

		cr_assert(p);
		memset(p, 'm', len);
		for (unsigned int r = 0; r < n; r++)
			cr_assert(p + len <= ranges[r].addr || ranges[r].addr + ranges[r].len <= p);
		if (pageheap_extend(p, len >> PAGE_SHIFT, 1, &zeroed)) {
			for (unsigned int r = 0; r < n; r++)
				cr_assert(p + len != ranges[r].addr, "extended into what is leaving");
		}
	}
	met++;
}

Test(purge, what_is_leaving_is_nobodys)
{
	char *p = pageheap_alloc_huge(heap, 6 * EXTENT_PAGES, EXTENT_SIZE, NULL);

	memset(p, 1, 6 * EXTENT_SIZE);
	scatter(300);
	/* Two extents in a row are free, one alone, and single pages. */
	pageheap_free(p + EXTENT_SIZE, 2 * EXTENT_PAGES);
	pageheap_free(p + 4 * EXTENT_SIZE, EXTENT_PAGES);
	before_whole = p;
	fake.during_purge = allocate_meanwhile;
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert(met > 0 && extensions > 0);
	cr_assert(p[0] == 1 && p[3 * EXTENT_SIZE] == 1 && p[5 * EXTENT_SIZE] == 1);
	cr_assert(pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

Test(purge, nothing_to_do)
{
	fake.purges = 0;
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_ALL), 0);
	pageheap_alloc(heap, 100, 1, NULL);
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_ALL), 0);
	cr_assert_eq(fake.purges, 0);
}

static size_t muzzy(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s.muzzy;
}

/* Dirty pages become muzzy in their time, and muzzy ones go in theirs. */
Test(purge, muzzy_in_two_steps)
{
	size_t had = 0;

	pageheap_set_muzzy_decay(heap, 6400);
	scatter(1000);
	for (int i = 0; i < 200; i++) {
		fake.now += 100;
		purge_heap(heap, fake.now, PURGE_DECAY);
		cr_assert(pageheap_consistent(heap));
		cr_assert_leq(fake.purged_bytes, fake.lazy_bytes, "none before it was muzzy");
		had = max(had, muzzy());
	}
	cr_assert(had > 500 && had <= 1000, "%zu muzzy at most", had);
	cr_assert(dirty() == 0 && muzzy() == 0);
	cr_assert_eq(fake.lazy_bytes, 1000 * PAGE_SIZE);
	cr_assert_eq(fake.purged_bytes, 1000 * PAGE_SIZE);
	cr_assert_eq(fake.wrong, 0);
}

Test(purge, muzzy_for_ever_and_used_again)
{
	char *p[300];
	bool zeroed;

	pageheap_set_decay(heap, 0);
	pageheap_set_muzzy_decay(heap, -1);
	scatter(300);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(dirty() == 0 && muzzy() == 300 && fake.purged_bytes == 0);
	/* What the system may have taken is not known to be zero. */
	for (int i = 0; i < 300; i++) {
		p[i] = pageheap_alloc(heap, 1, 1, &zeroed);
		cr_assert_not(zeroed);
	}
	cr_assert(muzzy() == 0 && dirty() == 0 && pageheap_consistent(heap));
	for (int i = 0; i < 300; i++)
		pageheap_free(p[i], 1);
	cr_assert(dirty() == 300 && muzzy() == 0 && pageheap_consistent(heap));
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(muzzy(), 300);
	/* Everything means muzzy pages too. */
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert(muzzy() == 0 && dirty() == 0 && fake.purged_bytes == 300 * PAGE_SIZE);
	p[0] = pageheap_alloc(heap, 1, 1, &zeroed);
	cr_assert(zeroed && pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

Test(purge, muzzy_whole_extents)
{
	char *p = pageheap_alloc_huge(heap, 4 * EXTENT_PAGES, EXTENT_SIZE, NULL);

	memset(p, 1, 4 * EXTENT_SIZE);
	pageheap_set_decay(heap, 0);
	pageheap_set_muzzy_decay(heap, -1);
	pageheap_free(p, 4 * EXTENT_PAGES);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(muzzy() == 4 * EXTENT_PAGES && dirty() == 0 && pageheap_consistent(heap));
	cr_assert_eq(pageheap_alloc_huge(heap, 2 * EXTENT_PAGES, EXTENT_SIZE, NULL), p, "muzzy before fresh");
	cr_assert(muzzy() == 2 * EXTENT_PAGES && pageheap_consistent(heap));
	pageheap_set_muzzy_decay(heap, 0);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(muzzy() == 0 && pageheap_consistent(heap));
	cr_assert_eq(fake.purged_bytes, 2 * EXTENT_SIZE);
	cr_assert_eq(fake.wrong, 0);
}

/* The device's extents: what the system took is asked for before it is used. */
Test(purge, muzzy_of_the_device_is_asked_for)
{
	struct pageheap_stats s;
	char *p, *q;
	bool zeroed;

	conf.source = SOURCE_AUTO;
	fake.device = true;
	fake.lazy_every = 2;
	q = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);	/* anonymous: the first */
	p = pageheap_alloc_huge(heap, 6 * EXTENT_PAGES, EXTENT_SIZE, NULL);
	memset(p, 1, 6 * EXTENT_SIZE);
	pageheap_set_decay(heap, 0);
	pageheap_set_muzzy_decay(heap, -1);
	pageheap_free(p, 6 * EXTENT_PAGES);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(muzzy() == 6 * EXTENT_PAGES && fake.lazy_bytes == 6 * EXTENT_SIZE);
	/* A part of an extent takes back all of it. */
	cr_assert_eq(pageheap_alloc(heap, 3, 1, &zeroed), p);
	cr_assert_not(zeroed);
	memset(p, 2, 3 * PAGE_SIZE);
	pageheap_stats(heap, &s);
	cr_assert(fake.taken_back == 1 && s.muzzy == 5 * EXTENT_PAGES && s.dirty == EXTENT_PAGES - 3, "%zu %zu %zu", fake.taken_back, s.muzzy, s.dirty);
	cr_assert_eq(pageheap_alloc_huge(heap, 4 * EXTENT_PAGES, EXTENT_SIZE, &zeroed), p + EXTENT_SIZE);
	memset(p + EXTENT_SIZE, 3, 4 * EXTENT_SIZE);
	cr_assert(fake.taken_back == 5 && muzzy() == EXTENT_PAGES && pageheap_consistent(heap));
	pageheap_free(p, 3);
	pageheap_free(p + EXTENT_SIZE, 4 * EXTENT_PAGES);
	pageheap_free(q, EXTENT_PAGES);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(dirty(), 0);
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert(muzzy() == 0 && pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

/* The device has no more: the heap goes on with other memory. */
Test(purge, muzzy_of_the_device_may_be_lost)
{
	struct pageheap_stats s;
	char *p;

	conf.source = SOURCE_AUTO;
	fake.device = true;
	fake.lazy_every = 1;
	pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);
	p = pageheap_alloc_huge(heap, 4 * EXTENT_PAGES, EXTENT_SIZE, NULL);
	memset(p, 1, 4 * EXTENT_SIZE);
	pageheap_set_decay(heap, 0);
	pageheap_set_muzzy_decay(heap, -1);
	pageheap_free(p, 4 * EXTENT_PAGES);
	purge_heap(heap, fake.now, PURGE_DECAY);
	fake.device_left = 1;
	cr_assert_eq(pageheap_alloc_huge(heap, 4 * EXTENT_PAGES, EXTENT_SIZE, NULL), p);
	memset(p, 2, 4 * EXTENT_SIZE);
	pageheap_stats(heap, &s);
	cr_assert(s.device == 1 && s.fallbacks == 3 && s.muzzy == 0 && s.retained == 0, "%zu %zu %zu %zu", s.device, s.fallbacks, s.muzzy, s.retained);
	cr_assert(pageheap_consistent(heap) && fake.wrong == 0);
}

Test(purge, by_force_where_there_is_no_lazy_way)
{
	fake.lazy_fails = true;
	pageheap_set_decay(heap, 0);
	pageheap_set_muzzy_decay(heap, 6400);
	scatter(100);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(muzzy() == 0 && dirty() == 0 && fake.purged_bytes == 100 * PAGE_SIZE);
	cr_assert(pageheap_consistent(heap));
}

/* With no time at all, a caller gives back what rested since the last look, not what is about to be used again. */
Test(purge, a_heap_that_breathes_keeps_its_breath)
{
	enum { LIVE = 2000, BREATH = 300 };
	static char *p[LIVE];

	pageheap_set_decay(heap, 0);
	for (unsigned int i = 0; i < LIVE; i++)
		p[i] = pageheap_alloc(heap, 1, 1, NULL);
	purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < BREATH; i++)
			pageheap_free(p[i * 5], 1);
		purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
		for (unsigned int i = 0; i < BREATH; i++)
			p[i * 5] = pageheap_alloc(heap, 1, 1, NULL);
	}
	cr_assert_eq(fake.purged_bytes, 0);
	/* What rests goes, the sooner the more of it there is. */
	for (unsigned int i = 0; i < LIVE; i += 3)
		pageheap_free(p[i], 1);
	purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	cr_assert_eq(dirty(), (LIVE + 2) / 3);
	for (unsigned int i = 0; i < 7; i++)
		purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	cr_assert_lt(dirty(), (LIVE + 2) / 3 / 2);
	for (unsigned int i = 0; i < 30; i++)
		purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	cr_assert_eq(dirty(), 0);
	/* Who is asked for all waits for nothing. */
	pageheap_free(p[1], 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(dirty(), 0);
	cr_assert(pageheap_consistent(heap));
}

/* A program that has next to nothing to do after a burst: a block now and then, always of the same stack. */
Test(purge, a_trickle_of_requests_is_enough)
{
	enum { BLOCKS = 4000, SIZE = 5000 };
	static void *block[BLOCKS];
	size_t before;

	for (unsigned int i = 0; i < BLOCKS; i++) {
		block[i] = ashlar_malloc(SIZE);
		fake.now += i % 4 == 0;
	}
	for (unsigned int i = 0; i < BLOCKS; i++)
		ashlar_free(block[i]);
	before = dirty();
	cr_assert_gt(before, BLOCKS);
	/* 1 KB in 100 ms, for one decay time and a look more. */
	for (unsigned int i = 0; i < 6400 / 100 + 4; i++) {
		fake.now += 100;
		for (unsigned int k = 0; k < 10; k++)
			ashlar_free(ashlar_malloc(100));
	}
	cr_assert_lt(dirty(), before / 50, "%zu of %zu", dirty(), before);
	/* Who is busy again looks as seldom as before. */
	for (unsigned int i = 0; i < 100000; i++)
		ashlar_free(ashlar_malloc(200));
	cr_assert_eq(ash_tls->pace, TCACHE_EVENT_MOST);
}

/* A look gives back a bounded batch: a server that asks for 4 MB in 50 ms looks each 50 ms, as it did before. */
Test(purge, a_moderate_server_looks_as_often_as_before)
{
	for (unsigned int i = 0; i < 100000; i++)
		ashlar_free(ashlar_malloc(2000));
	cr_assert_eq(ash_tls->pace, TCACHE_EVENT_MOST);
	for (unsigned int i = 0; i < 40; i++) {
		fake.now += 50;
		for (unsigned int k = 0; k < 64; k++)
			ashlar_free(ashlar_malloc(65536));
		if (i > 20)
			cr_assert_leq(ash_tls->pace, TCACHE_EVENT_BYTES, "%lld", (long long)ash_tls->pace);
	}
}

/* --- nodes whose threads sleep -------------------------------------------------------- */

/* Three nodes, and a thousand free pages that decay is done with in each. */
static void start_three(void)
{
	fake_start("source:anon,dirty_decay_ms:6400");
	while (ash_npageheaps < 3)
		fake_node();
	for (unsigned int i = 3; i-- > 0;) {
		heap = ash_pageheaps[i];
		cr_assert(pageheap_ready(heap));
		scatter(1000);
		cr_assert_eq(dirty(), 1000);
	}
	fake.now += 100;
	purge_heaps(fake.now, PURGE_DECAY);
	fake.now += 100000;
	fake.purged_ranges = 0;
}

static size_t dirty_of(unsigned int i)
{
	heap = ash_pageheaps[i];
	return dirty();
}

Test(purge_another, each_in_turn_and_a_batch_at_a_time, .init = start_three)
{
	enum { MOST = PURGE_BATCH * PURGE_BATCHES };
	unsigned int own = 1, calls = 0;
	size_t seen = 0;

	/* The turn comes to each node; at its own, which is its thread's business, nothing is done. */
	while (dirty_of(0) || dirty_of(2)) {
		size_t had = dirty_of(0) + dirty_of(2), ranges = fake.purged_ranges;

		hollow_another(ash_pageheaps[own], fake.now);
		cr_assert_leq(fake.purged_ranges - ranges, MOST, "%zu ranges in one call",
			      fake.purged_ranges - ranges);
		seen += had - dirty_of(0) - dirty_of(2);
		/* A limit that was taken note of holds until the next epoch. */
		fake.now += 100;
		cr_assert_leq(++calls, ash_npageheaps * (1000 / MOST + 1), "%zu and %zu pages left", dirty_of(0),
			      dirty_of(2));
	}
	cr_assert_eq(seen, 2000);
	cr_assert_eq(dirty_of(own), 1000, "its own: %zu", dirty_of(own));
	for (unsigned int i = 0; i < 3; i++)
		cr_assert(pageheap_consistent(ash_pageheaps[i]));
	cr_assert_eq(fake.wrong, 0);
}

Test(purge_another, keeps_what_decay_keeps, .init = start_three)
{
	pageheap_set_decay(ash_pageheaps[0], -1);
	pageheap_set_decay(ash_pageheaps[2], -1);
	for (int i = 0; i < 30; i++, fake.now += 1000)
		hollow_another(ash_pageheaps[1], fake.now);
	cr_assert_eq(fake.purged_ranges, 0);
	pageheap_set_decay(ash_pageheaps[2], 0);
	for (int i = 0; i < 30; i++, fake.now += 1000)
		hollow_another(ash_pageheaps[1], fake.now);
	cr_assert_eq(dirty_of(0), 1000);
	cr_assert_eq(dirty_of(1), 1000);
	/* All but what a bounded caller keeps to breathe. */
	cr_assert_leq(dirty_of(2), 500, "%zu", dirty_of(2));
}
