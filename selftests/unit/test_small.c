// SPDX-License-Identifier: MIT
/* Extents made on small pages while a heap was small: they may be huge when it is large and they are full. */
#include "fake.h"

#define SMALL	32u	/* extents that thp:auto makes on small pages */

static struct pageheap *heap;
static char *page[(SMALL + 1) * EXTENT_PAGES];
static size_t npages;

static struct pageheap_stats stats(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s;
}

static void fill_to(size_t extents)
{
	for (; npages < extents * EXTENT_PAGES; npages++) {
		page[npages] = pageheap_alloc(heap, 1, 1, NULL);
		cr_assert(page[npages]);
	}
}

static void start_with(const char *options)
{
	fake_start(options);
	heap = ash_pageheaps[0];
	cr_assert(pageheap_ready(heap));
}

static void start(void)
{
	start_with("dirty_decay_ms:0");
}

TestSuite(small, .init = start);

static void right(void)
{
	cr_assert(pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

Test(small, up_to_64_mb)
{
	fill_to(SMALL);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(stats().huge == 0 && fake.mends == 0 && heap->napart == 0);
	fill_to(SMALL + 1);
	cr_assert(stats().huge == 1 && fake.mends == 0);
	right();
}

Test(small, one_at_a_look_of_a_caller)
{
	fill_to(SMALL + 1);
	for (size_t i = 1; i <= SMALL; i++) {
		purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
		cr_assert_eq(fake.mends, i);
		cr_assert_eq(stats().huge, i + 1);
		right();
	}
	purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	cr_assert(fake.mends == SMALL && fake.tears == 0);
	cr_assert(stats().mended == 0 && stats().punched == 0, "these are about the device");
}

Test(small, sixteen_at_a_look_of_the_background_thread)
{
	fill_to(SMALL + 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.mends, 16);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.mends, SMALL);
	right();
}

Test(small, not_before_it_is_full)
{
	size_t most_free = EXTENT_PAGES / 16;

	fill_to(SMALL);
	for (size_t i = 0; i <= most_free; i++)
		pageheap_free(page[i], 1);
	/* The next extent, though there is room for a page in the first. */
	cr_assert(pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL));
	for (size_t i = 0; i < 4; i++)
		purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.mends, SMALL - 1);
	cr_assert(pageheap_alloc(heap, 1, 1, NULL));
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.mends, SMALL);
	right();
}

/* As small as it was: after a peak nobody knows how much of it will be touched. */
Test(small, when_it_has_gone_and_come_back_and_is_full)
{
	fill_to(SMALL);
	for (size_t i = 0; i < EXTENT_PAGES; i++)
		pageheap_free(page[i], 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(stats().retained == 1 && heap->nsmall == SMALL - 1);
	for (size_t i = 0; i < EXTENT_PAGES; i++)
		page[i] = pageheap_alloc(heap, 1, 1, NULL);
	cr_assert(stats().retained == 0 && stats().huge == 0 && heap->nsmall == SMALL);
	right();
	fill_to(SMALL + 1);
	while (stats().huge <= SMALL)
		purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.mends == SMALL && heap->nsmall == 0);
	right();
}

/* From then on it is as any other. */
Test(small, once)
{
	fill_to(SMALL + 1);
	while (stats().huge <= SMALL)
		purge_heap(heap, fake.now, PURGE_DECAY);
	for (size_t i = 0; i < EXTENT_PAGES; i += 2)
		pageheap_free(page[i], 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.tears == 1 && stats().huge == SMALL);
	for (size_t i = 0; i < EXTENT_PAGES; i += 2)
		page[i] = pageheap_alloc(heap, 1, 1, NULL);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.mends == SMALL + 1 && stats().huge == SMALL + 1);
	right();
}

/* Nobody knows whether a block that large is touched. */
Test(small, of_a_block_that_finds_the_heap_empty_as_many)
{
	char *block = pageheap_alloc_huge(heap, 3 * SMALL * EXTENT_PAGES, EXTENT_SIZE, NULL);

	cr_assert(block && stats().huge == 0);
	for (size_t i = 0; i < 3 * SMALL; i++)
		purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.mends, SMALL);
	right();
	pageheap_free(block, 3 * SMALL * EXTENT_PAGES);
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert(stats().extents == 0 && heap->nsmall == 0);
	right();
}

static char *from, *to;

/* Its memory moves into the extent that is told to be huge just now. */
static void move_into(char *extent)
{
	if (extent != to)
		return;
	to = NULL;
	cr_assert_eq(pageheap_move(extent, from, EXTENT_PAGES), EXTENT_SIZE);
}

/* What comes with a block that moves is not counted twice. */
Test(small, moved_into_while_it_is_mended)
{
	to = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);
	fill_to(SMALL - 1);
	from = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);
	cr_assert_eq(stats().huge, 1);
	fake.during_mend = move_into;
	while (to)
		purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	right();
	pageheap_free(from, EXTENT_PAGES);
	for (size_t i = 0; i < SMALL; i++)
		purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(stats().huge, stats().extents, "%zu of %zu", stats().huge, stats().extents);
	right();
}

/* One call for both would make one of them what it is not. */
Test(small, beside_a_huge_one_when_both_come_back)
{
	size_t commits;
	char *block;

	fill_to(SMALL - 1);
	/* The last small extent and the first huge one: both gone, and one block over both. */
	block = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);
	cr_assert(pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL) == block + EXTENT_SIZE);
	cr_assert_eq(stats().huge, 1);
	pageheap_free(block, EXTENT_PAGES);
	pageheap_free(block + EXTENT_SIZE, EXTENT_PAGES);
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert_eq(stats().retained, 2);
	commits = fake.commits;
	cr_assert(pageheap_alloc_huge(heap, 2 * EXTENT_PAGES, EXTENT_SIZE, NULL) == block);
	cr_assert(stats().huge == 1 && heap->nsmall == SMALL && fake.commits == commits);
	right();
}

/* It has not been huge, and what will be touched of it is as open as it was. */
Test(small, outgrown_gone_and_back)
{
	fill_to(SMALL + 1);
	for (size_t i = 0; i < EXTENT_PAGES; i++)
		pageheap_free(page[i], 1);
	/* A look of a caller: all are outgrown, and another one mended first. */
	pageheap_set_decay(heap, -1);
	purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	cr_assert(heap->nsmall == 0 && stats().huge == 2);
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert_eq(stats().retained, 1);
	right();
	page[0] = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);
	cr_assert(page[0] && stats().retained == 0);
	cr_assert(stats().huge == 2 && heap->nsmall == 1);
	right();
}

Test(small, never_where_options_say_so, .init = NULL)
{
	start_with("thp:never,dirty_decay_ms:0");
	fill_to(SMALL + 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(stats().huge == 0 && fake.mends == 0);
	right();
}

Test(small, never_where_the_system_says_so, .init = NULL)
{
	fake.thp_never = true;
	start_with("dirty_decay_ms:0");
	fill_to(SMALL + 1);
	for (size_t i = 0; i < EXTENT_PAGES / 16; i++)
		pageheap_free(page[SMALL * EXTENT_PAGES + i], 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(stats().huge == 0 && stats().dirty == 0, "what is not huge gives single pages back");
	cr_assert(fake.mends == 0 && fake.tears == 0);
	right();
}

/* As Redis tells itself when it has started. */
Test(small, never_where_the_process_says_so)
{
	fake.thp_disabled = true;
	fill_to(SMALL + 1);
	for (size_t i = 0; i < EXTENT_PAGES / 16; i++)
		pageheap_free(page[SMALL * EXTENT_PAGES + i], 1);
	for (size_t i = 0; i < 4; i++)
		purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(stats().huge == 0 && fake.mends == 0 && fake.tears == 0);
	cr_assert_eq(stats().dirty, 0, "what is not huge gives single pages back");
	right();
}

/* All extents count, and the device's heaps begin on small pages too. */
Test(small, the_first_one_beside_the_device, .init = NULL)
{
	start_with("dirty_decay_ms:0,source:auto");
	fake.device = true;
	fill_to(SMALL + 1);
	cr_assert(stats().device == SMALL && fake.mends == 0);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.mends == 1 && stats().huge == SMALL + 1);
	right();
}
