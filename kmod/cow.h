/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copy-on-write between the heaps of one space, 4 KB at a time.
 *
 * A fork gives the child's heap a share of each of the parent's extents. One of
 * the shares owns the extent: before its heap writes to a page in place, the
 * page's bytes are saved as a small page, for all shares that do not have
 * their own yet. The heaps of the others write to small pages of their own. When
 * the owner goes, who writes next becomes it.
 *
 * In place only what nothing else refers to: a pipe, or a device, that was given
 * the page while it was shared must not see later writes. Where something
 * does, the owner gets a small page like all the others.
 */
#ifndef ASHLAR_COW_H
#define ASHLAR_COW_H

#include "heap.h"

/**
 * ashlar_cow_break() - make a page one that its heap may write to
 * @heap: the heap, whose mmap or VMA lock is held
 * @index: the extent
 * @sub: the page in it
 * @look: what was found there
 * @refs: references of the page that the caller's caller has, if it is a small
 *	one
 *
 * Return: 0 if the caller should look again, -ENOMEM if there is no memory,
 * -EHWPOISON if what has to be copied is poisoned.
 */
int ashlar_cow_break(struct ashlar_heap *heap, unsigned long index,
		     unsigned int sub, struct ashlar_look *look, int refs);

/**
 * ashlar_cow_merge() - bring small pages back into the extent
 * @heap: the heap
 * @index: the extent
 *
 * Does so for all pages of an extent that no other heap has a share of, but for
 * those that something refers to.
 *
 * Return: true if the heap has the extent in one page now.
 */
bool ashlar_cow_merge(struct ashlar_heap *heap, unsigned long index);

/* The same for all of the heap's. May take long. */
void ashlar_cow_merge_all(struct ashlar_heap *heap);

#endif /* ASHLAR_COW_H */
