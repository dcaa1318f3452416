// SPDX-License-Identifier: GPL-2.0
/*
 * The look and the mapping are two steps, and between them the process may have
 * unmapped the VMA and put something else there. But mmap() asks the file
 * for the address with the mmap lock held, and before it unmaps anything: there
 * we look again.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include "restore.h"
#include "trace.h"

/* What mmap() gives a VMA of ours, if it is asked in the same way. */
#define PLAIN_FLAGS	(VM_READ | VM_WRITE | VM_EXEC | VM_MAYREAD | \
			 VM_MAYWRITE | VM_MAYEXEC | VM_SHARED | VM_MAYSHARE | \
			 VM_SOFTDIRTY)

/* How often to ask for a VMA again, if the first time ended in a hole. */
#define RESTORE_TRIES	10

/* Each space has an inode of its own. NULL: its heap could not be cloned. */
static struct ashlar_heap *vma_heap(struct vm_area_struct *vma,
				    struct ashlar_space *space)
{
	if (!vma->vm_file || vma->vm_file->f_mapping != space->inode->i_mapping)
		return NULL;
	return vma->vm_private_data;
}

static bool vma_is_plain(struct vm_area_struct *vma)
{
	return !(vma->vm_flags & ~PLAIN_FLAGS) && vma->vm_flags & VM_SHARED &&
	       !vma->vm_mm->def_flags && !vma_policy(vma);
}

/**
 * struct restore - a part of a VMA that is mapped over itself
 * @file: its file, with a reference
 * @addr: its first byte, at an extent's beginning
 * @len: its length, in whole extents
 * @pgoff: the offset in pages
 * @prot: the protection
 */
struct restore {
	struct file *file;
	unsigned long addr;
	unsigned long len;
	unsigned long pgoff;
	unsigned long prot;
};

static bool vma_has_tables(struct ashlar_heap *heap, struct restore *restore)
{
	unsigned long index = restore->pgoff / ASHLAR_PAGES;
	unsigned long last = index + restore->len / ASHLAR_EXTENT_SIZE - 1;

	return xa_find(&heap->table, &index, last, ASHLAR_BY_PTES);
}

/* The first part from @start on that needs it. Takes and drops the mmap lock. */
static int restore_find(struct ashlar_heap *heap, unsigned long start,
			unsigned long end, struct restore *restore)
{
	struct mm_struct *mm = heap->mm;
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (vma = find_vma(mm, start); vma && vma->vm_start < end;
	     vma = find_vma(mm, vma->vm_end)) {
		unsigned long first = round_up(max(vma->vm_start, start),
					       ASHLAR_EXTENT_SIZE);
		unsigned long last = round_down(min(vma->vm_end, end),
						ASHLAR_EXTENT_SIZE);

		if (vma_heap(vma, heap->space) != heap || first >= last ||
		    !vma_is_plain(vma))
			continue;
		restore->addr = first;
		restore->len = last - first;
		restore->pgoff = vma->vm_pgoff +
				 ((first - vma->vm_start) >> PAGE_SHIFT);
		/* The values of PROT_* and of VM_* are the same. */
		restore->prot = vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC);
		if (!vma_has_tables(heap, restore))
			continue;
		restore->file = get_file(vma->vm_file);
		mmap_read_unlock(mm);
		return 1;
	}
	mmap_read_unlock(mm);
	return 0;
}

bool ashlar_is_restorer(struct ashlar_space *space)
{
	return READ_ONCE(space->restorer) == current;
}

int ashlar_restore_check(struct ashlar_space *space, unsigned long addr,
			 unsigned long len, unsigned long pgoff)
{
	struct vm_area_struct *vma = find_vma(current->mm, addr);
	unsigned long index = pgoff / ASHLAR_PAGES, last;
	struct ashlar_heap *heap;
	void *entry;

	mmap_assert_write_locked(current->mm);
	/* Nothing there any more: was it us, and this is another try? */
	if (!vma || vma->vm_start >= addr + len)
		return space->restores_again ? 0 : -EAGAIN;
	heap = vma_heap(vma, space);
	if (!heap || vma->vm_start > addr || vma->vm_end < addr + len ||
	    vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT) != pgoff ||
	    !vma_is_plain(vma))
		return -EAGAIN;
	last = index + len / ASHLAR_EXTENT_SIZE - 1;
	xa_for_each_range(&heap->table, index, entry, pgoff / ASHLAR_PAGES, last)
		xa_clear_mark(&heap->table, index, ASHLAR_BY_PTES);
	return 0;
}

/* Map it over itself. What fails before anything is unmapped is left alone. */
static int restore_one(struct ashlar_space *space, struct restore *restore)
{
	unsigned long flags = MAP_SHARED | MAP_FIXED, ret;
	int tries = 0;

	mutex_lock(&space->restore_lock);
	WRITE_ONCE(space->restorer, current);
	do {
		space->restores_again = tries;
		ret = vm_mmap(restore->file, restore->addr, restore->len,
			      restore->prot, flags,
			      restore->pgoff << PAGE_SHIFT);
		/* Without memory for a VMA the old one may be gone: at it again. */
		flags = MAP_SHARED | MAP_FIXED_NOREPLACE;
	} while (ret == -ENOMEM && ++tries < RESTORE_TRIES);
	WRITE_ONCE(space->restorer, NULL);
	mutex_unlock(&space->restore_lock);
	if (ret == -EINTR || ret == -ENOMEM)
		return ret;
	return 0;
}

int ashlar_restore(struct ashlar_heap *heap, unsigned long start,
		   unsigned long end)
{
	struct restore restore;
	int err;

	while ((err = restore_find(heap, start, end, &restore)) > 0) {
		err = restore_one(heap->space, &restore);
		fput(restore.file);
		if (err)
			break;
		start = restore.addr + restore.len;
		cond_resched();
	}
	return err;
}

/* So many extents at a time with the mmap lock. */
#define REMAP_BATCH	64

/*
 * Would a touch map all of it, and do nothing else? Not where it would cancel a lazy
 * purge, nor where it would copy a page that somebody holds a reference of.
 */
static bool extent_is_used(struct ashlar_heap *heap, unsigned long index)
{
	struct ashlar_look look;
	bool used;

	ashlar_heap_look(heap, index, &look);
	used = look.extent && !READ_ONCE(look.extent->lazy) &&
	       ashlar_extent_owned(look.extent) &&
	       ashlar_heap_whole(heap, index);
	ashlar_heap_unlook(heap, &look);
	return used;
}

/* The extents of a VMA from *@addr on, at most *@left; what fails is left alone. */
static void remap_vma(struct ashlar_heap *heap, struct vm_area_struct *vma,
		      unsigned long *addr, unsigned int *left)
{
	unsigned long delta = (vma->vm_start >> PAGE_SHIFT) - vma->vm_pgoff;
	unsigned long start = max(*addr, vma->vm_start);
	unsigned long first = ((start >> PAGE_SHIFT) - delta) / ASHLAR_PAGES;
	unsigned long last = ((vma->vm_end >> PAGE_SHIFT) - 1 - delta) /
			     ASHLAR_PAGES;
	unsigned long index;
	void *entry;

	xa_for_each_range(&heap->table, index, entry, first, last) {
		unsigned long at = (index * ASHLAR_PAGES + delta) << PAGE_SHIFT;

		if (!*left)
			return;
		if (at < start || xa_is_value(entry))
			continue;
		if (extent_is_used(heap, index)) {
			trace_ashlar_remap(index, 1);
			fixup_user_fault(heap->mm, at, 0, NULL);
		}
		*addr = at + ASHLAR_EXTENT_SIZE;
		(*left)--;
	}
	*addr = vma->vm_end;
}

/* From *@addr on; false when all is done. */
static bool remap_batch(struct ashlar_heap *heap, unsigned long *addr)
{
	struct mm_struct *mm = heap->mm;
	struct vm_area_struct *vma = NULL;
	unsigned int left = REMAP_BATCH;

	/* The last user: it is being killed, and waits for us. */
	if (atomic_read(&mm->mm_users) == 1 || mmap_read_lock_killable(mm))
		return false;
	if (!heap->cow && !check_stable_address_space(mm))
		vma = find_vma(mm, *addr);
	for (; vma && left; vma = find_vma(mm, *addr)) {
		if (vma_heap(vma, heap->space) == heap &&
		    vma->vm_flags & VM_READ)
			remap_vma(heap, vma, addr, &left);
		else
			*addr = vma->vm_end;
	}
	mmap_read_unlock(mm);
	return vma;
}

void ashlar_remap(struct ashlar_heap *heap)
{
	unsigned long addr = 0;

	WRITE_ONCE(heap->space->remapper, current);
	while (remap_batch(heap, &addr))
		cond_resched();
	WRITE_ONCE(heap->space->remapper, NULL);
}
