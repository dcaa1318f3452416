// SPDX-License-Identifier: MIT
/* Pointers that no allocation returned: into blocks, to the stack, to another allocator's memory. */
#include <pthread.h>
#include <sys/mman.h>

#include "crime.h"

#define INSIDE	"free: (0x[0-9a-f]+ points inside a block|.*not the start of a live block)"
#define FOREIGN	"0x[0-9a-f]+ was not allocated here"

static void *free_inside(void *p)
{
	ashlar_free(hide(p));
	return NULL;
}

/* A small one is found when the caches that took it are emptied. */
static void inside(size_t size, size_t offset)
{
	char *p = hide(ashlar_malloc(size));
	pthread_t t;

	cr_assert(!pthread_create(&t, NULL, free_inside, p + offset));
	pthread_join(t, NULL);
	ashlar_purge();
}

static void small_inside(void) { inside(100, 16); }
Test(interior, small) { expect_abort(small_inside, INSIDE); }

static void small_odd(void) { inside(100, 1); }
Test(interior, small_odd) { expect_abort(small_odd, INSIDE); }

static void small_on_page(void) { inside(14336, 4096); }
Test(interior, small_on_page) { expect_abort(small_on_page, INSIDE); }

static void large_first_page(void) { inside(100 * KB, 64); }
Test(interior, large_first_page) { expect_abort(large_first_page, INSIDE); }

static void large_later_page(void) { inside(100 * KB, 8192); }
Test(interior, large_later_page) { expect_abort(large_later_page, INSIDE); }

static void large_later_odd(void) { inside(100 * KB, 8200); }
Test(interior, large_later_odd) { expect_abort(large_later_odd, INSIDE); }

static void huge_first_page(void) { inside(9 * MB, 16); }
Test(interior, huge_first_page) { expect_abort(huge_first_page, INSIDE); }

static void huge_next_extent(void) { inside(9 * MB, 2 * MB); }
Test(interior, huge_next_extent) { expect_abort(huge_next_extent, INSIDE); }

static void huge_middle(void) { inside(9 * MB, 5 * MB + 40); }
Test(interior, huge_middle) { expect_abort(huge_middle, INSIDE); }

static void stack(void)
{
	char local[64];

	ashlar_free(hide(local));
}
Test(foreign, stack) { expect_abort(stack, "free: " FOREIGN); }

static void global(void)
{
	static char bytes[64];

	ashlar_free(hide(bytes));
}
Test(foreign, global) { expect_abort(global, "free: " FOREIGN); }

static void libc_block(void) { ashlar_free(hide(malloc(100))); }
Test(foreign, other_allocator) { expect_abort(libc_block, "free: " FOREIGN); }

static void mapped(void)
{
	ashlar_free(hide(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}
Test(foreign, mapping) { expect_abort(mapped, "free: " FOREIGN); }

static void number(void) { ashlar_free((void *)hide((void *)8)); }
Test(foreign, small_number) { expect_abort(number, "free: " FOREIGN); }

static void kernel_half(void) { ashlar_free(hide((void *)0xffff800000001000)); }
Test(foreign, kernel_address) { expect_abort(kernel_half, "free: " FOREIGN); }

/* Beyond what the heap has ever used, in its own reservation. */
static void never_used(void)
{
	char *p = hide(ashlar_malloc(9 * MB));

	ashlar_free(p + (size_t)256 * MB);
}
Test(foreign, reservation) { expect_abort(never_used, "free: .*not the start of a live block"); }

static void first_call(void)
{
	char local[64];

	ashlar_free_sized(hide(local), 64);
}
Test(foreign, sized) { expect_abort(first_call, "free: " FOREIGN); }

static void usable(void)
{
	char local[64];

	exit(ashlar_malloc_usable_size(hide(local)) ? 1 : 2);
}
Test(foreign, usable_size) { expect_abort(usable, "malloc_usable_size: " FOREIGN); }

static void usable_huge(void) { exit((int)ashlar_malloc_usable_size((char *)hide(ashlar_malloc(9 * MB)) + 4096)); }
Test(interior, usable_size) { expect_abort(usable_huge, "malloc_usable_size: .*not the start"); }

/* The option for those who must live with it; `run` sets foreign:ignore. */
static void ignored(void)
{
	char local[64];
	void *p = hide(ashlar_malloc(100)), *q = hide(malloc(100));

	ashlar_free(hide(local));
	ashlar_free(q);
	ashlar_free_sized(hide(local), 64);
	if (ashlar_realloc(hide(local), 100) || ashlar_malloc_usable_size(hide(local)))
		_exit(1);
	/* The heap is what it was. */
	memset(p, 1, 100);
	ashlar_free(p);
	for (int i = 0; i < 1000; i++)
		ashlar_free(hide(ashlar_malloc((size_t)i * 50)));
}
Test(ignore, foreign) { expect_nothing(ignored); }

/* But not a block of ours freed twice: that is no foreign one. */
static void twice(void)
{
	void *p = hide(ashlar_malloc(100));

	ashlar_free(p);
	ashlar_free(hide(p));
}
Test(ignore, not_double_free) { expect_abort(twice, "freed twice"); }
