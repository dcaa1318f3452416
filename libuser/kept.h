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
 *	           <= kept_most == active / 4 + 256 when the last one was kept, kept ones being active
 *
 * Every function here is called under the heap's lock.
 */
#ifndef ASHLAR_KEPT_H
#define ASHLAR_KEPT_H

#include "extent.h"

/* A request may be served by a kept span of one of so many classes above its own. */
#define KEPT_ABOVE	2u
_Static_assert(KEPT_ABOVE == KEPT_LISTS - NLARGE, "the lists above the last class stay empty");

/* A span of large @class, not zeroed: its page in @w, the home window; 0 if none is kept. */
static inline size_t kept_pop(struct pageheap *h, struct window *w, size_t class)
{
	uint32_t *head = &h->kept[class - CLASS_LARGE_FIRST];
	size_t page = *head;

	if (!page)
		return 0;
	*head = window_spans(w)[page];
	h->kept_pages -= sizeclass_bytes[class] >> PAGE_SHIFT;
	return page;
}

/* The same of the class nearest to *@class, and at most KEPT_ABOVE above; said there. */
static inline size_t kept_pop_near(struct pageheap *h, struct window *w, size_t *class)
{
	size_t c = *class, page;

	if (!h->kept[c - CLASS_LARGE_FIRST] && !h->kept[++c - CLASS_LARGE_FIRST])
		c++;
	page = kept_pop(h, w, c);
	if (page)
		*class = c;
	return page;
}

/* Keep the span at @page of @w, the home window, of large @class; false: it has to be joined. */
static inline bool kept_push(struct pageheap *h, struct window *w, size_t page, size_t class)
{
	size_t pages = sizeclass_bytes[class] >> PAGE_SHIFT;
	uint32_t *head = &h->kept[class - CLASS_LARGE_FIRST];

	/* Page 0 is the list's end. */
	pages += h->kept_pages;
	if (unlikely(!page || pages > h->kept_most))
		return false;
	window_spans(w)[page] = *head;
	*head = (uint32_t)page;
	h->kept_pages = pages;
	return true;
}

/* Join all that is kept; true if there was any. */
bool kept_flush(struct pageheap *h);

#endif /* ASHLAR_KEPT_H */
