// SPDX-License-Identifier: GPL-2.0
/*
 * Faults return the page locked and the kernel maps it before it unlocks it.
 * Between looking an extent up and having its locks anything may happen to it,
 * so both functions look, lock, and look again.
 *
 * The heap, and who pays, are vma->vm_mm's: a debugger, process_vm_writev() or
 * an io_uring worker faults with another current.
 */
#include <linux/pagemap.h>
#include <asm/pgalloc.h>
#include "commit.h"
#include "compat.h"
#include "cow.h"
#include "fault.h"
#include "lazy.h"
#include "purge_lazy.h"
#include "trace.h"

static unsigned long fault_index(struct vm_fault *vmf)
{
	return vmf->pgoff / ASHLAR_PAGES;
}

/*
 * Before ->fault the kernel makes a page table if the PMD is empty and it has none
 * at hand: allocated, cleared and charged, and freed again when the fault ends in
 * a huge mapping, 1,900 instructions. Just before, it asks ->huge_fault; this
 * page is what that leaves where the table would be. ->fault takes it away
 * first of all, so that it is never used as one.
 */
static struct page *no_table;

int ashlar_faults_init(void)
{
	no_table = alloc_page(GFP_KERNEL);
	return no_table ? 0 : -ENOMEM;
}

void ashlar_faults_exit(void)
{
	__free_page(no_table);
}

/* Is all of the extent in this VMA? Else the kernel needs a table indeed. */
static bool fault_fits_pmd(struct vm_fault *vmf)
{
	unsigned long addr = vmf->address & HPAGE_PMD_MASK;

	return addr >= vmf->vma->vm_start &&
	       addr + HPAGE_PMD_SIZE <= vmf->vma->vm_end;
}

/*
 * Where anything may be mapped by PTE the kernel goes its usual way. Otherwise
 * all of it does, too: from VM_FAULT_FALLBACK to ->fault nothing returns, for
 * VMAs with a map_pages operation.
 */
vm_fault_t ashlar_huge_fault(ASHLAR_HUGE_FAULT_ARGS)
{
	struct ashlar_heap *heap = vmf->vma->vm_private_data;

	if (ashlar_is_pmd_fault(order) && pmd_none(READ_ONCE(*vmf->pmd)) &&
	    !vmf->prealloc_pte && heap && !heap->cow && fault_fits_pmd(vmf) &&
	    (!READ_ONCE(heap->small_seen) ||
	     ashlar_heap_whole(heap, fault_index(vmf))))
		vmf->prealloc_pte = no_table;
	return VM_FAULT_FALLBACK;
}

/* Something changed meanwhile: let the access try again. */
#define FAULT_AGAIN	VM_FAULT_NOPAGE

/* How often a fault breaks and looks again before the access has to. */
#define FAULT_ROUNDS	4

/*
 * Make the kernel map a page of the extent by PTE: it does so where the PMD
 * holds a page table. With the page's lock, so that nobody of this heap puts
 * the whole extent there meanwhile. False if the table is not at hand.
 */
static bool fault_by_pte(struct vm_fault *vmf, struct ashlar_heap *heap)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	spinlock_t *lock;	/* the PMD's */

	if (pmd_none(READ_ONCE(*vmf->pmd))) {
		if (!vmf->prealloc_pte)
			return false;
		lock = pmd_lock(mm, vmf->pmd);
		if (pmd_none(*vmf->pmd)) {
			mm_inc_nr_ptes(mm);
			/* The table is clear before it can be seen. */
			smp_wmb();
			pmd_populate(mm, vmf->pmd, vmf->prealloc_pte);
			vmf->prealloc_pte = NULL;
		}
		spin_unlock(lock);
	}
	ashlar_heap_by_ptes(heap, fault_index(vmf));
	return true;
}

/*
 * With extent->lock: the page that the access is to, locked for the kernel to
 * map, in vmf->page; or why not.
 */
static vm_fault_t fault_lock(struct vm_fault *vmf, struct ashlar_heap *heap,
			     struct ashlar_look *look, bool write)
{
	unsigned int sub = vmf->pgoff % ASHLAR_PAGES;
	struct ashlar_share *share = look->share;
	struct ashlar_extent *extent = look->extent;
	struct page *page = ashlar_share_page(share, sub);
	bool small = ashlar_share_small(share, sub);
	vm_fault_t ret = FAULT_AGAIN;

	lock_page(page);
	/* FREE and PURGE change the table first, and wait for this lock. */
	if (!ashlar_heap_holds(heap, fault_index(vmf), look))
		goto unlock;
	ret = VM_FAULT_HWPOISON;
	if (PageHWPoison(page))
		goto unlock;
	ret = FAULT_AGAIN;
	if (small)
		ashlar_heap_by_ptes(heap, fault_index(vmf));
	else if ((share->nr || (write && !ashlar_extent_owned(extent))) &&
		 !fault_by_pte(vmf, heap))
		goto unlock;
	else if (unlikely(ashlar_extent_poisoned(extent)))
		/* The kernel maps none such by PMD; the table outlives the extent. */
		ashlar_heap_by_ptes(heap, fault_index(vmf));
	vmf->page = page;
	return VM_FAULT_LOCKED;

unlock:
	unlock_page(page);
	return ret;
}

/*
 * A core dump reads all that is mapped, page by page. What has no memory, as it was
 * purged or punched, reads as zero in a hole of the file too, and needs none for that.
 * And who maps what is held again after a fork wants no more than that.
 */
static bool fault_leaves_hole(struct ashlar_heap *heap)
{
	return current->flags & PF_DUMPCORE || ashlar_is_remapper(heap->space);
}

/* The same of pages that must be copied or made first. */
static bool fault_leaves_page(struct ashlar_heap *heap,
			      struct ashlar_share *share, unsigned int sub)
{
	return fault_leaves_hole(heap) && (!ashlar_share_page(share, sub) ||
					   ashlar_is_remapper(heap->space));
}

/* VM_FAULT_OOM would be retried for ever at a cgroup's limit. */
static vm_fault_t fault_failed(int err)
{
	return err == -EHWPOISON ? VM_FAULT_HWPOISON : VM_FAULT_SIGBUS;
}

static vm_fault_t fault_share(struct vm_fault *vmf, struct ashlar_heap *heap,
			      struct ashlar_look *look, bool write)
{
	unsigned int sub = vmf->pgoff % ASHLAR_PAGES, round;
	struct ashlar_extent *extent = look->extent;
	vm_fault_t ret = FAULT_AGAIN;

	for (round = 0; round < FAULT_ROUNDS; round++) {
		bool ready, hole;
		int err;

		mutex_lock(&extent->lock);
		if (!ashlar_heap_holds(heap, fault_index(vmf), look)) {
			mutex_unlock(&extent->lock);
			break;
		}
		if (unlikely(extent->lazy) && ashlar_is_remapper(heap->space)) {
			mutex_unlock(&extent->lock);
			return VM_FAULT_SIGBUS;
		}
		/* What is bad, and may have vanished, vanishes. */
		if (unlikely(extent->lazy) && ashlar_lazy_replace(extent))
			break;
		/* Reads as well: what they map a write may follow. */
		if (unlikely(extent->lazy))
			ashlar_lazy_cancel(extent);
		ready = write ? ashlar_share_writable(look->share, sub) :
				!!ashlar_share_page(look->share, sub);
		hole = !ready && fault_leaves_page(heap, look->share, sub);
		if (ready)
			ret = fault_lock(vmf, heap, look, write);
		if (ret == VM_FAULT_LOCKED)
			get_page(vmf->page);
		mutex_unlock(&extent->lock);
		if (ready)
			break;
		if (hole)
			return VM_FAULT_SIGBUS;
		err = ashlar_cow_break(heap, fault_index(vmf), sub, look, 0);
		if (err)
			return fault_failed(err);
	}
	return ret;
}

vm_fault_t ashlar_fault(struct vm_fault *vmf)
{
	struct ashlar_heap *heap = vmf->vma->vm_private_data;
	unsigned long index = fault_index(vmf);
	struct ashlar_look look;
	vm_fault_t ret;

	if (vmf->prealloc_pte == no_table)
		vmf->prealloc_pte = NULL;
	/* The heap could not be cloned at a fork. */
	if (!heap)
		return VM_FAULT_SIGBUS;
	ashlar_heap_look(heap, index, &look);
	if (look.extent) {
		trace_ashlar_fault(vmf->address, vmf->flags & FAULT_FLAG_WRITE);
		/*
		 * Everyday mappings are writable from the first read on; those
		 * of a heap that shares are so from the first write on.
		 */
		ret = fault_share(vmf, heap, &look,
				  vmf->flags & FAULT_FLAG_WRITE || !heap->cow);
		ashlar_heap_unlook(heap, &look);
		return ret;
	}
	if (!ashlar_is_purged(look.entry) || fault_leaves_hole(heap))
		return VM_FAULT_SIGBUS;
	return ashlar_recommit(heap, index, look.entry) ? VM_FAULT_SIGBUS :
							   FAULT_AGAIN;
}

/*
 * The kernel has a reference of vmf->page. extent->waiting says so while we may
 * have to wait; it falls before the page is returned, whose lock then keeps
 * from looking who would count.
 */
static vm_fault_t mkwrite_share(struct vm_fault *vmf, struct ashlar_heap *heap,
				struct ashlar_look *look)
{
	unsigned int sub = vmf->pgoff % ASHLAR_PAGES;
	bool small = !PageCompound(vmf->page), breaks = false;
	struct ashlar_extent *extent = look->extent;
	struct page *page = vmf->page;
	vm_fault_t ret = FAULT_AGAIN;
	int err;

	atomic_add(!small, &extent->waiting);
	mutex_lock(&extent->lock);
	if (ashlar_heap_holds(heap, fault_index(vmf), look) &&
	    ashlar_share_page(look->share, sub) == page) {
		if (ashlar_share_writable(look->share, sub))
			ret = fault_lock(vmf, heap, look, true);
		else
			breaks = true;
	}
	if (breaks) {
		mutex_unlock(&extent->lock);
		err = ashlar_cow_break(heap, fault_index(vmf), sub, look, small);
		if (err)
			ret = fault_failed(err);
		mutex_lock(&extent->lock);
	}
	atomic_sub(!small, &extent->waiting);
	mutex_unlock(&extent->lock);
	return ret;
}

vm_fault_t ashlar_mkwrite(struct vm_fault *vmf)
{
	struct ashlar_heap *heap = vmf->vma->vm_private_data;
	struct ashlar_look look;
	vm_fault_t ret;

	if (!heap)
		return VM_FAULT_SIGBUS;
	ashlar_heap_look(heap, fault_index(vmf), &look);
	if (!look.extent)
		return FAULT_AGAIN;
	ret = mkwrite_share(vmf, heap, &look);
	ashlar_heap_unlook(heap, &look);
	return ret;
}
