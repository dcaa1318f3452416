// SPDX-License-Identifier: MIT
#include "fake.h"
#include "slab.h"

static struct pageheap *heap;

static void start(void)
{
	fake_start("source:anon,dirty_decay_ms:-1");
	heap = ash_pageheaps[0];
	cr_assert(pageheap_ready(heap));
}

TestSuite(slab, .init = start);

static struct pageheap_stats stats(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s;
}

Test(slab, every_class_gives_its_slots_in_order)
{
	static void *slots[BITS_COUNT];

	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		unsigned int pages = c % 2 ? sizeclasses[c].pages_min : sizeclasses[c].pages_max;
		struct slab *s = slab_create(heap, 0, c, pages);
		unsigned int n;

		cr_assert(s && slab_consistent(s));
		n = s->nslots;
		cr_assert_eq(n, pages * PAGE_SIZE / sizeclasses[c].size);
		cr_assert_eq(slab_take(s, slots + BITS_COUNT, BITS_COUNT), n);
		cr_assert(s->nfree == 0 && slab_consistent(s));
		for (unsigned int i = 0; i < n; i++) {
			char *p = slots[BITS_COUNT - 1 - i];

			cr_assert_eq(p, slab_addr(s) + i * sizeclasses[c].size, "class %u slot %u", c, i);
			cr_assert_eq(slab_of(&ash_windows[s->window], p), s);
			cr_assert_eq(slab_of(&ash_windows[s->window], p + sizeclasses[c].size - 1), s);
			cr_assert(slab_is_slot(s, p));
			memset(p, (int)i, sizeclasses[c].size);
		}
		for (unsigned int i = 0; i < n; i++)
			cr_assert(slab_put(s, slots[BITS_COUNT - 1 - i]));
		cr_assert(s->nfree == n && slab_consistent(s));
		slab_destroy(s);
	}
	cr_assert_eq(stats().active, 0);
	cr_assert(pageheap_consistent(heap));
}

Test(slab, takes_no_more_than_asked)
{
	struct slab *s = slab_create(heap, 0, 2, 1);
	void *slots[300];
	unsigned int got = 0;

	for (unsigned int want = 1; got + want <= 256; want += 7) {
		cr_assert_eq(slab_take(s, slots + 300 - got, want), want);
		got += want;
		cr_assert(s->nfree + got == 256 && slab_consistent(s));
	}
	/* No slot twice. */
	for (unsigned int i = 1; i < got; i++)
		cr_assert_lt((char *)slots[300 - i], (char *)slots[300 - i - 1]);
}

Test(slab, put_refuses_what_was_not_taken)
{
	struct slab *s = slab_create(heap, 0, 6, 1);
	void *slot[2];
	char *p;

	cr_assert_eq(slab_take(s, slot + 2, 2), 2);
	p = slot[1];
	for (size_t off = 1; off < 80; off++)
		cr_assert(!slab_put(s, p + off) && !slab_is_slot(s, p + off), "offset %zu", off);
	cr_assert(slab_put(s, p));
	cr_assert(!slab_put(s, p), "twice");
	cr_assert(!slab_put(s, slab_addr(s) + 40 * 80), "never taken");
	/* 4096 = 51 x 80 + 16: the tail is no slot. */
	cr_assert(!slab_put(s, slab_addr(s) + 51 * 80) && !slab_is_slot(s, slab_addr(s) + 51 * 80));
	cr_assert(slab_consistent(s));
}

Test(slab, put_run_stops_at_the_first_that_is_not_its_own)
{
	struct slab *s = slab_create(heap, 0, 6, 1), *other = slab_create(heap, 0, 6, 1);
	void *slot[8], *foreign[1], *run[8];

	cr_assert_eq(slab_take(s, slot + 8, 8), 8);
	cr_assert_eq(slab_take(other, foreign + 1, 1), 1);
	memcpy(run, slot, sizeof(run));
	run[3] = foreign[0];
	run[6] = slot[4];
	cr_assert_eq(slab_put_run(s, run, 8), 3, "the fourth is another slab's");
	cr_assert_eq(slab_put_run(s, run + 3, 5), 0);
	cr_assert_eq(slab_put_run(s, run + 4, 4), 2, "then one is free already");
	cr_assert_eq(slab_put_run(s, run + 7, 1), 1);
	cr_assert(s->nfree == s->nslots - 2 && other->nfree == other->nslots - 1);
	cr_assert(slab_consistent(s) && slab_consistent(other));
}

Test(slab, random_takes_and_puts_against_a_model)
{
	fake_seed();
	for (unsigned int round = 0; round < 60; round++) {
		unsigned int c = fake_random() % CLASS_SMALL_LAST + 1;
		struct slab *s = slab_create(heap, 0, c, sizeclasses[c].pages_max);
		size_t size = sizeclasses[c].size;
		bool taken[BITS_COUNT] = { false };
		void *out[BITS_COUNT];
		unsigned int used = 0;

		for (unsigned int i = 0; i < 300; i++) {
			unsigned int k = fake_random() % s->nslots, got;

			if (taken[k]) {
				cr_assert(slab_put(s, slab_addr(s) + k * size));
				taken[k] = false;
				used--;
			} else {
				unsigned int want = k % 5 + 1, left = s->nslots - used;

				got = slab_take(s, out + BITS_COUNT, want);
				cr_assert_eq(got, min(want, left));
				for (unsigned int j = 0; j < got; j++) {
					size_t slot = (size_t)((char *)out[BITS_COUNT - 1 - j] -
							       slab_addr(s)) / size;

					cr_assert(!taken[slot], "slot %zu was given out twice", slot);
					taken[slot] = true;
				}
				used += got;
			}
			cr_assert(s->nfree + used == s->nslots && slab_consistent(s));
		}
	}
}

Test(slab, records_are_used_again)
{
	struct slab *first = slab_create(heap, 3, 5, 1), *again;

	pageheap_set_decay(heap, 0);	/* nothing is kept */
	slab_destroy(first);
	again = slab_create(heap, 4, 9, 8);
	cr_assert_eq(again, first);
	cr_assert(again->arena == 4 && again->class == 9 && again->npages == 8 &&
		  again->nslots == 256 && slab_consistent(again));
}

Test(slab, maps_say_what_a_page_is)
{
	struct slab *s = slab_create(heap, 0, 14, 6);
	struct window *w = &ash_windows[s->window];

	for (unsigned int i = 0; i < 6; i++)
		cr_assert_eq(window_classes(w)[s->page + i], 14);
	slab_destroy(s);
	for (unsigned int i = 0; i < 6; i++)
		cr_assert_eq(window_classes(w)[s->page + i], CLASS_NONE);
}

Test(slab, no_memory)
{
	fake.anon_left = 0;
	cr_assert(!slab_create(heap, 0, 1, 1));
	fake.anon_left = SIZE_MAX;
	cr_assert(pageheap_consistent(heap));
	cr_assert(slab_create(heap, 0, 1, 1));
}

/* All slots of a new slab of @class at slots[0..n), the first first. */
static struct slab *all_taken(unsigned int class, void **slots)
{
	struct slab *s = slab_create(heap, 0, class, sizeclasses[class].pages_max);
	unsigned int n = s->nslots;

	cr_assert_eq(slab_take(s, slots + n, n), n);
	for (unsigned int i = 0; i < n / 2; i++) {
		void *p = slots[i];

		slots[i] = slots[n - 1 - i];
		slots[n - 1 - i] = p;
	}
	return s;
}

Test(slab, neighbours_go_back_together)
{
	static void *slots[BITS_COUNT], *back[BITS_COUNT];

	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		struct slab *s = all_taken(c, slots);
		unsigned int n = s->nslots;

		for (unsigned int i = 0; i < n; i++)
			back[i] = slots[n - 1 - i];
		/* Not beyond a gap, and not beyond the slab. */
		for (unsigned int gap = 0; gap < n; gap++) {
			void *p = slots[gap];

			slots[gap] = &slots;
			cr_assert_eq(slab_put_neighbours(s, slots, n), gap, "class %u", c);
			cr_assert(s->nfree == gap && slab_consistent(s));
			slots[gap] = p;
			cr_assert_eq(slab_put_neighbours(s, slots + gap, n - gap), n - gap);
			cr_assert(s->nfree == n && slab_consistent(s));
			cr_assert_eq(slab_take(s, slots + n, n), n);
			for (unsigned int i = 0; i < n; i++)
				slots[i] = back[n - 1 - i];
		}
		cr_assert_eq(slab_put_neighbours(s, back, n), n, "class %u, down", c);
		cr_assert(s->nfree == n && slab_consistent(s));
	}
}

/* What is wrong is left to slab_put_run(), which finds the one. */
Test(slab, neighbours_one_of_which_is_free)
{
	unsigned int class = sizeclass_of(64);
	static void *slots[BITS_COUNT];
	struct slab *s = all_taken(class, slots);
	unsigned int n = s->nslots;
	void *inside[2] = { (char *)slots[3] + 8, (char *)slots[4] + 8 };

	cr_assert(slab_put(s, slots[9]));
	cr_assert_eq(slab_put_neighbours(s, slots, n), 0);
	cr_assert_eq(s->nfree, 1, "and nothing is changed");
	cr_assert_eq(slab_put_run(s, slots, n), 9);
	cr_assert_eq(slab_put_neighbours(s, inside, 2), 0);
	cr_assert_eq(slab_put_neighbours(s, slots + 10, 1), 1);
	cr_assert(s->nfree == 11 && slab_consistent(s));
}
