// SPDX-License-Identifier: MIT
/* Blocks of spans: made, resized in place, given back. */
#include "ashlar.h"
#include "fake.h"
#include "fast.h"
#include "large.h"
#include "resize.h"

static struct pageheap *heap;

static void start(void)
{
	fake_start("source:anon,dirty_decay_ms:-1,tcache:false");
	heap = ash_pageheaps[0];
	cr_assert(pageheap_ready(heap));
}

TestSuite(large, .init = start);

static size_t active(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s.active;
}

static struct block find(const void *p)
{
	struct block b = { 0 };

	cr_assert(block_find(p, &b));
	return b;
}

static bool find_at(const void *p)
{
	struct block b;

	return block_find(p, &b);
}

Test(large, every_class)
{
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++) {
		size_t size = sizeclasses[c].size;
		bool zeroed;
		char *p = large_alloc(heap, size, PAGE_SIZE, &zeroed);
		struct block b = find(p);

		cr_assert(b.class == c && b.size == size);
		cr_assert(!block_find(p + 1, &b) && !block_find(p + PAGE_SIZE, &b));
		memset(p, 1, size);
		cr_assert_eq(active(), size >> PAGE_SHIFT);
		large_free_span(p, c);
		cr_assert_eq(active(), 0);
		cr_assert(!block_find(p, &b));
	}
}

Test(large, huge)
{
	for (size_t size = LARGE_MAX + 1; size < 40 * MB; size += size / 4) {
		char *p = large_alloc(heap, size, PAGE_SIZE, NULL);
		struct block b = find(p);

		cr_assert_eq(b.class, CLASS_HUGE);
		cr_assert_eq(b.size, round_up(size, PAGE_SIZE));
		cr_assert_eq((uintptr_t)p % EXTENT_SIZE, 0);
		memset(p, 1, size);
		huge_free(p);
		cr_assert_eq(active(), 0);
	}
	cr_assert(pageheap_consistent(heap));
}

Test(large, resize_in_place)
{
	char *p = large_alloc(heap, 20 * KB, PAGE_SIZE, NULL);
	bool zeroed;

	memset(p, 'a', 20 * KB);
	cr_assert(large_resize(p, find(p).class, 300 * KB, &zeroed) && zeroed);
	cr_assert_eq(find(p).size, sizeclass_round(300 * KB));
	for (size_t i = 0; i < 300 * KB; i++)
		cr_assert_eq(p[i], i < 20 * KB ? 'a' : 0);
	memset(p, 'b', 300 * KB);
	cr_assert(large_resize(p, find(p).class, 40 * KB, &zeroed));
	cr_assert_eq(find(p).size, 40 * KB);
	cr_assert_eq(active(), 10);
	/* The pages behind are dirty now. */
	cr_assert(large_resize(p, find(p).class, 64 * KB, &zeroed) && !zeroed);
	large_free_span(p, find(p).class);
	cr_assert(active() == 0 && pageheap_consistent(heap));
}

Test(large, resize_stops_at_a_neighbour)
{
	char *p = large_alloc(heap, 20 * KB, PAGE_SIZE, NULL);
	char *q = large_alloc(heap, 20 * KB, PAGE_SIZE, NULL);
	bool zeroed;

	cr_assert_eq(q, p + 20 * KB);
	cr_assert(!large_resize(p, find(p).class, 24 * KB, &zeroed));
	cr_assert_eq(find(p).size, 20 * KB);
	large_free_span(q, find(q).class);
	cr_assert(large_resize(p, find(p).class, 24 * KB, &zeroed));
}

Test(large, large_stays_within_its_extent)
{
	char *a = large_alloc(heap, 1 * MB, PAGE_SIZE, NULL), *b;
	bool zeroed;

	b = large_alloc(heap, 1 * MB, PAGE_SIZE, NULL);
	cr_assert_eq(b, a + 1 * MB);
	cr_assert(!large_resize(b, find(b).class, 1280 * KB, &zeroed));
	cr_assert(!large_resize(a, find(a).class, LARGE_MAX + 1, &zeroed), "a large block does not become huge");
	cr_assert(!large_resize(a, find(a).class, 100, &zeroed), "nor small");
}

Test(large, huge_grows_and_shrinks_in_place)
{
	char *p = large_alloc(heap, 5 * MB, PAGE_SIZE, NULL);
	bool zeroed;

	memset(p, 'a', 5 * MB);
	cr_assert(large_resize(p, CLASS_HUGE, 50 * MB, &zeroed) && zeroed);
	cr_assert_eq(find(p).size, 50 * MB);
	for (size_t i = 0; i < 50 * MB; i += 511)
		cr_assert_eq(p[i], i < 5 * MB ? 'a' : 0, "byte %zu", i);
	cr_assert(large_resize(p, CLASS_HUGE, 3 * MB, &zeroed));
	cr_assert_eq(active(), 3 * MB >> PAGE_SHIFT);
	cr_assert(!large_resize(p, CLASS_HUGE, 1 * MB, &zeroed), "not below what is huge");
	cr_assert(!large_resize(p, CLASS_HUGE, SIZE_LIMIT, &zeroed));
	huge_free(p);
	cr_assert(active() == 0 && pageheap_consistent(heap));
}

Test(large, resize_without_memory)
{
	char *p;
	bool zeroed;

	fake.anon_left = 3;
	p = large_alloc(heap, 6 * MB, PAGE_SIZE, NULL);
	cr_assert(p);
	memset(p, 'a', 6 * MB);
	cr_assert(!large_resize(p, CLASS_HUGE, 10 * MB, &zeroed));
	cr_assert_eq(find(p).size, 6 * MB);
	cr_assert(pageheap_consistent(heap));
	huge_free(p);
	cr_assert_eq(active(), 0);
}

static struct pageheap_stats stats(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s;
}

/* A block of 5.5 MB with something behind it grows to 9 MB; @most of its two whole extents move. */
static void check_move(size_t most)
{
	char *p = block_alloc(5632 * KB), *wall = block_alloc(3 * MB), *q;
	size_t moved = stats().moved;
	bool zeroed;

	fake.move_most = most;
	for (size_t i = 0; i < 5632 * KB; i++)
		p[i] = (char)(i >> 12 ^ i);
	q = block_realloc(p, 9 * MB);
	cr_assert(q && q != p);
	for (size_t i = 0; i < 5632 * KB; i++)
		cr_assert_eq(q[i], (char)(i >> 12 ^ i), "byte %zu", i);
	moved = stats().moved - moved;
	cr_assert_eq(moved, min(most, (size_t)2));
	/* What moved left nothing behind: free and clean, and the rest is dirty. */
	cr_assert_eq(stats().retained, moved);
	cr_assert_eq(stats().dirty, (5632 * KB - moved * EXTENT_SIZE) >> PAGE_SHIFT);
	cr_assert(pageheap_consistent(heap));
	p = large_alloc(heap, 4 * MB, PAGE_SIZE, &zeroed);
	cr_assert_eq(zeroed, moved == 2);
	for (size_t i = 0; i < 4 * MB && zeroed; i += 64)
		cr_assert_eq(p[i], 0, "byte %zu", i);
	huge_free(p);
	fast_free(q);
	fast_free(wall);
	cr_assert(pageheap_consistent(heap));
}

Test(large, huge_moves_without_a_copy)
{
	check_move(SIZE_MAX);
}

Test(large, huge_moves_in_part)
{
	check_move(1);
}

Test(large, huge_that_cannot_move_is_copied)
{
	check_move(0);
}

Test(large, block_resize_with_extra)
{
	char *p = large_alloc(heap, 20 * KB, PAGE_SIZE, NULL);

	cr_assert_eq(block_resize(p, 100 * KB, 28 * KB, true), 128 * KB);
	for (size_t i = 20 * KB; i < 128 * KB; i++)
		cr_assert_eq(p[i], 0);
	cr_assert(large_alloc(heap, 20 * KB, PAGE_SIZE, NULL) == p + 128 * KB);
	/* Pages behind that were used before are cleared if asked for. */
	memset(p, 'x', 128 * KB);
	cr_assert_eq(block_resize(p, 64 * KB, 0, false), 64 * KB);
	cr_assert_eq(block_resize(p, 128 * KB, 0, true), 128 * KB);
	for (size_t i = 0; i < 128 * KB; i++)
		cr_assert_eq(p[i], i < 64 * KB ? 'x' : 0);
	/* No room for the extra, none for the size: the old size stays. */
	cr_assert_eq(block_resize(p, 200 * KB, 100 * KB, false), 128 * KB);
	cr_assert_eq(block_resize(p, 128 * KB, SIZE_MAX, false), 128 * KB);
}

static size_t live(unsigned int class)
{
	return heap->large_made[class - CLASS_LARGE_FIRST] - heap->large_gone[class - CLASS_LARGE_FIRST];
}

/* While a program only allocates, what it did not ask for is another block's. */
Test(large, as_many_pages_as_were_asked_for)
{
	unsigned int class = sizeclass_large(100 * KB);
	char *p[8], *q;

	for (int i = 0; i < 8; i++) {
		cr_assert(p[i] = large_alloc(heap, 100 * KB - 7, PAGE_SIZE, NULL));
		cr_assert(find(p[i]).size == 100 * KB && large_size(p[i]) == 100 * KB);
		cr_assert_eq(p[i], p[0] + (size_t)i * 100 * KB);
		cr_assert(!find_at(p[i] + PAGE_SIZE));
		memset(p[i], i, 100 * KB);
	}
	cr_assert(active() == 8 * 25 && live(class) == 8);
	/* A quarter of them came back, and one more: from here on for whoever comes next. */
	for (int i = 0; i < 3; i++)
		huge_free(p[i]);
	q = large_alloc(heap, 100 * KB - 7, PAGE_SIZE, NULL);
	cr_assert(find(q).class == class && find(q).size == 112 * KB);
	cr_assert(live(class) == 6 && active() == 5 * 25 + 28);
	for (int i = 3; i < 8; i++) {
		for (size_t k = 0; k < 100 * KB; k++)
			cr_assert_eq(p[i][k], i);
		huge_free(p[i]);
	}
	large_free_span(q, class);
	cr_assert(live(class) == 0 && active() == 0 && pageheap_consistent(heap));
}

Test(large, all_of_a_class_is_of_the_class)
{
	char *p = large_alloc(heap, 112 * KB - 7, PAGE_SIZE, NULL);

	cr_assert_eq(find(p).class, sizeclass_large(112 * KB));
}

/* A huge block begins with an extent; one that is called huge in the maps need not. */
Test(large, a_few_pages_grow_only_from_the_start_of_an_extent)
{
	char *p = large_alloc(heap, 100 * KB, PAGE_SIZE, NULL);
	char *q = large_alloc(heap, 100 * KB, PAGE_SIZE, NULL);
	bool zeroed;

	cr_assert((uintptr_t)p % EXTENT_SIZE == 0 && q == p + 100 * KB);
	cr_assert(!large_resize(q, CLASS_HUGE, 200 * KB, &zeroed));
	cr_assert(!large_resize(q, CLASS_HUGE, 3 * MB, &zeroed));
	cr_assert_eq(find(q).size, 100 * KB);
	huge_free(q);
	memset(p, 'a', 100 * KB);
	cr_assert(large_resize(p, CLASS_HUGE, 3 * MB, &zeroed));
	for (size_t i = 0; i < 3 * MB; i++)
		cr_assert_eq(p[i], i < 100 * KB ? 'a' : 0);
	cr_assert(live(CLASS_HUGE) == 1 && live(sizeclass_large(100 * KB)) == 0);
	huge_free(p);
	cr_assert(live(CLASS_HUGE) == 0 && active() == 0 && pageheap_consistent(heap));
}

Test(large, realloc_of_a_few_pages)
{
	char *p = ashlar_malloc(100 * KB), *q;

	memset(p, 'a', 100 * KB);
	cr_assert_eq(ashlar_realloc(p, 100 * KB), p);
	cr_assert_eq(ashlar_realloc(p, 99 * KB), p);
	cr_assert_eq(ashlar_realloc(p, 52 * KB), p);
	q = ashlar_realloc(p, 101 * KB);
	cr_assert(q != p && find(q).size >= 101 * KB);
	p = ashlar_realloc(q, 40 * KB);
	cr_assert(p != q && find(p).size == 40 * KB);
	for (size_t i = 0; i < 40 * KB; i++)
		cr_assert_eq(p[i], 'a');
	ashlar_free(p);
	cr_assert(active() == 0 && pageheap_consistent(heap));
}

/* What nallocx() promises is there, whichever way the block came: a kept span may have more. */
Test(large, as_much_as_the_good_size_says)
{
	for (size_t size = SMALL_MAX + 1; size <= LARGE_MAX; size += size / 7 + 13) {
		for (int round = 0; round < 3; round++) {
			char *p = ashlar_mallocx(size, 0), *q = ashlar_malloc(size);

			cr_assert_geq(ashlar_sallocx(p, 0), ashlar_nallocx(size, 0));
			memset(p, round, ashlar_sallocx(p, 0));
			p = ashlar_rallocx(p, size + 5000, 0);
			cr_assert_geq(ashlar_sallocx(p, 0), ashlar_nallocx(size + 5000, 0));
			ashlar_dallocx(p, 0);
			cr_assert_geq(ashlar_malloc_usable_size(q), size);
			ashlar_free_sized(q, size);
		}
	}
	cr_assert(pageheap_consistent(heap));
}

Test(large, freed_twice, .signal = SIGABRT)
{
	char *p = large_alloc(heap, 112 * KB, PAGE_SIZE, NULL);
	unsigned int class = find(p).class;

	large_free_span(p, class);
	large_free_span(p, class);
}

Test(large, impossible)
{
	cr_assert(!large_alloc(heap, SIZE_MAX, PAGE_SIZE, NULL));
	cr_assert(!large_alloc(heap, SIZE_LIMIT, PAGE_SIZE, NULL));
	cr_assert(!large_alloc(heap, (size_t)1 << 46, PAGE_SIZE, NULL));
	cr_assert(!large_alloc(heap, 100 * KB, (size_t)1 << 62, NULL));
	cr_assert_eq(active(), 0);
}
