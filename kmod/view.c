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

/*
 * Another thread may have cleared this PMD a moment ago (a write to a
 * read-only one splits it, munmap and MADV_DONTNEED zap it): under the PMD's
 * lock, but with the flush of the TLBs and the drop of the map count still to
 * come. The kernel's zap takes an empty PMD for done without asking for that
 * lock, so we ask: after this nobody writes through the old entry, and the page
 * does not count as mapped by it. The page table stays: who frees it has to
 * take the VMA out of the tree first, whose lock the caller holds.
 */
static void wait_for_clearing(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(*pgd))
		return;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud))
		return;
	spin_unlock(pmd_lock(mm, pmd_offset(pud, addr)));
}

static void zap(struct vm_area_struct *vma, unsigned long start,
		unsigned long size)
{
	unsigned long addr;

	ashlar_zap(vma, start, size);
	for (addr = start & PMD_MASK; addr < start + size; addr += PMD_SIZE)
		wait_for_clearing(vma->vm_mm, addr);
}

unsigned int ashlar_view_zap(struct address_space *mapping,
			     struct mm_struct *mm, pgoff_t first,
			     unsigned long nr)
{
	pgoff_t last = first + nr - 1;
	struct vm_area_struct *vma;
	unsigned int views = 0;

	i_mmap_lock_read(mapping);
	for (vma = view_iter_first(&mapping->i_mmap, first, last); vma;
	     vma = view_iter_next(vma, first, last)) {
		pgoff_t from = max(first, view_start(vma));
		pgoff_t to = min(last, view_last(vma));

		if (vma->vm_mm != mm)
			continue;
		zap(vma, vma->vm_start +
		    ((from - vma->vm_pgoff) << PAGE_SHIFT),
		    (to - from + 1) << PAGE_SHIFT);
		views++;
	}
	i_mmap_unlock_read(mapping);
	return views;
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
