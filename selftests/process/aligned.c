// SPDX-License-Identifier: MIT
/* Alignments from 1 byte to 1 GB, with sizes around each, several blocks at a time. */
#include "check.h"

enum { AT_ONCE = 4 };

static void *get(int how, size_t align, size_t size)
{
	void *p = NULL;

	switch (how) {
	case 0:
		return memalign(align, size);
	case 1:
		return aligned_alloc(align, size);
	default:
		if (align >= sizeof(void *))
			CHECK(!posix_memalign(&p, align, size), "%zu at %zu", size, align);
		else
			p = malloc(size);
		return p;
	}
}

static void several(size_t align, size_t size)
{
	unsigned char *p[AT_ONCE];

	for (int i = 0; i < AT_ONCE; i++) {
		p[i] = get(i % 3, align, size);
		CHECK(p[i], "%zu bytes at %zu", size, align);
		CHECK((uintptr_t)p[i] % align == 0, "%zu bytes at %zu: %p", size, align, (void *)p[i]);
		CHECK(malloc_usable_size(p[i]) >= size);
		if (size)
			p[i][0] = p[i][size - 1] = (unsigned char)i;
	}
	for (int i = 0; i < AT_ONCE; i++)
		CHECK(!size || (p[i][0] == i && p[i][size - 1] == i));
	/* realloc keeps contents, if not alignment. */
	p[0] = realloc(p[0], size + 100);
	CHECK(p[0] && (!size || p[0][size - 1] == 0));
	for (int i = 0; i < AT_ONCE; i++)
		free(p[i]);
}

int main(void)
{
	guard(120);
	for (int round = 0; round < 2; round++) {
		for (size_t align = 1; align <= GB; align *= 2) {
			static const size_t sizes[] = { 0, 1, 7, 100, 4096, 5000, 14336, 14337, 70000,
							2 * MB - 1, 2 * MB, 3 * MB };

			for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
				several(align, sizes[i]);
			if (align < 16 * MB) {
				several(align, align);
				several(align, align + 1);
				several(align, 3 * align - 1);
			}
		}
	}
	CHECK(!aligned_alloc(24, 100) && errno == EINVAL);
	CHECK((uintptr_t)valloc(10) % 4096 == 0);
	exercise(1, 10);
	return 0;
}
