// SPDX-License-Identifier: MIT
#include "fake.h"
#include "meta.h"

Test(meta, records_are_zeroed_aligned_and_apart)
{
	for (size_t size = 1; size <= META_MAX; size = size * 2 + size % 3) {
		unsigned char *a = meta_alloc(size), *b = meta_alloc(size);
		size_t align = 64;

		while (align < size && align < PAGE_SIZE)
			align *= 2;
		cr_assert(a && b && (a + size <= b || b + size <= a), "size %zu", size);
		cr_assert_eq((uintptr_t)a % align, 0, "size %zu at %p", size, (void *)a);
		for (size_t i = 0; i < size; i++)
			cr_assert(!a[i] && !b[i], "size %zu", size);
		memset(a, 0xff, size);
		meta_free(a, size);
		cr_assert_eq(meta_alloc(size), a, "a freed record is used again");
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(a[i], 0, "size %zu", size);
	}
}

Test(meta, for_good_is_not_rounded_up_and_what_alignment_skips_is_used)
{
	unsigned char *a = meta_alloc_for_good(5000), *b = meta_alloc_for_good(100), *page, *gap;

	cr_assert(a && b);
	cr_assert_eq((uintptr_t)a % 64, 0);
	cr_assert_eq(b - a, 5056);
	for (size_t i = 0; i < 5000; i++)
		cr_assert_eq(a[i], 0, "byte %zu", i);
	memset(b, 0xff, 100);
	page = meta_alloc(PAGE_SIZE);
	cr_assert_eq((uintptr_t)page % PAGE_SIZE, 0);
	/* The sizes that sum up to the gap lie in it, each once. */
	for (size_t size = 64, left = (size_t)(page - (b + 128)); size <= left; size *= 2) {
		if (!(left & size))
			continue;
		gap = meta_alloc(size);
		cr_assert_eq((uintptr_t)gap % size, 0, "size %zu", size);
		cr_assert(gap > b && gap + size <= page, "%zu bytes at %p", size, (void *)gap);
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(gap[i], 0, "byte %zu of %zu", i, size);
	}
}

Test(meta, largest)
{
	unsigned char *p = meta_alloc(META_MAX);

	cr_assert(p);
	p[META_MAX - 1] = 1;
	meta_free(p, META_MAX);
	meta_free(NULL, 100);
}

Test(meta, no_memory)
{
	struct growing g = { .base = os_reserve(EXTENT_SIZE), .size = EXTENT_SIZE };

	cr_assert(g.base);
	fake.os_fails = true;
	cr_assert(!growing_need(&g, 1));
	cr_assert_eq(g.committed, 0);
	fake.os_fails = false;
	cr_assert(growing_need(&g, 1));
	g.base[0] = 1;
	cr_assert(growing_need(&g, EXTENT_SIZE));
	g.base[EXTENT_SIZE - 1] = 1;
	cr_assert(!growing_need(&g, EXTENT_SIZE + 1));
}

Test(meta, alloc_fails_and_recovers)
{
	unsigned int n = 0;
	void *p;

	fake.os_fails = true;
	while ((p = meta_alloc(META_MAX)) && n < 1000)
		n++;
	cr_assert(!p, "records without memory");
	fake.os_fails = false;
	cr_assert(meta_alloc(META_MAX));
}
