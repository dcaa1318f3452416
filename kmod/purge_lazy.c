// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds extent->lock and finds the extent lazy knows:
 *
 * - no fault is under way to map it: it would have cancelled under this lock,
 *   before it locked the page;
 * - its heap stays: whoever takes the share out of the table, or ends the heap,
 *   waits for this lock before it goes on (ashlar_share_leave()).
 *
 * The shrinker comes from the other side, from the list to the extent, and may be
 * inside an allocation of somebody who holds any of our locks: it tries, and
 * never waits.
 */
#include <linux/pagemap.h>
#include "account.h"
#include "lazy.h"
#include "purge_lazy.h"
#include "trace.h"

/* Extents unmapped at a time, as in purge.c. */
#define LAZY_BATCH	512

/* Could the extent be lazy? Asked again under its lock. */
static bool lazy_fits(struct ashlar_share *share)
{
	struct ashlar_extent *extent = share->extent;

	return READ_ONCE(extent->page) && !READ_ONCE(share->nr) &&
	       ashlar_extent_owned(extent);
}

bool ashlar_lazy_keep(struct ashlar_heap *heap, unsigned long index)
{
	struct ashlar_look look;
	bool holds;

	ashlar_heap_look(heap, index, &look);
	if (!look.extent)
		return false;
	mutex_lock(&look.extent->lock);
	holds = ashlar_heap_holds(heap, index, &look);
	if (holds)
		ashlar_lazy_cancel(look.extent);
	mutex_unlock(&look.extent->lock);
	ashlar_heap_unlook(heap, &look);
	return holds;
}

/**
 * struct lazy_span - extents to be unmapped together
 * @next: where to go on
 * @from: the first one that may become lazy
 * @to: the last one
 * @nr: how many there are; a few of those between may be of another kind
 */
struct lazy_span {
	unsigned long next;
	unsigned long from;
	unsigned long to;
	unsigned int nr;
};

/* The next ones, not beyond @last. False if there are no more after them. */
static bool lazy_gather(struct ashlar_heap *heap, struct lazy_span *span,
			unsigned long last)
{
	XA_STATE(xas, &heap->table, span->next);
	unsigned int seen = 0;
	void *entry;

	span->nr = 0;
	xas_lock(&xas);
	xas_for_each(&xas, entry, last) {
		if (seen++ == LAZY_BATCH)
			break;
		span->next = xas.xa_index + 1;
		if (xa_is_value(entry) || !lazy_fits(entry) ||
		    READ_ONCE(((struct ashlar_share *)entry)->extent->lazy))
			continue;
		if (!span->nr++)
			span->from = xas.xa_index;
		span->to = xas.xa_index;
	}
	xas_unlock(&xas);
	return entry;
}

/*
 * The extent was just unmapped. Who has touched it since, or has it pinned, has
 * a reference: with the page's lock a fault that was about to map has done so.
 */
static bool lazy_look(struct ashlar_heap *heap, unsigned long index,
		      struct ashlar_look *look)
{
	struct ashlar_extent *extent = look->extent;
	bool fits;

	if (!ashlar_heap_holds(heap, index, look) || !lazy_fits(look->share))
		return false;
	if (extent->lazy)
		return true;
	lock_page(extent->page);
	fits = !ashlar_page_pinned(extent->page) &&
	       !ashlar_extent_poisoned(extent);
	if (fits)
		ashlar_lazy_begin(extent, heap, index, &heap->lazy);
	unlock_page(extent->page);
	return fits;
}

/* One extent of the run; false if there is none, or it was left as it is. */
static bool lazy_one(struct ashlar_heap *heap, unsigned long index)
{
	struct ashlar_look look;
	bool lazy;

	ashlar_heap_look(heap, index, &look);
	if (!look.extent)
		return false;
	mutex_lock(&look.extent->lock);
	lazy = lazy_look(heap, index, &look);
	mutex_unlock(&look.extent->lock);
	if (!lazy)
		atomic_long_inc(&ashlar_pool(look.extent->nid)->lazy_kept);
	ashlar_heap_unlook(heap, &look);
	return lazy;
}

unsigned long ashlar_lazy_run(struct ashlar_heap *heap, unsigned long first,
			      unsigned long nr)
{
	unsigned long index = first, last = first + nr - 1, done = 0;
	struct lazy_span span = { .next = first };
	bool more;

	mmap_assert_locked(heap->mm);
	do {
		void *entry;

		more = lazy_gather(heap, &span, last);
		if (span.nr)
			ashlar_heap_unmap_counted(heap, span.from,
						  span.to - span.from + 1);
		for (; index < span.next; index++) {
			entry = xa_find(&heap->table, &index, span.next - 1,
					XA_PRESENT);
			if (!entry)
				break;
			done += !xa_is_value(entry) && lazy_one(heap, index);
			cond_resched();
		}
		index = span.next;
	} while (more);
	trace_ashlar_lazy(first, done);
	return done;
}

/* Leave a purge mark in place of the extent's share, unless that is gone or fixed. */
static struct ashlar_share *mark_taken(struct ashlar_extent *extent)
{
	struct ashlar_heap *heap = extent->heap;
	struct ashlar_share *share;

	xa_lock(&heap->table);
	share = xa_load(&heap->table, extent->index);
	/* A fork that looks at it now finds an extent punched all over. */
	if (heap->frozen || xa_is_value(share) ||
	    (share && share->extent != extent))
		share = NULL;
	if (share) {
		/* In place of an entry: nothing is allocated. */
		__xa_store(&heap->table, extent->index,
			   ashlar_mark_purged(extent), 0);
		heap->committed--;
		heap->purged++;
		heap->lazy_taken++;
	}
	/* Without a share of ours in it, the heap may be gone after this. */
	xa_unlock(&heap->table);
	return share;
}

/*
 * With extent->lock: give the page back; *@share is what is left to be freed, or
 * NULL if that is in the table still, or whoever took it out does so. False: left
 * alone.
 */
static bool take_page(struct ashlar_extent *extent, struct ashlar_share **share)
{
	struct page *page = extent->page;

	if (!trylock_page(page))
		return false;
	/*
	 * Somebody looks at it this moment, as compaction does: another time. But
	 * the kernel's look at a bad page, which is not to be used again, may last.
	 */
	if (ashlar_page_pinned(page) && !ashlar_extent_poisoned(extent)) {
		unlock_page(page);
		return false;
	}
	/*
	 * Drops the lock. The heap, and so the inode, stay until we are done;
	 * the file too, and so giving back to its user's limit does not sleep.
	 */
	ashlar_extent_punch(extent->heap->space->account, extent);
	ashlar_lazy_taken(extent);
	*share = mark_taken(extent);
	return true;
}

/* What take_page() left to be freed, without the lock. */
static void take_rest(struct ashlar_share *share)
{
	struct ashlar_extent *extent = share->extent;

	/* Without pages: there is nothing left to be accounted. */
	ashlar_share_free(NULL, share);
	atomic_dec(&extent->users);
	ashlar_extent_put(NULL, extent);
}

bool ashlar_lazy_replace(struct ashlar_extent *extent)
{
	struct ashlar_share *share = NULL;

	lockdep_assert_held(&extent->lock);
	if (likely(!ashlar_extent_poisoned(extent)) ||
	    !take_page(extent, &share))
		return false;
	mutex_unlock(&extent->lock);
	if (share)
		take_rest(share);
	return true;
}

static bool take_one(struct ashlar_pool *pool)
{
	struct ashlar_share *share = NULL;
	struct ashlar_extent *extent;
	bool taken = false;

	/* Keeps its memory while we drop its lock: who waits for that may free it. */
	rcu_read_lock();
	extent = ashlar_lazy_oldest(pool);
	if (extent) {
		taken = take_page(extent, &share);
		mutex_unlock(&extent->lock);
	}
	rcu_read_unlock();
	if (share)
		take_rest(share);
	return taken;
}

unsigned long ashlar_lazy_take(struct ashlar_pool *pool, unsigned long nr)
{
	/* Each of them is tried once. */
	unsigned long tries = READ_ONCE(pool->nr_lazy), taken = 0;

	while (tries-- && taken < nr) {
		taken += take_one(pool);
		cond_resched();
	}
	if (taken)
		trace_ashlar_shrink(pool->nid, taken, true);
	return taken;
}
