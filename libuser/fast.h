/* SPDX-License-Identifier: MIT */
/*
 * The fast paths, inline, for every name that allocates or frees.
 *
 *	fast_malloc			size -> class by table, pop
 *	 └ slow_malloc			no cache yet, not small, stack empty, countdown over
 *	    ├ thread_cache		first use by this thread
 *	    ├ tcache_fill		└ arena_fill: depot, then slabs, then a new slab
 *	    └ tcache_pop_large		└ large_alloc: span from the page heap, or extents
 *	fast_free			base/limit, page -> class, push
 *	 └ slow_free			NULL, full stack, other node, large, huge, not ours
 *	    ├ tcache_flush_push		└ arena_flush: depot, then home to the slabs
 *	    ├ tcache_push_remote	a batch goes home at once
 *	    └ tcache_push_large		└ large_free_span: free pages, dirty, decay
 *
 * Promised: 17 instructions each way for a small block, no lock, no atomic.
 */
#ifndef ASHLAR_FAST_H
#define ASHLAR_FAST_H

#include "thread.h"

void *slow_malloc(size_t size);
void slow_free(void *p);
/* With the size that the caller says it has: a wrong one ends the process. */
void slow_free_sized(const char *call, void *p, size_t align, size_t size);
/* A block popped when the countdown ran out: run the event, return @p. */
void *event_malloc(struct tcache *t, void *p);

/* @slow is what to tail-call when the stack cannot serve: a constant. */
static inline __attribute__((always_inline)) void *fast_alloc(size_t size, void *(*slow)(size_t))
{
	struct tcache *t = ash_tls;

	if (likely(size <= SMALL_MAX)) {
		struct cbin *b = (struct cbin *)((char *)t->bins + sizeclass_offset[(size + 7) >> 3]);
		void **top = b->top;

		if (likely(top != b->base)) {
			void *p = *--top;

			b->top = top;
			t->countdown -= (int64_t)size;
			if (unlikely(t->countdown < 0))
				return event_malloc(t, p);
			return p;
		}
	}
	return slow(size);
}

static inline void *fast_malloc(size_t size)
{
	return fast_alloc(size, slow_malloc);
}

static inline void fast_free(void *p)
{
	struct tcache *t = ash_tls;
	size_t offset = (uintptr_t)p - t->base;

	if (likely(offset < t->limit)) {
		struct cbin *b = &t->bins[t->classes[offset >> PAGE_SHIFT]];
		void **top = b->top;

		/* Freed again at once: the slow path says so. */
		if (likely(top != b->end && top[-1] != p)) {
			*top = p;
			b->top = top + 1;
			return;
		}
	}
	slow_free(p);
}

/* The size names the stack; the page must agree, but for a few blocks that got a larger class. */
static inline void fast_free_sized(void *p, size_t size)
{
	struct tcache *t = ash_tls;
	size_t offset = (uintptr_t)p - t->base;

	if (likely(offset < t->limit && size <= SMALL_MAX)) {
		unsigned int at = sizeclass_offset[(size + 7) >> 3];
		struct cbin *b = (struct cbin *)((char *)t->bins + at);
		void **top = b->top;

		if (likely(t->classes[offset >> PAGE_SHIFT] * CLASS_STRIDE == at &&
			   top != b->end && top[-1] != p)) {
			*top = p;
			b->top = top + 1;
			return;
		}
	}
	slow_free_sized("sized free", p, 1, size);
}

#endif /* ASHLAR_FAST_H */
