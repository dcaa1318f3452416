// SPDX-License-Identifier: MIT
/* Each function against the same one written naively, on random bitmaps of all densities. */
#include "bitmap.h"
#include "fake.h"

struct naive {
	bool bit[BITS_COUNT];
};

static void random_bits(struct bits *b, struct naive *n, unsigned int density)
{
	for (unsigned int i = 0; i < BITS_COUNT; i++) {
		n->bit[i] = fake_random() % 100 < density;
		n->bit[i] ? bits_set(b, i) : bits_clear(b, i);
	}
}

static unsigned int naive_next(const struct naive *n, unsigned int from, bool value)
{
	while (from < BITS_COUNT && n->bit[from] != value)
		from++;
	return from;
}

static unsigned int naive_zero_run(const struct naive *n, unsigned int len, unsigned int align)
{
	for (unsigned int at = 0; at + len <= BITS_COUNT; at += align) {
		if (naive_next(n, at, true) >= at + len)
			return at;
	}
	return BITS_COUNT;
}

static unsigned int naive_longest(const struct naive *n)
{
	unsigned int best = 0, run = 0;

	for (unsigned int i = 0; i < BITS_COUNT; i++) {
		run = n->bit[i] ? 0 : run + 1;
		best = max(best, run);
	}
	return best;
}

static void same(const struct bits *b, const struct naive *n)
{
	for (unsigned int i = 0; i < BITS_COUNT; i++)
		cr_assert_eq(bits_get(b, i), n->bit[i], "bit %u", i);
}

Test(bitmap, ranges)
{
	struct naive n;
	struct bits b;

	fake_seed();
	for (unsigned int round = 0; round < 2000; round++) {
		unsigned int first = fake_random() % BITS_COUNT;
		unsigned int len = fake_random() % (BITS_COUNT - first) + 1, count = 0;
		bool value = fake_random() % 2;

		random_bits(&b, &n, round % 101);
		for (unsigned int i = first; i < first + len; i++)
			count += n.bit[i];
		cr_assert_eq(bits_count_range(&b, first, len), count, "%u+%u", first, len);
		value ? bits_set_range(&b, first, len) : bits_clear_range(&b, first, len);
		for (unsigned int i = first; i < first + len; i++)
			n.bit[i] = value;
		same(&b, &n);
	}
}

Test(bitmap, searches)
{
	struct naive n;
	struct bits b;

	fake_seed();
	for (unsigned int round = 0; round < 1000; round++) {
		unsigned int from = fake_random() % (BITS_COUNT + 1);
		unsigned int len = fake_random() % (fake_random() % BITS_COUNT + 1) + 1;
		unsigned int align = 1u << fake_random() % 10;

		random_bits(&b, &n, round % 2 ? round % 101 : 2);
		cr_assert_eq(bits_next(&b, from, true), naive_next(&n, from, true));
		cr_assert_eq(bits_next(&b, from, false), naive_next(&n, from, false));
		cr_assert_eq(bits_find_zero_run(&b, len, align), naive_zero_run(&n, len, align),
			     "run of %u at %u", len, align);
		cr_assert_eq(bits_longest_zero_run(&b), naive_longest(&n));
	}
}

Test(bitmap, extremes)
{
	struct bits b = { { 0 } };

	cr_assert_eq(bits_longest_zero_run(&b), BITS_COUNT);
	cr_assert_eq(bits_find_zero_run(&b, BITS_COUNT, BITS_COUNT), 0);
	cr_assert_eq(bits_next(&b, 0, true), BITS_COUNT);
	bits_set_range(&b, 0, BITS_COUNT);
	cr_assert_eq(bits_longest_zero_run(&b), 0);
	cr_assert_eq(bits_find_zero_run(&b, 1, 1), BITS_COUNT);
	cr_assert_eq(bits_count_range(&b, 0, BITS_COUNT), BITS_COUNT);
	bits_clear(&b, BITS_COUNT - 1);
	cr_assert_eq(bits_find_zero_run(&b, 1, 1), BITS_COUNT - 1);
	cr_assert_eq(bits_find_zero_run(&b, 1, 2), BITS_COUNT);
	cr_assert_eq(bits_next(&b, BITS_COUNT, false), BITS_COUNT);
}
