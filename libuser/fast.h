/* SPDX-License-Identifier: MIT */
/*
 * The fast paths, inline, for every name that allocates or frees.
 *
 *	fast_malloc			size -> class by table, pop
 *	 ├ mid_malloc			sizes above TCACHE_NEAR: the same with a longer table, and large stacks
 *	 │  └ large_kept		└ large_take_kept: a span kept whole by the page heap
 *	 └ slow_malloc			no cache yet, not small, stack empty, countdown over
 *	    ├ thread_cache		first use by this thread
 *	    ├ tcache_fill		└ arena_fill: depot, then slabs, then a new slab
 *	    └ large_fresh		└ large_alloc: span from the page heap, or extents
 *	fast_free			base/limit, page -> class, push
 *	 ├ full_free			a large block: push, if the bytes have room, or
 *	 │				large_free_home: kept whole, or joined to its neighbours
 *	 └ slow_free			NULL, full stack, other node, huge, not ours
 *	    ├ tcache_flush_push		└ arena_flush: depot, or home to the slabs (arena_sorts, is_handed_over)
 *	    ├ tcache_push_remote	a batch goes home at once
 *	    └ free_span			└ large_free_span, huge_free: free pages, dirty, decay
 *
 * Promised: 13 instructions for a small malloc, 16 for its free, no lock, no atomic.
 */
#ifndef ASHLAR_FAST_H
#define ASHLAR_FAST_H

#include "thread.h"

void *slow_malloc(size_t size);
/* Sizes above TCACHE_NEAR: the stack may serve those up to LARGE_MAX. */
void *mid_malloc(size_t size, struct tcache *t);
void slow_free(void *p);
/* Of the home window, but its stack does not take it: a large block's, full, or no block. */
void full_free(void *p, struct tcache *t, size_t class);
/* With the size that the caller says it has: a wrong one ends the process. */
void slow_free_sized(const char *call, void *p, size_t align, size_t size);

/*
 * Pop from the stack of small @class. NULL if it is empty, or if the countdown
 * ran out: slow_malloc() has to look at that first.
 */
static inline __attribute__((always_inline)) void *fast_pop(struct tcache *t, size_t class,
							    size_t size)
{
	void **top = t->top[class];

	OPAQUE(class);
	if (unlikely(top == t->base_of[class]))
		return NULL;
	t->countdown -= (int64_t)size;
	if (unlikely(t->countdown < 0))
		return NULL;
	OPAQUE(class);
	t->top[class]--;
	if (!top[-1])
		__builtin_unreachable();	/* no caller has to look twice */
	return top[-1];
}

/* @mid and @slow, constants: what to tail-call for larger sizes, and when the stack does not serve. */
static inline __attribute__((always_inline)) void *fast_alloc(size_t size,
							      void *(*mid)(size_t, struct tcache *),
							      void *(*slow)(size_t))
{
	struct tcache *t = ash_tls;
	void *p;

	if (unlikely(size > TCACHE_NEAR))
		return mid(size, t);
	p = fast_pop(t, t->near[size], size);
	return likely(p) ? p : slow(size);
}

static inline void *fast_malloc(size_t size)
{
	return fast_alloc(size, mid_malloc, slow_malloc);
}

/* Push on the stack of small *@class; false if it is full, or if @twice finds @p freed just now. */
static inline __attribute__((always_inline)) bool fast_push(struct tcache *t, size_t *class,
							    void *p, bool twice)
{
	void **top = t->top[*class];

	OPAQUE(*class);
	if (unlikely(top == t->end[*class] || (twice && top[-1] == p)))
		return false;
	OPAQUE(*class);
	t->top[*class]++;
	*top = p;
	return true;
}

static inline __attribute__((always_inline)) void fast_free_looking(void *p, bool twice)
{
	struct tcache *t = ash_tls;
	size_t offset = (uintptr_t)p - t->base;

	size_t class;

	if (unlikely(offset >= t->limit)) {
		slow_free(p);
		return;
	}
	class = t->classes[offset >> PAGE_SHIFT];
	if (unlikely(!fast_push(t, &class, p, twice)))
		full_free(p, t, class);
}

static inline void fast_free(void *p)
{
	fast_free_looking(p, true);
}

/* The size names the stack; the page must agree, but for a few blocks that got a larger class. */
static inline void fast_free_sized(void *p, size_t size)
{
	struct tcache *t = ash_tls;
	size_t offset = (uintptr_t)p - t->base;
	size_t class;

	if (likely(offset < t->limit && size <= TCACHE_NEAR)) {
		class = t->near[size];
		if (likely(t->classes[offset >> PAGE_SHIFT] == class && fast_push(t, &class, p, true)))
			return;
	}
	slow_free_sized("sized free", p, 1, size);
}

#endif /* ASHLAR_FAST_H */
