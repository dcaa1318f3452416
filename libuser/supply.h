/* SPDX-License-Identifier: MIT */
/*
 * Where a page heap's extents come from: free ones first, then fresh ones from the end of a
 * window, then another window; and how they get memory, from the device or as anonymous pages,
 * huge or not.
 *
 * Every function here but supply_init() is called under the heap's lock.
 */
#ifndef ASHLAR_SUPPLY_H
#define ASHLAR_SUPPLY_H

#include "extent.h"

/* Whether extents of anonymous memory may be huge, by option thp and the system's setting; once. */
void supply_init(void);

/* Are there more extents than are made on small pages, and huge ones to be had? */
bool supply_has_outgrown(struct pageheap *h);

/*
 * @n wholly free consecutive extents with memory, the first a multiple of @align extents: dirty
 * ones, then any free, then fresh ones, then a new window's. Use them, or settle them. NULL: no memory.
 */
struct extent *supply_take(struct pageheap *h, size_t n, size_t align);

/* Memory for those of @n consecutive extents from @e on that have none; false: not for all. */
bool supply_commit(struct pageheap *h, struct extent *e, size_t n);

/* @n fresh extents, without memory, from the end of @w; in the free maps unless @taken. NULL if it is full. */
struct extent *supply_extend(struct pageheap *h, struct window *w, size_t n, size_t align, bool taken);

/* One more window of at least @least bytes; NULL: no address space, or too many windows. */
struct window *supply_window(struct pageheap *h, size_t least);

#endif /* ASHLAR_SUPPLY_H */
