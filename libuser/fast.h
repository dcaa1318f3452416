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
/* A block popped when the countdown ran out: run the event, return @p. */
void *event_malloc(struct tcache *t, void *p);

static inline void *fast_malloc(size_t size)
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
	return slow_malloc(size);
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

#endif /* ASHLAR_FAST_H */
