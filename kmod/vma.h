/* SPDX-License-Identifier: GPL-2.0 */
/* Mappings of /dev/ashlar: making them, forking them, finding them. */
#ifndef ASHLAR_VMA_H
#define ASHLAR_VMA_H

#include <linux/fs.h>
#include <linux/mm.h>
#include "heap.h"

int ashlar_mmap(struct file *file, struct vm_area_struct *vma);
unsigned long ashlar_get_unmapped_area(struct file *file, unsigned long addr,
				       unsigned long len, unsigned long pgoff,
				       unsigned long flags);

/* For ashlar_space_create(). */
void ashlar_vma_calm(struct work_struct *work);

/**
 * struct ashlar_run - extents that lie together in address space and heap
 * @heap: the heap; valid while the mmap lock is held
 * @first: index of the first one
 * @nr: how many, at least 1
 */
struct ashlar_run {
	struct ashlar_heap *heap;
	unsigned long first;
	unsigned long nr;
};

/**
 * ashlar_run_at() - the longest run that begins at an address
 * @mm: the caller's own; its mmap lock is held
 * @addr: a multiple of ASHLAR_EXTENT_SIZE
 * @end: where to stop at the latest, likewise
 * @run: out
 *
 * Return: 0, or -ENXIO if there is no extent of ours.
 */
int ashlar_run_at(struct mm_struct *mm, unsigned long addr, unsigned long end,
		  struct ashlar_run *run);

#endif /* ASHLAR_VMA_H */
