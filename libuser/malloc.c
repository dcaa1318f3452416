// SPDX-License-Identifier: MIT
/* The public names of C, as ashlar_*; libc's own are aliases of these (see alias.h). */
#include "ashlar.h"

#include <errno.h>
#include <string.h>

#include "alias.h"
#include "conf.h"
#include "large.h"
#include "resize.h"

/* What came of a request of @size bytes. */
static void *or_enomem(void *p, size_t size)
{
	if (unlikely(!p)) {
		block_no_memory(size);
		errno = ENOMEM;
	}
	return p;
}

EXPORT void *ashlar_malloc(size_t size)
{
	return fast_malloc(size);
}

EXPORT void ashlar_free(void *p)
{
	fast_free(p);
}

/* Sizes above TCACHE_NEAR, and whatever the stack could not serve. */
static noinline void *calloc_slow(size_t size)
{
	void *p;
	int saved;

	if (size <= SMALL_MAX) {
		p = size > TCACHE_NEAR ? mid_malloc(size, ash_tls) : slow_malloc(size);
		return p ? memset(p, 0, size) : NULL;
	}
	saved = errno;
	p = or_enomem(block_alloc_zeroed(size), size);
	errno = p ? saved : ENOMEM;
	return p;
}

/* Clears a block of @size bytes, whose room is a multiple of 16 if it is more than 8. */
static inline void *clear(char *p, size_t size)
{
	char *end = p + round_up(size, 16);

	if (size > 128)
		return memset(p, 0, size);
	if (size > 64) {
		memset(p, 0, 64);
		memset(end - 64, 0, 64);
	} else if (size > 32) {
		memset(p, 0, 32);
		memset(end - 32, 0, 32);
	} else if (size > 8) {
		memset(p, 0, 16);
		memset(end - 16, 0, 16);
	} else {
		memset(p, 0, 8);
	}
	return p;
}

EXPORT void *ashlar_calloc(size_t n, size_t size)
{
	struct tcache *t = ash_tls;
	size_t total;
	void *p;

	if (unlikely(__builtin_mul_overflow(n, size, &total)))
		return or_enomem(NULL, SIZE_MAX);
	p = likely(total <= TCACHE_NEAR) ? fast_pop(t, t->near[total], total) : NULL;
	return likely(p) ? clear(p, total) : calloc_slow(total);
}

EXPORT void *ashlar_realloc(void *p, size_t size)
{
	if (unlikely(!p))
		return fast_malloc(size);
	if (unlikely(!size)) {
		atomic_fetch_add_explicit(&block_zero_reallocs, 1, memory_order_relaxed);
		if (conf.zero_realloc == ZERO_REALLOC_ABORT)
			ash_fatal("option zero_realloc: realloc of block %p to 0 bytes", p);
		if (conf.zero_realloc == ZERO_REALLOC_ALLOC)
			return or_enomem(block_realloc(p, 1), 1);
		fast_free(p);
		return NULL;
	}
	if (unlikely(size > SIZE_LIMIT))
		return or_enomem(NULL, SIZE_MAX);
	return or_enomem(block_realloc(p, size), size);
}

EXPORT void *ashlar_reallocarray(void *p, size_t n, size_t size)
{
	size_t total;

	if (unlikely(__builtin_mul_overflow(n, size, &total)))
		return or_enomem(NULL, SIZE_MAX);
	return ashlar_realloc(p, total);
}

static void *memalign_checked(size_t align, size_t size)
{
	if (!is_pow2(align)) {
		errno = EINVAL;
		return NULL;
	}
	return or_enomem(block_alloc_aligned(align, size), size);
}

EXPORT int ashlar_posix_memalign(void **out, size_t align, size_t size)
{
	int saved = errno;
	void *p;

	if (!is_pow2(align) || align % sizeof(void *))
		return EINVAL;
	p = block_alloc_aligned(align, size);
	errno = saved;
	if (!p) {
		block_no_memory(size);
		return ENOMEM;
	}
	*out = p;
	return 0;
}

EXPORT void *ashlar_aligned_alloc(size_t align, size_t size)
{
	return memalign_checked(align, size);
}

EXPORT void *ashlar_memalign(size_t align, size_t size)
{
	/* glibc rounds an odd alignment up; so do we. */
	if (align > (size_t)1 << 62)
		return memalign_checked(0, size);
	if (align && !is_pow2(align))
		align = (size_t)1 << (log2_floor(align) + 1);
	return memalign_checked(max(align, (size_t)1), size);
}

EXPORT void *ashlar_valloc(size_t size)
{
	return memalign_checked(PAGE_SIZE, size);
}

EXPORT void *ashlar_pvalloc(size_t size)
{
	if (size > SIZE_LIMIT)
		return or_enomem(NULL, SIZE_MAX);
	return memalign_checked(PAGE_SIZE, round_up(max(size, (size_t)1), PAGE_SIZE));
}

EXPORT size_t ashlar_malloc_usable_size(const void *p)
{
	struct block b;

	if (!p)
		return 0;
	return block_live("malloc_usable_size", p, &b) ? b.size : 0;
}

EXPORT void ashlar_free_sized(void *p, size_t size)
{
	fast_free_sized(p, size);
}

EXPORT void ashlar_free_aligned_sized(void *p, size_t align, size_t size)
{
	slow_free_sized("free_aligned_sized", p, align, size);
}

ALIAS(void *, malloc, (size_t), ashlar_malloc);
ALIAS(void *, calloc, (size_t, size_t), ashlar_calloc);
ALIAS(void *, realloc, (void *, size_t), ashlar_realloc);
ALIAS(void *, reallocarray, (void *, size_t, size_t), ashlar_reallocarray);
ALIAS(void, free, (void *), ashlar_free);
ALIAS(void, cfree, (void *), ashlar_free);
ALIAS(void, free_sized, (void *, size_t), ashlar_free_sized);
ALIAS(void, free_aligned_sized, (void *, size_t, size_t), ashlar_free_aligned_sized);
ALIAS(int, posix_memalign, (void **, size_t, size_t), ashlar_posix_memalign);
ALIAS(void *, aligned_alloc, (size_t, size_t), ashlar_aligned_alloc);
ALIAS(void *, memalign, (size_t, size_t), ashlar_memalign);
ALIAS(void *, valloc, (size_t), ashlar_valloc);
ALIAS(void *, pvalloc, (size_t), ashlar_pvalloc);
ALIAS(size_t, malloc_usable_size, (const void *), ashlar_malloc_usable_size);
