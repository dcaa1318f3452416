// SPDX-License-Identifier: GPL-2.0
/* ALLOC. */
#include <linux/mm.h>
#include <linux/slab.h>
#include "call.h"
#include "commit.h"
#include "purge_lazy.h"
#include "range.h"
#include "vma.h"

/* Map an extent that was just committed. Failing is not an error. */
static void populate(struct mm_struct *mm, unsigned long addr)
{
	fixup_user_fault(mm, addr, FAULT_FLAG_WRITE, NULL);
}

/* Commit one extent, or with @keep, see that it is there and not lazy. */
static int alloc_one(const struct ashlar_run *run, struct ashlar_want *want,
		     bool keep)
{
	int err;

	/* A lazy one may be taken between the two. */
	do
		err = ashlar_commit(run->heap, run->first, want);
	while (keep && err == -EEXIST &&
	       !ashlar_lazy_keep(run->heap, run->first));
	return keep && err == -EEXIST ? 0 : err;
}

/* Commit one range. Called with the mmap lock, which it drops on -EINTR. */
static int alloc_range(struct mm_struct *mm, const struct ashlar_range *range,
		       struct ashlar_want *want, u32 flags, u64 *done)
{
	unsigned long addr = range->addr, end = addr + range->length;
	struct ashlar_run run = { };
	int err;

	while (addr < end) {
		if (!run.nr) {
			err = ashlar_run_at(mm, addr, end, &run);
			if (err)
				return err;
		}
		err = alloc_one(&run, want, flags & ASHLAR_ALLOC_KEEP);
		if (err)
			return err;
		(*done)++;
		if (flags & ASHLAR_ALLOC_POPULATE)
			populate(mm, addr);
		addr += ASHLAR_EXTENT_SIZE;
		run.first++;
		run.nr--;
		err = ashlar_breathe(mm);
		if (err < 0)
			return err;
		if (err) {
			/* The mappings may have changed meanwhile. */
			run.nr = 0;
			/* Others may have come who want what was taken ahead. */
			ashlar_stock_return(&want->stock);
		}
	}
	return 0;
}

/* Which nodes may serve, or why none may. */
static int alloc_want(const struct ashlar_alloc *alloc,
		      struct ashlar_want *want)
{
	int nid = alloc->node;

	if (nid == ASHLAR_NODE_LOCAL)
		nid = numa_mem_id();
	if (!ashlar_pool(nid))
		return -ENODEV;
	want->mm = current->mm;
	want->nid = nid;
	want->strict = alloc->flags & ASHLAR_ALLOC_STRICT;
	want->effort = ASHLAR_CHEAP;
	ashlar_want_allowed(want);
	return want->strict && !node_isset(nid, want->allowed) ? -EPERM : 0;
}

int ashlar_call_alloc(union ashlar_arg *arg)
{
	struct ashlar_alloc *alloc = &arg->alloc;
	struct mm_struct *mm = current->mm;
	struct ashlar_want want = { };
	struct ashlar_range *ranges;
	u64 done = 0;
	int err;
	u32 i;

	if (alloc->flags & ~(ASHLAR_ALLOC_STRICT | ASHLAR_ALLOC_POPULATE |
			     ASHLAR_ALLOC_KEEP))
		return -EOPNOTSUPP;
	err = alloc_want(alloc, &want);
	if (err)
		return err;
	ranges = ashlar_ranges_get(alloc->ranges, alloc->nr_ranges,
				   ASHLAR_EXTENT_SIZE);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	for (i = 0; i < alloc->nr_ranges; i++)
		want.stock.ahead += ranges[i].length >> ASHLAR_EXTENT_SHIFT;
	err = -EINTR;
	if (mmap_read_lock_killable(mm))
		goto free_ranges;
	for (i = 0, err = 0; i < alloc->nr_ranges && !err; i++)
		err = alloc_range(mm, &ranges[i], &want, alloc->flags, &done);
	if (err != -EINTR)
		mmap_read_unlock(mm);
	ashlar_stock_return(&want.stock);
free_ranges:
	kvfree(ranges);
	alloc->done = done;
	return done ? 0 : err;
}
