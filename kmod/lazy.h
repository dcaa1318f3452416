/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lazy extents: those that their process can do without, and the system may
 * take. Until somebody does they stay what they are, contents, charge and all,
 * but are mapped nowhere: so the next touch, be it a read, is a fault, and the
 * fault cancels the purge.
 *
 * Lazy is an extent that nothing maps, nothing refers to, and one heap alone has,
 * all of it in its own page. Who takes it leaves a purge mark in the heap.
 *
 * extent->lazy and the node's list change together, under extent->lock and the
 * pool's lock.
 */
#ifndef ASHLAR_LAZY_H
#define ASHLAR_LAZY_H

#include "extent.h"

/**
 * struct ashlar_lazy_counts - of one heap
 * @now: extents that are lazy
 * @begun: extents that became so
 * @cancelled: of those, touched again
 */
struct ashlar_lazy_counts {
	atomic_long_t now;
	atomic_long_t begun;
	atomic_long_t cancelled;
};

/* With extent->lock: the extent, at @index of @heap, is lazy from now on. */
void ashlar_lazy_begin(struct ashlar_extent *extent, struct ashlar_heap *heap,
		       unsigned long index, struct ashlar_lazy_counts *counts);

/* With extent->lock: it is touched. Does nothing if it is not lazy. */
void ashlar_lazy_cancel(struct ashlar_extent *extent);

/* With extent->lock: its share has left the heap's table. Likewise. */
void ashlar_lazy_leave(struct ashlar_extent *extent);

/* With extent->lock: its page was given to the kernel. It is lazy. */
void ashlar_lazy_taken(struct ashlar_extent *extent);

/*
 * The one that became lazy first, with its lock held; or NULL, if there is none
 * or somebody else holds that. Next time it is another one's turn. The caller is
 * in an RCU read-side section until it has dropped the lock.
 */
struct ashlar_extent *ashlar_lazy_oldest(struct ashlar_pool *pool);

#endif /* ASHLAR_LAZY_H */
