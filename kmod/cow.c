// SPDX-License-Identifier: GPL-2.0
/* Copying the pages of shared extents at a write, and merging them again. */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include "account.h"
#include "cow.h"
#include "trace.h"

/**
 * struct cow - one page that is to become writable
 * @heap: its heap
 * @index: the extent's index
 * @sub: the page's number in the extent
 * @share: the heap's share
 * @extent: the share's extent; its lock is held
 * @refs: known references of the page, if it is a small one
 * @copy: a new small page, or NULL
 * @spare: new chunks, the first slot of each being the next, or NULL
 * @spares: how many; or with COW_SPARE, how many it has to be
 */
struct cow {
	struct ashlar_heap *heap;
	unsigned long index;
	unsigned int sub;
	struct ashlar_share *share;
	struct ashlar_extent *extent;
	int refs;
	struct ashlar_small *copy;
	struct ashlar_small **spare;
	int spares;
};

/* What is missing, to be brought without the lock. */
enum cow_need {
	COW_DONE,
	COW_COPY,
	COW_SPARE,
	COW_BAD,	/* nothing can help: what is to be copied is poisoned */
};

static void cow_push_spare(struct cow *cow, struct ashlar_small **chunk)
{
	*chunk = (struct ashlar_small *)cow->spare;
	cow->spare = chunk;
}

/* Put a small page into a share. A chunk, if it takes one, is there. */
static void cow_set(struct cow *cow, struct ashlar_share *share,
		    struct ashlar_small *small)
{
	struct ashlar_small **chunk = cow->spare, **next = NULL;

	if (chunk) {
		next = (struct ashlar_small **)*chunk;
		*chunk = NULL;
	}
	WARN_ON_ONCE(!ashlar_share_set(share, cow->sub, small, &chunk));
	cow->spare = next;
	if (chunk)
		cow_push_spare(cow, chunk);
}

static bool cow_lacks_chunk(struct cow *cow, struct ashlar_share *share)
{
	return !share->chunks[cow->sub / ASHLAR_CHUNK];
}

static void cow_count(struct cow *cow)
{
	atomic_long_inc(&cow->heap->page_copies);
	trace_ashlar_copy_page(cow->index, cow->sub);
}

/*
 * The heap has a small page already. Alone it may have it back, if nothing else
 * refers to it; else it gets a copy.
 *
 * Unmapped before it is copied, so that no thread still reads the old page when
 * another writes the new one; and before references are counted:
 * get_user_pages_fast() looks at the page table again after taking its own.
 */
static enum cow_need break_small(struct cow *cow, struct ashlar_small *small)
{
	enum cow_need need = COW_DONE;
	bool back;

	if (atomic_read_acquire(&small->users) > 1 && !cow->copy)
		return COW_COPY;
	lock_page(small->page);
	ashlar_heap_unmap_page(cow->heap, cow->index, cow->sub);
	back = atomic_read_acquire(&small->users) == 1 &&
	       !ashlar_small_referenced(small, cow->refs);
	if (back) {
		small->exposed = false;
	} else if (!cow->copy) {
		need = COW_COPY;
	} else if (ashlar_copy_page(cow->copy->page, small->page)) {
		need = COW_BAD;
	} else {
		cow_set(cow, cow->share, cow->copy);
		cow_count(cow);
	}
	unlock_page(small->page);
	if (back || need != COW_DONE)
		return need;
	cow->copy = NULL;
	ashlar_small_put(cow->heap->space->account, small);
	return COW_DONE;
}

/* The last user: take the extent back if nothing else refers to it. */
static bool take_back(struct cow *cow)
{
	struct page *page = cow->extent->page;
	bool back = false;

	lock_page(page);
	/* Seldom in vain: what is mapped does not count. */
	if (!ashlar_extent_referenced(cow->extent)) {
		ashlar_heap_unmap(cow->heap, cow->index, 1);
		back = !ashlar_extent_referenced(cow->extent);
	}
	if (back) {
		cow->extent->owner = cow->share;
		WRITE_ONCE(cow->extent->exposed, false);
	}
	unlock_page(page);
	return back;
}

/* The share that another heap has of the extent, if it sees the page there. */
static struct ashlar_share *sees_page(struct cow *cow,
				      struct ashlar_heap *other)
{
	struct ashlar_share *share;

	share = ashlar_heap_share(other, cow->index, cow->extent);
	if (!share || share == cow->share ||
	    ashlar_share_small(share, cow->sub))
		return NULL;
	return share;
}

/* How many chunks save_page() takes. */
static int save_spares(struct cow *cow)
{
	struct ashlar_heap *other;
	struct ashlar_share *share;
	int lacks = 0;

	list_for_each_entry(other, &cow->heap->space->heaps, node) {
		share = sees_page(cow, other);
		lacks += share && cow_lacks_chunk(cow, share);
	}
	return lacks;
}

/*
 * Give the page's bytes to all that see it: one small page for all of them. The
 * page lock is held, nobody has the page mapped, and none of us writes to it.
 */
static enum cow_need save_page(struct cow *cow)
{
	struct ashlar_space *space = cow->heap->space;
	struct ashlar_heap *other;
	struct ashlar_share *share;
	int users = 0;

	if (ashlar_copy_page(cow->copy->page, cow->extent->page + cow->sub))
		return COW_BAD;
	list_for_each_entry(other, &space->heaps, node) {
		share = sees_page(cow, other);
		if (!share)
			continue;
		cow_set(cow, share, cow->copy);
		WRITE_ONCE(other->small_seen, true);
		users++;
	}
	if (!users)
		return COW_DONE;
	atomic_set(&cow->copy->users, users);
	cow->copy->exposed = users > 1;
	cow->copy = NULL;
	cow_count(cow);
	return COW_DONE;
}

static void unmap_others(struct cow *cow)
{
	struct ashlar_heap *other;

	list_for_each_entry(other, &cow->heap->space->heaps, node)
		if (sees_page(cow, other))
			ashlar_heap_unmap_page(other, cow->index, cow->sub);
}

/* The owner writes in place, unless something refers to the extent. */
static enum cow_need break_owned(struct cow *cow, bool *in_place)
{
	struct ashlar_space *space = cow->heap->space;
	struct page *page = cow->extent->page;
	enum cow_need need = COW_DONE;
	int lacks;

	lock_page(page);
	down_read(&space->heaps_lock);
	*in_place = !ashlar_extent_referenced(cow->extent);
	if (!*in_place)
		goto unlock;
	lacks = save_spares(cow);
	if (lacks > cow->spares) {
		cow->spares = lacks;
		need = COW_SPARE;
		goto unlock;
	}
	unmap_others(cow);
	*in_place = !ashlar_extent_referenced(cow->extent);
	if (*in_place) {
		need = save_page(cow);
		if (need == COW_DONE)
			__set_bit(cow->sub, cow->extent->kept);
	}
unlock:
	up_read(&space->heaps_lock);
	unlock_page(page);
	return need;
}

/* Zero, or a copy of the extent's page, for this heap alone. */
static enum cow_need break_own(struct cow *cow)
{
	struct page *page = cow->extent->page;
	int err = 0;

	if (cow_lacks_chunk(cow, cow->share) && !cow->spare) {
		cow->spares = 1;
		return COW_SPARE;
	}
	if (page) {
		lock_page(page);
		/* A PMD goes as a whole. From here on, none comes back. */
		ashlar_heap_unmap_page(cow->heap, cow->index, cow->sub);
		err = ashlar_copy_page(cow->copy->page, page + cow->sub);
	} else {
		clear_highpage(cow->copy->page);
	}
	if (err)
		goto unlock;
	if (page)
		cow_count(cow);
	cow_set(cow, cow->share, cow->copy);
	WRITE_ONCE(cow->heap->small_seen, true);
	cow->copy = NULL;
unlock:
	if (page)
		unlock_page(page);
	return err ? COW_BAD : COW_DONE;
}

static enum cow_need break_page(struct cow *cow)
{
	struct ashlar_small *small = ashlar_share_small(cow->share, cow->sub);
	struct ashlar_extent *extent = cow->extent;
	enum cow_need need;
	bool in_place;

	if (ashlar_share_writable(cow->share, cow->sub))
		return COW_DONE;
	if (small)
		return break_small(cow, small);
	if (extent->page && atomic_read_acquire(&extent->users) == 1 &&
	    take_back(cow))
		return COW_DONE;
	if (!cow->copy)
		return COW_COPY;
	if (extent->page && atomic_read(&extent->users) > 1) {
		if (!extent->owner) {
			extent->owner = cow->share;
			bitmap_zero(extent->kept, ASHLAR_PAGES);
		}
		if (extent->owner == cow->share) {
			need = break_owned(cow, &in_place);
			if (in_place)
				return need;
		}
	}
	return break_own(cow);
}

/* Without the lock: bring what is missing. */
static int cow_bring(struct cow *cow, enum cow_need need)
{
	struct ashlar_small **chunk;
	int have = 0;

	if (need == COW_BAD)
		return -EHWPOISON;
	if (!cow->copy)
		cow->copy = ashlar_small_new(cow->heap->space->account,
					     cow->heap->mm, cow->extent->nid,
					     false, false);
	if (!cow->copy)
		return -ENOMEM;
	if (need != COW_SPARE)
		return 0;
	for (chunk = cow->spare; chunk; chunk = (struct ashlar_small **)*chunk)
		have++;
	for (; have < cow->spares; have++) {
		chunk = ashlar_chunk_new();
		if (!chunk)
			return -ENOMEM;
		cow_push_spare(cow, chunk);
	}
	return 0;
}

int ashlar_cow_break(struct ashlar_heap *heap, unsigned long index,
		     unsigned int sub, struct ashlar_look *look, int refs)
{
	struct cow cow = {
		.heap = heap,
		.index = index,
		.sub = sub,
		.share = look->share,
		.extent = look->extent,
		.refs = refs,
	};
	enum cow_need need;
	int err = 0;

	do {
		need = COW_DONE;
		mutex_lock(&cow.extent->lock);
		if (ashlar_heap_holds(heap, index, look))
			need = break_page(&cow);
		mutex_unlock(&cow.extent->lock);
		if (need != COW_DONE)
			err = cow_bring(&cow, need);
	} while (need != COW_DONE && !err);
	if (cow.copy)
		ashlar_small_put(heap->space->account, cow.copy);
	while (cow.spare) {
		struct ashlar_small **chunk = cow.spare;

		cow.spare = (struct ashlar_small **)*chunk;
		kfree(chunk);
	}
	return err;
}

/* Copy one small page into the extent and let go of it, unless it is pinned or bad. */
static void merge_small(struct ashlar_heap *heap, struct ashlar_share *share,
			unsigned int sub)
{
	struct ashlar_small *small = ashlar_share_small(share, sub);
	struct ashlar_small **none = NULL;

	if (ashlar_small_referenced(small, 0))
		return;
	/* Marked alone, where the kernel could not say that it is huge. */
	if (PageHWPoison(share->extent->page + sub) ||
	    ashlar_copy_page(share->extent->page + sub, small->page))
		return;
	ashlar_share_set(share, sub, NULL, &none);
	ashlar_small_put(heap->space->account, small);
}

static bool merge_locked(struct ashlar_heap *heap, unsigned long index,
			 struct ashlar_look *look)
{
	struct cow cow = {
		.heap = heap,
		.index = index,
		.share = look->share,
		.extent = look->extent,
	};
	unsigned int sub;

	if (!ashlar_heap_holds(heap, index, look) || !look->extent->page ||
	    atomic_read_acquire(&look->extent->users) > 1 ||
	    ashlar_extent_poisoned(look->extent))
		return false;
	if (READ_ONCE(look->extent->exposed) && !take_back(&cow))
		return false;
	if (!look->share->nr)
		return true;
	/* While the lock is held no fault begins, nor maps anything. */
	ashlar_share_wait(look->share);
	ashlar_heap_unmap(heap, index, 1);
	for (sub = 0; sub < ASHLAR_PAGES && look->share->nr; sub++)
		if (ashlar_share_small(look->share, sub))
			merge_small(heap, look->share, sub);
	return !look->share->nr;
}

bool ashlar_cow_merge(struct ashlar_heap *heap, unsigned long index)
{
	struct ashlar_look look;
	bool whole;

	ashlar_heap_look(heap, index, &look);
	if (!look.extent)
		return false;
	mutex_lock(&look.extent->lock);
	whole = merge_locked(heap, index, &look);
	mutex_unlock(&look.extent->lock);
	ashlar_heap_unlook(heap, &look);
	return whole;
}

void ashlar_cow_merge_all(struct ashlar_heap *heap)
{
	unsigned long index = 0;
	unsigned int nr;
	void *entry;

	if (!READ_ONCE(heap->small_seen))
		return;
	for (entry = xa_find(&heap->table, &index, ULONG_MAX, XA_PRESENT); entry;
	     entry = xa_find_after(&heap->table, &index, ULONG_MAX, XA_PRESENT)) {
		nr = 0;
		xa_lock(&heap->table);
		entry = xa_load(&heap->table, index);
		if (entry && !xa_is_value(entry))
			nr = READ_ONCE(((struct ashlar_share *)entry)->nr);
		xa_unlock(&heap->table);
		if (nr)
			ashlar_cow_merge(heap, index);
		cond_resched();
	}
}
