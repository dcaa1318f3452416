/* SPDX-License-Identifier: MIT */
/*
 * Allocation in all its forms, beneath the public names: what malloc.c,
 * the C++ operators and the jemalloc names are made of.
 */
#ifndef ASHLAR_BLOCK_H
#define ASHLAR_BLOCK_H

#include "fast.h"

/* What a pointer turned out to be. */
struct block {
	struct window *w;
	unsigned int class;
	size_t size;	/* usable bytes */
};

/*
 * Look @p up. False if it is not the start of a page or slot that could be
 * freed: foreign, interior, or free already as far as the maps can tell.
 */
bool block_find(const void *p, struct block *b);

/*
 * The same for one who will use it: size is what the program may write. A pointer that is
 * none of a live block goes to block_foreign() as @call's; with option redzone one that was
 * overrun ends the process.
 */
bool block_live(const char *call, const void *p, struct block *b);

/* malloc without libc's conventions: NULL leaves errno alone. */
void *block_alloc(size_t size);
/* Aligned to @align, a power of two. */
void *block_alloc_aligned(size_t align, size_t size);
void *block_alloc_zeroed(size_t size);

/* Same, from @a and past the thread's cache if @a is given; @align at least 1. */
void *block_alloc_from(struct arena *a, size_t align, size_t size, bool zero);

/* Free past the cache. */
void block_free_direct(void *p);

/* There is none for @size bytes: the end, if option xmalloc says so. */
void block_no_memory(size_t size);

/* Usable bytes that a request of @size aligned to @align would get; 0: impossible. */
size_t block_good_size(size_t align, size_t size);

/* The free of a pointer that is not ours: one sentence and abort, or nothing by option. */
void block_foreign(const char *call, const void *p);

#endif /* ASHLAR_BLOCK_H */
