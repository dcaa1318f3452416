/* SPDX-License-Identifier: MIT */
/*
 * The page heap of a node packs spans (runs of pages) into extents, the
 * tightest fit first so that others empty out, remembers which free pages are dirty, and gives
 * them back by decay.
 *
 * Search order of a span: an extent in use whose longest free run is the
 * shortest that fits, with memory; the same after what is kept (kept.h) was joined; a free extent
 * that is dirty (its memory is there); a free one that is not; a fresh one from the end of the window.
 */
#ifndef ASHLAR_PAGEHEAP_H
#define ASHLAR_PAGEHEAP_H

#include "extent.h"

/* More than this costs too many extents left out. */
#define PAGEHEAP_ALIGN_MAX	(64 * GB)

/* One heap per allowed node; windows open on first use. False: no memory at all. */
bool pageheaps_init(void);

/* The heap for kernel node @node; another one if that has none. */
struct pageheap *pageheap_of_node(unsigned int node);

/* Open the home window if it is not yet. */
bool pageheap_ready(struct pageheap *h);

/*
 * @n pages (1 to EXTENT_PAGES) within one extent, the first a multiple of
 * @align pages. *@zeroed (may be NULL) says whether all of it reads as zero.
 * NULL when there is no memory.
 */
void *pageheap_alloc(struct pageheap *h, unsigned int n, unsigned int align, bool *zeroed);

/*
 * @n pages from the start of an extent on, over as many extents as it takes;
 * @align in bytes. What is left of the last extent serves others.
 */
void *pageheap_alloc_huge(struct pageheap *h, size_t n, size_t align, bool *zeroed);

/* A span goes back, whole or in part: its pages are dirty now. */
void pageheap_free(void *p, size_t n);

/*
 * Slots of these pages of a slab, from page @page of @w on, are about to be used: whatever was
 * given back of them will have memory again.
 */
void pageheap_touched(struct window *w, size_t page, unsigned int pages);

/*
 * A block of large @class, aligned to a page: a kept span, which may be of the next
 * class, or other pages. The window's class map says which, and it is counted.
 */
void *pageheap_alloc_large(struct pageheap *h, size_t class, bool *zeroed);

/*
 * Make the @n pages at @p to @n + @more if the ones behind are free. *@zeroed
 * is whether the new ones read as zero.
 */
bool pageheap_extend(void *p, size_t n, size_t more, bool *zeroed);

/*
 * Whole extents of memory and contents go from huge block @from to huge block @to without a
 * copy, as far as the source can; both are the caller's and have @pages at least. Returns the
 * bytes that moved, from the front. @from is to be freed next.
 */
size_t pageheap_move(void *to, void *from, size_t pages);

/* New decay times, as if all that is free had become so now. */
void pageheap_set_decay(struct pageheap *h, int64_t ms);
void pageheap_set_muzzy_decay(struct pageheap *h, int64_t ms);

void pageheap_stats(struct pageheap *h, struct pageheap_stats *out);

/* Around fork. */
void pageheaps_prefork(void);
void pageheaps_postfork(bool child);

#endif /* ASHLAR_PAGEHEAP_H */
