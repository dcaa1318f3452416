// SPDX-License-Identifier: GPL-2.0
/* Sharing extents at a fork, and copying them afterwards. */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include "account.h"
#include "cow.h"
#include "trace.h"

static void extent_copy(struct ashlar_extent *to, struct page *from)
{
	unsigned int i;

	for (i = 0; i < ASHLAR_PAGES; i++) {
		copy_highpage(to->page + i, from + i);
		cond_resched();
	}
}

/* A new extent for a copy of @page. Tries hard: failing is a SIGBUS. */
static struct ashlar_extent *copy_new(struct ashlar_heap *heap,
				      struct page *page)
{
	struct ashlar_want want = {
		.mm = heap->mm,
		.nid = page_to_nid(page),
		.effort = ASHLAR_HARD,
	};

	ashlar_want_allowed(&want);
	return ashlar_extent_new(heap->space->account, &want);
}

int ashlar_cow_break(struct ashlar_heap *heap, unsigned long index,
		     struct page *page)
{
	struct ashlar_extent *extent, *copy;
	bool replaced = false, owned;

	lock_page(page);
	owned = ashlar_heap_retake(heap, index, page, 1);
	unlock_page(page);
	if (owned)
		return 0;
	copy = copy_new(heap, page);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	lock_page(page);
	if (!ashlar_heap_holds(heap, index, page, false))
		goto unlock;
	/*
	 * Unmapped first, and under the page lock, so that no thread still
	 * reads the old page when another writes the new one.
	 */
	ashlar_heap_unmap(heap, index, 1);
	extent_copy(copy, page);
	xa_lock(&heap->table);
	extent = xa_load(&heap->table, index);
	/* FREE and PURGE change the table without the page lock. */
	replaced = extent && !xa_is_value(extent) && extent->page == page;
	if (replaced) {
		__xa_store(&heap->table, index, copy, 0);
		heap->copies++;
	}
	xa_unlock(&heap->table);
unlock:
	unlock_page(page);
	if (replaced) {
		trace_ashlar_copy(index, false);
		ashlar_space_drop(heap->space, extent);
	} else {
		ashlar_extent_unnew(heap->space->account, copy);
	}
	return 0;
}

/* Make the child's table say @entry at @index. */
static int child_store(struct ashlar_heap *child, unsigned long index,
		       void *entry)
{
	int err;

	xa_lock(&child->table);
	err = xa_err(__xa_store(&child->table, index, entry,
				ashlar_gfp_small(ASHLAR_HARD)));
	if (!err && ashlar_is_purged(entry))
		child->purged++;
	else if (!err && !xa_is_value(entry))
		child->committed++;
	xa_unlock(&child->table);
	return err;
}

/*
 * The child's own copy of a pinned extent. The parent's memory cgroup pays:
 * the child is in none before its fork is complete.
 */
static int clone_pinned(struct ashlar_heap *parent, struct ashlar_heap *child,
			unsigned long index, struct ashlar_extent *extent)
{
	struct ashlar_extent *copy = copy_new(parent, extent->page);
	int err;

	if (IS_ERR(copy))
		return child_store(child, index, ASHLAR_MARK_LOST);
	extent_copy(copy, extent->page);
	err = child_store(child, index, copy);
	if (err) {
		ashlar_extent_unnew(parent->space->account, copy);
		return err;
	}
	child->copies++;
	trace_ashlar_copy(index, true);
	return 0;
}

static int clone_one(struct ashlar_heap *parent, struct ashlar_heap *child,
		     unsigned long index, void *entry)
{
	struct ashlar_extent *extent = entry;
	int err;

	if (xa_load(&child->table, index))
		return 0;
	if (xa_is_value(entry))
		return child_store(child, index, entry);
	/*
	 * Unmapped, so that references beyond the page cache's and ours are
	 * pins. With more users it cannot have been pinned for writing since
	 * the fork that shared it; for reading it may have been, and the last
	 * user asks again before it writes.
	 */
	if (atomic_read(&extent->users) == 1 && ashlar_page_pinned(extent->page))
		return clone_pinned(parent, child, index, extent);
	err = child_store(child, index, extent);
	if (!err)
		ashlar_space_share(parent->space, extent);
	return err;
}

int ashlar_heap_clone(struct ashlar_heap *parent, struct ashlar_heap *child,
		      unsigned long first, unsigned long last)
{
	unsigned long index;
	void *entry;
	int err;

	mmap_assert_write_locked(parent->mm);
	/* Nothing but the parent's own faults and calls changes its table. */
	xa_for_each_range(&parent->table, index, entry, first, last) {
		err = clone_one(parent, child, index, entry);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}
