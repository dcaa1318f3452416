/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The mappings of a file in one process, found through the file and not
 * through the process: needs no mmap lock, only i_mmap_rwsem, which it takes.
 * Other processes that share the file since a fork are left alone.
 */
#ifndef ASHLAR_VIEW_H
#define ASHLAR_VIEW_H

#include <linux/fs.h>
#include <linux/mm.h>

/*
 * Unmap @nr pages from file page @first on from @mm; one TLB flush per VMA.
 * Returns the number of these.
 */
unsigned int ashlar_view_zap(struct address_space *mapping,
			     struct mm_struct *mm, pgoff_t first,
			     unsigned long nr);

/* True if @mm maps any of @nr pages from file page @first on. */
bool ashlar_view_covers(struct address_space *mapping, struct mm_struct *mm,
			pgoff_t first, unsigned long nr);

#endif /* ASHLAR_VIEW_H */
