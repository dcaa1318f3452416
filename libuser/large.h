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

/*
 * The same as pages that know their arena, so that all of an arena's can be found:
 * in the maps a huge block, whatever its size, with the arena's number in the
 * spanmap's second word. Every other huge block has 0 there.
 */
void *large_alloc_owned(struct pageheap *h, unsigned int arena, size_t size, size_t align,
			bool *zeroed);

/* Index + 1 of the arena that the huge block at page @at of @w belongs to; 0: the node's. */
static inline uint32_t large_owner(const struct window *w, size_t at)
{
	return ((volatile uint32_t *)window_spans(w))[at + 1];
}

/* A kept span as a block of large @class, or of the next; NULL: none is kept. */
void *large_take_kept(struct pageheap *h, unsigned int class);

/* A large block of @h's first window goes back to it. */
void large_free_home(struct pageheap *h, void *p, unsigned int class);

/* A large block's pages go back to their heap. */
void large_free_span(void *p, unsigned int class);

/* The same for @n >= 1 blocks of one window. */
void large_free_spans(void **blocks, unsigned int n, unsigned int class);

void huge_free(void *p);

/* Bytes of the huge block @p of window @w. */
size_t huge_size(const struct window *w, const void *p);

/* Bytes of the large or huge block @p. */
size_t large_size(const void *p);

/*
 * What can be of the first @size bytes of @from moves to @to without a copy; how much of them, from
 * the front. Nothing but huge blocks can; @from is to be freed next.
 */
size_t large_move(void *to, void *from, size_t size);

/*
 * Make the large or huge block @p of @class hold @size bytes without moving
 * it. *@zeroed is whether bytes beyond the old size read as zero.
 */
bool large_resize(void *p, unsigned int class, size_t size, bool *zeroed);

#endif /* ASHLAR_LARGE_H */
