/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Back to huge mappings. Where an extent was mapped by PTEs its PMD holds a page
 * table, and keeps it: the kernel frees it with the VMA alone. So the VMA is
 * mapped over itself. Nothing is copied; the next touch maps the whole extent.
 */
#ifndef ASHLAR_RESTORE_H
#define ASHLAR_RESTORE_H

#include "heap.h"

/**
 * ashlar_restore() - map anew what is mapped by PTEs because it was shared
 * @heap: the heap; current->mm is its mm, and no lock is held
 * @start: no VMA, nor part of one, below
 * @end: nor from here on
 *
 * VMAs with properties that mmap() cannot give them (locked memory, MADV_*,
 * memory policies, protection keys) stay as they are.
 *
 * Return: 0, -EINTR, or -ENOMEM.
 */
int ashlar_restore(struct ashlar_heap *heap, unsigned long start,
		   unsigned long end);

/**
 * ashlar_remap() - map what a fork has unmapped, before it is touched
 * @heap: the heap, which shares nothing; current->mm is its mm, no lock is held.
 *	One call for each space at a time.
 *
 * What a process holds and does not map is in none of its books: neither in Rss
 * nor in the OOM killer's badness. Lazy, purged and referenced extents stay
 * as they are.
 * Best effort: what cannot be mapped is mapped by the next touch.
 */
void ashlar_remap(struct ashlar_heap *heap);

/* True if current is just mapping a VMA of this space over itself. */
bool ashlar_is_restorer(struct ashlar_space *space);

/*
 * Inside mmap(), with the mmap lock: is everything there as it was when the
 * restorer looked? 0, or -EAGAIN.
 */
int ashlar_restore_check(struct ashlar_space *space, unsigned long addr,
			 unsigned long len, unsigned long pgoff);

#endif /* ASHLAR_RESTORE_H */
