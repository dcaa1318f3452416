// SPDX-License-Identifier: MIT
/* Frees that say a size, and the wrong one; realloc of what is not there. */
#include "crime.h"

#define SIZE	"sized free: block 0x[0-9a-f]+ has [0-9]+ bytes, not the [0-9]+ it is freed with"
#define ALIGNED	"free_aligned_sized: block 0x[0-9a-f]+ has [0-9]+ bytes, not the [0-9]+ it is freed with"

static void sized(size_t is, size_t says)
{
	ashlar_free_sized(hide(ashlar_malloc(is)), says);
}

static void small_too_large(void) { sized(100, 1000); }
Test(wrong_size, small_too_large) { expect_abort(small_too_large, SIZE); }

static void small_too_small(void) { sized(1000, 100); }
Test(wrong_size, small_too_small) { expect_abort(small_too_small, SIZE); }

static void small_as_large(void) { sized(100, 1 * MB); }
Test(wrong_size, small_as_large) { expect_abort(small_as_large, SIZE); }

static void large_as_small(void) { sized(1 * MB, 100); }
Test(wrong_size, large_as_small) { expect_abort(large_as_small, SIZE); }

static void large_as_larger(void) { sized(1 * MB, 2 * MB); }
Test(wrong_size, large_as_larger) { expect_abort(large_as_larger, SIZE); }

static void large_as_half(void) { sized(1 * MB, 400 * KB); }
Test(wrong_size, large_as_half) { expect_abort(large_as_half, SIZE); }

static void huge_as_large(void) { sized(40 * MB, 1 * MB); }
Test(wrong_size, huge_as_large) { expect_abort(huge_as_large, SIZE); }

static void huge_as_huger(void) { sized(4 * MB, 40 * MB); }
Test(wrong_size, huge_as_huger) { expect_abort(huge_as_huger, SIZE); }

static void beyond_all(void) { sized(100, SIZE_MAX); }
Test(wrong_size, beyond_all) { expect_abort(beyond_all, SIZE); }

static void aligned(void) { ashlar_free_aligned_sized(hide(ashlar_aligned_alloc(64, 128)), 64, 4096); }
Test(wrong_size, aligned) { expect_abort(aligned, ALIGNED); }

static void right(void)
{
	for (size_t n = 0; n < 10 * MB; n += n / 7 + 1) {
		void *p = hide(ashlar_malloc(n));

		if (n && n % 3 == 0) {
			p = hide(ashlar_realloc(p, n + n / 2));
			p = hide(ashlar_realloc(p, n));
		}
		ashlar_free_sized(p, n);
		for (size_t align = 8; n && align <= 8 * MB; align *= 8)
			ashlar_free_aligned_sized(hide(ashlar_aligned_alloc(align, n)), align, n);
	}
	ashlar_free_sized(NULL, 100);
	ashlar_free_aligned_sized(NULL, 64, 100);
}
Test(wrong_size, right_sizes_pass) { expect_nothing(right); }

/* --- realloc ---------------------------------------------------------------------- */

static void realloc_stack(void)
{
	char local[64];

	hide(ashlar_realloc(hide(local), 100));
}
Test(realloc, foreign) { expect_abort(realloc_stack, "realloc: 0x[0-9a-f]+ was not allocated here"); }

static void realloc_freed(size_t size)
{
	void *p = hide(ashlar_malloc(size));

	ashlar_free(p);
	hide(ashlar_realloc(hide(p), size * 3));
	ashlar_purge();
}

static void realloc_freed_huge(void) { realloc_freed(9 * MB); }
Test(realloc, freed_huge) { expect_abort(realloc_freed_huge, "realloc: .*not the start of a live block"); }

/* A small block that was freed is found when it is freed again, by realloc itself. */
static void realloc_freed_small(void) { realloc_freed(100); }
Test(realloc, freed_small) { expect_abort(realloc_freed_small, "freed twice"); }

static void realloc_freed_large(void) { realloc_freed(100 * KB); }
Test(realloc, freed_large) { expect_abort(realloc_freed_large, "freed twice"); }

static void realloc_inside_huge(void) { hide(ashlar_realloc((char *)hide(ashlar_malloc(9 * MB)) + 4096, 100)); }
Test(realloc, inside_huge) { expect_abort(realloc_inside_huge, "realloc: .*not the start of a live block"); }

static void realloc_inside_large(void) { hide(ashlar_realloc((char *)hide(ashlar_malloc(90 * KB)) + 64, 100)); }
Test(realloc, inside_large) { expect_abort(realloc_inside_large, "realloc: .*not the start of a live block"); }

/* The move frees the pointer, which is found inside a block when it goes home. */
static void realloc_inside_small(void)
{
	hide(ashlar_realloc((char *)hide(ashlar_malloc(100)) + 16, 1000));
	ashlar_purge();
}
Test(realloc, inside_small) { expect_abort(realloc_inside_small, "points inside a block"); }
