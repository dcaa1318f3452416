// SPDX-License-Identifier: GPL-2.0
/* STAT: what a heap has, and what is at single extents. */
#include <linux/mm.h>
#include <linux/uaccess.h>
#include "call.h"
#include "heap.h"
#include "range.h"
#include "vma.h"

static void stat_heap(struct ashlar_heap *heap, struct ashlar_stat *stat)
{
	struct ashlar_tally tally = { };

	if (heap->cow || READ_ONCE(heap->small_seen))
		ashlar_heap_tally(heap, &tally);
	stat->shared = tally.shared;
	stat->small = tally.small;
	stat->page_copies = atomic_long_read(&heap->page_copies);
	stat->lazy = atomic_long_read(&heap->lazy.now);
	stat->lazied = atomic_long_read(&heap->lazy.begun);
	stat->lazy_cancelled = atomic_long_read(&heap->lazy.cancelled);
	stat->flushes = atomic_long_read(&heap->flushes);
	xa_lock(&heap->table);
	stat->committed = heap->committed;
	stat->purged = heap->purged;
	stat->allocs = heap->allocs;
	stat->frees = heap->frees;
	stat->purges = heap->purges;
	stat->lazy_taken = heap->lazy_taken;
	stat->hits = heap->hits;
	stat->misses = heap->misses;
	stat->copies = heap->copies;
	xa_unlock(&heap->table);
}

static struct ashlar_extent_stat stat_extent(struct ashlar_heap *heap,
					     unsigned long index)
{
	struct ashlar_extent_stat stat = { .node = -1 };
	struct ashlar_look look;

	ashlar_heap_look(heap, index, &look);
	if (look.extent) {
		mutex_lock(&look.extent->lock);
		stat.node = look.extent->nid;
		stat.state = atomic_read(&look.extent->users) > 1 ?
			     ASHLAR_STATE_SHARED : ASHLAR_STATE_OWNED;
		if (stat.state == ASHLAR_STATE_OWNED &&
		    ashlar_heap_holds(heap, index, &look) &&
		    (look.share->nr || !look.extent->page))
			stat.state = ASHLAR_STATE_PIECES;
		if (look.extent->lazy)
			stat.state = ASHLAR_STATE_LAZY;
		mutex_unlock(&look.extent->lock);
		ashlar_heap_unlook(heap, &look);
	} else if (ashlar_is_purged(look.entry)) {
		stat.state = ASHLAR_STATE_PURGED;
	} else if (look.entry) {
		stat.state = ASHLAR_STATE_LOST;
	}
	return stat;
}

/* Describe up to @max extents from @addr on. With the mmap lock. */
static long stat_run(struct mm_struct *mm, unsigned long addr,
		     unsigned long end, struct ashlar_extent_stat *stats,
		     unsigned long max)
{
	struct ashlar_run run;
	unsigned long i;
	int err;

	err = ashlar_run_at(mm, addr, end, &run);
	if (err)
		return err;
	run.nr = min(run.nr, max);
	for (i = 0; i < run.nr; i++)
		stats[i] = stat_extent(run.heap, run.first + i);
	return run.nr;
}

/* The user's array is written without the mmap lock: it may fault. */
static int stat_extents(struct mm_struct *mm, const struct ashlar_stat *stat)
{
	struct ashlar_extent_stat __user *user = u64_to_user_ptr(stat->extents);
	unsigned long addr = stat->addr, end = addr + stat->length;
	struct ashlar_extent_stat *stats;
	long nr = 0;

	stats = (void *)__get_free_page(GFP_KERNEL);
	if (!stats)
		return -ENOMEM;
	while (addr < end) {
		nr = -EINTR;
		if (mmap_read_lock_killable(mm))
			break;
		nr = stat_run(mm, addr, end, stats, PAGE_SIZE / sizeof(*stats));
		mmap_read_unlock(mm);
		if (nr < 0)
			break;
		if (copy_to_user(user, stats, nr * sizeof(*stats))) {
			nr = -EFAULT;
			break;
		}
		user += nr;
		addr += nr * ASHLAR_EXTENT_SIZE;
		cond_resched();
	}
	free_page((unsigned long)stats);
	return min(nr, 0L);
}

int ashlar_call_stat(union ashlar_arg *arg)
{
	struct ashlar_stat *stat = &arg->stat;
	struct mm_struct *mm = current->mm;
	struct ashlar_range range = { stat->addr, stat->length };
	struct ashlar_run run;
	int err;

	if (stat->flags)
		return -EOPNOTSUPP;
	if (!IS_ALIGNED(stat->addr | stat->length, ASHLAR_EXTENT_SIZE) ||
	    stat->addr + stat->length < stat->addr ||
	    !stat->length != !stat->extents)
		return -EINVAL;
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	err = ashlar_range_check(mm, &range);
	if (!err)
		err = ashlar_run_at(mm, stat->addr, ULONG_MAX, &run);
	if (!err)
		stat_heap(run.heap, stat);
	mmap_read_unlock(mm);
	if (!err && stat->length)
		err = stat_extents(mm, stat);
	return err;
}
