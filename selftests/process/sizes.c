// SPDX-License-Identifier: MIT
/*
 * Sizes at their extremes: what cannot be is NULL with ENOMEM, at once; nothing is
 * still something; each size's block is aligned, as large as asked, and writable to its end.
 */
#include "check.h"

/* The optimiser knows that such calls fail and must not say so first. */
static size_t hide(size_t n)
{
	__asm__ volatile("" : "+r"(n));
	return n;
}

#define REFUSED(call)							\
	do {								\
		errno = 0;						\
		CHECK(!seen(call) && errno == ENOMEM, "%zu: errno is %d", n, errno); \
	} while (0)

static void impossible(void)
{
	static const size_t sizes[] = {
		SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4095, SIZE_MAX - 4096, SIZE_MAX / 2 + 1,
		(size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX - 4096, (size_t)1 << 62, (size_t)1 << 47,
		(size_t)1 << 46,
	};
	void *keep = seen(malloc(100)), *p;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = hide(sizes[i]);

		REFUSED(malloc(n));
		REFUSED(calloc(1, n));
		REFUSED(calloc(n, 1));
		REFUSED(calloc(n, n));
		REFUSED(calloc(n, 2));
		REFUSED(realloc(seen(keep), n));
		REFUSED(realloc(NULL, n));
		REFUSED(reallocarray(seen(keep), n, 3));
		REFUSED(aligned_alloc(16, n));
		REFUSED(aligned_alloc(4096, n));
		REFUSED(memalign(64 * MB, n));
		REFUSED(valloc(n));
		REFUSED(pvalloc(n));
		CHECK(posix_memalign(&p, 64, n) == ENOMEM);
	}
	for (size_t n = (size_t)1 << 48; n <= (size_t)1 << 62; n <<= 1)
		REFUSED(memalign(hide(n), 100));
	for (size_t n = (size_t)1 << 32; n; n <<= 1)
		REFUSED(calloc(hide(n), (size_t)1 << 32));
	free(seen(keep));
}

static void nothing(void)
{
	void *a = malloc(0), *b = malloc(0), *c = calloc(0, 10), *d = realloc(NULL, 0), *e;

	CHECK(a && b && c && d && a != b && a != c && b != c && c != d);
	CHECK(!posix_memalign(&e, 4096, 0) && e);
	free(e);
	e = aligned_alloc(64, 0);
	CHECK(e);
	free(e);
	/* As glibc does. */
	CHECK(!realloc(d, 0));
	free(a);
	free(b);
	free(c);
	e = pvalloc(0);
	CHECK(e && malloc_usable_size(e) >= 4096);
	free(e);
	CHECK(!malloc_usable_size(NULL));
}

static void one(size_t n)
{
	unsigned char *p = malloc(n);
	size_t usable;

	CHECK(p, "%zu", n);
	usable = malloc_usable_size(p);
	CHECK(usable >= n, "%zu: usable %zu", n, usable);
	CHECK((uintptr_t)p % (n > 8 ? 16 : 8) == 0, "%zu: %p", n, (void *)p);
	/* The waste is bounded: a quarter above 128 bytes. */
	CHECK(n < 128 || n > 64 * MB || usable <= n + n / 4 + 16, "%zu: usable %zu", n, usable);
	memset(p, 0xa5, usable);
	free(seen(p));
}

int main(void)
{
	guard(120);
	impossible();
	nothing();
	for (size_t n = 1; n < 40000; n++)
		one(n);
	for (size_t n = 40000; n < 12 * MB; n += n / 50) {
		one(n);
		one(n / 4096 * 4096);
		one(n / 4096 * 4096 + 1);
	}
	impossible();
	exercise(1, 10);
	return 0;
}
