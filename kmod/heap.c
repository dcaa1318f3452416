// SPDX-License-Identifier: GPL-2.0
/* Spaces, heaps, and the table from index to extent. */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "account.h"
#include "heap.h"
#include "limit.h"
#include "view.h"

/* Entries taken from a table under its lock at a time. */
#define ASHLAR_BATCH	32

static struct workqueue_struct *calm_queue;

int ashlar_heaps_init(void)
{
	calm_queue = alloc_workqueue("ashlar", WQ_UNBOUND, 0);
	return calm_queue ? 0 : -ENOMEM;
}

void ashlar_heaps_exit(void)
{
	destroy_workqueue(calm_queue);
}

struct ashlar_space *ashlar_space_create(kuid_t uid, work_func_t calm)
{
	struct ashlar_space *space;
	void *err;

	space = kzalloc(sizeof(*space), ashlar_gfp_small(ASHLAR_HARD));
	if (!space)
		return ERR_PTR(-ENOMEM);
	space->user = ashlar_user_get(uid);
	if (!space->user) {
		err = ERR_PTR(-ENOMEM);
		goto free_space;
	}
	space->inode = ashlar_inode_get();
	if (IS_ERR(space->inode)) {
		err = space->inode;
		goto put_user;
	}
	space->account = ashlar_inode_get();
	if (IS_ERR(space->account)) {
		err = space->account;
		goto put_inode;
	}
	ashlar_inode_account(space->account, space->user);
	kref_init(&space->ref);
	spin_lock_init(&space->lock);
	init_rwsem(&space->heaps_lock);
	mutex_init(&space->restore_lock);
	INIT_LIST_HEAD(&space->heaps);
	INIT_WORK(&space->calm, calm);
	return space;

put_inode:
	ashlar_inode_put(space->inode);
put_user:
	ashlar_user_put(space->user);
free_space:
	kfree(space);
	return err;
}

static void space_release(struct kref *ref)
{
	struct ashlar_space *space =
		container_of(ref, struct ashlar_space, ref);

	WARN_ON_ONCE(!list_empty(&space->heaps));
	WARN_ON_ONCE(atomic_long_read(&space->nr_shared));
	ashlar_inode_put(space->account);
	ashlar_inode_put(space->inode);
	ashlar_user_put(space->user);
	kfree(space);
}

void ashlar_space_put(struct ashlar_space *space)
{
	kref_put(&space->ref, space_release);
}

/* Nothing is shared any more: let the heaps that are left know. */
static void space_calm(struct ashlar_space *space)
{
	kref_get(&space->ref);
	if (!queue_work(calm_queue, &space->calm))
		ashlar_space_put(space);
}

void ashlar_space_share(struct ashlar_space *space, struct ashlar_share *share)
{
	struct ashlar_extent *extent = share->extent;

	WRITE_ONCE(extent->exposed, true);
	if (atomic_inc_return(&extent->users) == 2)
		atomic_long_inc(&space->nr_shared);
}

void ashlar_space_drop(struct ashlar_space *space, struct ashlar_share *share)
{
	struct ashlar_extent *extent = share->extent;
	int users;

	ashlar_share_free(space->account, share);
	users = atomic_dec_return(&extent->users);
	if (!users)
		ashlar_extent_put(space->account, extent);
	/* With a user left the extent is no longer ours to look at. */
	else if (users == 1 && atomic_long_dec_and_test(&space->nr_shared))
		space_calm(space);
}

struct ashlar_heap *ashlar_space_next(struct ashlar_space *space)
{
	struct ashlar_heap *heap;

	spin_lock(&space->lock);
	list_for_each_entry(heap, &space->heaps, node) {
		if (heap->calm_round == space->calm_round)
			continue;
		heap->calm_round = space->calm_round;
		if (kref_get_unless_zero(&heap->ref))
			goto unlock;
	}
	heap = NULL;
unlock:
	spin_unlock(&space->lock);
	return heap;
}

struct ashlar_heap *ashlar_heap_find(struct ashlar_space *space,
				     struct mm_struct *mm)
{
	struct ashlar_heap *heap;

	spin_lock(&space->lock);
	list_for_each_entry(heap, &space->heaps, node)
		if (heap->mm == mm && kref_get_unless_zero(&heap->ref))
			goto unlock;
	heap = NULL;
unlock:
	spin_unlock(&space->lock);
	return heap;
}

struct ashlar_heap *ashlar_heap_create(struct ashlar_space *space,
				       struct mm_struct *mm)
{
	struct ashlar_heap *heap;

	heap = kzalloc(sizeof(*heap), ashlar_gfp_small(ASHLAR_HARD));
	if (!heap)
		return NULL;
	kref_init(&heap->ref);
	kref_get(&space->ref);
	heap->space = space;
	mmgrab(mm);
	heap->mm = mm;
	xa_init_flags(&heap->table, XA_FLAGS_ACCOUNT);
	down_write(&space->heaps_lock);
	spin_lock(&space->lock);
	list_add(&heap->node, &space->heaps);
	spin_unlock(&space->lock);
	up_write(&space->heaps_lock);
	return heap;
}

void ashlar_heap_get(struct ashlar_heap *heap)
{
	kref_get(&heap->ref);
}

static void heap_release(struct kref *ref)
{
	struct ashlar_heap *heap = container_of(ref, struct ashlar_heap, ref);
	struct ashlar_space *space = heap->space;
	bool last;

	ashlar_heap_forget(heap, 0, ULONG_MAX);
	WARN_ON_ONCE(heap->committed || heap->purged ||
		     atomic_long_read(&heap->lazy.now));
	/* Who looks at other heaps' tables finds nothing there, but looks. */
	down_write(&space->heaps_lock);
	spin_lock(&space->lock);
	list_del(&heap->node);
	last = list_empty(&space->heaps);
	spin_unlock(&space->lock);
	up_write(&space->heaps_lock);
	xa_destroy(&heap->table);
	/* A fork may have shared nothing, and so no drop has told. */
	if (!last && heap->cow && !atomic_long_read(&space->nr_shared))
		space_calm(space);
	mmdrop(heap->mm);
	kfree(heap);
	ashlar_space_put(space);
}

void ashlar_heap_put(struct ashlar_heap *heap)
{
	kref_put(&heap->ref, heap_release);
}

void ashlar_heap_look(struct ashlar_heap *heap, unsigned long index,
		      struct ashlar_look *look)
{
	look->share = NULL;
	look->extent = NULL;
	xa_lock(&heap->table);
	look->entry = xa_load(&heap->table, index);
	if (look->entry && !xa_is_value(look->entry)) {
		look->share = look->entry;
		look->extent = look->share->extent;
		refcount_inc(&look->extent->ref);
	}
	xa_unlock(&heap->table);
}

void ashlar_heap_unlook(struct ashlar_heap *heap, struct ashlar_look *look)
{
	if (look->extent)
		ashlar_extent_put(heap->space->account, look->extent);
}

struct ashlar_share *ashlar_heap_share(struct ashlar_heap *heap,
				       unsigned long index,
				       struct ashlar_extent *extent)
{
	struct ashlar_share *share;

	xa_lock(&heap->table);
	share = xa_load(&heap->table, index);
	if (xa_is_value(share) || (share && share->extent != extent))
		share = NULL;
	xa_unlock(&heap->table);
	return share;
}

bool ashlar_heap_holds(struct ashlar_heap *heap, unsigned long index,
		       const struct ashlar_look *look)
{
	return ashlar_heap_share(heap, index, look->extent) == look->share;
}

bool ashlar_heap_whole(struct ashlar_heap *heap, unsigned long index)
{
	struct ashlar_share *share;
	bool whole = true;

	xa_lock(&heap->table);
	share = xa_load(&heap->table, index);
	if (share && !xa_is_value(share))
		whole = !READ_ONCE(share->nr) && READ_ONCE(share->extent->page);
	xa_unlock(&heap->table);
	return whole;
}

/*
 * Who looks at a share for longer than that needs a reference, since memory
 * pressure may take a lazy one; but what is exposed is not lazy.
 */
static bool is_exposed(struct ashlar_heap *heap, unsigned long index)
{
	struct ashlar_share *share;
	bool exposed;

	xa_lock(&heap->table);
	share = xa_load(&heap->table, index);
	exposed = share && !xa_is_value(share) &&
		  READ_ONCE(share->extent->exposed);
	xa_unlock(&heap->table);
	return exposed;
}

void ashlar_heap_settle(struct ashlar_heap *heap)
{
	unsigned long index, first = 0, nr = 0;
	struct ashlar_share *share;

	mmap_assert_write_locked(heap->mm);
	xa_for_each(&heap->table, index, share) {
		cond_resched();
		if (!is_exposed(heap, index))
			continue;
		if (nr && index != first + nr) {
			ashlar_heap_unmap(heap, first, nr);
			nr = 0;
		}
		if (!nr++)
			first = index;
	}
	if (nr)
		ashlar_heap_unmap(heap, first, nr);
	xa_for_each(&heap->table, index, share) {
		struct ashlar_extent *extent;

		cond_resched();
		if (!is_exposed(heap, index))
			continue;
		extent = share->extent;
		mutex_lock(&extent->lock);
		if (!extent->page || !ashlar_extent_referenced(extent)) {
			extent->owner = share;
			WRITE_ONCE(extent->exposed, false);
		}
		mutex_unlock(&extent->lock);
	}
}

void ashlar_heap_tally(struct ashlar_heap *heap, struct ashlar_tally *tally)
{
	XA_STATE(xas, &heap->table, 0);
	struct ashlar_share *share;
	unsigned long seen = 0;

	tally->shared = 0;
	tally->small = 0;
	xas_lock(&xas);
	xas_for_each(&xas, share, ULONG_MAX) {
		if (!xa_is_value(share)) {
			tally->shared += atomic_read(&share->extent->users) > 1;
			tally->small += READ_ONCE(share->nr);
		}
		if (++seen % 1024)
			continue;
		xas_pause(&xas);
		xas_unlock(&xas);
		cond_resched();
		xas_lock(&xas);
	}
	xas_unlock(&xas);
}

void ashlar_heap_by_ptes(struct ashlar_heap *heap, unsigned long index)
{
	if (!xa_get_mark(&heap->table, index, ASHLAR_BY_PTES))
		xa_set_mark(&heap->table, index, ASHLAR_BY_PTES);
}

void ashlar_heap_unmap(struct ashlar_heap *heap, unsigned long first,
		       unsigned long nr)
{
	ashlar_view_zap(heap->space->inode->i_mapping, heap->mm,
			first * ASHLAR_PAGES, nr * ASHLAR_PAGES);
}

void ashlar_heap_unmap_counted(struct ashlar_heap *heap, unsigned long first,
			       unsigned long nr)
{
	unsigned int flushes;

	flushes = ashlar_view_zap(heap->space->inode->i_mapping, heap->mm,
				  first * ASHLAR_PAGES, nr * ASHLAR_PAGES);
	atomic_long_add(flushes, &heap->flushes);
}

void ashlar_heap_unmap_page(struct ashlar_heap *heap, unsigned long index,
			    unsigned int sub)
{
	ashlar_view_zap(heap->space->inode->i_mapping, heap->mm,
			index * ASHLAR_PAGES + sub, 1);
}

/*
 * Take a batch of extents of a run out of the table. Returns true if there
 * may be more, from *@first on.
 */
static bool heap_erase(struct ashlar_heap *heap, unsigned long *first,
		       unsigned long last, struct ashlar_share **batch,
		       unsigned int *nr)
{
	XA_STATE(xas, &heap->table, *first);
	unsigned int seen = 0;
	void *entry;

	*nr = 0;
	xas_lock(&xas);
	xas_for_each(&xas, entry, last) {
		if (seen++ == ASHLAR_BATCH)
			break;
		xas_store(&xas, NULL);
		*first = xas.xa_index;
		if (ashlar_is_purged(entry)) {
			heap->purged--;
		} else if (!xa_is_value(entry)) {
			heap->committed--;
			batch[(*nr)++] = entry;
		}
	}
	xas_unlock(&xas);
	return entry;
}

void ashlar_heap_forget(struct ashlar_heap *heap, unsigned long first,
			unsigned long last)
{
	struct ashlar_share *batch[ASHLAR_BATCH];
	unsigned int i, nr;
	bool more;

	do {
		more = heap_erase(heap, &first, last, batch, &nr);
		for (i = 0; i < nr; i++) {
			ashlar_share_leave(batch[i]);
			ashlar_space_drop(heap->space, batch[i]);
		}
		cond_resched();
	} while (more);
}
