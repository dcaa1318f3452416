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
 * Kept as well is the rest of an extent that nobody used before, for the class that opened it, if
 * that class had opened the last one, too: who asks for 1 MB again and again gets every second
 * block for two words changed, and as zero as the first.
 *
 * And slabs that became empty, with their records, for the next of as many pages, whatever its class. They are
 * joined as well before a page that is not dirty is taken for another. Where they are in many extents, those of
 * the emptier ones are joined on their way: what is made next lies with what is there, and extents become free.
 *
 *	kept_pages == sum over kept spans of their pages + fresh_left
 *	           <= kept_most == active / 4 + 256 when the last one was kept, kept ones being active
 *	kept_slab_pages == sum over kept slabs of their pages == sum over extents of nkept <= KEPT_SLAB_PAGES
 *
 * Every function here is called under the heap's lock, but for kept_slab().
 */
#ifndef ASHLAR_KEPT_H
#define ASHLAR_KEPT_H

#include "extent.h"
#include "record.h"

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

	/* Page 0 is the list's end, and no list knows those beyond 16 TB. */
	pages += h->kept_pages;
	if (unlikely(page - 1 >= UINT32_MAX || pages > h->kept_most))
		return false;
	window_set_span(w, page, *head);
	*head = (uint32_t)page;
	h->kept_pages = pages;
	return true;
}

/* The span at @page of @w, of large @class, goes back: kept, or joined to its neighbours. */
static inline void kept_free(struct pageheap *h, struct window *w, size_t page, size_t class)
{
	if (w != h->windows[0] || !kept_push(h, w, page, class))
		extent_unuse_run(h, w, page, sizeclass_bytes[class] >> PAGE_SHIFT);
}

/* A span of the pages set aside for large @class, which read as zero: its page in the home window, or 0. */
static inline size_t fresh_pop(struct pageheap *h, size_t class)
{
	uint32_t n = sizeclass_bytes[class] >> PAGE_SHIFT, page = h->fresh_page;

	if (!h->fresh_left || h->fresh_class != class)
		return 0;
	h->fresh_page += n;
	h->fresh_left -= n;
	h->kept_pages -= n;
	return page;
}

/* So many that whoever has all of them joined does not wait long, and as many as are joined at a time. */
#define KEPT_SLAB_PAGES	((size_t)2048)
#define KEPT_JOIN	((size_t)64)

/* Where slabs are kept in more than so many extents, they are in those of which so many pages are used. */
#define KEPT_FEW	4u
#define KEPT_LEAST	(EXTENT_PAGES / 4)

/* The slab of @npages that is next, NULL if none is kept: without the lock a guess whether there is one. */
static inline struct slab *kept_slab(struct pageheap *h, unsigned int npages)
{
	return atomic_load_explicit(&h->kept_slabs[npages], memory_order_relaxed);
}

/* A slab of @npages, all of whose slots are free; NULL if none is kept, or not where slabs are. */
struct slab *kept_pop_slab(struct pageheap *h, unsigned int npages);

/* Keep @s, which is empty and in no list; or join it to its neighbours. */
void kept_push_slab(struct pageheap *h, struct slab *s);

/* Join slabs of @pages pages and a few more, or as many as are kept. */
void kept_join_slabs(struct pageheap *h, size_t pages);

/* The pages of @s, which is empty and in no list, are free; its record is in h->joined. */
void kept_join_slab(struct pageheap *h, struct slab *s);

/*
 * Lets go of the heap's lock, and puts up to @most of the records in h->joined. The last of a group to go is a
 * system call: nothing to have the lock for, nor for one caller to do for all. Where slabs are joined and
 * the lock is just dropped, they wait for the next slab that is made or goes, or for decay.
 */
void kept_unlock(struct pageheap *h, size_t most);

/* Join all that is kept; true if there was any. */
bool kept_flush(struct pageheap *h);

#endif /* ASHLAR_KEPT_H */
