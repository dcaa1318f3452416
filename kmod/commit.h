/* SPDX-License-Identifier: GPL-2.0 */
/* Committing extents to a heap: ALLOC, and the touch of a purged extent. */
#ifndef ASHLAR_COMMIT_H
#define ASHLAR_COMMIT_H

#include "heap.h"

/**
 * ashlar_commit() - put a new, zeroed extent into a heap
 * @heap: the heap; its mmap or VMA lock is held
 * @index: where: an index with nothing or with a mark
 * @want: which; @want->mm is the heap's
 *
 * Return: 0; -EEXIST if there is an extent, lazy or not; -ENOMEM.
 */
int ashlar_commit(struct ashlar_heap *heap, unsigned long index,
		  struct ashlar_want *want);

/**
 * ashlar_recommit() - the same for a fault that found a purge mark
 * @heap: the heap; its mmap or VMA lock is held
 * @index: where
 * @mark: the mark that was found; no other entry is replaced
 *
 * Return: 0 if the caller should look again, -ENOMEM.
 */
int ashlar_recommit(struct ashlar_heap *heap, unsigned long index, void *mark);

#endif /* ASHLAR_COMMIT_H */
