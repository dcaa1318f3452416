// SPDX-License-Identifier: MIT
/*
 * jemalloc's extended interface. The flags are its own:
 *
 *	bits 0-5	log2 of the alignment; 0: as malloc
 *	bit 6		zero
 *	bits 8-19	1: past the thread's cache; 2 and up: cache number + 2
 *	bits 20-31	arena's index + 1; 0: the thread's
 *
 * A numbered cache is whatever its arena's depots are: such calls go past the
 * thread's cache like those without one.
 */
#include "ashlar.h"

#include <string.h>

#include "alias.h"
#include "arenas.h"
#include "resize.h"

/* The alignment asked for, 1 if none was. */
static size_t flags_align(int flags)
{
	return (size_t)1 << (flags & 0x3f);
}

static bool flags_zero(int flags)
{
	return flags & ASHLAR_MALLOCX_ZERO;
}

static bool flags_direct(int flags)
{
	return (unsigned int)flags >> 8;
}

static struct arena *flags_arena(int flags)
{
	struct tcache *t = thread_cache();
	unsigned int index = (unsigned int)flags >> 20;

	if (!thread_ready())
		return NULL;
	return index ? arena_get(index - 1) : thread_arena(t);
}

static noinline void *mallocx_flags(size_t size, int flags)
{
	size_t align = flags_align(flags), good = block_good_size(align, size);
	struct arena *a;
	void *p;

	if (!good)
		return NULL;
	/* "Zeroed" means all that sallocx() says, which the size of the class stands for. */
	if (flags_direct(flags) || (flags_zero(flags) && good > SMALL_MAX)) {
		a = flags_arena(flags);
		return a ? block_alloc_from(a, align, good, flags_zero(flags)) : NULL;
	}
	p = block_alloc_aligned(align, good);
	if (p && flags_zero(flags))
		memset(p, 0, good);
	return p;
}

/*
 * What has to be asked of malloc for a block of @size to be what nallocx() says: of a large
 * one malloc may give no more than the pages of it.
 */
static inline size_t as_promised(size_t size)
{
	size_t good;

	if (likely(size <= SMALL_MAX))
		return size;
	good = block_good_size(1, size);
	return good ? good : size;
}

EXPORT void *ashlar_mallocx(size_t size, int flags)
{
	return likely(!flags) ? fast_malloc(as_promised(size)) : mallocx_flags(size, flags);
}

EXPORT void ashlar_dallocx(void *p, int flags)
{
	if (likely(!flags_direct(flags)))
		fast_free(p);
	else
		block_free_direct(p);
}

EXPORT void ashlar_sdallocx(void *p, size_t size, int flags)
{
	if (likely(!flags))
		fast_free_sized(p, size);
	else if (!flags_direct(flags))
		slow_free_sized("sdallocx", p, flags_align(flags), size);
	else
		block_free_direct(p);
}

/* Can @p stay where it is for @size bytes? It is resized then. */
static bool resize_in_place(void *p, size_t have, size_t align, size_t size, bool zero)
{
	size_t good = block_good_size(align, size);

	if ((uintptr_t)p & (align - 1))
		return false;
	return good == have || (have > SMALL_MAX && block_resize(p, size, 0, zero) == good);
}

EXPORT void *ashlar_rallocx(void *p, size_t size, int flags)
{
	size_t align = flags_align(flags);
	struct block b;
	void *q;

	if (!flags)
		return block_realloc(p, as_promised(size));
	if (!block_live("rallocx", p, &b))
		return NULL;
	if (!block_good_size(align, size))
		return NULL;
	if (resize_in_place(p, b.size, align, size, flags_zero(flags)))
		return p;
	/* It may have grown or shrunk in part. */
	block_live("rallocx", p, &b);
	q = mallocx_flags(size, flags);
	if (!q)
		return NULL;
	block_move(q, p, min(size, b.size));
	ashlar_dallocx(p, flags);
	return q;
}

EXPORT size_t ashlar_xallocx(void *p, size_t size, size_t extra, int flags)
{
	struct block b;

	if (!block_live("xallocx", p, &b))
		return 0;
	if (size > SIZE_LIMIT || ((uintptr_t)p & (flags_align(flags) - 1)))
		return b.size;
	return block_resize(p, size, min(extra, SIZE_LIMIT - size), flags_zero(flags));
}

EXPORT size_t ashlar_sallocx(const void *p, int flags)
{
	(void)flags;
	return ashlar_malloc_usable_size(p);
}

EXPORT size_t ashlar_nallocx(size_t size, int flags)
{
	return block_good_size(flags_align(flags), size);
}

ALIAS(void *, mallocx, (size_t, int), ashlar_mallocx);
ALIAS(void *, rallocx, (void *, size_t, int), ashlar_rallocx);
ALIAS(size_t, xallocx, (void *, size_t, size_t, int), ashlar_xallocx);
ALIAS(size_t, sallocx, (const void *, int), ashlar_sallocx);
ALIAS(void, dallocx, (void *, int), ashlar_dallocx);
ALIAS(void, sdallocx, (void *, size_t, int), ashlar_sdallocx);
ALIAS(size_t, nallocx, (size_t, int), ashlar_nallocx);
