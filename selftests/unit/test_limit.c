// SPDX-License-Identifier: MIT
/* Limits of the heap, and what counts as pressure. */
#include "fake.h"

#include <stdio.h>

#include "arenas.h"
#include "large.h"
#include "limit.h"
#include "pressure.h"
#include "supply.h"

static struct pageheap *heap;

static void start(void)
{
	fake_start("source:anon,thp:never,dirty_decay_ms:-1");
	heap = ash_pageheaps[0];
	cr_assert(pageheap_ready(heap));
}

TestSuite(limit, .init = start);

static struct pageheap_stats stats(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s;
}

/* Pages one by one until there are no more, or @most. */
static size_t take(char **p, size_t most)
{
	size_t n;

	for (n = 0; n < most && (p[n] = pageheap_alloc(heap, 1, 1, NULL)); n++)
		*p[n] = 1;
	return n;
}

Test(limit, dirty_by_amount)
{
	char *p[1000];

	cr_assert_eq(take(p, 1000), 1000);
	for (int i = 0; i < 1000; i++)
		pageheap_free(p[i], 1);
	cr_assert_eq(stats().dirty, 1000);
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_DECAY), 0, "dirty_decay_ms:-1 keeps all");
	cr_assert(!limit_dirty_passed(heap));
	limit_set_dirty(400 << PAGE_SHIFT);
	cr_assert(limit_dirty_passed(heap) && limit_dirty_max() == 400 << PAGE_SHIFT);
	/* Whole extents go first, and as a whole. */
	cr_assert_geq(purge_heap(heap, fake.now, PURGE_DECAY), 600);
	cr_assert(stats().dirty <= 400 && !limit_dirty_passed(heap));
	limit_set_dirty(0);
	cr_assert(limit_dirty_max() == 0 && !limit_dirty_passed(heap));
	cr_assert_eq(purge_heap(heap, fake.now, PURGE_DECAY), 0);
}

Test(limit, hard_refuses_and_lets_go_again)
{
	static char *p[20000];
	size_t n, again;

	pressure_set_hard(16 * MB);
	n = take(p, ARRAY_SIZE(p));
	cr_assert(n > 15 * MB / PAGE_SIZE && n <= 16 * MB / PAGE_SIZE, "%zu pages", n);
	cr_assert_leq(pressure_heap_size(), 16 * MB);
	cr_assert_eq(ash_limit.refused, 1);
	cr_assert_null(pageheap_alloc_huge(heap, 512, EXTENT_SIZE, NULL));
	cr_assert_eq(ash_limit.refused, 2);
	/* A free page is worth a page. */
	pageheap_free(p[7], 1);
	p[7] = pageheap_alloc(heap, 1, 1, NULL);
	cr_assert_not_null(p[7]);
	/* Free pages in the wrong places go back, and make room for a run elsewhere. */
	for (size_t i = 0; i < n; i += 2)
		pageheap_free(p[i], 1);
	cr_assert_eq(fake.purged_bytes, 0);
	cr_assert_not_null(pageheap_alloc_huge(heap, 700, EXTENT_SIZE, NULL));
	cr_assert_gt(fake.purged_bytes, 0);
	cr_assert_leq(pressure_heap_size(), 16 * MB);
	/* Raised, and taken away. */
	pressure_set_hard(32 * MB);
	again = take(p, ARRAY_SIZE(p));
	cr_assert(again > 15 * MB / PAGE_SIZE && pressure_heap_size() <= 32 * MB);
	pressure_set_hard(0);
	cr_assert_eq(take(p, 10000), 10000);
	cr_assert(pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

Test(limit, huge_pages_count_whole)
{
	struct pageheap_stats s;

	conf.thp = THP_ALWAYS;
	supply_init();
	pressure_set_hard(16 * MB);
	for (int i = 0; i < 4; i++)
		cr_assert_not_null(pageheap_alloc_huge(heap, 300, EXTENT_SIZE, NULL));
	s = stats();
	cr_assert_eq(pressure_heap_size() - meta_bytes(),
		     (s.active + s.untouched) << PAGE_SHIFT);
	cr_assert_geq(s.untouched, 4 * 212);
	/* Of the rest, which is there already, spans are had without more. */
	for (int i = 0; i < 4; i++)
		cr_assert_not_null(pageheap_alloc(heap, 200, 1, NULL));
	cr_assert_null(pageheap_alloc_huge(heap, 4 * 512, EXTENT_SIZE, NULL));
	cr_assert_eq(stats().extents, s.extents, "nothing is committed for what is refused");
}

Test(limit, growing_in_place_obeys)
{
	bool zeroed;
	char *p = pageheap_alloc_huge(heap, 512, EXTENT_SIZE, NULL);

	pressure_set_hard(8 * MB);
	cr_assert(pageheap_extend(p, 512, 512, &zeroed));
	cr_assert_not(pageheap_extend(p, 1024, 2048, &zeroed));
	cr_assert(pageheap_consistent(heap));
}

Test(limit, soft_gives_back_first_and_does_not_refuse)
{
	static char *p[20000];
	size_t n = take(p, 3000);

	for (size_t i = 0; i < n; i += 2)
		pageheap_free(p[i], 1);
	pressure_set_soft(n * PAGE_SIZE + meta_bytes());
	/* These take no new memory, and cost nothing. */
	cr_assert_eq(take(p, 500), 500);
	cr_assert_eq(fake.purged_bytes, 0);
	/* This does. A caller pays for a bounded batch. */
	cr_assert_not_null(pageheap_alloc_huge(heap, 512, EXTENT_SIZE, NULL));
	cr_assert_gt(fake.purged_bytes, 0);
	cr_assert_leq(fake.purged_ranges, PURGE_BATCH * PURGE_BATCHES);
	cr_assert_eq(ash_limit.relieved, 1);
	/* Live memory may pass it. */
	cr_assert_eq(take(p, 6000), 6000);
	cr_assert_eq(ash_limit.refused, 0);
}

/* A thread that freed much and was moved to another node: what grows there is paid for here. */
Test(limit, soft_gives_back_what_another_node_has)
{
	static char *p[3000];
	struct pageheap *other = fake_node();
	size_t n = take(p, ARRAY_SIZE(p));

	cr_assert(pageheap_ready(other));
	pressure_set_soft(n * PAGE_SIZE + meta_bytes());
	for (size_t i = 0; i < n; i += 2)
		pageheap_free(p[i], 1);
	cr_assert_not_null(pageheap_alloc_huge(other, 512, EXTENT_SIZE, NULL));
	cr_assert_gt(fake.purged_bytes, 0);
	cr_assert_eq(ash_limit.relieved, 1);
}

/* Large blocks that were just freed are kept whole, and no extent was settled for that. */
Test(limit, soft_gives_back_what_is_kept)
{
	unsigned int class = sizeclass_large(1 * MB);
	void *p[31];	/* the last extent has room */

	for (int i = 0; i < 31; i++) {
		p[i] = large_alloc(heap, 1 * MB, PAGE_SIZE, NULL);
		cr_assert(p[i]);
		memset(p[i], 1, 1 * MB);
	}
	/* The first time joins what was set aside. */
	for (int i = 0; i < 2; i++)
		pressure_set_soft(pressure_heap_size());
	for (int i = 1; i < 5; i++)
		large_free_span(p[i], class);
	cr_assert_eq(heap->kept_pages, 4u * 256);
	cr_assert_not_null(pageheap_alloc(heap, 200, 1, NULL));
	cr_assert_eq(ash_limit.relieved, 1);
	cr_assert_gt(fake.purged_bytes, 0);
}

Test(limit, nothing_is_kept_near_the_soft_one)
{
	static char *p[5000];

	take(p, 4000);
	for (size_t i = 0; i < 1000; i++)
		pageheap_free(p[4 * i], 1);
	pressure_set_soft(64 * MB);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(stats().dirty, 1000, "decay is off, and the limit far");
	pressure_set_soft(4000 * PAGE_SIZE);
	purge_heap(heap, fake.now, PURGE_DECAY);
	cr_assert_eq(stats().dirty, 0);
}

Test(limit, off_costs_nothing)
{
	static char *p[100];

	cr_assert_not(ash_limit.on);
	take(p, 100);
	cr_assert_eq(ash_limit.total, 0);
}

Test(limit, percent_of_the_machine)
{
	conf.heap_hard_limit_percent = 50;
	conf.heap_soft_limit_percent = 10;
	conf.heap_soft_limit = (int64_t)(1 * MB);
	limit_init();
	cr_assert_leq(ash_limit.hard, os_physical() / PAGE_SIZE / 2);
	cr_assert_gt(ash_limit.hard, 0);
	cr_assert_eq(ash_limit.soft, MB / PAGE_SIZE, "the lower one counts");
}

Test(limit, pressure_gives_all_back)
{
	static char *p[2000];
	struct arena *a = arena_choose(0);
	uint32_t asked = ash_limit.asked;
	void *slots[64];
	unsigned int n = arena_fill(a, 10, slots + 64, 64);

	arena_flush(a, 10, slots + 64 - n, n);
	take(p, 2000);
	for (size_t i = 0; i < 2000; i += 2)
		pageheap_free(p[i], 1);
	cr_assert_gt(a->depot_bytes, 0);
	cr_assert_geq(pressure_relieve(fake.now), 1000 * PAGE_SIZE);
	cr_assert_eq(a->depot_bytes, 0);
	cr_assert_eq(stats().dirty, 0);
	cr_assert_eq(ash_limit.asked, asked + 1);
	cr_assert_eq(pressure_events, 1);
	/* For a while decay, which is off here, keeps nothing; then all again. */
	pageheap_free(p[1], 1);
	purge_heap(heap, fake.now + PRESSURE_MS - 1, PURGE_DECAY);
	cr_assert_eq(stats().dirty, 0);
	pageheap_free(p[3], 1);
	purge_heap(heap, fake.now + PRESSURE_MS, PURGE_DECAY);
	cr_assert_eq(stats().dirty, 1);
}

static const char psi[] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n"
			  "full avg10=0.00 avg60=0.00 avg300=0.00 total=99999999\n";

static const char *psi_of(int total)
{
	static char text[256];

	snprintf(text, sizeof(text), psi, total);
	return text;
}

Test(limit, what_is_pressure)
{
	static const char quiet[] = "low 5\nhigh 7\nmax 3\noom 0\noom_kill 0\noom_group_kill 0\n";
	struct pressure_seen seen = { 0 };

	cr_assert_not(pressure_judge(&seen, quiet, psi_of(1000000), 1000), "the first look");
	cr_assert_not(pressure_judge(&seen, quiet, psi_of(1000000), 2000));
	cr_assert(pressure_judge(&seen, "low 5\nhigh 8\nmax 3\n", NULL, 2001));
	cr_assert_not(pressure_judge(&seen, "low 9\nhigh 8\nmax 3\noom 9\n", NULL, 2002));
	cr_assert(pressure_judge(&seen, "low 9\nhigh 8\nmax 4\n", NULL, 2003));
	cr_assert_not(pressure_judge(&seen, NULL, psi_of(1000000 + 99000), 2003 + 1000), "less than a tenth");
	cr_assert(pressure_judge(&seen, NULL, psi_of(1099000 + 101000), 3003 + 1000));
	cr_assert_not(pressure_judge(&seen, NULL, "", 5000));
	cr_assert_not(pressure_judge(&seen, "nonsense", "nonsense", 6000));
}
