/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copy-on-write between the heaps of one space.
 *
 * A fork gives the child's heap the parent's extents, each with one user more.
 * Who writes first gets a copy; who is left alone writes in place, unless the
 * page has references from when it was shared: whoever reads through them must
 * not see the later writes, so the last user gets a copy too. An extent
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
 * ashlar_cow_break() - make an extent one that its heap may write to
 * @heap: the heap, whose mmap or VMA lock is held
 * @index: the extent
 * @page: its page, on which the caller has one reference but not the lock
 *
 * By taking it back, if the heap is the last user and nothing else has a
 * reference; or by a copy. Another thread that looks at the same time counts
 * as a reference: that copy is one too many, but right.
 *
 * Return: 0 if the caller should look again, -ENOMEM if there is no memory.
 */
int ashlar_cow_break(struct ashlar_heap *heap, unsigned long index,
		     struct page *page);

#endif /* ASHLAR_COW_H */
