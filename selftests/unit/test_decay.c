// SPDX-License-Identifier: MIT
/* The limit of dirty pages over time, by a clock that the test turns. */
#include <criterion/criterion.h>
#include <math.h>

#include "decay.h"

/* What the header promises, in floating point. */
static double step(double x)
{
	return x <= 0 ? 0 : x >= 1 ? 1 : 6 * pow(x, 5) - 15 * pow(x, 4) + 10 * pow(x, 3);
}

/* @pages are free, and what is too much goes: what is left. */
static size_t look(struct decay *d, uint64_t now, size_t pages)
{
	size_t limit = decay_limit(d, now, pages);

	decay_gone(d, pages - min(pages, limit));
	return min(pages, limit);
}

Test(decay, falls_along_the_smooth_step)
{
	enum { PAGES = 1000000, MS = 64000 };
	uint64_t now = 5000, freed;
	struct decay d;
	size_t last;

	decay_init(&d, MS, now);
	/* The pages become free; the first look after an epoch counts them. */
	freed = now += MS / DECAY_STEPS;
	last = look(&d, now, PAGES);
	cr_assert_eq(last, PAGES, "all may stay at first, not %zu", last);
	while (now < freed + MS + MS / DECAY_STEPS) {
		double left, slack = PAGES / 50.0;
		size_t limit;

		now += MS / DECAY_STEPS;
		limit = look(&d, now, last);
		cr_assert_leq(limit, last, "the limit rose");
		left = PAGES * step(1.0 - (double)(now - freed) / MS);
		cr_assert(fabs((double)limit - left) <= slack,
			  "after %llu ms: %zu, by the formula %.0f",
			  (unsigned long long)(now - freed), limit, left);
		last = limit;
	}
	cr_assert_eq(last, 0);
}

Test(decay, says_nothing_within_an_epoch)
{
	struct decay d;

	decay_init(&d, 6400, 0);
	cr_assert_neq(decay_limit(&d, 100, 50), SIZE_MAX);
	for (uint64_t t = 101; t < 200; t++)
		cr_assert_eq(decay_limit(&d, t, 50), SIZE_MAX);
	cr_assert_neq(decay_limit(&d, 200, 50), SIZE_MAX);
}

Test(decay, zero_keeps_nothing_and_minus_one_everything)
{
	struct decay d;

	decay_init(&d, 0, 0);
	cr_assert_eq(decay_limit(&d, 0, 100), 0);
	cr_assert_eq(decay_limit(&d, 100000, 100), 0);
	decay_init(&d, -1, 0);
	cr_assert_eq(decay_limit(&d, 1u << 30, 100), SIZE_MAX);
}

Test(decay, long_gaps)
{
	struct decay d;

	decay_init(&d, 1000, 0);
	/* Nobody looked for an hour: what is new counts as of now, all of it may stay. */
	cr_assert_eq(decay_limit(&d, 3600000, 500), 500);
	/* And an hour later none of it. */
	cr_assert_eq(decay_limit(&d, 7200000, 500), 0);
	cr_assert_eq(decay_limit(&d, UINT64_MAX / 2, 0), 0);
}

Test(decay, shortest_times)
{
	struct decay d;

	for (int64_t ms = 1; ms < 200; ms++) {
		uint64_t now = 12345;

		decay_init(&d, ms, now);
		now += (uint64_t)ms + DECAY_STEPS;
		decay_limit(&d, now, 1000);
		now += (uint64_t)max(ms, (int64_t)DECAY_STEPS) + DECAY_STEPS;
		cr_assert_eq(decay_limit(&d, now, 1000), 0, "%ld ms", (long)ms);
	}
}

Test(decay, refilled_pages_start_again)
{
	struct decay d;
	uint64_t now = 0;
	size_t limit = 0;

	decay_init(&d, 6400, 0);
	/* A steady state: each epoch 100 pages become free, as many as decay took. */
	for (int i = 0; i < 500; i++) {
		now += 100;
		limit = look(&d, now, limit + 100);
	}
	/* Half of an epoch's pages stay half the time: 100 x 64 / 2. */
	cr_assert(limit > 3000 && limit < 3400, "%zu", limit);
	for (int i = 0; i < 70; i++) {
		now += 100;
		limit = look(&d, now, limit);
	}
	cr_assert_eq(limit, 0);
}

Test(decay, no_overflow)
{
	struct decay d;
	size_t most = (size_t)UINT32_MAX;

	decay_init(&d, 6400, 0);
	cr_assert_eq(decay_limit(&d, 100, most), most);
	decay_init(&d, INT64_MAX / 1000000, UINT64_MAX / 4);
	decay_limit(&d, UINT64_MAX / 4 + 5, 100);
}

Test(decay, what_is_late_is_not_new)
{
	struct decay d;
	size_t pages = 1000;
	uint64_t now = 100;

	decay_init(&d, 6400, 0);
	cr_assert_eq(decay_limit(&d, now, pages), pages);
	/* A caller who gives back one page at a time, and more often than an epoch ends. */
	while (now < 6500) {
		now += 100;
		if (decay_limit(&d, now, pages) < pages) {
			decay_gone(&d, 1);
			pages--;
		}
	}
	cr_assert_eq(decay_limit(&d, now + 100, pages), 0, "%zu pages count as new", pages);
	cr_assert_eq(decay_limit(&d, now + 101, pages), 0, "what is late is asked for within an epoch");
	/* New ones are not late: they stay. */
	cr_assert_eq(decay_limit(&d, now + 102, pages + 10), 10);
	decay_gone(&d, pages);
	cr_assert_eq(decay_limit(&d, now + 103, 10), SIZE_MAX);
	cr_assert_eq(decay_limit(&d, now + 200, 10), 10);
}
