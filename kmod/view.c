// SPDX-License-Identifier: GPL-2.0
/* Walks the kernel's tree of a file's VMAs; only the iterators are ours. */
#include <linux/interval_tree_generic.h>
#include "compat.h"
#include "view.h"

static inline unsigned long view_start(struct vm_area_struct *vma)
{
	return vma->vm_pgoff;
}

static inline unsigned long view_last(struct vm_area_struct *vma)
{
	return vma->vm_pgoff + vma_pages(vma) - 1;
}

/* The kernel's own instance of this template is not exported. */
INTERVAL_TREE_DEFINE(struct vm_area_struct, shared.rb, unsigned long,
		     shared.rb_subtree_last, view_start, view_last,
		     static inline __maybe_unused, view)

void ashlar_view_zap(struct address_space *mapping, struct mm_struct *mm,
		     pgoff_t first, unsigned long nr)
{
	pgoff_t last = first + nr - 1;
	struct vm_area_struct *vma;

	i_mmap_lock_read(mapping);
	for (vma = view_iter_first(&mapping->i_mmap, first, last); vma;
	     vma = view_iter_next(vma, first, last)) {
		pgoff_t from = max(first, view_start(vma));
		pgoff_t to = min(last, view_last(vma));

		if (vma->vm_mm != mm)
			continue;
		ashlar_zap(vma, vma->vm_start +
			   ((from - vma->vm_pgoff) << PAGE_SHIFT),
			   (to - from + 1) << PAGE_SHIFT);
	}
	i_mmap_unlock_read(mapping);
}

bool ashlar_view_covers(struct address_space *mapping, struct mm_struct *mm,
			pgoff_t first, unsigned long nr)
{
	pgoff_t last = first + nr - 1;
	struct vm_area_struct *vma;

	i_mmap_lock_read(mapping);
	for (vma = view_iter_first(&mapping->i_mmap, first, last); vma;
	     vma = view_iter_next(vma, first, last))
		if (vma->vm_mm == mm)
			break;
	i_mmap_unlock_read(mapping);
	return vma;
}
