// SPDX-License-Identifier: GPL-2.0
/* FREE and PURGE. */
#include <linux/mm.h>
#include <linux/slab.h>
#include "call.h"
#include "purge.h"
#include "purge_lazy.h"
#include "range.h"
#include "vma.h"

/* What to do with ranges of extents. */
enum purge_way {
	BY_FREE,
	BY_FORCE,
	LAZILY,
};

/* Called with the mmap lock, which it drops on -EINTR. */
static int purge_range(struct mm_struct *mm, const struct ashlar_range *range,
		       enum purge_way way, u64 *done)
{
	unsigned long addr = range->addr, end = addr + range->length;
	struct ashlar_run run;
	long nr;
	int err;

	while (addr < end) {
		err = ashlar_run_at(mm, addr, end, &run);
		if (err)
			return err;
		if (way == LAZILY)
			nr = ashlar_lazy_run(run.heap, run.first, run.nr);
		else
			nr = ashlar_purge_run(run.heap, run.first, run.nr,
					      way == BY_FORCE);
		if (nr < 0)
			return nr;
		*done += nr;
		addr += run.nr * ASHLAR_EXTENT_SIZE;
		err = ashlar_breathe(mm);
		if (err < 0)
			return err;
	}
	return 0;
}

/* FREE and PURGE. Nothing is done unless all ranges are the caller's. */
static int purge_ranges(u64 user, u32 nr, enum purge_way way, u64 *done)
{
	struct mm_struct *mm = current->mm;
	struct ashlar_range *ranges = ashlar_ranges_get(user, nr, ASHLAR_EXTENT_SIZE);
	int err = 0;
	u32 i;

	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	nr = ashlar_ranges_join(ranges, nr);
	*done = 0;
	if (mmap_read_lock_killable(mm)) {
		err = -EINTR;
		goto free_ranges;
	}
	for (i = 0; i < nr && !err; i++)
		err = ashlar_range_check(mm, &ranges[i]);
	for (i = 0; i < nr && !err; i++)
		err = purge_range(mm, &ranges[i], way, done);
	if (err != -EINTR)
		mmap_read_unlock(mm);
free_ranges:
	kvfree(ranges);
	return *done ? 0 : err;
}

int ashlar_call_free(union ashlar_arg *arg)
{
	struct ashlar_free *free = &arg->free;

	if (free->flags)
		return -EOPNOTSUPP;
	if (free->reserved)
		return -EINVAL;
	return purge_ranges(free->ranges, free->nr_ranges, BY_FREE,
			    &free->done);
}

int ashlar_call_purge(union ashlar_arg *arg)
{
	struct ashlar_purge *purge = &arg->purge;

	if (purge->flags & ~(ASHLAR_PURGE_FORCED | ASHLAR_PURGE_LAZY))
		return -EOPNOTSUPP;
	if (hweight32(purge->flags) != 1 || purge->reserved)
		return -EINVAL;
	return purge_ranges(purge->ranges, purge->nr_ranges,
			    purge->flags == ASHLAR_PURGE_LAZY ? LAZILY : BY_FORCE,
			    &purge->done);
}
