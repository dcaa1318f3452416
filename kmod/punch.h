/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Giving back single pages of an extent, and making it whole again.
 *
 * Punched, an extent has no page of its own any more: its heap sees small pages
 * where there was something to keep, and nothing elsewhere, until a touch.
 */
#ifndef ASHLAR_PUNCH_H
#define ASHLAR_PUNCH_H

#include "heap.h"

/**
 * ashlar_punch() - give pages of one extent back
 * @heap: the heap; its mmap lock is held for reading
 * @index: the extent
 * @pages: which, a bitmap of ASHLAR_PAGES
 *
 * Return: how many had memory and have none now; 0 if there is no extent;
 * -EBUSY if it is shared or something has it pinned; -ENOMEM if there is no
 * memory for the small pages; -EHWPOISON if a page to be kept has a memory
 * error. Then nothing has changed.
 */
long ashlar_punch(struct ashlar_heap *heap, unsigned long index,
		  const unsigned long *pages);

/**
 * ashlar_mend() - bring all pages of one extent together again
 * @heap: the heap; its mmap lock is held for reading
 * @index: the extent
 * @want: how to get a new page; the node is the extent's
 *
 * Mappings by PTEs remain; see ashlar_restore().
 *
 * Return: 1 if the extent is in one page now, 0 if there is none; -EBUSY if it
 * is shared or something has a page pinned; -ENOMEM if there is no page;
 * -EHWPOISON if one of its pages has a memory error.
 */
int ashlar_mend(struct ashlar_heap *heap, unsigned long index,
		struct ashlar_want *want);

#endif /* ASHLAR_PUNCH_H */
