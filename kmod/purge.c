// SPDX-License-Identifier: GPL-2.0
/*
 * FREE and PURGE, a batch at a time:
 *
 * 1. Take the extents out of the table: faults that look from now on do not
 *    find them.
 * 2. Wait for the locks of each: a fault that had looked before has mapped its
 *    page when it drops the page lock; a later one looks again and finds out.
 * 3. Unmap the run, once.
 * 4. Drop the extents: nobody can reach them through this heap.
 */
#include <linux/slab.h>
#include "purge.h"
#include "trace.h"

struct purge_batch {
	unsigned long first;	/* where to go on */
	unsigned long last;
	unsigned long from;	/* first and last extent of this batch */
	unsigned long to;
	unsigned int nr;
	unsigned int marks;
	struct ashlar_share **shares;
};

#define PURGE_BATCH	(PAGE_SIZE / sizeof(struct ashlar_share *))

/* Step 1. Returns false when the run is done. */
static bool batch_take(struct ashlar_heap *heap, struct purge_batch *batch,
		       bool keep)
{
	XA_STATE(xas, &heap->table, batch->first);
	unsigned int seen = 0;
	void *entry;

	batch->nr = 0;
	xas_lock(&xas);
	xas_for_each(&xas, entry, batch->last) {
		struct ashlar_share *share = entry;

		if (seen++ == PURGE_BATCH)
			break;
		batch->first = xas.xa_index + 1;
		if (ashlar_is_purged(entry)) {
			if (keep)
				continue;
			heap->purged--;
			batch->marks++;
			xas_store(&xas, NULL);
			continue;
		}
		if (xa_is_value(entry)) {
			batch->marks++;
			xas_store(&xas, keep ? xa_mk_value(0) : NULL);
			heap->purged += keep;
			continue;
		}
		xas_store(&xas, keep ? ashlar_mark_purged(share->extent) : NULL);
		heap->committed--;
		heap->purged += keep;
		if (!batch->nr)
			batch->from = xas.xa_index;
		batch->to = xas.xa_index;
		batch->shares[batch->nr++] = share;
	}
	if (keep)
		heap->purges += batch->nr;
	else
		heap->frees += batch->nr;
	xas_unlock(&xas);
	return entry;
}

/* Steps 2 to 4. */
static void batch_drop(struct ashlar_heap *heap, struct purge_batch *batch)
{
	unsigned int i;

	if (!batch->nr)
		return;
	for (i = 0; i < batch->nr; i++)
		ashlar_share_leave(batch->shares[i]);
	ashlar_heap_unmap_counted(heap, batch->from,
				  batch->to - batch->from + 1);
	for (i = 0; i < batch->nr; i++) {
		ashlar_space_drop(heap->space, batch->shares[i]);
		cond_resched();
	}
}

long ashlar_purge_run(struct ashlar_heap *heap, unsigned long first,
		      unsigned long nr, bool keep)
{
	struct purge_batch batch = { .first = first, .last = first + nr - 1 };
	long done = 0;
	bool more;

	mmap_assert_locked(heap->mm);
	batch.shares = (void *)__get_free_page(GFP_KERNEL);
	if (!batch.shares)
		return -ENOMEM;
	do {
		more = batch_take(heap, &batch, keep);
		batch_drop(heap, &batch);
		done += batch.nr;
	} while (more);
	free_page((unsigned long)batch.shares);
	if (keep)
		trace_ashlar_purge(first, done);
	else
		trace_ashlar_free(first, done);
	return done + batch.marks;
}
