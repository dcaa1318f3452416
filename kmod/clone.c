// SPDX-License-Identifier: GPL-2.0
/* What a fork gives the child: shares, marks, and copies of what is pinned. */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include "clone.h"
#include "trace.h"

/* Shares made at a time. */
#define CLONE_BATCH	32

/**
 * struct clone - a run of extents that a fork shares
 * @parent: its heap
 * @child: the child's
 * @fresh: no other VMA was there before: the child has none of them yet
 * @left: extents of the parent's that may still come
 * @nr: how many of @shares there are
 * @shares: made ahead
 */
struct clone {
	struct ashlar_heap *parent;
	struct ashlar_heap *child;
	bool fresh;
	unsigned long left;
	unsigned int nr;
	struct ashlar_share *shares[CLONE_BATCH];
};

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
			unsigned long index, struct ashlar_share *share)
{
	struct ashlar_want want = {
		.mm = parent->mm,
		.nid = share->extent->nid,
		.effort = ASHLAR_HARD,
	};
	struct ashlar_extent *copy;
	unsigned int sub;
	int err = 0;

	ashlar_want_allowed(&want);
	copy = ashlar_extent_new(parent->space->account, &want);
	if (IS_ERR(copy))
		return child_store(child, index, ASHLAR_MARK_LOST);
	for (sub = 0; sub < ASHLAR_PAGES && !err; sub++) {
		err = ashlar_copy_page(copy->page + sub,
				       ashlar_share_page(share, sub));
		cond_resched();
	}
	if (err) {
		ashlar_extent_unnew(parent->space->account, copy);
		return child_store(child, index, ASHLAR_MARK_LOST);
	}
	err = child_store(child, index, &copy->first);
	if (err) {
		ashlar_extent_unnew(parent->space->account, copy);
		return err;
	}
	child->copies++;
	trace_ashlar_copy(index, true);
	return 0;
}

/*
 * What the child gets for a small page of the parent: the same, or a copy. The same
 * if it is poisoned: both get SIGBUS there, and there alone.
 */
static int clone_small(struct ashlar_heap *parent, struct ashlar_share *to,
		       unsigned int sub, struct ashlar_small *small)
{
	struct ashlar_small **spare = NULL, *copy = NULL;

	if (atomic_read(&small->users) == 1 && !small->exposed &&
	    ashlar_small_referenced(small, 0) && !PageHWPoison(small->page)) {
		copy = ashlar_small_new(parent->space->account, parent->mm,
					page_to_nid(small->page), false,
					false);
		if (!copy)
			return -ENOMEM;
		if (ashlar_copy_page(copy->page, small->page)) {
			ashlar_small_put(parent->space->account, copy);
			copy = NULL;
		}
	}
	if (copy) {
		small = copy;
	} else {
		small->exposed = true;
		atomic_inc(&small->users);
	}
	if (ashlar_share_set(to, sub, small, &spare))
		return 0;
	spare = ashlar_chunk_new();
	if (spare && ashlar_share_set(to, sub, small, &spare))
		return 0;
	ashlar_small_put(parent->space->account, small);
	return -ENOMEM;
}

static int clone_smalls(struct ashlar_heap *parent, struct ashlar_share *from,
			struct ashlar_share *to)
{
	unsigned int sub;
	int err = 0;

	for (sub = 0; to->nr < from->nr && sub < ASHLAR_PAGES && !err; sub++) {
		struct ashlar_small *small = ashlar_share_small(from, sub);

		if (small)
			err = clone_small(parent, to, sub, small);
	}
	return err;
}

/*
 * The parent may have given its pages of the extent to a device. Unmapped there,
 * and with no other mapping on its way, what is counted is a pin. An extent
 * that another share owns cannot be written to by the parent's pins.
 */
static bool clone_is_pinned(struct ashlar_share *share)
{
	struct ashlar_extent *extent = share->extent;
	bool pinned;

	if (!extent->page)
		return false;
	if (atomic_read_acquire(&extent->users) == 1)
		return ashlar_extent_referenced(extent);
	if (extent->owner != share)
		return false;
	lock_page(extent->page);
	pinned = ashlar_extent_referenced(extent);
	unlock_page(extent->page);
	return pinned;
}

/* With extent->lock: nobody else writes between the look and the sharing. */
static int clone_share(struct ashlar_heap *parent, struct ashlar_heap *child,
		       unsigned long index, struct ashlar_share *from,
		       struct ashlar_share *to)
{
	struct ashlar_extent *extent = from->extent;
	int err;

	err = clone_smalls(parent, from, to);
	if (err)
		return err;
	err = child_store(child, index, to);
	if (err)
		return err;
	if (to->nr)
		child->small_seen = true;
	if (atomic_read_acquire(&extent->users) == 1)
		extent->owner = from;
	/* What the owner kept for itself the child sees from now on. */
	if (extent->owner == from)
		bitmap_zero(extent->kept, ASHLAR_PAGES);
	ashlar_space_share(parent->space, from);
	return 0;
}

/* One of those that were made ahead, or NULL: no memory. */
static struct ashlar_share *clone_take(struct clone *clone)
{
	unsigned int nr = clamp_t(unsigned long, clone->left, 1, CLONE_BATCH);

	if (!clone->nr) {
		if (!ashlar_shares_new(clone->shares, nr))
			return NULL;
		clone->nr = nr;
	}
	clone->left -= !!clone->left;
	return clone->shares[--clone->nr];
}

static int clone_one(struct clone *clone, unsigned long index, void *entry)
{
	struct ashlar_heap *parent = clone->parent, *child = clone->child;
	struct ashlar_share *from = entry, *to;
	struct ashlar_extent *extent;
	bool shared = false;
	int err;

	if (!clone->fresh && xa_load(&child->table, index))
		return 0;
	if (xa_is_value(entry))
		return child_store(child, index, entry);
	extent = from->extent;
	to = clone_take(clone);
	if (!to)
		return -ENOMEM;
	to->extent = extent;
	mutex_lock(&extent->lock);
	if (extent->lazy) {
		/* Vanished for the child; the parent may have it back. */
		err = child_store(child, index, ashlar_mark_purged(extent));
	} else if (clone_is_pinned(from)) {
		err = clone_pinned(parent, child, index, from);
	} else {
		shared = true;
		err = clone_share(parent, child, index, from, to);
	}
	mutex_unlock(&extent->lock);
	if (!shared)
		ashlar_share_unnew(to);
	else if (err)
		ashlar_share_free(parent->space->account, to);
	return err;
}

static void freeze(struct ashlar_heap *heap, bool frozen)
{
	xa_lock(&heap->table);
	heap->frozen = frozen;
	xa_unlock(&heap->table);
}

int ashlar_heap_clone(struct ashlar_heap *parent, struct ashlar_heap *child,
		      unsigned long first, unsigned long last)
{
	struct clone clone = {
		.parent = parent,
		.child = child,
		.fresh = xa_empty(&child->table),
		.left = min(parent->committed, last - first + 1),
	};
	unsigned long index;
	void *entry;
	int err = 0;

	mmap_assert_write_locked(parent->mm);
	/*
	 * Nothing but the parent's own faults and calls changes its table; and
	 * memory pressure, which does not while it is frozen.
	 */
	freeze(parent, true);
	xa_for_each_range(&parent->table, index, entry, first, last) {
		err = clone_one(&clone, index, entry);
		if (err)
			break;
		cond_resched();
	}
	freeze(parent, false);
	ashlar_shares_unnew(clone.shares, clone.nr);
	return err;
}
