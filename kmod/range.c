// SPDX-License-Identifier: GPL-2.0
/* The vectors of ranges that callers hand in. */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/ashlar.h>
#include "range.h"
#include "vma.h"

/* The caller's ranges, each of them checked; to be freed with kvfree(). */
struct ashlar_range *ashlar_ranges_get(u64 user, u32 nr, unsigned long unit)
{
	struct ashlar_range *ranges;
	u32 i;

	if (!nr || nr > ASHLAR_MAX_RANGES)
		return ERR_PTR(-EINVAL);
	ranges = vmemdup_user(u64_to_user_ptr(user), nr * sizeof(*ranges));
	if (IS_ERR(ranges))
		return ranges;
	for (i = 0; i < nr; i++) {
		struct ashlar_range *range = &ranges[i];

		if (!range->length ||
		    !IS_ALIGNED(range->addr | range->length, unit) ||
		    range->addr + range->length < range->addr) {
			kvfree(ranges);
			return ERR_PTR(-EINVAL);
		}
	}
	return ranges;
}

/*
 * Between two extents: let others have the CPU, the lock, and the process.
 * Returns 1 if the mmap lock was dropped in between; or -EINTR, and then it
 * is not held any more.
 */
int ashlar_breathe(struct mm_struct *mm)
{
	bool dying = fatal_signal_pending(current);

	if (!dying && !need_resched() && !mmap_lock_is_contended(mm))
		return 0;
	mmap_read_unlock(mm);
	cond_resched();
	return dying || mmap_read_lock_killable(mm) ? -EINTR : 1;
}

static int range_cmp(const void *a, const void *b)
{
	const struct ashlar_range *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Sort and join, so that what is contiguous is unmapped at once. */
u32 ashlar_ranges_join(struct ashlar_range *ranges, u32 nr)
{
	u32 i, last = 0;

	sort(ranges, nr, sizeof(*ranges), range_cmp, NULL);
	for (i = 1; i < nr; i++) {
		u64 end = ranges[last].addr + ranges[last].length;

		if (ranges[i].addr > end)
			ranges[++last] = ranges[i];
		else
			ranges[last].length = max(end, ranges[i].addr +
						  ranges[i].length) -
					      ranges[last].addr;
	}
	return last + 1;
}

/* All of a range is ours. With the mmap lock. */
int ashlar_range_check(struct mm_struct *mm, const struct ashlar_range *range)
{
	unsigned long addr = range->addr, end = addr + range->length;
	struct ashlar_run run;
	int err;

	while (addr < end) {
		err = ashlar_run_at(mm, addr, end, &run);
		if (err)
			return err;
		addr += run.nr * ASHLAR_EXTENT_SIZE;
		cond_resched();
	}
	return 0;
}
