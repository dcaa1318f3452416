// SPDX-License-Identifier: GPL-2.0
/*
 * Both do the same: with the extent's lock, so that no fault begins, wait for
 * the faults that are about to map a page; unmap all; see that nothing refers to
 * the pages that are to go; copy, and change what the heap sees. A thread that
 * touches a page meanwhile waits in its fault.
 */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include "account.h"
#include "cow.h"
#include "lazy.h"
#include "punch.h"
#include "trace.h"

/**
 * struct punch - what it takes to punch one extent
 * @heap: the heap
 * @index: the extent's index
 * @look: what was found there
 * @smalls: new small pages, each NULL when it is used
 * @chunks: new chunks, likewise
 */
struct punch {
	struct ashlar_heap *heap;
	unsigned long index;
	struct ashlar_look look;
	struct ashlar_small *smalls[ASHLAR_PAGES];
	struct ashlar_small **chunks[ASHLAR_CHUNKS];
};

/* With extent->lock: is it this heap's alone? Then nothing else takes a share. */
static int own_alone(struct ashlar_heap *heap, unsigned long index,
		     struct ashlar_look *look)
{
	if (!ashlar_heap_holds(heap, index, look))
		return -EAGAIN;
	return atomic_read_acquire(&look->extent->users) > 1 ? -EBUSY : 0;
}

/* No fault maps a page of it any more, and none is mapped. */
static void unmap_all(struct ashlar_heap *heap, unsigned long index,
		      struct ashlar_share *share)
{
	ashlar_share_wait(share);
	ashlar_heap_unmap(heap, index, 1);
}

/* A small page for each that is kept. What is there already is only reserved. */
static int punch_prepare(struct punch *punch, const unsigned long *pages)
{
	struct ashlar_extent *extent = punch->look.extent;
	struct inode *account = punch->heap->space->account;
	unsigned int sub;

	if (!READ_ONCE(extent->page))
		return 0;
	for (sub = 0; sub < ASHLAR_PAGES; sub++) {
		if (test_bit(sub, pages))
			continue;
		if (!punch->chunks[sub / ASHLAR_CHUNK])
			punch->chunks[sub / ASHLAR_CHUNK] = ashlar_chunk_new();
		if (!punch->chunks[sub / ASHLAR_CHUNK])
			return -ENOMEM;
		/* At a limit too: when it is done the whole page goes back. */
		punch->smalls[sub] = ashlar_small_new(account, punch->heap->mm,
						      extent->nid, false, true);
		if (!punch->smalls[sub])
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

static void punch_clean(struct punch *punch)
{
	struct inode *account = punch->heap->space->account;
	unsigned int i;

	for (i = 0; i < ASHLAR_PAGES; i++)
		if (punch->smalls[i])
			ashlar_small_put(account, punch->smalls[i]);
	for (i = 0; i < ASHLAR_CHUNKS; i++)
		kfree(punch->chunks[i]);
}

/* Each page that is kept goes to a small one. -EHWPOISON: nothing has changed. */
static int punch_move(struct punch *punch, const unsigned long *pages)
{
	struct ashlar_share *share = punch->look.share;
	struct page *page = share->extent->page;
	unsigned int sub;

	for (sub = 0; sub < ASHLAR_PAGES; sub++) {
		if (test_bit(sub, pages) || ashlar_share_small(share, sub))
			continue;
		if (ashlar_copy_page(punch->smalls[sub]->page, page + sub))
			return -EHWPOISON;
		cond_resched();
	}
	for (sub = 0; sub < ASHLAR_PAGES; sub++) {
		if (test_bit(sub, pages) || ashlar_share_small(share, sub))
			continue;
		ashlar_share_set(share, sub, punch->smalls[sub],
				 &punch->chunks[sub / ASHLAR_CHUNK]);
		punch->smalls[sub] = NULL;
	}
	WRITE_ONCE(punch->heap->small_seen, true);
	return 0;
}

/* Small pages that are to go. Who has one pinned keeps it from being reused. */
static long punch_smalls(struct punch *punch, const unsigned long *pages)
{
	struct ashlar_share *share = punch->look.share;
	struct ashlar_small **none = NULL;
	unsigned int sub;
	long nr = 0;

	for_each_set_bit(sub, pages, ASHLAR_PAGES) {
		struct ashlar_small *small = ashlar_share_small(share, sub);

		if (!small)
			continue;
		ashlar_share_set(share, sub, NULL, &none);
		ashlar_small_put(punch->heap->space->account, small);
		nr++;
	}
	return nr;
}

static long punch_locked(struct punch *punch, const unsigned long *pages)
{
	struct ashlar_extent *extent = punch->look.extent;
	struct ashlar_share *share = punch->look.share;
	bool whole = extent->page;
	long nr, err;

	err = own_alone(punch->heap, punch->index, &punch->look);
	if (err)
		return err;
	/* What is kept is kept. */
	ashlar_lazy_cancel(extent);
	unmap_all(punch->heap, punch->index, share);
	if (whole && ashlar_extent_referenced(extent))
		return -EBUSY;
	if (whole)
		err = punch_move(punch, pages);
	if (err)
		return err;
	nr = punch_smalls(punch, pages);
	if (whole) {
		lock_page(extent->page);
		ashlar_extent_punch(punch->heap->space->account, extent);
		WRITE_ONCE(extent->exposed, false);
		nr = bitmap_weight(pages, ASHLAR_PAGES);
	}
	return nr;
}

long ashlar_punch(struct ashlar_heap *heap, unsigned long index,
		  const unsigned long *pages)
{
	struct punch *punch;
	long nr;

	mmap_assert_locked(heap->mm);
	punch = kvzalloc(sizeof(*punch), GFP_KERNEL);
	if (!punch)
		return -ENOMEM;
	punch->heap = heap;
	punch->index = index;
	ashlar_heap_look(heap, index, &punch->look);
	nr = 0;
	if (!punch->look.extent)
		goto free_punch;
	/* Before up to 512 pages are made in vain; it is asked again below. */
	nr = -EBUSY;
	if (atomic_read(&punch->look.extent->users) > 1)
		goto clean;
	nr = punch_prepare(punch, pages);
	if (nr)
		goto clean;
	mutex_lock(&punch->look.extent->lock);
	nr = punch_locked(punch, pages);
	mutex_unlock(&punch->look.extent->lock);
	/* Another thread freed or mended it: as if that had come later. */
	if (nr == -EAGAIN)
		nr = 0;
	if (nr > 0)
		trace_ashlar_punch(index, nr);
clean:
	punch_clean(punch);
	ashlar_heap_unlook(heap, &punch->look);
free_punch:
	kvfree(punch);
	return nr;
}

static int smalls_cannot_move(struct ashlar_share *share)
{
	unsigned int sub;
	int err = 0;

	for (sub = 0; sub < ASHLAR_PAGES; sub++) {
		struct ashlar_small *small = ashlar_share_small(share, sub);

		/* The kernel keeps a reference of what it found bad. */
		if (small && PageHWPoison(small->page))
			return -EHWPOISON;
		if (small && ashlar_small_referenced(small, 0))
			err = -EBUSY;
	}
	return err;
}

/* Copy into @to, and put it into the table in place of what is there. */
static int mend_locked(struct ashlar_heap *heap, unsigned long index,
		       struct ashlar_look *look, struct ashlar_extent *to)
{
	struct ashlar_share *share = look->share;
	unsigned int sub;
	int err;

	err = own_alone(heap, index, look);
	if (err)
		return err;
	unmap_all(heap, index, share);
	err = smalls_cannot_move(share);
	if (err)
		return err;
	for (sub = 0; sub < ASHLAR_PAGES; sub++) {
		struct ashlar_small *small = ashlar_share_small(share, sub);

		if (small && ashlar_copy_page(to->page + sub, small->page))
			return -EHWPOISON;
		cond_resched();
	}
	xa_lock(&heap->table);
	/* FREE and PURGE change the table without the extent's lock. */
	if (xa_load(&heap->table, index) == share)
		__xa_store(&heap->table, index, &to->first, 0);
	else
		err = -EAGAIN;
	xa_unlock(&heap->table);
	return err;
}

static int mend_pieces(struct ashlar_heap *heap, unsigned long index,
		       struct ashlar_look *look, struct ashlar_want *want)
{
	struct ashlar_extent *to;
	int err;

	want->nid = look->extent->nid;
	to = ashlar_extent_new(heap->space->account, want);
	if (IS_ERR(to))
		return PTR_ERR(to);
	mutex_lock(&look->extent->lock);
	err = mend_locked(heap, index, look, to);
	mutex_unlock(&look->extent->lock);
	if (err) {
		ashlar_extent_unnew(heap->space->account, to);
		return err == -EAGAIN ? 0 : err;
	}
	ashlar_share_leave(look->share);
	ashlar_space_drop(heap->space, look->share);
	/* Small pages that were mapped left a page table. */
	ashlar_heap_by_ptes(heap, index);
	trace_ashlar_mend(index, 1);
	return 1;
}

/* Why its small pages could not go back into the extent's own page. */
static int mend_refusal(struct ashlar_heap *heap, unsigned long index,
			struct ashlar_look *look)
{
	int err = -EBUSY;

	mutex_lock(&look->extent->lock);
	if (ashlar_heap_holds(heap, index, look) && look->extent->page &&
	    (ashlar_page_poisoned(look->extent->page) ||
	     smalls_cannot_move(look->share) == -EHWPOISON))
		err = -EHWPOISON;
	mutex_unlock(&look->extent->lock);
	return err;
}

int ashlar_mend(struct ashlar_heap *heap, unsigned long index,
		struct ashlar_want *want)
{
	struct ashlar_look look;
	int ret = 0;

	mmap_assert_locked(heap->mm);
	ashlar_heap_look(heap, index, &look);
	if (!look.extent)
		return 0;
	if (atomic_read(&look.extent->users) > 1)
		ret = -EBUSY;
	else if (!READ_ONCE(look.extent->page))
		ret = mend_pieces(heap, index, &look, want);
	else if (ashlar_cow_merge(heap, index))
		ret = 1;
	else
		ret = mend_refusal(heap, index, &look);
	ashlar_heap_unlook(heap, &look);
	return ret;
}
