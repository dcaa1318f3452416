// SPDX-License-Identifier: MIT
/* Single pages of the device's extents: which are given back, when, and what becomes whole again. */
#include "fake.h"

static struct pageheap *heap;
static char *page[3 * EXTENT_PAGES];	/* spans of one page; three extents full of them */

static struct pageheap_stats stats(struct pageheap *h)
{
	struct pageheap_stats s;

	pageheap_stats(h, &s);
	return s;
}

/* Three extents of the device are full, behind the first one, which is anonymous. */
static void start(void)
{
	fake_start("dirty_decay_ms:0");
	fake.device = true;
	heap = ash_pageheaps[0];
	cr_assert(pageheap_ready(heap));
	cr_assert(pageheap_alloc(heap, EXTENT_PAGES, 1, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(page); i++) {
		page[i] = pageheap_alloc(heap, 1, 1, NULL);
		memset(page[i], (int)i + 1, PAGE_SIZE);
	}
	cr_assert_eq(stats(heap).device, 3);
}

TestSuite(punch, .init = start);

/* Every @step-th of @n pages from @from on. */
static void release(size_t from, size_t n, size_t step)
{
	for (size_t i = from; i < from + n; i += step) {
		pageheap_free(page[i], 1);
		page[i] = NULL;
	}
}

static void right(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(page); i++)
		cr_assert(!page[i] || page[i][7] == (char)(i + 1), "page %zu changed", i);
	cr_assert(pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

Test(punch, gives_back_what_is_free_and_mends_what_is_full)
{
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.punches, 1, "one call for one extent");
	cr_assert_eq(fake.punched_pages, EXTENT_PAGES / 2);
	cr_assert_eq(stats(heap).dirty, 0);
	cr_assert_eq(stats(heap).punched, 1);
	cr_assert(stats(heap).huge == 2 && stats(heap).pieces == 1);
	right();
	for (size_t i = 0; i < EXTENT_PAGES; i += 2) {
		bool zeroed;

		purge_heap(heap, fake.now, PURGE_DECAY);
		cr_assert_eq(fake.mends, i / 2 >= EXTENT_PAGES / 2 - EXTENT_PAGES / 16,
			     "mended with %zu pages free", EXTENT_PAGES / 2 - i / 2);
		page[i] = pageheap_alloc(heap, 1, 1, &zeroed);
		cr_assert(zeroed, "a punched page reads as zero");
		memset(page[i], (int)i + 1, PAGE_SIZE);
	}
	cr_assert_eq(stats(heap).mended, 1);
	cr_assert(stats(heap).huge == 3 && stats(heap).pieces == 0);
	right();
}

Test(punch, a_few_free_pages_are_no_reason)
{
	release(0, EXTENT_PAGES / 5 - 1, 1);
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_DECAY), 0);
	cr_assert_eq(fake.punches, 0);
	release(200, 1, 1);
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_DECAY), EXTENT_PAGES / 5);
	/* The huge page is lost: from here on each page goes. */
	release(300, 1, 1);
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_DECAY), 1);
	cr_assert_eq(stats(heap).punched, 1);
	right();
}

/* What is left is copied, so nothing may be left that nobody uses. */
Test(punch, takes_what_was_never_used)
{
	char *p = pageheap_alloc(heap, 100, 1, NULL), *q = pageheap_alloc(heap, 20, 1, NULL);

	memset(p, 1, 100 * PAGE_SIZE);
	pageheap_free(q, 20);
	cr_assert_eq(stats(heap).untouched, EXTENT_PAGES - 120);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.punched_pages, EXTENT_PAGES - 100);
	cr_assert_eq(stats(heap).untouched, 0);
	cr_assert_eq(p[99 * PAGE_SIZE], 1);
	right();
}

Test(punch, one_that_is_refused_keeps_no_other_back)
{
	struct pageheap_stats before;

	fake.shared = page[0];
	release(0, ARRAY_SIZE(page), 3);
	before = stats(heap);
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert_eq(fake.punches, 2);
	cr_assert_eq(stats(heap).dirty, (EXTENT_PAGES + 2) / 3, "what was refused is dirty still");
	cr_assert_eq(stats(heap).untouched, before.untouched);
	right();
	fake.shared = NULL;
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert(fake.punches == 3 && stats(heap).dirty == 0);
	right();
}

/* A caller of malloc pays for one extent's worth of copies and what passes it: two extents of which half stays. */
Test(punch, is_paid_for_by_what_is_copied)
{
	pageheap_set_decay(heap, 1000);
	release(0, ARRAY_SIZE(page), 2);
	purge_heap(heap, fake.now + 100, PURGE_DECAY_BATCH);
	fake.now += 2000;
	for (size_t i = 1; i <= 3; i++) {
		purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
		cr_assert_eq(fake.punches, min(2 * i, 3u));
		cr_assert_eq(heap->copied, fake.punches * EXTENT_PAGES / 2);
	}
	right();
}

static size_t met;

/* Another thread uses and frees what it can while the call runs. */
static void busy(char *extent, const struct bits *pages)
{
	for (int i = 0; i < 400; i++) {
		char *p = pageheap_alloc(heap, 1, 1, NULL);
		size_t at = (size_t)(p - extent) >> PAGE_SHIFT;

		cr_assert(p && (p < extent || at >= EXTENT_PAGES || !bits_get(pages, (unsigned int)at)));
		*p = 1;
		if (i % 2)
			pageheap_free(p, 1);
	}
	release(1, 64, 2);
	fake.during_punch = NULL;
	met++;
}

Test(punch, what_is_leaving_is_nobodys)
{
	release(0, EXTENT_PAGES, 2);
	fake.during_punch = busy;
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(met, 1);
	right();
}

Test(punch, one_that_was_purged_whole_is_huge_when_it_comes_back)
{
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	release(1, EXTENT_PAGES - 1, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(stats(heap).retained == 1 && stats(heap).pieces == 0);
	cr_assert_eq(fake.mends, 0);
	cr_assert(pageheap_alloc(heap, EXTENT_PAGES, 1, NULL));
	cr_assert_eq(fake.mends, 1, "its page table is in the way of the huge page");
	cr_assert(stats(heap).huge == 3 && stats(heap).mended == 0);
	right();
}

Test(punch, one_that_cannot_be_mended_is_tried_again)
{
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	fake.shared = page[1] - PAGE_SIZE;
	for (size_t i = 0; i < EXTENT_PAGES; i += 2) {
		page[i] = pageheap_alloc(heap, 1, 1, NULL);
		memset(page[i], (int)i + 1, PAGE_SIZE);
	}
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.mends == 1 && stats(heap).mended == 0 && stats(heap).pieces == 1);
	fake.shared = NULL;
	/* Though nobody allocates or frees meanwhile. */
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.mends == 2 && stats(heap).mended == 1 && stats(heap).pieces == 0);
	right();
}

/* A decay time's worth of looks. */
static void time_passes(unsigned int ms)
{
	for (unsigned int i = 0; i < ms; i += 100) {
		fake.now += 100;
		purge_heap(heap, fake.now, PURGE_DECAY);
	}
}

/* Pages that cannot go are not made up for by those that have just been freed. */
Test(punch, what_is_stuck_costs_others_no_time)
{
	pageheap_set_decay(heap, 10000);
	release(0, EXTENT_PAGES / 5 - 1, 1);
	time_passes(11000);
	cr_assert_eq(stats(heap).stuck, EXTENT_PAGES / 5 - 1);
	release(EXTENT_PAGES, EXTENT_PAGES, 1);
	time_passes(100);
	cr_assert_eq(stats(heap).purged, 0);
	time_passes(11000);
	cr_assert_eq(stats(heap).purged, EXTENT_PAGES);
	cr_assert_eq(stats(heap).dirty, stats(heap).stuck);
	right();
}

/* The few pages that are free in an extent that was mended are no reason to punch it again. */
Test(punch, what_was_mended_stays_whole)
{
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_ALL);
	pageheap_set_decay(heap, 10000);
	for (size_t i = 0; i < EXTENT_PAGES; i += 2) {
		page[i] = pageheap_alloc(heap, 1, 1, NULL);
		memset(page[i], (int)i + 1, PAGE_SIZE);
	}
	release(0, 8, 1);
	time_passes(11000);
	cr_assert(fake.mends == 1 && stats(heap).mended == 1);
	cr_assert_eq(fake.punches, 1);
	cr_assert(stats(heap).dirty == 8 && stats(heap).stuck == 8);
	right();
}
