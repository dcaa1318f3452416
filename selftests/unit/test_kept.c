// SPDX-License-Identifier: MIT
/* Free large spans that are kept whole: taken again as they are, joined when pages are needed. */
#include "ashlar.h"
#include "fake.h"
#include "kept.h"
#include "large.h"
#include "limit.h"
#include "pressure.h"
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

/* --- slabs that became empty ------------------------------------------------------------------ */

static struct slab *take_slab(unsigned int class, unsigned int npages)
{
	struct slab *s = slab_create(heap, 0, class, npages);

	cr_assert(s && s->nfree == s->nslots && s->npages == npages && s->class == class && slab_consistent(s));
	cr_assert_eq(s->nslots, npages * PAGE_SIZE / sizeclasses[class].size);
	for (unsigned int i = 0; i < npages; i++) {
		const char *p = slab_addr(s) + i * PAGE_SIZE;

		cr_assert_eq(window_classes(window_of(p))[window_page(window_of(p), p)], class);
		cr_assert_eq(slab_of(window_of(p), p), s);
	}
	return s;
}

Test(kept, a_slab_serves_any_class_of_its_length)
{
	struct slab *a = take_slab(5, 2), *b = take_slab(26, 1);
	struct pageheap_stats before = stats(), after;
	const char *p = slab_addr(a);

	slab_destroy(a);
	cr_assert_eq(window_classes(heap->windows[0])[window_page(heap->windows[0], p)], CLASS_NONE);
	slab_destroy(b);
	after = stats();
	cr_assert_eq(heap->kept_slab_pages, 3);
	cr_assert_eq(before.active - after.active, 3);
	cr_assert_eq(after.dirty - before.dirty, 3);
	cr_assert_eq(take_slab(13, 1), b);
	cr_assert_eq(take_slab(31, 2), a);
	cr_assert_eq(heap->kept_slab_pages, 0);
}

/* Pages that the process does not have yet are taken when none are kept. */
Test(kept, slabs_are_joined_before_more_memory_is_used)
{
	enum { N = 300 };
	struct slab *s[N];
	char *p, *end = NULL;

	fake_start("source:anon,thp:never,dirty_decay_ms:-1");
	heap = thread_cache()->arena->heap;
	for (int i = 0; i < N; i++) {
		s[i] = take_slab(21, 1);
		end = max(end, slab_addr(s[i]) + PAGE_SIZE);
	}
	for (int i = 0; i < N; i++)
		slab_destroy(s[i]);
	cr_assert_eq(heap->kept_slab_pages, N);
	for (int i = 0; i < N / 4 - 1; i++) {
		size_t kept = heap->kept_slab_pages;

		p = pageheap_alloc(heap, 4, 1, NULL);
		cr_assert(p && p < end, "%d: %p of %p", i, p, end);
		/* As many as it takes, and not all at once. */
		cr_assert_geq(heap->kept_slab_pages + KEPT_JOIN, kept);
		stats();
	}
}

Test(kept, slabs_up_to_a_bound_those_in_demand)
{
	static struct slab *s[KEPT_SLAB_PAGES + 10], *two[100];

	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = take_slab(26, 1);
	for (size_t i = 0; i < ARRAY_SIZE(two); i++)
		two[i] = take_slab(31, 2);
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		slab_destroy(s[i]);
	cr_assert_eq(heap->kept_slab_pages, KEPT_SLAB_PAGES);
	for (size_t i = 0; i < ARRAY_SIZE(two); i++)
		slab_destroy(two[i]);
	stats();
	cr_assert_eq(heap->kept_slab_pages, KEPT_SLAB_PAGES);
	for (size_t i = ARRAY_SIZE(two); i-- > 0;)
		cr_assert_eq(take_slab(36, 2), two[i]);
}

enum { CROWD = 20 * EXTENT_PAGES };

/* Slabs of a page on more than 20 extents, which are gone in an order of their own. */
static void crowd_came_and_went(void)
{
	static struct slab *s[CROWD];

	for (int i = 0; i < CROWD; i++)
		s[i] = take_slab(26, 1);
	fake_seed();
	for (int i = CROWD - 1; i > 0; i--) {
		int k = (int)(fake_random() % (unsigned int)(i + 1));
		struct slab *t = s[i];

		s[i] = s[k];
		s[k] = t;
	}
	for (int i = 0; i < CROWD; i++)
		slab_destroy(s[i]);
	cr_assert_geq(heap->kept_extents, 20);
	cr_assert_eq(heap->kept_slab_pages, KEPT_SLAB_PAGES);
}

/* A few of each extent are kept: what lives on does not keep all of them. */
Test(kept, slabs_come_from_few_extents)
{
	enum { N = 200 };
	struct extent *seen[N];
	unsigned int n = 0;

	crowd_came_and_went();
	for (int i = 0; i < N; i++) {
		const struct slab *s = take_slab(21, 1);
		struct extent *e = window_extent(heap->windows[0], s->page / EXTENT_PAGES);
		unsigned int k = 0;

		while (k < n && seen[k] != e)
			k++;
		seen[k] = e;
		n = max(n, k + 1);
	}
	cr_assert_leq(n, KEPT_FEW + 2, "%u extents", n);
	stats();
}

/* Free extents go whole: none gives up its huge page because slabs are kept in it. */
Test(kept, slabs_do_not_cost_huge_pages)
{
	char *p;

	fake.device = true;
	fake_start("source:auto,dirty_decay_ms:1000");
	fake.device = true;
	heap = thread_cache()->arena->heap;
	purge_heap(heap, fake.now, PURGE_DECAY);
	p = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);
	crowd_came_and_went();
	/* One that is free is not all that is due. */
	pageheap_free(p, EXTENT_PAGES);
	cr_assert_eq(heap->nidle, 1);
	for (int t = 0; t < 800; t += 50) {
		fake.now += 50;
		purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	}
	cr_assert_leq(fake.punches, 1, "%zu", fake.punches);
	cr_assert_lt(stats().dirty, (size_t)CROWD / 2, "%zu", stats().dirty);
}

/* Records of slabs that were joined are put when the lock is not held, by who comes next. */
Test(kept, records_are_put_in_the_end)
{
	unsigned int n = 0;

	crowd_came_and_went();
	cr_assert(pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL));
	cr_assert(heap->kept_slab_pages == 0 && heap->joined);
	for (const struct slab *s = heap->joined; s; s = s->next)
		n++;
	cr_assert_geq(n, KEPT_SLAB_PAGES);
	slab_destroy(take_slab(5, 8));
	for (const struct slab *s = heap->joined; s; s = s->next)
		n--;
	cr_assert(n > 0 && n < 20, "%u", n);
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert_null(heap->joined);
}

Test(kept, no_slab_without_decay)
{
	struct slab *a = take_slab(5, 2), *b = take_slab(5, 2);

	slab_destroy(a);
	pageheap_set_decay(heap, 0);
	slab_destroy(b);
	cr_assert_eq(heap->kept_slab_pages, 2);
	cr_assert_eq(take_slab(5, 2), a);
	slab_destroy(a);
	cr_assert_eq(heap->kept_slab_pages, 0);
	stats();
}

Test(kept, no_slab_with_an_idle_page)
{
	struct slab *s = take_slab(31, 2);

	slab_set_idle(s, 2);
	slab_destroy(s);
	cr_assert_eq(heap->kept_slab_pages, 0);
	cr_assert_eq(slab_idle(take_slab(31, 2)), 0);
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

/* Pages that were set aside are no news for decay: what was dirty before goes in its time. */
Test(kept, decay_goes_on_while_extents_are_opened)
{
	enum { N = 4000 };
	static char *q[N];

	fake_start("source:anon,dirty_decay_ms:10000");
	heap = thread_cache()->arena->heap;
	cr_assert(large_alloc(heap, 64 * MB, PAGE_SIZE, NULL));
	for (int i = 0; i < N; i++)
		cr_assert(q[i] = pageheap_alloc(heap, 4, 1, NULL));
	for (int i = 0; i < N; i += 2)
		pageheap_free(q[i], 4);
	cr_assert_geq(heap->stats.dirty, 2 * N);
	for (int t = 0; t < 12000; t += 50) {
		fake.now += 50;
		take(512 * KB);
		purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	}
	/* But for the last extent, of which less than a fifth may be free. */
	cr_assert_lt(purgeable(heap), (size_t)N / 100, "%zu", purgeable(heap));
	cr_assert_lt(heap->stats.stuck, EXTENT_PAGES / 5, "%zu", heap->stats.stuck);
	stats();
}

static struct extent *extent_of(void *p)
{
	struct window *w = window_of(p);

	return window_extent(w, window_page(w, p) / EXTENT_PAGES);
}

/* Set aside in an extent that is torn before they are joined: nobody knows which of them are resident. */
static void torn_beside(const char *options, bool device)
{
	unsigned int class = sizeclass_large(1 * MB);
	struct extent *e;
	char *last;

	fake.device = device;
	fake_start(options);
	fake.device = device;
	heap = thread_cache()->arena->heap;
	for (int i = 0; i < 64 || !heap->fresh_left; i++)
		last = take(1 * MB);
	e = extent_of(last);
	cr_assert(extent_is_huge(e));
	lock_take(&heap->lock);
	window_classes(heap->windows[0])[window_page(heap->windows[0], last)] = CLASS_NONE;
	extent_unuse_run(heap, heap->windows[0], window_page(heap->windows[0], last),
			 sizeclasses[class].pages_max);
	lock_drop(&heap->lock);
	for (int i = 0; i < 3000 && e->ndirty; i++) {
		fake.now += 10;
		purge_heap(heap, fake.now, PURGE_DECAY_BATCH);
	}
	purge_heap(heap, fake.now, PURGE_ALL);
	purge_heap(heap, fake.now, PURGE_ALL);
	cr_assert(e->nused || e->state != EXTENT_LIVE || extent_is_huge(e),
		  "a free extent with memory that no purge finds");
	stats();
}

Test(kept, set_aside_in_a_torn_extent) { torn_beside("source:anon,thp:always,dirty_decay_ms:10000", false); }
Test(kept, set_aside_in_a_punched_extent) { torn_beside("source:auto,dirty_decay_ms:10000", true); }

/* A limit set at run time finds nothing set aside: what it refuses it refuses for good. */
Test(kept, a_limit_comes_after_pages_were_set_aside)
{
	void *first, *second;

	/* Small pages: those of huge extents cost nothing. */
	fake_start("source:anon,thp:never,dirty_decay_ms:-1");
	heap = thread_cache()->arena->heap;
	for (int i = 0; i < 3 || !heap->fresh_left; i++)
		take(1 * MB);
	pressure_set_hard(pressure_heap_size() + 4 * PAGE_SIZE);
	cr_assert_eq(heap->fresh_left, 0);
	pressure_set_hard(pressure_heap_size() + 4 * PAGE_SIZE);
	first = pageheap_alloc(heap, 16, 1, NULL);
	second = pageheap_alloc(heap, 16, 1, NULL);
	cr_assert(!first && !second, "%p %p", first, second);
}

Test(kept, freed_twice, .signal = SIGABRT)
{
	void *p = take(1 * MB);

	large_free_span(p, sizeclass_large(1 * MB));
	large_free_span(p, sizeclass_large(1 * MB));
}
