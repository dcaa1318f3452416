// SPDX-License-Identifier: MIT
#include "arenas.h"
#include "fake.h"

static struct arena *arena, *other;

static void start(void)
{
	fake_start("source:anon,narenas:4");
	arena = arena_choose(0);
	other = arena_create(0);
	cr_assert(arena && other && arena != other);
}

TestSuite(arena, .init = start);

static size_t active(void)
{
	struct pageheap_stats s;

	pageheap_stats(arena->heap, &s);
	return s.active;
}

/* @n blocks of @class to blocks[0..n). */
static void fill(struct arena *a, unsigned int class, void **blocks, unsigned int n)
{
	for (unsigned int got = 0; got < n;) {
		unsigned int k = arena_fill(a, class, blocks + n, n - got);

		cr_assert(k > 0 && k <= n - got);
		/* They lie at the end of what was asked for: move them to their place. */
		memmove(blocks + got, blocks + n - k, k * sizeof(void *));
		got += k;
	}
}

static void all_different(void **blocks, unsigned int n, size_t size)
{
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = 0; k < i; k++) {
			size_t apart = (uintptr_t)blocks[i] > (uintptr_t)blocks[k] ?
				       (uintptr_t)blocks[i] - (uintptr_t)blocks[k] :
				       (uintptr_t)blocks[k] - (uintptr_t)blocks[i];

			cr_assert_geq(apart, size, "%p and %p", blocks[i], blocks[k]);
		}
	}
}

Test(arena, slab_whose_last_slot_is_freed_is_free_memory_at_once)
{
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		static void *blocks[2000];
		unsigned int n = 3 * BITS_COUNT;

		cr_assert_eq(active(), 0, "class %u", c);
		fill(arena, c, blocks, n);
		cr_assert_geq(active(), n * sizeclasses[c].size / PAGE_SIZE);
		/* All but one of them: some pages stay for it, and no more than its slab's. */
		arena_flush(NULL, c, blocks + 1, n - 1);
		cr_assert(active() > 0 && active() <= sizeclasses[c].pages_max, "class %u: %zu pages", c,
			  active());
		cr_assert_eq(arena->bins[c].nslabs, 1);
		arena_flush(NULL, c, blocks, 1);
		cr_assert_eq(active(), 0, "class %u", c);
		cr_assert_eq(arena->bins[c].nslabs, 0);
		cr_assert_eq(arena->bins[c].out, 0);
	}
	cr_assert(pageheap_consistent(arena->heap));
}

/* As many slots as were asked for where slabs are kept; where none is, those of one slab. */
Test(arena, a_fill_takes_several_slabs_that_are_kept)
{
	enum { CLASS = 36, SLABS = 10 };	/* 8 KB: a slot in each of the first two slabs, two in the others */
	void *blocks[2 * SLABS];
	unsigned int first = SLABS + SLABS - 2;
	struct bin_stats b;

	cr_assert_eq(arena_fill(arena, CLASS, blocks + 8, 8), 1);
	arena_flush(NULL, CLASS, blocks + 7, 1);
	fill(arena, CLASS, blocks, first);
	arena_bin_stats(arena, CLASS, &b);
	cr_assert(b.nslabs == SLABS && b.out == first && b.nonfull == 0);
	arena_flush(NULL, CLASS, blocks, first);
	/* The second slab would be a small one, of which there are two: then one of the others. */
	cr_assert_eq(arena_fill(arena, CLASS, blocks + 7, 7), 7);
	arena_bin_stats(arena, CLASS, &b);
	cr_assert(b.out == 7 && b.nslabs == 5 && b.nonfull == 1, "%zu slots, %zu slabs", b.out, b.nslabs);
	all_different(blocks, 7, sizeclasses[CLASS].size);
	cr_assert_eq(arena_fill(arena, CLASS, blocks + 8, 1), 1);
	arena_bin_stats(arena, CLASS, &b);
	cr_assert(b.out == 8 && b.nslabs == 5 && b.nonfull == 0);
	cr_assert(pageheap_consistent(arena->heap));
}

Test(arena, blocks_are_apart_and_writable)
{
	void *blocks[700];

	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c += 5) {
		fill(arena, c, blocks, 700);
		all_different(blocks, 700, sizeclasses[c].size);
		for (int i = 0; i < 700; i++)
			memset(blocks[i], i, sizeclasses[c].size);
		arena_flush(NULL, c, blocks, 700);
	}
	cr_assert_eq(active(), 0);
}

Test(arena, depot_exchanges_without_slabs)
{
	void *blocks[100], *again[100];

	fill(arena, 5, blocks, 100);
	memcpy(again, blocks, sizeof(again));
	arena_flush(arena, 5, again, 100);
	cr_assert_eq(arena->bins[5].ndepot, 100);
	cr_assert_eq(arena->bins[5].out, 100, "what lies in a depot is out of its slab");
	cr_assert_eq(arena->depot_bytes, 100 * sizeclasses[5].size);
	fill(arena, 5, again, 100);
	cr_assert_eq(arena->bins[5].ndepot, 0);
	cr_assert_eq(arena->depot_bytes, 0);
	all_different(again, 100, sizeclasses[5].size);
	arena_flush(NULL, 5, again, 100);
	cr_assert_eq(active(), 0);
}

Test(arena, depot_is_bounded)
{
	size_t bytes = 0;

	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		static void *blocks[1 << 16];
		unsigned int n = (unsigned int)(512 * KB / sizeclasses[c].size);

		fill(arena, c, blocks, n);
		for (unsigned int i = 0; i < n; i += 50)
			arena_flush(arena, c, blocks + i, min(50u, n - i));
		cr_assert_leq(arena->bins[c].ndepot * (size_t)sizeclasses[c].size, 256 * KB, "class %u", c);
		bytes += arena->bins[c].ndepot * (size_t)sizeclasses[c].size;
		cr_assert_eq(arena->depot_bytes, bytes, "class %u", c);
	}
	cr_assert_leq(bytes, 1 * MB);
	arena_age_depots(arena, true);
	cr_assert(arena->depot_bytes == 0 && active() == 0);
}

Test(arena, depots_age)
{
	unsigned int before = 1000, now;
	void *blocks[1000];

	fill(arena, 3, blocks, 1000);
	arena_flush(arena, 3, blocks, 1000);
	cr_assert_eq(arena->bins[3].ndepot, 1000);
	arena_age_depots(arena, false);	/* what was not touched since this call is old at the next */
	for (int i = 0; i < 20; i++) {
		arena_age_depots(arena, false);
		now = arena->bins[3].ndepot;
		cr_assert_lt(now, before, "round %d", i);
		before = now;
		if (!now)
			break;
	}
	cr_assert_eq(before, 0);
	cr_assert_eq(active(), 0);
}

Test(arena, remote_blocks_go_home)
{
	void *mixed[600];

	for (int i = 0; i < 600; i += 3) {
		fill(arena, 7, mixed + i, 1);
		fill(other, 7, mixed + i + 1, 2);
	}
	cr_assert_eq(arena->bins[7].out, 200);
	cr_assert_eq(other->bins[7].out, 400);
	arena_flush(NULL, 7, mixed, 600);
	cr_assert(arena->bins[7].out == 0 && other->bins[7].out == 0);
	cr_assert_eq(active(), 0);
}

/* Who only frees needs no depot: what it held would keep other arenas' slabs from becoming empty. */
Test(arena, depot_nobody_takes_from_is_closed)
{
	struct arena *other = arena_create(0);
	void *blocks[60], *more[60];

	fill(arena, 9, blocks, 60);
	fill(arena, 9, more, 60);
	arena_flush(other, 9, blocks, 60);
	cr_assert_eq(other->bins[9].ndepot, 0, "nobody has taken yet");
	cr_assert_eq(active() > 0, true);
	/* Once somebody takes, it is worth while. */
	fill(other, 9, blocks, 60);
	arena_flush(other, 9, blocks, 60);
	cr_assert_eq(other->bins[9].ndepot, 60);
	arena_age_depots(other, false);
	/* Not since the last aging. */
	arena_age_depots(other, false);
	cr_assert_eq(other->bins[9].ndepot, 0);
	arena_flush(other, 9, more, 60);
	cr_assert_eq(other->bins[9].ndepot, 0);
	cr_assert_eq(active(), 0, "all went home");
}

/* Depots of arenas without threads are emptied by the others' collections. */
Test(arena, abandoned_depots_are_emptied)
{
	struct arena *gone = arena_create(0);
	void *blocks[50];

	fill(gone, 9, blocks, 50);
	arena_flush(gone, 9, blocks, 50);
	arena->nthreads = 1;
	for (unsigned int i = 0; i < 3 * atomic_load(&ash_narenas); i++)
		arena_age_abandoned();
	cr_assert_eq(gone->bins[9].ndepot, 0);
	cr_assert_eq(active(), 0);
}

Test(arena, other_arenas_depot_takes_what_it_is_given)
{
	void *blocks[50];

	fill(arena, 9, blocks, 50);
	/* Where blocks are taken, not where they are only freed. */
	other->bins[9].depot_closed = false;
	arena_flush(other, 9, blocks, 50);
	cr_assert_eq(other->bins[9].ndepot, 50);
	arena_age_depots(other, true);
	cr_assert(arena->bins[9].out == 0 && active() == 0);
}

Test(arena, double_free_is_found_at_the_bitmap, .signal = SIGABRT)
{
	void *blocks[3];

	fill(arena, 4, blocks, 2);
	blocks[2] = blocks[0];
	arena_flush(NULL, 4, blocks, 3);
}

Test(arena, interior_pointer_is_found_at_the_bitmap, .signal = SIGABRT)
{
	void *block;

	fill(arena, 12, &block, 1);
	block = (char *)block + 32;
	arena_flush(NULL, 12, &block, 1);
}

Test(arena, no_memory)
{
	void *block[8];

	fake.anon_left = 0;
	cr_assert_eq(arena_fill(arena, 5, block + 8, 8), 0);
	fake.anon_left = SIZE_MAX;
	cr_assert_eq(arena_fill(arena, 5, block + 8, 8), 8);
	arena_flush(NULL, 5, block, 8);
	cr_assert_eq(active(), 0);
	cr_assert_eq(fake.wrong, 0);
}

Test(arena, threads_are_spread)
{
	unsigned int least = UINT32_MAX, most = 0;

	for (int i = 0; i < 40; i++)
		cr_assert(arena_choose(0));
	cr_assert(ash_narenas >= 2 && ash_narenas <= 6);
	for (unsigned int i = 0; i < ash_narenas; i++) {
		struct arena *a = ash_arenas[i];

		if (a == other && !a->nthreads)
			continue;
		least = min(least, a->nthreads);
		most = max(most, a->nthreads);
	}
	cr_assert_leq(most - least, 1, "between %u and %u threads an arena", least, most);
}

/* Its blocks are in that CPU's caches: threads that hand over to a successor stay apart. */
Test(arena, a_thread_gets_what_was_last_used_on_its_cpu)
{
	struct arena *here, *there;

	fake.cpu = 1;
	here = arena_choose(0);
	fake.cpu = 2;
	there = arena_choose(0);
	cr_assert(here != arena && there != here, "each has one of its own");
	arena_leave(there);
	fake.cpu = 1;
	arena_leave(here);
	fake.cpu = 2;
	cr_assert_eq(arena_choose(0), there, "though the other one comes first");
	cr_assert_eq(arena_choose(0), here, "fewer threads come before that");
	/* It leaves from where it has moved to. */
	arena_leave(here);
	arena_leave(there);
	cr_assert_eq(arena_choose(0), here, "both were left here");
}

Test(arena, random_fills_and_flushes)
{
	enum { N = 3000 };
	static struct {
		void *p;
		unsigned int class;
	} live[N];
	unsigned int count = 0;

	fake_seed();
	for (int i = 0; i < 60000; i++) {
		void *batch[64];
		unsigned int n = fake_random() % 32 + 1;

		if (count + n <= N && fake_random() % 2) {
			unsigned int c = fake_random() % CLASS_SMALL_LAST + 1;
			unsigned int got = arena_fill(fake_random() % 2 ? arena : other, c, batch + 64, n);

			for (unsigned int k = 0; k < got; k++) {
				live[count].p = batch[63 - k];
				live[count].class = c;
				/* First and last byte say whose it is. */
				*(uint8_t *)live[count].p = (uint8_t)c;
				((uint8_t *)live[count].p)[sizeclasses[c].size - 1] = (uint8_t)c;
				count++;
			}
		} else if (count) {
			unsigned int k = fake_random() % count, c = live[k].class;
			uint8_t *p = live[k].p;

			cr_assert(p[0] == c && p[sizeclasses[c].size - 1] == c);
			arena_flush(fake_random() % 4 ? fake_random() % 2 ? arena : other : NULL, c,
				    &live[k].p, 1);
			live[k] = live[--count];
		}
		if (fake_random() % 500 == 0)
			arena_age_depots(arena, fake_random() % 4 == 0);
	}
	while (count--)
		arena_flush(NULL, live[count].class, &live[count].p, 1);
	arena_age_depots(arena, true);
	arena_age_depots(other, true);
	cr_assert_eq(active(), 0);
	cr_assert(pageheap_consistent(arena->heap));
	cr_assert_eq(fake.wrong, 0);
}

/* --- loans ------------------------------------------------------------------------------ */

#define LOAN_CLASS	sizeclass_of(64)
#define LOAN_BLOCKS	8192u	/* 512 KB */

static void *lent[LOAN_BLOCKS];

/* @a's slabs, every second slot of which is free. */
static void make_holes(struct arena *a)
{
	fill(a, LOAN_CLASS, lent, LOAN_BLOCKS);
	for (unsigned int i = 0; i < LOAN_BLOCKS / 2; i++) {
		void *p = lent[2 * i + 1];

		arena_flush(NULL, LOAN_CLASS, &p, 1);
		lent[i] = lent[2 * i];
	}
}

Test(arena, holes_of_another_are_filled_before_a_slab_is_made)
{
	struct arena *borrower = arena_choose(0);
	static void *borrowed[LOAN_BLOCKS / 8 * 3];
	size_t before;

	cr_assert_neq(borrower, arena);
	make_holes(arena);
	before = active();
	fill(borrower, LOAN_CLASS, borrowed, ARRAY_SIZE(borrowed));
	cr_assert_eq(active(), before);
	cr_assert_eq(borrower->bins[LOAN_CLASS].nslabs, 0);
	cr_assert_eq(arena->bins[LOAN_CLASS].out, LOAN_BLOCKS / 2 + ARRAY_SIZE(borrowed));
	/* Less than a quarter is free now, and nothing is lent. */
	fill(borrower, LOAN_CLASS, borrowed, 1);
	cr_assert_eq(borrower->bins[LOAN_CLASS].nslabs, 1);
	cr_assert(pageheap_consistent(arena->heap));
}

/* However many arenas cannot lend, the ones that can are asked. */
Test(arena, arenas_that_cannot_lend_take_no_turns)
{
	struct arena *borrower = arena_choose(0);
	void *borrowed[64];

	cr_assert_neq(borrower, arena);
	for (unsigned int i = 0; i < 24; i++)
		cr_assert(arena_create(0));
	make_holes(arena);
	fill(borrower, LOAN_CLASS, borrowed, ARRAY_SIZE(borrowed));
	cr_assert_eq(borrower->bins[LOAN_CLASS].nslabs, 0);
	cr_assert_eq(arena->bins[LOAN_CLASS].out, LOAN_BLOCKS / 2 + ARRAY_SIZE(borrowed));
}

Test(arena, a_bin_of_few_slabs_lends_nothing)
{
	struct arena *borrower = arena_choose(0);
	void *blocks[64];

	fill(arena, LOAN_CLASS, blocks, 64);
	arena_flush(NULL, LOAN_CLASS, blocks + 1, 63);
	fill(borrower, LOAN_CLASS, blocks + 1, 63);
	cr_assert_eq(borrower->bins[LOAN_CLASS].nslabs, 1);
	cr_assert_eq(borrower->bins[LOAN_CLASS].out, 63);
}

Test(arena, reserved_arenas_neither_lend_nor_borrow)
{
	struct arena *borrower = arena_choose(0);
	void *blocks[64];

	cr_assert(other->reserved);
	make_holes(other);
	fill(borrower, LOAN_CLASS, blocks, 64);
	cr_assert_eq(borrower->bins[LOAN_CLASS].out, 64);
	make_holes(arena);
	fill(arena_create(0), LOAN_CLASS, blocks, 64);
	cr_assert_eq(arena->bins[LOAN_CLASS].out, LOAN_BLOCKS / 2);
}
