/* SPDX-License-Identifier: GPL-2.0 */
/* Giving extents of a heap back: FREE and forced PURGE. */
#ifndef ASHLAR_PURGE_H
#define ASHLAR_PURGE_H

#include "heap.h"

/**
 * ashlar_purge_run() - take the memory of a run of extents away
 * @heap: the heap; its mmap lock is held for reading
 * @first: index of the first extent
 * @nr: extents in the run
 * @keep: leave a mark, so that a touch brings a zeroed extent (PURGE); without,
 *	marks go too (FREE)
 *
 * When it returns no thread of the process can see the old contents, and a
 * run was unmapped with one TLB flush for each 512 extents and VMA.
 *
 * Return: how many extents (with FREE: and marks) were there; -ENOMEM if
 * nothing could be done.
 */
long ashlar_purge_run(struct ashlar_heap *heap, unsigned long first,
		      unsigned long nr, bool keep);

#endif /* ASHLAR_PURGE_H */
