// SPDX-License-Identifier: MIT
/* Free large spans that are kept whole: taken again as they are, joined when pages are needed. */
#include "ashlar.h"
#include "fake.h"
#include "kept.h"
#include "large.h"
#include "limit.h"
#include "purge.h"
#include "thread.h"

static struct pageheap *heap;

static void start(void)
{
	fake_start("source:anon,dirty_decay_ms:-1");
	heap = thread_cache()->arena->heap;
	/* Something of every size in use, so that the bound is not what is tested. */
	cr_assert(large_alloc(heap, 64 * MB, PAGE_SIZE, NULL));
}

TestSuite(kept, .init = start);

static void *take(size_t size)
{
	void *p = large_alloc(heap, size, PAGE_SIZE, NULL);

	cr_assert(p);
	return p;
}

static struct pageheap_stats stats(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	cr_assert(pageheap_consistent(heap));
	return s;
}

Test(kept, the_same_span_comes_back)
{
	unsigned int class = sizeclass_large(100 * KB);
	void *a = take(112 * KB), *b = take(112 * KB);

	large_free_span(a, class);
	large_free_span(b, class);
	cr_assert_eq(heap->kept_pages, 2u * sizeclasses[class].pages_max);
	cr_assert_eq(take(100 * KB), b);
	/* The next smaller class takes it as well, whole. */
	cr_assert_eq(take(96 * KB), a);
	cr_assert_eq(window_classes(heap->windows[0])[window_page(heap->windows[0], a)], class);
	cr_assert_eq(heap->kept_pages, 0);
}

Test(kept, counts_as_dirty_not_as_used)
{
	size_t pages = sizeclasses[sizeclass_large(1 * MB)].pages_max;
	struct pageheap_stats before, after;
	void *p = take(1 * MB);

	before = stats();
	large_free_span(p, sizeclass_large(1 * MB));
	after = stats();
	cr_assert_eq(heap->kept_pages, pages);
	cr_assert_eq(before.active - after.active, pages);
	cr_assert_eq(after.dirty - before.dirty, pages);
}

/* Spans of one size become room for another before memory is asked for. */
Test(kept, joined_when_pages_are_needed)
{
	size_t extents;
	void *p[64];

	for (int i = 0; i < 64; i++)
		p[i] = take(128 * KB);
	extents = stats().extents;
	for (int i = 0; i < 64; i++)
		large_free_span(p[i], sizeclass_large(128 * KB));
	cr_assert(heap->kept_pages);
	for (int i = 0; i < 4; i++)
		take(1792 * KB);
	cr_assert_eq(stats().extents, extents);
	cr_assert_eq(heap->kept_pages, 0);
}

Test(kept, a_neighbour_grows_into_it)
{
	char *p = take(64 * KB), *q = take(64 * KB);
	bool zeroed;

	if (q < p) {
		char *t = p;

		p = q;
		q = t;
	}
	cr_assert_eq(q, p + 64 * KB);
	large_free_span(q, sizeclass_large(64 * KB));
	cr_assert(large_resize(p, sizeclass_large(64 * KB), 128 * KB, &zeroed));
	cr_assert(!zeroed);
}

Test(kept, bounded_by_a_quarter_of_what_is_used)
{
	static void *p[2000];
	size_t most = 0, bound;

	for (int i = 0; i < 2000; i++)
		p[i] = take(64 * KB);
	bound = stats().active / 4 + 1024;
	for (int i = 0; i < 2000; i++) {
		large_free_span(p[i], sizeclass_large(64 * KB));
		cr_assert_leq(heap->kept_pages, bound);
		most = max(most, heap->kept_pages);
	}
	cr_assert(most > 1024, "%zu", most);
	stats();
}

Test(kept, purged_with_the_rest)
{
	void *p = take(1 * MB);

	large_free_span(p, sizeclass_large(1 * MB));
	cr_assert(purge_heap(heap, 0, PURGE_ALL));
	cr_assert_eq(heap->kept_pages, 0);
	cr_assert_eq(stats().dirty, 0);
}

/* With no time to keep pages, nothing is kept. */
Test(kept, not_without_decay)
{
	void *p = take(1 * MB);

	pageheap_set_decay(heap, 0);
	large_free_span(p, sizeclass_large(1 * MB));
	cr_assert_eq(heap->kept_pages, 0);
}

/* --- the rest of a new extent, for the class that opens one after the other ----------------- */

static char *take_fresh(size_t size)
{
	bool zeroed = false;
	char *p = large_alloc(heap, size, PAGE_SIZE, &zeroed);

	cr_assert(p && zeroed);
	for (size_t i = 0; i < size; i += PAGE_SIZE)
		cr_assert_eq(p[i], 0);
	memset(p, 0x5a, size);
	return p;
}

Test(kept, the_rest_of_a_new_extent_is_the_next_ones)
{
	size_t extents = stats().extents;
	char *p[24];

	for (int i = 0; i < 24; i++)
		p[i] = take_fresh(512 * KB);
	cr_assert_eq(stats().extents, extents + 6);
	/* The first extent is opened like any other, of the others three blocks are set aside. */
	for (int i = 4; i < 24; i += 4) {
		cr_assert_eq((uintptr_t)p[i] % EXTENT_SIZE, 0);
		cr_assert(p[i + 1] == p[i] + 512 * KB && p[i + 3] == p[i] + 3 * 512 * KB);
	}
	cr_assert_eq(heap->fresh_left, 0);
	cr_assert_eq(heap->kept_pages, 0);
	take_fresh(512 * KB);
	cr_assert_eq(heap->fresh_left, 3 * 128);
	cr_assert_eq(heap->kept_pages, 3 * 128);
}

Test(kept, what_was_set_aside_is_anyones_and_as_clean)
{
	size_t extents, dirty;

	for (int i = 0; i < 3; i++)
		take_fresh(1 * MB);
	cr_assert_eq(heap->fresh_left, 256);
	extents = stats().extents;
	dirty = stats().dirty;
	/* Another class has no other room: it gets these pages, and no new extent is made. */
	take_fresh(640 * KB);
	cr_assert_eq(heap->fresh_left, 0);
	cr_assert_eq(stats().extents, extents);
	cr_assert_eq(stats().dirty, dirty);
	/* A purge has nothing to give back of them. */
	for (int i = 0; i < 3; i++)
		take_fresh(1 * MB);
	cr_assert_eq(heap->fresh_left, 256);
	fake.purged_bytes = 0;
	purge_heap(heap, 0, PURGE_ALL);
	cr_assert_eq(heap->fresh_left, 0);
	cr_assert_eq(fake.purged_bytes, dirty * PAGE_SIZE);
	stats();
}

/* Limits count pages as they are taken, not in advance. */
Test(kept, nothing_is_set_aside_under_a_limit)
{
	limit_set_soft(4 * GB);
	for (int i = 0; i < 7; i++)
		take_fresh(1 * MB);
	cr_assert_eq(heap->fresh_left, 0);
	cr_assert_eq(heap->kept_pages, 0);
}

Test(kept, freed_twice, .signal = SIGABRT)
{
	void *p = take(1 * MB);

	large_free_span(p, sizeclass_large(1 * MB));
	large_free_span(p, sizeclass_large(1 * MB));
}
