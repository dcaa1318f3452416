/* SPDX-License-Identifier: MIT */
/*
 * Blocks above SMALL_MAX: a large one is a span within an extent, with the
 * size of its class; a huge one is whole pages from the start of an extent on, or, where
 * blocks of its size do not come back yet, fewer anywhere within one.
 */
#ifndef ASHLAR_LARGE_H
#define ASHLAR_LARGE_H

#include "kept.h"
#include "pageheap.h"
#include "sizeclass.h"

/*
 * @size > SMALL_MAX bytes (less is rounded up to LARGE_MIN), aligned to @align, a power of
 * two >= PAGE_SIZE. *@zeroed (may be NULL): whether it reads as zero. NULL:
 * no memory.
 */
void *large_alloc(struct pageheap *h, size_t size, size_t align, bool *zeroed);

/* The same for LARGE_MAX bytes at the most, of large @class, aligned to a page. */
void *large_alloc_class(struct pageheap *h, size_t size, size_t class, bool *zeroed);

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

/* One more of @class. */
static inline void large_count(_Atomic size_t *counters, size_t class)
{
	atomic_fetch_add_explicit(&counters[class - CLASS_LARGE_FIRST], 1, memory_order_relaxed);
}

_Noreturn void large_misuse(const void *p);

/*
 * Every seventh large block of a program that has hundreds of all sizes comes and goes by the
 * next two: inline, and with no call but at their ends.
 */

/* Under @h's lock: a kept span of @class or one of the next as a block, of *@bytes; NULL: none is kept. */
static inline void *large_take_kept(struct pageheap *h, size_t class, size_t *bytes)
{
	struct window *w = h->windows[0];
	size_t page = kept_pop_near(h, w, &class);

	if (unlikely(!page))
		return NULL;
	window_classes(w)[page] = (uint8_t)class;
	large_count(h->large_made, class);
	*bytes = sizeclass_bytes[class];
	return w->base + (page << PAGE_SHIFT);
}

/* What large_free_home() does not keep is joined; @h's lock is held, and dropped. */
void large_join_home(struct pageheap *h, size_t page, size_t class);

/*
 * The block @p, at @page of @h's first window and, as the maps said just now, of large @class,
 * goes back to it. False: the heap's lock is taken.
 */
static inline bool large_free_home(struct pageheap *h, const void *p, size_t page, size_t class)
{
	struct window *w = h->windows[0];

	if (unlikely((uintptr_t)p & (PAGE_SIZE - 1)))
		large_misuse(p);
	if (unlikely(!lock_try(&h->lock)))
		return false;
	window_classes(w)[page] = CLASS_NONE;
	large_count(h->large_gone, class);
	if (likely(kept_push(h, w, page, class)))
		lock_drop(&h->lock);
	else
		large_join_home(h, page, class);
	return true;
}

/* A large block's pages go back to their heap. */
void large_free_span(void *p, unsigned int class);

/* The same for @n >= 1 blocks of one window. */
void large_free_spans(void **blocks, unsigned int n, size_t class);

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
