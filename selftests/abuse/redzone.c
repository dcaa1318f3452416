// SPDX-License-Identifier: MIT
/* Option redzone: blocks that were overrun, by how little and how far, and who finds it. */
#include "crime.h"

#include <pthread.h>

static const size_t sizes[] = {
	1, 7, 8, 15, 16, 17, 100, 127, 128, 1000, 4096, 5000, 14320, 14336, 14337, 16384, 100000, 300000,
	1 << 20, 1835008, 2 << 20, (2 << 20) + 1, 5 << 20, 40 << 20,
};
#define NSIZES	(sizeof(sizes) / sizeof(sizes[0]))

/* What a crime is about; set before the child is made. */
static size_t size, offset;

static void expect(void (*crime)(void), const char *call, size_t asked)
{
	char sentence[160];

	snprintf(sentence, sizeof(sentence),
		 "^ashlar: %s: block 0x[0-9a-f]+ of %zu bytes was overrun, first at offset %zu\n$",
		 call, asked, offset);
	expect_abort(crime, sentence);
}

/* One bit, so that no value is the pattern by chance. */
static void spoil(void *p)
{
	((char *)hide(p))[offset] ^= 1;
}

static void by_malloc(void)
{
	void *p = hide(ashlar_malloc(size));

	spoil(p);
	ashlar_free(p);
}

Test(redzone, every_size_by_one_byte)
{
	for (unsigned int i = 0; i < NSIZES; i++) {
		offset = size = sizes[i];
		expect(by_malloc, "free", size);
	}
}

Test(redzone, the_whole_guard)
{
	for (unsigned int i = 0; i < NSIZES; i++) {
		size = sizes[i];
		offset = size + 15;
		expect(by_malloc, "free", size);
	}
}

Test(redzone, a_block_of_no_bytes)
{
	offset = size = 0;
	expect(by_malloc, "free", 0);
}

/* The first byte is named, not the last; what stands behind does not matter. */
static void far(void)
{
	char *p = hide(ashlar_malloc(size));

	memset(hide(p + offset), 0, 3000);
	ashlar_free(p);
}
Test(redzone, far_beyond) { size = 100; offset = 103; expect(far, "free", 100); }

static void by_calloc(void)
{
	char *p = hide(ashlar_calloc(1, size));

	for (size_t i = 0; i < size; i++) {
		if (p[i])
			_exit(9);
	}
	spoil(p);
	ashlar_free(p);
}
Test(redzone, calloc)
{
	for (unsigned int i = 0; i < NSIZES; i++) {
		offset = size = sizes[i];
		expect(by_calloc, "free", size);
	}
}

static size_t align;

static void by_aligned(void)
{
	void *p = hide(ashlar_memalign(align, size));

	if ((uintptr_t)p % align)
		_exit(9);
	spoil(p);
	ashlar_free(p);
}
Test(redzone, aligned)
{
	for (align = 8; align <= 4 * MB; align *= 8) {
		for (unsigned int i = 0; i < NSIZES; i += 3) {
			offset = size = sizes[i];
			expect(by_aligned, "free", size);
		}
	}
}

static void by_mallocx(void)
{
	void *p = hide(ashlar_mallocx(size, ASHLAR_MALLOCX_ALIGN(64) | ASHLAR_MALLOCX_ZERO | ASHLAR_MALLOCX_TCACHE_NONE));

	spoil(p);
	ashlar_dallocx(p, ASHLAR_MALLOCX_TCACHE_NONE);
}
Test(redzone, mallocx) { offset = size = 1000; expect(by_mallocx, "free", size); }

static void sized(void)
{
	void *p = hide(ashlar_malloc(size));

	spoil(p);
	ashlar_free_sized(p, size);
}
Test(redzone, sized_free) { offset = size = 1000; expect(sized, "free", size); }

static void measured(void)
{
	void *p = hide(ashlar_malloc(size));

	spoil(p);
	_exit(ashlar_malloc_usable_size(p) != size);
}
Test(redzone, usable_size) { offset = size = 1000; expect(measured, "malloc_usable_size", size); }

static void realloced(void)
{
	void *p = hide(ashlar_malloc(size));

	spoil(p);
	hide(ashlar_realloc(p, size + 1));
}
Test(redzone, before_realloc)
{
	for (unsigned int i = 0; i < NSIZES; i++) {
		offset = size = sizes[i];
		expect(realloced, "realloc", size);
	}
}

/* The guard follows the size, wherever the block is then. */
static size_t first;

static void after(void)
{
	void *p = hide(ashlar_realloc(hide(ashlar_malloc(first)), size));

	spoil(p);
	ashlar_free(p);
}
Test(redzone, after_realloc)
{
	for (unsigned int i = 0; i < NSIZES; i += 2) {
		for (unsigned int k = 0; k < NSIZES; k += 3) {
			first = sizes[i];
			offset = size = sizes[k];
			expect(after, "free", size);
		}
	}
}

static void *freeing(void *p)
{
	ashlar_free(p);
	return NULL;
}

static void by_another(void)
{
	void *p = hide(ashlar_malloc(size));
	pthread_t t;

	spoil(p);
	pthread_create(&t, NULL, freeing, p);
	pthread_join(t, NULL);
}
Test(redzone, freed_by_another_thread) { offset = size = 100; expect(by_another, "free", size); }

static void in_child(void)
{
	void *p = hide(ashlar_malloc(size));
	int status;
	pid_t pid;

	spoil(p);
	pid = fork();
	if (!pid)
		ashlar_free(p);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		abort();
}
Test(redzone, overrun_before_fork) { offset = size = 100; expect(in_child, "free", size); }

static void twice(void)
{
	void *p = hide(ashlar_malloc(100));

	ashlar_free(p);
	ashlar_free(hide(p));
}
Test(redzone, freed_twice) { expect_abort(twice, "freed twice"); }

static void inside(void) { ashlar_free((char *)hide(ashlar_malloc(100)) + 16); }
Test(redzone, inside) { expect_abort(inside, "points inside a block"); }

static void measured_inside(void) { ashlar_malloc_usable_size((char *)hide(ashlar_malloc(100)) + 16); }
Test(redzone, measured_inside) { expect_abort(measured_inside, "not the start of a live block"); }

static void sized_by_one(void) { ashlar_free_sized(hide(ashlar_malloc(100)), 101); }
Test(redzone, sizes_are_exact) { expect_abort(sized_by_one, "sized free: block 0x[0-9a-f]+ has 100 bytes, not the 101"); }

/* All that may be written is, and nobody complains; contents stay through every change of size. */
static void fill(unsigned char *p, size_t n, unsigned char byte)
{
	if (ashlar_malloc_usable_size(p) != n)
		_exit(3);
	memset(p, byte, n);
}

static void holds(const unsigned char *p, size_t n, unsigned char byte)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != byte)
			_exit(4);
	}
}

static void law_abiding(void)
{
	unsigned char byte = 1;

	for (unsigned int i = 0; i < NSIZES; i++) {
		for (unsigned int k = 0; k < NSIZES; k++) {
			size_t a = sizes[i], b = sizes[k];
			unsigned char *p = hide(ashlar_malloc(a));

			fill(p, a, ++byte);
			p = hide(ashlar_realloc(p, b));
			holds(p, a < b ? a : b, byte);
			fill(p, b, ++byte);
			p = hide(ashlar_rallocx(p, a, ASHLAR_MALLOCX_ZERO));
			holds(p, a < b ? a : b, byte);
			if (a > b)
				holds(p + b, a - b, 0);
			fill(p, a, ++byte);
			b = ashlar_xallocx(p, b, 100, ASHLAR_MALLOCX_ZERO);
			holds(p, a < b ? a : b, byte);
			if (b > a)
				holds(p + a, b - a, 0);
			fill(p, b, ++byte);
			ashlar_sdallocx(p, b, 0);
		}
		for (size_t to = 8; to <= 4 * MB; to *= 8) {
			unsigned char *p = hide(ashlar_aligned_alloc(to, sizes[i]));

			fill(p, sizes[i], ++byte);
			ashlar_free_aligned_sized(p, to, sizes[i]);
		}
		if (ashlar_nallocx(sizes[i], 0) != sizes[i])
			_exit(5);
	}
	for (unsigned int shift = 0; shift < 2; shift++) {
		/* The sum with the guard must not wrap. */
		size_t most = (size_t)hide((void *)(SIZE_MAX >> shift));

		if (ashlar_malloc(most) || ashlar_calloc(1, most - 8) || ashlar_nallocx(most, 0))
			_exit(6);
	}
}
Test(redzone, all_that_was_asked_for_may_be_written) { expect_nothing(law_abiding); }

static void *churn(void *unused)
{
	enum { N = 200 };
	unsigned char *p[N] = { NULL };
	size_t n[N] = { 0 };
	unsigned int random = 12345;

	(void)unused;
	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int k = (random = random * 1103515245u + 12345u) >> 16 & 127;

		holds(p[k], n[k], (unsigned char)k);
		n[k] = 1 + (random >> 8) % (i % 50 ? 500 : 50000);
		p[k] = i % 3 ? (ashlar_free(p[k]), hide(ashlar_malloc(n[k]))) : hide(ashlar_realloc(p[k], n[k]));
		memset(p[k], (int)k, n[k]);
	}
	for (unsigned int k = 0; k < N; k++)
		ashlar_free(p[k]);
	return NULL;
}

static void threads(void)
{
	pthread_t t[4];

	for (unsigned int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, churn, NULL);
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}
Test(redzone, threads) { expect_nothing(threads); }
