/* SPDX-License-Identifier: MIT */
/*
 * Blocks above SMALL_MAX: a large one is a span within an extent, with the
 * size of its class; a huge one is whole pages from the start of an extent on.
 */
#ifndef ASHLAR_LARGE_H
#define ASHLAR_LARGE_H

#include "pageheap.h"
#include "sizeclass.h"

/*
 * @size > SMALL_MAX bytes (less is rounded up to LARGE_MIN), aligned to @align, a power of
 * two >= PAGE_SIZE. *@zeroed (may be NULL): whether it reads as zero. NULL:
 * no memory.
 */
void *large_alloc(struct pageheap *h, size_t size, size_t align, bool *zeroed);

/* A large block's pages go back to their heap. */
void large_free_span(void *p, unsigned int class);

/* The same for @n blocks, which may be of several heaps. */
void large_free_spans(void **blocks, const uint8_t *classes, unsigned int n);

void huge_free(void *p);

/* Bytes of the huge block @p of window @w. */
size_t huge_size(const struct window *w, const void *p);

/*
 * Make the large or huge block @p of @class hold @size bytes without moving
 * it. *@zeroed is whether bytes beyond the old size read as zero.
 */
bool large_resize(void *p, unsigned int class, size_t size, bool *zeroed);

#endif /* ASHLAR_LARGE_H */
