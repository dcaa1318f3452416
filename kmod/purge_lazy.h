/* SPDX-License-Identifier: GPL-2.0 */
/* Lazy PURGE of a heap's extents, and their end under memory pressure (lazy.h). */
#ifndef ASHLAR_PURGE_LAZY_H
#define ASHLAR_PURGE_LAZY_H

#include "heap.h"

/**
 * ashlar_lazy_run() - purge a run of extents lazily
 * @heap: the heap; its mmap lock is held for reading
 * @first: index of the first extent
 * @nr: extents in the run
 *
 * Unmapped with one TLB flush for each 512 extents and VMA. What is shared, in
 * small pages, pinned, or touched meanwhile is left as it is, and counted.
 *
 * Return: how many are lazy now.
 */
unsigned long ashlar_lazy_run(struct ashlar_heap *heap, unsigned long first,
			      unsigned long nr);

/**
 * ashlar_lazy_keep() - cancel it as a touch would, without a fault
 * @heap: the heap; its mmap lock is held for reading
 * @index: the extent
 *
 * Return: true if there is an extent; it is not lazy now.
 */
bool ashlar_lazy_keep(struct ashlar_heap *heap, unsigned long index);

/**
 * ashlar_lazy_take() - give lazy extents to the kernel, the oldest first
 * @pool: of this node
 * @nr: so many, if there are
 *
 * Waits for nobody: what is in use at this moment is passed over.
 * Context: any that may sleep; inside reclaim, and whatever is locked there.
 * Return: how many were given.
 */
unsigned long ashlar_lazy_take(struct ashlar_pool *pool, unsigned long nr);

/*
 * With extent->lock: if the lazy extent has a memory error its page goes, as if the
 * system had taken it, and the next look finds a purge mark. True if so; then the
 * lock is dropped, else nothing has changed.
 */
bool ashlar_lazy_replace(struct ashlar_extent *extent);

#endif /* ASHLAR_PURGE_LAZY_H */
