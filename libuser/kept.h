/* SPDX-License-Identifier: MIT */
/*
 * Free spans of large blocks that are kept whole for the next of their class:
 * taking one is two words changed under the page heap's lock, where cutting one
 * from an extent and joining it to its neighbours is a walk over bitmaps.
 *
 * A kept span's pages count as used in its extent, and as dirty in statistics.
 * Whoever needs pages of any other kind (a purge, a span that finds no room, a
 * block that wants to grow) has them all joined again first. Spans are linked by
 * the page's number in the home window's spanmap; those of other windows are not
 * kept.
 *
 *	kept_pages == sum over kept spans of their pages
 *	           <= active / 4 + 1024 when the last one was kept
 *
 * Every function here is called under the heap's lock.
 */
#ifndef ASHLAR_KEPT_H
#define ASHLAR_KEPT_H

#include "extent.h"

/* A span of large @class, not zeroed; NULL if none is kept. */
static inline void *kept_pop(struct pageheap *h, unsigned int class)
{
	uint32_t *head = &h->kept[class - CLASS_LARGE_FIRST];
	uint32_t page = *head;

	if (!page)
		return NULL;
	*head = window_spans(h->windows[0])[page];
	h->kept_pages -= sizeclasses[class].pages_max;
	return h->windows[0]->base + ((size_t)page << PAGE_SHIFT);
}

/* Keep the span at @p of large @class; false: it has to be joined. */
bool kept_push(struct pageheap *h, void *p, unsigned int class);

/* Join all that is kept; true if there was any. */
bool kept_flush(struct pageheap *h);

#endif /* ASHLAR_KEPT_H */
