// SPDX-License-Identifier: GPL-2.0
/* Where an extent enters a heap. */
#include <linux/preempt.h>
#include "commit.h"
#include "purge_lazy.h"
#include "trace.h"

/*
 * An extent; where there is no page, from a lazy one, washed. Its page goes to the
 * kernel's list of this CPU, and most likely comes back from there.
 */
static struct ashlar_extent *extent_get(struct ashlar_heap *heap,
					struct ashlar_want *want)
{
	struct inode *account = heap->space->account;
	struct ashlar_extent *extent;
	struct ashlar_pool *pool;

	want->dry = false;
	extent = ashlar_extent_new(account, want);
	if (!IS_ERR(extent) || !want->dry)
		return extent;
	pool = ashlar_pool(ashlar_want_first(want));
	if (!pool)
		return extent;
	migrate_disable();
	if (ashlar_lazy_take(pool, 1)) {
		want->again = true;
		extent = ashlar_extent_new(account, want);
		want->again = false;
	}
	migrate_enable();
	return extent;
}

/* Replace @old, which is nothing or a mark, by a new extent. */
static int commit_over(struct ashlar_heap *heap, unsigned long index,
		       void *old, struct ashlar_want *want)
{
	struct ashlar_extent *extent;
	void *found;
	int nid;

	extent = extent_get(heap, want);
	if (IS_ERR(extent))
		return PTR_ERR(extent);
	nid = page_to_nid(extent->page);
	xa_lock(&heap->table);
	/* Drops the lock to allocate, and looks again. */
	found = __xa_cmpxchg(&heap->table, index, old, &extent->first,
			     ashlar_gfp_small(want->effort));
	if (found == old) {
		heap->committed++;
		heap->purged -= ashlar_is_purged(old);
		heap->allocs++;
		heap->hits += want->hit;
		heap->misses += !want->hit;
	}
	xa_unlock(&heap->table);
	if (found == old) {
		/* The extent may be gone again: others see it from here on. */
		trace_ashlar_alloc(index, nid, want->hit);
		return 0;
	}
	ashlar_extent_unnew(heap->space->account, extent);
	return xa_is_err(found) ? xa_err(found) : -EAGAIN;
}

int ashlar_commit(struct ashlar_heap *heap, unsigned long index,
		  struct ashlar_want *want)
{
	void *old;
	int err;

	/* Each round but the last was lost to another thread's call. */
	do {
		old = xa_load(&heap->table, index);
		if (old && !xa_is_value(old))
			return -EEXIST;
		err = commit_over(heap, index, old, want);
	} while (err == -EAGAIN);
	return err;
}

int ashlar_recommit(struct ashlar_heap *heap, unsigned long index, void *mark)
{
	struct ashlar_want want = {
		.mm = heap->mm,
		.nid = ashlar_purged_nid(mark),
		/* Failing is a SIGBUS: better to wait. */
		.effort = ASHLAR_HARD,
	};
	int err;

	ashlar_want_allowed(&want);
	err = commit_over(heap, index, mark, &want);
	return err == -EAGAIN ? 0 : err;
}
