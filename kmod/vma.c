// SPDX-License-Identifier: GPL-2.0
/*
 * The VMAs of a heap are in one of two states, all of them in the same:
 *
 * everyday: no page_mkwrite, so that long-term pins work; mapped writable by
 *	the first touch. Nothing is shared, or a fault copies before it maps.
 * sharing (heap->cow), from a fork until nothing is shared: page_mkwrite, and
 *	vm_page_prot without the write bit, so that a read maps read-only.
 *
 * vm_private_data is the heap, with a reference, or NULL where a fork failed
 * to clone it: such a VMA gives SIGBUS, never the parent's pages.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/oom.h>
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include "clone.h"
#include "compat.h"
#include "cow.h"
#include "fault.h"
#include "restore.h"
#include "view.h"
#include "vma.h"

static const struct vm_operations_struct everyday_ops;
static const struct vm_operations_struct sharing_ops;

static bool vma_is_ours(struct vm_area_struct *vma)
{
	return vma->vm_ops == &everyday_ops || vma->vm_ops == &sharing_ops;
}

/* With the mmap lock held for writing; on a VMA that is not new. */
static void vma_set_state(struct vm_area_struct *vma, bool cow)
{
	unsigned long flags = vma->vm_flags;

	vma_start_write(vma);
	vma->vm_ops = cow ? &sharing_ops : &everyday_ops;
	if (cow)
		flags &= ~VM_SHARED;
	WRITE_ONCE(vma->vm_page_prot, vm_get_page_prot(flags));
}

static void heap_set_state(struct ashlar_heap *heap, bool cow)
{
	VMA_ITERATOR(vmi, heap->mm, 0);
	struct vm_area_struct *vma;

	mmap_assert_write_locked(heap->mm);
	for_each_vma(vmi, vma)
		if (vma_is_ours(vma) && vma->vm_private_data == heap)
			vma_set_state(vma, cow);
	heap->cow = cow;
}

/* First and last extent that the VMA has a part of. */
static unsigned long vma_first(struct vm_area_struct *vma)
{
	return vma->vm_pgoff / ASHLAR_PAGES;
}

static unsigned long vma_last(struct vm_area_struct *vma)
{
	return (vma->vm_pgoff + vma_pages(vma) - 1) / ASHLAR_PAGES;
}

/*
 * The child's heap, with a reference. Where it is made, all VMAs of the
 * parent's are locked for writing and begin to share: no fault of the parent
 * can come between until the fork is over and the mmap lock dropped.
 */
static struct ashlar_heap *fork_heap(struct ashlar_heap *parent,
				     struct mm_struct *mm)
{
	struct ashlar_heap *child = ashlar_heap_find(parent->space, mm);

	if (child)
		return child;
	child = ashlar_heap_create(parent->space, mm);
	if (!child)
		return NULL;
	child->cow = true;
	heap_set_state(parent, true);
	return child;
}

/*
 * Inside dup_mmap(), for the child's VMA, with both mmap locks held for
 * writing. It cannot fail; the fork still can, and closes the VMA then.
 */
static void vma_fork(struct vm_area_struct *vma, struct ashlar_heap *parent)
{
	unsigned long first = vma_first(vma), last = vma_last(vma);
	struct ashlar_heap *child;

	vma->vm_private_data = NULL;
	child = fork_heap(parent, vma->vm_mm);
	if (child) {
		vma_set_state(vma, true);
		ashlar_heap_unmap(parent, first, last - first + 1);
		if (!ashlar_heap_clone(parent, child, first, last)) {
			vma->vm_private_data = child;
			return;
		}
		ashlar_heap_put(child);
	}
	/* Nor shall a new mapping beside it become a part of it. */
	vm_flags_set(vma, VM_DONTEXPAND);
}

static void vma_open(struct vm_area_struct *vma)
{
	struct ashlar_heap *heap = vma->vm_private_data;

	if (!heap)
		return;
	/* The same mm: a VMA was split, or is being moved. */
	if (heap->mm == vma->vm_mm)
		ashlar_heap_get(heap);
	else
		vma_fork(vma, heap);
}

/*
 * The VMA is unmapped and found by nobody. Its extents go, but for those that
 * the process maps elsewhere too: by a moved or second mapping, or because
 * only a part of the extent was unmapped.
 */
static void vma_close(struct vm_area_struct *vma)
{
	struct ashlar_heap *heap = vma->vm_private_data;
	unsigned long first, last, index;
	struct address_space *mapping;

	if (!heap)
		return;
	/* It comes back at once, and what it maps stays. */
	if (ashlar_is_restorer(heap->space))
		goto put_heap;
	first = vma_first(vma);
	last = vma_last(vma);
	mapping = heap->space->inode->i_mapping;
	if (!ashlar_view_covers(mapping, heap->mm, first * ASHLAR_PAGES,
				(last - first + 1) * ASHLAR_PAGES)) {
		ashlar_heap_forget(heap, first, last);
	} else {
		void *entry;

		xa_for_each_range(&heap->table, index, entry, first, last)
			if (!ashlar_view_covers(mapping, heap->mm,
						index * ASHLAR_PAGES,
						ASHLAR_PAGES))
				ashlar_heap_forget(heap, index, index);
	}
put_heap:
	ashlar_heap_put(heap);
}

/* Address and file offset must agree within an extent, or nothing is huge. */
static bool vma_is_aligned(struct vm_area_struct *vma)
{
	return IS_ALIGNED((vma->vm_start >> PAGE_SHIFT) - vma->vm_pgoff,
			  ASHLAR_PAGES);
}

static int vma_mremap(struct vm_area_struct *vma)
{
	return vma_is_aligned(vma) ? 0 : -EINVAL;
}

/* Lets ->fault run under the lock of the VMA alone. */
static vm_fault_t vma_map_pages(struct vm_fault *vmf, pgoff_t start,
				pgoff_t end)
{
	return 0;
}

/* A name makes core dumps contain the mapping, even against VM_DONTDUMP. */
static const char *vma_name(struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_DONTDUMP ? NULL : "[ashlar]";
}

#ifdef CONFIG_NUMA
/* Keeps automatic NUMA balancing from sampling pages that cannot move. */
static struct mempolicy *vma_get_policy(ASHLAR_GET_POLICY_ARGS)
{
	return NULL;
}
#endif

static const struct vm_operations_struct everyday_ops = {
	.open		= vma_open,
	.close		= vma_close,
	.mremap		= vma_mremap,
	.fault		= ashlar_fault,
	.huge_fault	= ashlar_huge_fault,
	.map_pages	= vma_map_pages,
	.name		= vma_name,
#ifdef CONFIG_NUMA
	.get_policy	= vma_get_policy,
#endif
};

static const struct vm_operations_struct sharing_ops = {
	.open		= vma_open,
	.close		= vma_close,
	.mremap		= vma_mremap,
	.fault		= ashlar_fault,
	.page_mkwrite	= ashlar_mkwrite,
	.map_pages	= vma_map_pages,
	.name		= vma_name,
#ifdef CONFIG_NUMA
	.get_policy	= vma_get_policy,
#endif
};

/* Back to everyday, unless a fork of this very process was faster. */
static void heap_calm(struct ashlar_heap *heap)
{
	struct mm_struct *mm = heap->mm;
	struct ashlar_tally tally;
	bool calm = false;

	if (!mmget_not_zero(mm))
		return;
	mmap_write_lock(mm);
	ashlar_heap_tally(heap, &tally);
	/*
	 * Unstable: a fork has failed half-way, and from 6.8 on the tree of
	 * its mm then ends in a marker and the parent's VMAs.
	 * Only a fork of @mm can share more, and that is locked out.
	 */
	if (!check_stable_address_space(mm) && heap->cow &&
	    !tally.shared) {
		calm = true;
		heap_set_state(heap, false);
		/* Read-only entries would become writable without a question. */
		ashlar_heap_settle(heap);
	}
	mmap_write_unlock(mm);
	if (calm) {
		ashlar_cow_merge_all(heap);
		kthread_use_mm(mm);
		ashlar_restore(heap, 0, TASK_SIZE);
		ashlar_remap(heap);
		kthread_unuse_mm(mm);
	}
	/* Not mmput(): we are no place to tear down an address space. */
	mmput_async(mm);
}

void ashlar_vma_calm(struct work_struct *work)
{
	struct ashlar_space *space =
		container_of(work, struct ashlar_space, calm);
	struct ashlar_heap *heap;

	space->calm_round++;
	while ((heap = ashlar_space_next(space))) {
		if (READ_ONCE(heap->cow))
			heap_calm(heap);
		ashlar_heap_put(heap);
	}
	ashlar_space_put(space);
}

static const char *mmap_refusal(struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED))
		return "it must be MAP_SHARED, of a descriptor open for writing too";
	if (!IS_ALIGNED(vma->vm_start | vma->vm_end, ASHLAR_EXTENT_SIZE))
		return "address and length must be multiples of 2 MB";
	if (!IS_ALIGNED(vma->vm_pgoff, ASHLAR_PAGES))
		return "the offset must be a multiple of 2 MB";
	if (vma->vm_pgoff + vma_pages(vma) > MAX_LFS_FILESIZE >> PAGE_SHIFT)
		return "the offset is too large";
	return NULL;
}

int ashlar_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ashlar_space *space = file->private_data;
	const char *refusal = mmap_refusal(vma);
	struct ashlar_heap *heap;

	if (refusal) {
		pr_info_ratelimited("%s[%d]: mmap of %#lx-%#lx refused: %s\n",
				    current->comm, task_pid_nr(current),
				    vma->vm_start, vma->vm_end, refusal);
		return -EINVAL;
	}
	heap = ashlar_heap_find(space, vma->vm_mm);
	if (!heap)
		heap = ashlar_heap_create(space, vma->vm_mm);
	if (!heap)
		return -ENOMEM;
	vma->vm_private_data = heap;
	/* The caller derives vm_page_prot from the operations. */
	vma->vm_ops = heap->cow ? &sharing_ops : &everyday_ops;
	return 0;
}

unsigned long ashlar_get_unmapped_area(struct file *file, unsigned long addr,
				       unsigned long len, unsigned long pgoff,
				       unsigned long flags)
{
	if (!IS_ALIGNED(len, ASHLAR_EXTENT_SIZE) ||
	    !IS_ALIGNED(pgoff, ASHLAR_PAGES))
		return -EINVAL;
	if (ashlar_is_restorer(file->private_data)) {
		int err = ashlar_restore_check(file->private_data, addr, len,
					       pgoff);

		return err ? err : addr;
	}
	if (flags & MAP_FIXED)
		return IS_ALIGNED(addr, ASHLAR_EXTENT_SIZE) ? addr : -EINVAL;
	addr = round_up(addr, ASHLAR_EXTENT_SIZE);
	addr = thp_get_unmapped_area(file, addr, len, pgoff, flags);
	if (!IS_ERR_VALUE(addr) && !IS_ALIGNED(addr, ASHLAR_EXTENT_SIZE))
		return -ENOMEM;
	return addr;
}

/* An extent cut by mprotect or the like: one whose pieces are all in place. */
static bool extent_in_pieces(struct mm_struct *mm, struct vm_area_struct *vma,
			     unsigned long addr)
{
	struct ashlar_heap *heap = vma->vm_private_data;
	unsigned long end = addr + ASHLAR_EXTENT_SIZE;
	unsigned long delta = (vma->vm_start >> PAGE_SHIFT) - vma->vm_pgoff;

	while (vma->vm_end < end) {
		unsigned long next = vma->vm_end;

		vma = find_vma(mm, next);
		if (!vma || vma->vm_start != next || !vma_is_ours(vma) ||
		    vma->vm_private_data != heap ||
		    (vma->vm_start >> PAGE_SHIFT) - vma->vm_pgoff != delta)
			return false;
	}
	return true;
}

int ashlar_run_at(struct mm_struct *mm, unsigned long addr, unsigned long end,
		  struct ashlar_run *run)
{
	struct vm_area_struct *vma = find_vma(mm, addr);
	unsigned long pgoff;

	mmap_assert_locked(mm);
	if (!vma || vma->vm_start > addr || !vma_is_ours(vma) ||
	    !vma->vm_private_data || !vma_is_aligned(vma))
		return -ENXIO;
	pgoff = vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
	run->heap = vma->vm_private_data;
	run->first = pgoff / ASHLAR_PAGES;
	run->nr = (min(end, vma->vm_end) - addr) / ASHLAR_EXTENT_SIZE;
	if (run->nr)
		return 0;
	run->nr = 1;
	return extent_in_pieces(mm, vma, addr) ? 0 : -ENXIO;
}
