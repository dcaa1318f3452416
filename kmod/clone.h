/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A fork: the child's heap gets a share of each of the parent's extents (cow.h
 * tells what becomes of it).
 *
 * An extent that something pins at the fork is copied for the child at once, so
 * that the DMA, or the pipe, goes on seeing what the parent writes.
 */
#ifndef ASHLAR_CLONE_H
#define ASHLAR_CLONE_H

#include "heap.h"

/**
 * ashlar_heap_clone() - give the child what the parent has in a run
 * @parent: has been unmapped there; its mmap lock and all VMAs of this heap
 *	are locked for writing by the caller, the forking task
 * @child: nobody uses it yet
 * @first: index of the first extent
 * @last: index of the last; what the child has already is left alone
 *
 * Where a pinned page cannot be copied the child gets a mark, and SIGBUS.
 * Return: 0, or -ENOMEM when the child's table is incomplete.
 */
int ashlar_heap_clone(struct ashlar_heap *parent, struct ashlar_heap *child,
		      unsigned long first, unsigned long last);

#endif /* ASHLAR_CLONE_H */
