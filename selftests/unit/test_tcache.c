// SPDX-License-Identifier: MIT
/* A thread's cache by the public calls, and what it holds while they go on. */
#include <pthread.h>

#include "ashlar.h"
#include "fake.h"
#include "fast.h"
#include "large.h"

static struct tcache *cache;

static void start_with(const char *options)
{
	fake_start(options);
	cache = thread_cache();
	cr_assert(cache->enabled);
}

static void start(void)
{
	start_with("source:anon,dirty_decay_ms:-1");
}

TestSuite(tcache, .init = start);

static unsigned int cached(unsigned int class)
{
	return tcache_cached(cache, class);
}

static size_t cached_bytes(void)
{
	size_t bytes = 0;

	for (unsigned int c = 1; c <= CLASS_LARGE_LAST; c++)
		bytes += cached(c) * (size_t)sizeclasses[c].size;
	return bytes;
}

static void consistent(void)
{
	size_t large = 0;

	for (unsigned int c = 1; c <= CLASS_LARGE_LAST; c++) {
		struct cbin *b = &cache->bins[c];
		void **top = cache->top[c], **base;

		if (c <= CLASS_SMALL_LAST) {
			base = cache->base_of[c];
			cr_assert_leq(b->cap, b->cap_max, "class %u", c);
		} else {
			cr_assert_eq(top, cache->end[c], "class %u: free must find it full", c);
			top = cache->large_top[c - CLASS_LARGE_FIRST];
			base = cache->end[c] - b->cap;
			cr_assert_eq(base[-1], LARGE_EMPTY, "class %u", c);
			cr_assert(b->cap == 0 || b->cap == b->cap_max, "class %u", c);
			cr_assert_eq(top - base, tcache_cached(cache, c), "class %u", c);
			large += tcache_cached(cache, c) * (size_t)sizeclasses[c].size;
		}
		cr_assert(base <= top && top <= cache->end[c] && cache->end[c] <= base + b->cap,
			  "class %u", c);
	}
	cr_assert_eq(large, tcache_large_bytes(cache));
	/* The room is below zero only until GC, when the heap has shrunk. */
	cr_assert_eq((int64_t)large + cache->large_room, cache->large_max);
	cr_assert(cache->top[0] == cache->end[0]);
}

Test(tcache, last_freed_is_first_used)
{
	void *a = ashlar_malloc(100), *b = ashlar_malloc(100);

	ashlar_free(a);
	ashlar_free(b);
	cr_assert_eq(ashlar_malloc(100), b);
	cr_assert_eq(ashlar_malloc(110), a);
	consistent();
}

Test(tcache, nothing_above_tcache_max)
{
	static const size_t sizes[] = { 8, 1000, 1024, 1025, 4096, 14336, 16384, 100000, 1835008 };

	start_with("source:anon,tcache_max:1024");
	/* The cache is older than the option. */
	tcache_flush_all(cache);
	tcache_bind(cache, cache->arena);
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int class = sizeclass_of(sizes[i]);
		void *p[3];

		for (int k = 0; k < 3; k++)
			cr_assert(p[k] = ashlar_malloc(sizes[i]));
		for (int k = 0; k < 3; k++)
			ashlar_free(p[k]);
		cr_assert_eq(cached(class) > 0, sizes[i] <= 1024, "%zu", sizes[i]);
	}
	consistent();
}

/* The bound of each stack: bytes, or at least four blocks, and never more than so many blocks. */
Test(tcache, bounds_hold_for_every_class)
{
	static void *p[20000];

	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		size_t size = sizeclasses[c].size, most;
		unsigned int n = (unsigned int)min(1 * MB / size, (size_t)20000);

		most = min(max((size_t)conf.tcache_bytes / size, (size_t)4), (size_t)conf.ncached_max);
		for (int round = 0; round < 5; round++) {
			for (unsigned int i = 0; i < n; i++)
				cr_assert(p[i] = ashlar_malloc(size));
			for (unsigned int i = 0; i < n; i++) {
				ashlar_free(p[i]);
				cr_assert_leq(cached(c), most, "class %u", c);
			}
		}
		consistent();
	}
}

Test(tcache, bounds_follow_the_options)
{
	static void *p[4000];

	start_with("source:anon,ncached_max:8,tcache_bytes:4k");
	tcache_bind(cache, cache->arena);
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		unsigned int most = 0;

		for (int i = 0; i < 300; i++)
			p[i] = ashlar_malloc(sizeclasses[c].size);
		for (int i = 0; i < 300; i++) {
			ashlar_free(p[i]);
			most = max(most, cached(c));
		}
		cr_assert(most >= 1 && most <= 8, "class %u: %u", c, most);
	}
	consistent();
}

Test(tcache, stacks_start_small)
{
	void *p[10];

	for (int i = 0; i < 10; i++)
		p[i] = ashlar_malloc(64);
	for (int i = 0; i < 10; i++)
		ashlar_free(p[i]);
	cr_assert_leq(cache->bins[sizeclass_small(64)].cap, 31);
}

Test(tcache, large_blocks_are_bounded_in_bytes)
{
	enum { N = 300 };
	void *p[N];

	cr_assert_leq((size_t)cache->large_max, 2 * MB);
	for (size_t size = SMALL_MAX + 1; size <= LARGE_MAX; size += size / 3) {
		for (int i = 0; i < N; i++)
			cr_assert(p[i] = ashlar_malloc(size));
		for (int i = 0; i < N; i++) {
			ashlar_free(p[i]);
			cr_assert_leq(tcache_large_bytes(cache), 2 * MB, "size %zu", size);
		}
		consistent();
	}
	tcache_flush_all(cache);
	cr_assert_eq(tcache_large_bytes(cache), 0);
	cr_assert_eq(cache->large_room, cache->large_max);
}

Test(tcache, large_requests_look_no_further_than_the_last_class)
{
	/* Every large class, with nothing cached and with one above cached. */
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++) {
		void *p = ashlar_malloc(sizeclasses[c].size);

		cr_assert(p);
		consistent();
		ashlar_free(p);
		p = ashlar_malloc(sizeclasses[max(c - 2, CLASS_LARGE_FIRST)].size);
		cr_assert_geq(ashlar_malloc_usable_size(p), sizeclasses[max(c - 2, CLASS_LARGE_FIRST)].size);
		consistent();
		ashlar_free(p);
		tcache_flush_all(cache);
	}
}

/* Bounds of its own, and then another arena, which has the options' again: the slots go back as they came. */
Test(tcache, large_slots_go_back_as_they_came)
{
	const char *none = "16384-1835008:0";
	unsigned int index = 0;
	size_t len = sizeof(index);
	char *slots, *beside[4], *next;

	cr_assert_eq(ashlar_ctl("thread.tcache.ncached_max.write", NULL, NULL, &none, sizeof(none)), 0);
	ashlar_free(ashlar_malloc(114688));
	slots = (char *)cache->large_slots;
	cr_assert(slots);
	consistent();
	for (int i = 0; i < 4; i++)
		cr_assert(beside[i] = meta_alloc(250));
	cr_assert_eq(ashlar_ctl("arenas.create", &index, &len, NULL, 0), 0);
	cr_assert(thread_set_arena(index));
	tcache_destroy(cache);
	next = meta_alloc(1000);
	for (int i = 0; i < 4; i++)
		cr_assert(next + 1000 <= beside[i] || beside[i] + 250 <= next);
	/* They are made anew, as the options say. */
	ashlar_free(ashlar_malloc(114688));
	consistent();
}

/* Blocks of one class, and of all. */
Test(tcache, a_few_large_blocks_of_each_class)
{
	void *p[40];

	cr_assert(large_alloc(cache->arena->heap, 64 * MB, PAGE_SIZE, NULL));
	tcache_rebound(cache);
	cr_assert_eq(cache->large_max, 2 * (int64_t)MB);
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++) {
		for (int i = 0; i < 40; i++)
			cr_assert(p[i] = ashlar_malloc(sizeclasses[c].size));
		for (int i = 0; i < 40; i++)
			ashlar_free(p[i]);
		cr_assert_leq(cached(c), max(3u, 128 * KB / sizeclasses[c].size));
		consistent();
	}
	/* Not even what is left over makes one class have nothing: the smaller ones were first. */
	cr_assert_gt(tcache_large_bytes(cache), 1 * MB);
	tcache_gc(cache);
	consistent();
}

/* Who has no cache lowers a countdown that nobody waits for: it shall not wrap. */
Test(tcache, countdown_without_a_cache)
{
	thread_cache_enable(false);
	for (int i = 0; i < 3; i++) {
		ash_tls->countdown = INT64_MIN + 200000;
		ashlar_free(ashlar_malloc(100 * KB));
		cr_assert_gt(ash_tls->countdown, -(int64_t)MB);
	}
}

Test(tcache, flush_all_leaves_nothing)
{
	struct pageheap_stats s;

	for (size_t n = 8; n < LARGE_MAX; n += n / 3) {
		void *p[30];

		for (int i = 0; i < 30; i++)
			p[i] = ashlar_malloc(n);
		for (int i = 0; i < 30; i++)
			ashlar_free(p[i]);
	}
	cr_assert_gt(cached_bytes(), 0);
	tcache_flush_all(cache);
	cr_assert_eq(cached_bytes(), 0);
	arena_age_depots(cache->arena, true);
	pageheap_stats(cache->arena->heap, &s);
	cr_assert_eq(s.active, 0, "%zu pages are still used", s.active);
	cr_assert(pageheap_consistent(cache->arena->heap));
}

/* The stacks that nobody uses shrink at each collection until they are gone. */
Test(tcache, unused_stacks_age)
{
	unsigned int idle = sizeclass_small(1000), events = (unsigned int)conf.gc_events;
	unsigned int before, rounds = 0;
	static void *p[3000];

	for (int i = 0; i < 64; i++)
		p[i] = ashlar_malloc(1000);
	for (int i = 0; i < 64; i++)
		ashlar_free(p[i]);
	before = cached(idle);
	cr_assert_gt(before, 8);
	/* Fills and flushes of another class are events; each GC takes the older half. */
	for (; cached(idle) && rounds < 20; rounds++) {
		for (unsigned int e = 0; e < events * 40; e++) {
			for (int i = 0; i < 600; i++)
				p[i] = ashlar_malloc(32);
			for (int i = 0; i < 600; i++)
				ashlar_free(p[i]);
			if (cached(idle) < before)
				break;
		}
		cr_assert_lt(cached(idle), before, "no collection took anything");
		before = cached(idle);
	}
	cr_assert_eq(cached(idle), 0);
	consistent();
}

#define SHUFFLED	50000
#define SHUFFLED_SIZE	128

static void *shuffled[SHUFFLED];

/* Blocks in an order that is not theirs; nobody has filled between two agings since. */
static void make_shuffled(void)
{
	unsigned int seed = 5;

	for (int i = 0; i < SHUFFLED; i++)
		shuffled[i] = ashlar_malloc(SHUFFLED_SIZE);
	for (int i = SHUFFLED - 1; i > 0; i--) {
		int k = (int)((seed = seed * 1664525 + 1013904223) >> 8) % (i + 1);
		void *p = shuffled[i];

		shuffled[i] = shuffled[k];
		shuffled[k] = p;
	}
	arena_age_depots(cache->arena, false);
	arena_age_depots(cache->arena, false);
}

static struct bin *bin_of_100(void)
{
	return &cache->arena->bins[sizeclass_of(100)];
}

/* More than stack and depots' least; then all are freed, @step of them apart. */
static void free_by_steps(unsigned int step)
{
	static void *p[4001];

	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = ashlar_malloc(100);
		cr_assert(p[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		ashlar_free(p[(size_t)i * step % ARRAY_SIZE(p)]);
	consistent();
}

Test(tcache, what_is_freed_in_order_waits_in_the_depot)
{
	free_by_steps(1);
	cr_assert_geq(bin_of_100()->ndepot, 1000);
}

Test(tcache, what_is_freed_in_another_order_goes_home_and_comes_back_sorted)
{
	unsigned int ahead = 0;
	char *last = NULL;

	/* 4001 is prime: each block is freed once, none beside the one before. */
	free_by_steps(1009);
	/* At the bottom of the stack was the rest of a fill: the first batch looked sorted. */
	cr_assert_leq(bin_of_100()->ndepot, 128);
	cr_assert_eq(bin_of_100()->out, cached(sizeclass_of(100)) + bin_of_100()->ndepot);
	while (cached(sizeclass_of(100)) || bin_of_100()->ndepot)
		last = ashlar_malloc(100);
	for (unsigned int i = 0; i < 1000; i++) {
		char *p = ashlar_malloc(100);

		ahead += p > last && p - last <= 512;
		last = p;
	}
	cr_assert_geq(ahead, 900, "%u of 1000 lie just behind the one before", ahead);
}

/* Blocks of no stack, alone in their class: a slab would be made and destroyed each time. */
Test(tcache, without_a_stack_a_slab_stays)
{
	struct bin *b = &cache->arena->bins[sizeclass_of(2000)];
	size_t made;

	start_with("source:anon,dirty_decay_ms:-1,tcache_max:1024");
	tcache_flush_all(cache);
	tcache_bind(cache, cache->arena);
	ashlar_free(ashlar_malloc(2000));
	made = atomic_load(&b->slabs_made);
	for (int i = 0; i < 1000; i++)
		ashlar_free(ashlar_malloc(2000));
	cr_assert_eq(atomic_load(&b->slabs_made), made);
}

/* Of large slots few fit a slab: they are as good from the depot in any order. */
Test(tcache, large_slots_wait_in_any_order)
{
	struct bin *b = &cache->arena->bins[sizeclass_of(4000)];
	void *p[50];
	size_t made = 0;

	for (int round = 0; round < 100; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
			p[i] = ashlar_malloc(4000);
		for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
			ashlar_free(p[i * 7 % ARRAY_SIZE(p)]);
		if (round == 3)
			made = atomic_load(&b->slabs_made);
	}
	cr_assert_eq(atomic_load(&b->slabs_made), made);
}

Test(tcache, what_a_cache_gives_up_as_a_whole_waits_in_the_depot)
{
	static const unsigned int order[] = { 3, 9, 0, 6, 1, 8, 4, 2, 7, 5 };
	void *p[10];

	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = ashlar_malloc(100);
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		ashlar_free(p[order[i]]);
	tcache_flush_all(cache);
	cr_assert_geq(bin_of_100()->ndepot, 10);
}

/* The last ones that stay in the cache hold few slabs. */
Test(tcache, a_shuffled_free_leaves_few_slabs)
{
	unsigned int class = sizeclass_of(SHUFFLED_SIZE);
	struct bin_stats s;

	make_shuffled();
	for (int i = 0; i < SHUFFLED; i++)
		ashlar_free(shuffled[i]);
	consistent();
	arena_bin_stats(cache->arena, class, &s);
	cr_assert_eq(s.depot, 0);
	cr_assert_eq(s.out, cached(class));
	cr_assert_leq(s.nslabs, 20, "%zu slabs for %u cached blocks", s.nslabs, cached(class));
	/* Who needs a larger stack again gets it. */
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < 400; i++)
			shuffled[i] = ashlar_malloc(SHUFFLED_SIZE);
		for (int i = 0; i < 400; i++)
			ashlar_free(shuffled[i]);
	}
	cr_assert_gt(cache->bins[class].cap, 15);
	consistent();
}

/* What other arenas made holds none of this one's slabs: its stack stays as large as it is. */
Test(tcache, others_blocks_are_no_reason_to_be_small)
{
	unsigned int class = sizeclass_of(SHUFFLED_SIZE), index = 0;
	size_t len = sizeof(index);
	struct bin_stats s;

	make_shuffled();
	for (int i = 8; i < SHUFFLED; i++)
		ashlar_free(shuffled[i]);
	arena_bin_stats(cache->arena, class, &s);
	cr_assert_geq(s.pages, 32, "%zu pages", s.pages);
	cr_assert_eq(ashlar_ctl("arenas.create", &index, &len, NULL, 0), 0);
	for (int i = 8; i < 1000; i++)
		shuffled[i] = ashlar_mallocx(SHUFFLED_SIZE, ASHLAR_MALLOCX_ARENA(index));
	for (int i = 8; i < 1000; i++)
		ashlar_free(shuffled[i]);
	cr_assert_gt(cache->bins[class].cap, 60);
	consistent();
}

/* A small block that was handed over does not stay with its neighbours' writer's line; what comes later does. */
Test(tcache, the_first_of_others_small_blocks_goes_home)
{
	unsigned int index = 0, small = sizeclass_of(16), large = sizeclass_of(128), own = sizeclass_of(32);
	size_t len = sizeof(index);
	void *p[2], *q;

	cr_assert_eq(ashlar_ctl("arenas.create", &index, &len, NULL, 0), 0);
	for (int i = 0; i < 2; i++) {
		p[i] = ashlar_mallocx(16, ASHLAR_MALLOCX_ARENA(index));
		cr_assert(p[i] && !arena_owns(cache->arena, p[i]));
	}
	ashlar_free(p[0]);
	cr_assert(cached(small) == 0 && cache->bins[small].cap > 0);
	/* Its owner has it again, and it comes again. */
	cr_assert_eq(ashlar_mallocx(16, ASHLAR_MALLOCX_ARENA(index)), p[0]);
	ashlar_free(p[0]);
	cr_assert_eq(cached(small), 0);
	q = ashlar_malloc(16);
	cr_assert(q != p[0] && arena_owns(cache->arena, q));
	ashlar_free(p[1]);
	cr_assert_eq(ashlar_malloc(16), p[1]);
	q = ashlar_mallocx(128, ASHLAR_MALLOCX_ARENA(index));
	ashlar_free(q);
	cr_assert_eq(cached(large), 1);
	q = ashlar_mallocx(32, ASHLAR_MALLOCX_TCACHE_NONE);
	ashlar_free(q);
	cr_assert(arena_owns(cache->arena, q) && cached(own) == 1);
	consistent();
}

Test(tcache, decay_ticks_on_the_way)
{
	struct pageheap_stats before, after;
	void *p = ashlar_malloc(1 * MB);

	/* Dirty pages, then time, then nothing but small allocations. */
	tcache_flush_all(cache);
	memset(p, 1, 1 * MB);
	start_with("source:anon,dirty_decay_ms:1000,large_bytes:0");
	tcache_bind(cache, cache->arena);
	ashlar_free(p);
	pageheap_stats(cache->arena->heap, &before);
	cr_assert_geq(before.dirty, 256);
	for (int i = 0; i < 100; i++) {
		fake.now += 100;
		for (int k = 0; k < 5000; k++)
			ashlar_free(ashlar_malloc(200));
	}
	pageheap_stats(cache->arena->heap, &after);
	cr_assert_eq(after.dirty, 0);
}

/* --- the end of threads ---------------------------------------------------------------- */

static void *use_and_leave(void *arg)
{
	void *p[200];

	for (int i = 0; i < 200; i++)
		p[i] = ashlar_malloc((size_t)i * 137 + 1);
	for (int i = 0; i < 200; i++)
		ashlar_free(p[i]);
	return arg;
}

Test(tcache, thread_leaves_nothing)
{
	struct pageheap_stats s;

	for (int i = 0; i < 20; i++) {
		pthread_t t;

		cr_assert(!pthread_create(&t, NULL, use_and_leave, NULL));
		pthread_join(t, NULL);
	}
	for (unsigned int i = 0; i < ash_narenas; i++) {
		arena_age_depots(ash_arenas[i], true);
		cr_assert_leq(ash_arenas[i]->nthreads, 1);
	}
	tcache_flush_all(cache);
	pageheap_stats(cache->arena->heap, &s);
	cr_assert_eq(s.active, 0, "%zu pages are still used", s.active);
}

static void *free_all(void *arg)
{
	void **p = arg;

	for (int i = 0; i < 5000; i++)
		ashlar_free(p[i]);
	return NULL;
}

Test(tcache, blocks_freed_elsewhere_come_home)
{
	static void *p[5000];
	struct pageheap_stats s;
	pthread_t t;

	for (int i = 0; i < 5000; i++)
		p[i] = ashlar_malloc((size_t)i % 3000 + 1);
	cr_assert(!pthread_create(&t, NULL, free_all, p));
	pthread_join(t, NULL);
	for (unsigned int i = 0; i < ash_narenas; i++)
		arena_age_depots(ash_arenas[i], true);
	tcache_flush_all(cache);
	arena_age_depots(cache->arena, true);
	pageheap_stats(cache->arena->heap, &s);
	cr_assert_eq(s.active, 0, "%zu pages are still used", s.active);
}

Test(tcache, disabled)
{
	struct pageheap_stats s;
	void *p;

	cr_assert(thread_cache_enable(false));
	p = ashlar_malloc(100);
	cr_assert(p);
	ashlar_free(p);
	p = ashlar_malloc(100 * KB);
	cr_assert(p);
	ashlar_free(p);
	pageheap_stats(ash_pageheaps[0], &s);
	cr_assert_eq(s.active, 0, "nothing is kept without a cache");
	cr_assert(!thread_cache_enable(true));
	cr_assert(ashlar_malloc(100));
}

Test(tcache, no_memory_for_stacks)
{
	void *p[300];

	fake.os_fails = true;
	for (int i = 0; i < 300; i++)
		p[i] = ashlar_malloc(48);
	for (int i = 0; i < 300; i++)
		ashlar_free(p[i]);
	fake.os_fails = false;
	consistent();
	ashlar_free(ashlar_malloc(48));
}

Test(tcache, out_of_memory_is_null_and_enomem)
{
	static void *p[10000];
	unsigned int n = 0;

	fake.anon_left = 2;
	errno = 0;
	while (n < 10000 && (p[n] = ashlar_malloc(5000)))
		n++;
	cr_assert(n > 100 && n < 10000 && errno == ENOMEM);
	errno = 0;
	cr_assert(!ashlar_malloc(1 * MB) && errno == ENOMEM);
	errno = 0;
	cr_assert(!ashlar_calloc(100, 50000) && errno == ENOMEM);
	errno = 0;
	cr_assert(!ashlar_realloc(p[0], 1 * MB) && errno == ENOMEM);
	memset(p[0], 1, 5000);
	while (n)
		ashlar_free(p[--n]);
	cr_assert(ashlar_malloc(5000));
	consistent();
}
