// SPDX-License-Identifier: GPL-2.0
/* The lists of lazy extents, and their counters. */
#include "lazy.h"
#include "trace.h"

void ashlar_lazy_begin(struct ashlar_extent *extent, struct ashlar_heap *heap,
		       unsigned long index, struct ashlar_lazy_counts *counts)
{
	struct ashlar_pool *pool = ashlar_pool(extent->nid);

	lockdep_assert_held(&extent->lock);
	extent->heap = heap;
	extent->index = index;
	extent->counts = counts;
	WRITE_ONCE(extent->lazy, true);
	spin_lock(&pool->lock);
	list_add_tail(&extent->link, &pool->lazy);
	pool->nr_lazy++;
	pool->lazied++;
	spin_unlock(&pool->lock);
	atomic_long_inc(&counts->now);
	atomic_long_inc(&counts->begun);
}

/* No more lazy; the node counts why. */
static void lazy_end(struct ashlar_extent *extent, unsigned long *why)
{
	struct ashlar_pool *pool = ashlar_pool(extent->nid);

	lockdep_assert_held(&extent->lock);
	spin_lock(&pool->lock);
	list_del_init(&extent->link);
	pool->nr_lazy--;
	(*why)++;
	spin_unlock(&pool->lock);
	atomic_long_dec(&extent->counts->now);
	WRITE_ONCE(extent->lazy, false);
}

void ashlar_lazy_cancel(struct ashlar_extent *extent)
{
	if (!extent->lazy)
		return;
	atomic_long_inc(&extent->counts->cancelled);
	trace_ashlar_cancel(extent->index, 1);
	lazy_end(extent, &ashlar_pool(extent->nid)->lazy_cancelled);
}

void ashlar_lazy_leave(struct ashlar_extent *extent)
{
	if (extent->lazy)
		lazy_end(extent, &ashlar_pool(extent->nid)->lazy_freed);
}

void ashlar_lazy_taken(struct ashlar_extent *extent)
{
	lazy_end(extent, &ashlar_pool(extent->nid)->lazy_taken);
}

/*
 * On the list an extent is not freed: whoever frees it takes it off first, for
 * which it needs both locks.
 */
struct ashlar_extent *ashlar_lazy_oldest(struct ashlar_pool *pool)
{
	struct ashlar_extent *extent;

	spin_lock(&pool->lock);
	extent = list_first_entry_or_null(&pool->lazy, struct ashlar_extent,
					  link);
	if (extent) {
		list_move_tail(&extent->link, &pool->lazy);
		if (!mutex_trylock(&extent->lock))
			extent = NULL;
	}
	spin_unlock(&pool->lock);
	return extent;
}
