/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copy-on-write between the heaps of one space.
 *
 * A fork gives the child's heap the parent's extents, each with one user more.
 * Who writes first gets a copy; who is left alone writes in place. An extent
 * that something pins at the fork is copied for the child at once, so that the
 * DMA, or the pipe, goes on seeing what the parent writes.
 */
#ifndef ASHLAR_COW_H
#define ASHLAR_COW_H

#include "heap.h"

/**
 * ashlar_heap_clone() - give the child what the parent has in a run
 * @parent: has been unmapped there; its mmap lock and all VMAs of this heap
 *	are locked for writing by the caller, the forking task
 * @child: nobody uses it yet
 * @first: index of the first extent
 * @last: index of the last; what the child has already is left alone
 *
 * Where a pinned extent cannot be copied the child gets a mark, and SIGBUS.
 * Return: 0, or -ENOMEM when the child's table is incomplete.
 */
int ashlar_heap_clone(struct ashlar_heap *parent, struct ashlar_heap *child,
		      unsigned long first, unsigned long last);

/**
 * ashlar_cow_break() - give a heap its own copy of a shared extent
 * @heap: the heap, whose mmap or VMA lock is held
 * @index: the extent
 * @page: its page, on which the caller has a reference but not the lock
 *
 * Return: 0 if the caller should look again, -ENOMEM if there is no memory.
 */
int ashlar_cow_break(struct ashlar_heap *heap, unsigned long index,
		     struct page *page);

#endif /* ASHLAR_COW_H */
