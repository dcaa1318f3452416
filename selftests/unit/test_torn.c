// SPDX-License-Identifier: MIT
/* Single pages of anonymous huge extents: the system is told not to fill the holes, and when it may. */
#include "fake.h"
#include "limit.h"

#define EXTENTS	3

static struct pageheap *heap;
static char *page[EXTENTS * EXTENT_PAGES];	/* spans of one page; three extents full of them */

static struct pageheap_stats stats(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s;
}

static void start_with(const char *options)
{
	fake_start(options);
	heap = ash_pageheaps[0];
	cr_assert(pageheap_ready(heap));
	for (size_t i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = pageheap_alloc(heap, 1, 1, NULL);
}

static void start(void)
{
	start_with("thp:always,dirty_decay_ms:0");
	cr_assert_eq(stats().huge, EXTENTS);
}

TestSuite(torn, .init = start);

/* Every @step-th of @n pages from @from on. */
static void release(size_t from, size_t n, size_t step)
{
	for (size_t i = from; i < from + n; i += step) {
		pageheap_free(page[i], 1);
		page[i] = NULL;
	}
}

static void fill(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = page[i] ?: pageheap_alloc(heap, 1, 1, NULL);
}

static void right(void)
{
	cr_assert(pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

static size_t said_before;

static void look(const struct source_range *ranges, unsigned int n)
{
	(void)ranges, (void)n;
	said_before = fake.tears;
}

Test(torn, is_said_once_and_before_pages_go)
{
	fake.during_purge = look;
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.tears, 1);
	cr_assert_eq(said_before, 1, "khugepaged must not come between");
	cr_assert(stats().dirty == 0 && stats().huge == EXTENTS - 1);
	release(1, EXTENT_PAGES / 2, 2);
	release(EXTENT_PAGES, EXTENT_PAGES / 2, 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.tears, 2, "once for an extent");
	cr_assert_eq(stats().huge, EXTENTS - 2);
	right();
}

/* A huge page is worth more. */
Test(torn, less_than_a_fifth_is_no_reason)
{
	size_t least = EXTENT_PAGES / 5;

	release(0, least - 1, 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.tears == 0 && fake.purges == 0 && stats().huge == EXTENTS);
	cr_assert(stats().dirty == least - 1 && stats().stuck == least - 1, "and decay does not try again");
	right();
	release(least - 1, 1, 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.tears == 1 && stats().huge == EXTENTS - 1);
	cr_assert(stats().dirty == 0 && stats().stuck == 0);
	right();
}

/* Where not time is the reason but a caller or a limit, the memory is worth more. */
Test(torn, less_than_a_fifth_by_force)
{
	release(0, 2, 1);
	release(EXTENT_PAGES, 1, 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.tears == 0 && stats().dirty == 3 && heap->held_pages == 3);
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert(fake.tears == 2 && stats().dirty == 0 && stats().stuck == 0 && heap->held_pages == 0);
	right();
	/* Full again but for a page, they would be mended; what is over a limit goes all the same. */
	fill();
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.mends == 2 && stats().huge == EXTENTS);
	release(0, 2, 1);
	limit_set_dirty(PAGE_SIZE);
	purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	cr_assert(fake.tears == 3 && stats().dirty <= 1, "%zu pages", stats().dirty);
	limit_set_dirty(0);
	right();
}

/* What the kernel may have taken in the meantime is no huge page to be spared. */
Test(torn, muzzy_pages_are_not_spared, .init = NULL)
{
	char *some[10];

	start_with("thp:always,dirty_decay_ms:0,muzzy_decay_ms:0");
	pageheap_set_muzzy_decay(heap, 100000);
	release(0, EXTENT_PAGES, 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(stats().muzzy, EXTENT_PAGES);
	/* Reused but for ten pages. */
	for (size_t i = 0; i < EXTENT_PAGES - ARRAY_SIZE(some); i++)
		page[i] = pageheap_alloc(heap, 1, 1, NULL);
	cr_assert_eq(stats().muzzy, ARRAY_SIZE(some));
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert(stats().muzzy == 0 && stats().dirty == 0);
	right();
}

Test(torn, whole_extents_are_not)
{
	release(0, EXTENT_PAGES, 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.tears == 0 && stats().retained == 1);
	fill();
	cr_assert_eq(fake.mends, 0);
	right();
}

Test(torn, may_be_huge_again_when_it_is_nearly_full)
{
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	for (size_t i = 0; i < EXTENT_PAGES; i += 2) {
		size_t left = (EXTENT_PAGES - i) / 2;

		purge_heap(heap, fake.now, PURGE_DECAY);
		cr_assert_eq(fake.mends, left <= EXTENT_PAGES / 16, "mended with %zu pages free", left);
		page[i] = pageheap_alloc(heap, 1, 1, NULL);
	}
	cr_assert_eq(stats().huge, EXTENTS);
	cr_assert(stats().punched == 0 && stats().mended == 0 && stats().pieces == 0,
		  "these are about the device");
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.tears, 2);
	right();
}

Test(torn, may_be_huge_when_it_comes_back)
{
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	release(1, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(stats().retained == 1 && fake.mends == 0);
	fill();
	cr_assert_eq(fake.mends, 1);
	cr_assert_eq(stats().huge, EXTENTS);
	right();
}

Test(torn, though_the_system_refused_the_purge)
{
	release(0, EXTENT_PAGES, 2);
	fake.purge_fails = true;
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.tears == 1 && stats().dirty == EXTENT_PAGES / 2);
	right();
	fill();
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.mends == 1 && stats().huge == EXTENTS);
	right();
}

Test(torn, lazily_too, .init = NULL)
{
	start_with("thp:always,dirty_decay_ms:0,muzzy_decay_ms:10000");
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.lazy_bytes == EXTENT_SIZE / 2 && fake.purged_bytes == 0);
	cr_assert_eq(fake.tears, 1);
	right();
}

Test(torn, small_pages_never, .init = NULL)
{
	start_with("thp:never,dirty_decay_ms:0");
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	fill();
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(fake.tears == 0 && fake.mends == 0);
	right();
}

static char *from, *to;

/* A huge block in what was torn moves. */
static void move(void)
{
	release(0, EXTENT_PAGES, 2);
	purge_heap(heap, fake.now, PURGE_DECAY);
	release(1, EXTENT_PAGES, 2);
	cr_assert_eq(stats().retained, 0);
	from = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);
	to = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);
	cr_assert_eq(stats().huge, EXTENTS, "the block lies in what was torn");
	cr_assert_eq(pageheap_move(to, from, EXTENT_PAGES), EXTENT_SIZE);
}

static void free_it(char *extent)
{
	if (extent == from)
		pageheap_free(from, EXTENT_PAGES);
}

/* A moved block's extent loses its memory when the block is freed, by whoever does. */
Test(torn, gone_while_it_is_mended)
{
	move();
	fake.during_mend = free_it;
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.mends, 2);
	cr_assert(stats().retained == 1 && stats().huge == EXTENTS);
	right();
	/* And is a whole one when it comes back. */
	fake.during_mend = NULL;
	fill();
	cr_assert(stats().retained == 0 && stats().huge == EXTENTS + 1);
	right();
}

/* What memory moves takes along what the system was told about it. */
Test(torn, moves_with_its_memory)
{
	move();
	pageheap_free(from, EXTENT_PAGES);
	right();
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.mends, 1, "where it is now");
	right();
}

/* Each is a mapping of its own, of which a process may have some 65,000. */
Test(torn, so_many_at_the_most)
{
	enum { BOUND = 8192 };

	/* As if all but one had been torn before. */
	heap->napart = BOUND - 1;
	for (size_t i = 0; i < EXTENTS; i++)
		release(i * EXTENT_PAGES, EXTENT_PAGES / 2, 1);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert(stats().dirty == 0 && stats().huge == 0, "given back all the same");
	cr_assert_eq(fake.tears, 1);
	/* Those that nobody was told about need no word when they are full again. */
	fill();
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(fake.mends, 1);
	cr_assert_eq(stats().huge, EXTENTS);
	cr_assert_eq(heap->napart, BOUND - 1);
	heap->napart = 0;
	right();
}
