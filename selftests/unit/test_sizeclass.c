// SPDX-License-Identifier: MIT
/* The class table, for every size there is and every byte of every slab. */
#include <criterion/criterion.h>

#include "sizeclass.h"

Test(sizeclass, covers_every_size_tightly)
{
	unsigned int last = 1;

	for (size_t n = 1; n <= LARGE_MAX; n++) {
		unsigned int c = sizeclass_of(n);

		cr_assert(c >= 1 && c <= CLASS_LARGE_LAST);
		cr_assert(c == last || c == last + 1, "size %zu: class %u after %u", n, c, last);
		if (n <= SMALL_MAX)
			cr_assert_leq(c, CLASS_SMALL_LAST);
		else
			cr_assert_geq(c, CLASS_LARGE_FIRST);
		cr_assert_leq(n, sizeclasses[c].size, "size %zu", n);
		cr_assert(c == 1 || n > sizeclasses[c - 1].size, "size %zu fits a smaller class", n);
		last = c;
	}
	cr_assert_eq(last, CLASS_LARGE_LAST);
	cr_assert_eq(sizeclass_small(0), 1);
}

Test(sizeclass, spacing)
{
	cr_assert_eq(sizeclasses[CLASS_SMALL_LAST].size, SMALL_MAX);
	cr_assert_eq(sizeclasses[CLASS_LARGE_FIRST].size, LARGE_MIN);
	cr_assert_eq(sizeclasses[CLASS_LARGE_LAST].size, LARGE_MAX);
	for (unsigned int c = 2; c <= CLASS_LARGE_LAST; c++) {
		size_t gap = sizeclasses[c].size - sizeclasses[c - 1].size;

		cr_assert(is_pow2(gap), "class %u", c);
		/* At most a fifth of a block is lost above 128 bytes. */
		if (sizeclasses[c].size > 128)
			cr_assert_leq(gap * 5, sizeclasses[c].size, "class %u", c);
		cr_assert_eq(sizeclasses[c].size % 16, 0, "class %u", c);
	}
}

Test(sizeclass, slabs)
{
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		const struct sizeclass *s = &sizeclasses[c];

		for (unsigned int pages = s->pages_min; pages <= s->pages_max; pages++) {
			size_t bytes = pages * PAGE_SIZE, slots = bytes / s->size;

			cr_assert(slots >= 1 && slots <= 512, "class %u: %zu slots", c, slots);
			if (pages == s->pages_min || pages == s->pages_max)
				cr_assert_leq((bytes - slots * s->size) * 64, bytes,
					      "class %u wastes the tail of %u pages", c, pages);
		}
		cr_assert_leq(s->pages_min, s->pages_max);
	}
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++)
		cr_assert_eq(sizeclasses[c].pages_max * PAGE_SIZE, sizeclasses[c].size);
}

Test(sizeclass, reciprocal_is_exact)
{
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		for (size_t off = 0; off < sizeclasses[c].pages_max * PAGE_SIZE; off++)
			cr_assert_eq(sizeclass_slot(c, off), off / sizeclasses[c].size,
				     "class %u offset %zu", c, off);
	}
}

Test(sizeclass, round)
{
	cr_assert_eq(sizeclass_round(0), 8);
	cr_assert_eq(sizeclass_round(9), 16);
	cr_assert_eq(sizeclass_round(17), 32);
	cr_assert_eq(sizeclass_round(129), 160);
	cr_assert_eq(sizeclass_round(SMALL_MAX + 1), LARGE_MIN);
	cr_assert_eq(sizeclass_round(LARGE_MAX + 1), LARGE_MAX + PAGE_SIZE);
	cr_assert_eq(sizeclass_round(SIZE_LIMIT), (size_t)1 << 63);
	cr_assert_eq(sizeclass_round(SIZE_LIMIT + 1), 0);
	cr_assert_eq(sizeclass_round(SIZE_MAX), 0);
}
