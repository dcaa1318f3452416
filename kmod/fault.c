// SPDX-License-Identifier: GPL-2.0
/*
 * Faults return the page locked and the kernel maps it before it unlocks it.
 * Between looking an extent up and having its page's lock anything may happen
 * to it, so both functions look, lock, and look again.
 *
 * The heap, and who pays, are vma->vm_mm's: a debugger, process_vm_writev() or
 * an io_uring worker faults with another current.
 */
#include <linux/pagemap.h>
#include "commit.h"
#include "cow.h"
#include "fault.h"
#include "trace.h"

static unsigned long fault_index(struct vm_fault *vmf)
{
	return vmf->pgoff / ASHLAR_PAGES;
}

/* Something changed meanwhile: let the access try again. */
#define FAULT_AGAIN	VM_FAULT_NOPAGE

/* A page whose lock is taken, for the kernel to map; or why not. */
static vm_fault_t fault_lock(struct vm_fault *vmf, struct ashlar_heap *heap,
			     struct page *head, bool owned)
{
	struct page *page = head + vmf->pgoff % ASHLAR_PAGES;
	vm_fault_t ret = FAULT_AGAIN;

	lock_page(head);
	if (!ashlar_heap_holds(heap, fault_index(vmf), head, owned))
		goto unlock;
	ret = VM_FAULT_HWPOISON;
	if (PageHWPoison(page))
		goto unlock;
	vmf->page = page;
	return VM_FAULT_LOCKED;

unlock:
	unlock_page(head);
	put_page(head);
	return ret;
}

vm_fault_t ashlar_fault(struct vm_fault *vmf)
{
	struct ashlar_heap *heap = vmf->vma->vm_private_data;
	unsigned long index = fault_index(vmf);
	struct ashlar_look look;
	bool owned;
	int err;

	/* The heap could not be cloned at a fork. */
	if (!heap)
		return VM_FAULT_SIGBUS;
	/*
	 * Everyday mappings are writable from the first read on; those of a
	 * heap that shares are so from the first write on.
	 */
	owned = vmf->flags & FAULT_FLAG_WRITE || !heap->cow;

	ashlar_heap_look(heap, index, &look);
	if (look.page && (look.owned || !owned)) {
		trace_ashlar_fault(vmf->address, vmf->flags & FAULT_FLAG_WRITE);
		return fault_lock(vmf, heap, look.page, owned);
	}
	if (look.page) {
		err = ashlar_cow_break(heap, index, look.page);
		put_page(look.page);
	} else if (ashlar_is_purged(look.entry)) {
		err = ashlar_recommit(heap, index, look.entry);
	} else {
		return VM_FAULT_SIGBUS;
	}
	/* VM_FAULT_OOM would be retried for ever at a cgroup's limit. */
	return err ? VM_FAULT_SIGBUS : FAULT_AGAIN;
}

vm_fault_t ashlar_mkwrite(struct vm_fault *vmf)
{
	struct ashlar_heap *heap = vmf->vma->vm_private_data;
	struct page *head = compound_head(vmf->page);
	unsigned long index = fault_index(vmf);
	int err;

	if (!heap)
		return VM_FAULT_SIGBUS;
	lock_page(head);
	if (ashlar_heap_holds(heap, index, head, true))
		return VM_FAULT_LOCKED;
	unlock_page(head);
	if (!ashlar_heap_holds(heap, index, head, false))
		return FAULT_AGAIN;
	err = ashlar_cow_break(heap, index, head);
	return err ? VM_FAULT_SIGBUS : FAULT_AGAIN;
}
