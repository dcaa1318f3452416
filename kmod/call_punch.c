// SPDX-License-Identifier: GPL-2.0
/* PUNCH and MEND. */
#include <linux/mm.h>
#include <linux/slab.h>
#include "call.h"
#include "punch.h"
#include "range.h"
#include "restore.h"
#include "vma.h"

/* The pages of the extent at @addr that ranges from *@i on name. */
static void punch_gather(const struct ashlar_range *ranges, u32 nr, u32 *i,
			 unsigned long addr, unsigned long *pages)
{
	unsigned long end = addr + ASHLAR_EXTENT_SIZE;

	bitmap_zero(pages, ASHLAR_PAGES);
	for (; *i < nr && ranges[*i].addr < end; (*i)++) {
		unsigned long from = max_t(u64, ranges[*i].addr, addr);
		unsigned long to = min_t(u64, ranges[*i].addr +
					 ranges[*i].length, end);

		bitmap_set(pages, (from - addr) >> PAGE_SHIFT,
			   (to - from) >> PAGE_SHIFT);
		/* The rest of this range belongs to the next extent. */
		if (ranges[*i].addr + ranges[*i].length > end)
			break;
	}
}

/* Are the extents of all pages the caller's? With the mmap lock. */
static int punch_check(struct mm_struct *mm, const struct ashlar_range *ranges,
		       u32 nr)
{
	int err = 0;
	u32 i;

	for (i = 0; i < nr && !err; i++) {
		u64 from = round_down(ranges[i].addr, ASHLAR_EXTENT_SIZE);
		u64 to = round_up(ranges[i].addr + ranges[i].length,
				  ASHLAR_EXTENT_SIZE);
		struct ashlar_range whole = { .addr = from, .length = to - from };

		err = ashlar_range_check(mm, &whole);
	}
	return err;
}

/* Called with the mmap lock, which it drops on -EINTR. */
static int punch_ranges(struct mm_struct *mm, const struct ashlar_range *ranges,
			u32 nr, u64 *done)
{
	DECLARE_BITMAP(pages, ASHLAR_PAGES);
	unsigned long addr = 0;
	struct ashlar_run run;
	u32 i = 0;
	long ret;

	while (i < nr) {
		addr = max_t(u64, addr, round_down(ranges[i].addr,
						   ASHLAR_EXTENT_SIZE));
		ret = ashlar_run_at(mm, addr, addr + ASHLAR_EXTENT_SIZE, &run);
		if (ret)
			return ret;
		punch_gather(ranges, nr, &i, addr, pages);
		addr += ASHLAR_EXTENT_SIZE;
		ret = ashlar_punch(run.heap, run.first, pages);
		if (ret < 0)
			return ret;
		*done += ret;
		ret = ashlar_breathe(mm);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int ashlar_call_punch(union ashlar_arg *arg)
{
	struct ashlar_punch *punch = &arg->punch;
	struct mm_struct *mm = current->mm;
	struct ashlar_range *ranges;
	int err;
	u32 nr;

	if (punch->flags)
		return -EOPNOTSUPP;
	if (punch->reserved)
		return -EINVAL;
	ranges = ashlar_ranges_get(punch->ranges, punch->nr_ranges, ASHLAR_PAGE_SIZE);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	nr = ashlar_ranges_join(ranges, punch->nr_ranges);
	punch->done = 0;
	err = -EINTR;
	if (mmap_read_lock_killable(mm))
		goto free_ranges;
	err = punch_check(mm, ranges, nr);
	if (!err)
		err = punch_ranges(mm, ranges, nr, &punch->done);
	if (err != -EINTR)
		mmap_read_unlock(mm);
free_ranges:
	kvfree(ranges);
	return punch->done ? 0 : err;
}

/* Called with the mmap lock, which it drops on -EINTR. */
static int mend_range(struct mm_struct *mm, const struct ashlar_range *range,
		      u64 *done)
{
	unsigned long addr = range->addr, end = addr + range->length;
	struct ashlar_want want = { .mm = mm, .effort = ASHLAR_CHEAP };
	struct ashlar_run run;
	int ret;

	ashlar_want_allowed(&want);
	for (; addr < end; addr += ASHLAR_EXTENT_SIZE) {
		ret = ashlar_run_at(mm, addr, addr + ASHLAR_EXTENT_SIZE, &run);
		if (ret)
			return ret;
		ret = ashlar_mend(run.heap, run.first, &want);
		if (ret < 0 && ret != -EBUSY)
			return ret;
		*done += ret > 0;
		ret = ashlar_breathe(mm);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Map the range by PMDs again, as far as can be. */
static int mend_mapping(struct mm_struct *mm, const struct ashlar_range *range)
{
	struct ashlar_run run;
	int err;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	err = ashlar_run_at(mm, range->addr, ULONG_MAX, &run);
	if (!err)
		ashlar_heap_get(run.heap);
	mmap_read_unlock(mm);
	/* Unmapped meanwhile: then it is no business of ours. */
	if (err)
		return 0;
	err = ashlar_restore(run.heap, range->addr,
			     range->addr + range->length);
	ashlar_heap_put(run.heap);
	return err;
}

static int mend_ranges(struct mm_struct *mm, const struct ashlar_range *ranges,
		       u32 nr, u64 *done)
{
	int err = 0;
	u32 i;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (i = 0; i < nr && !err; i++)
		err = ashlar_range_check(mm, &ranges[i]);
	for (i = 0; i < nr && !err; i++)
		err = mend_range(mm, &ranges[i], done);
	if (err != -EINTR)
		mmap_read_unlock(mm);
	for (i = 0; i < nr && !err; i++)
		err = mend_mapping(mm, &ranges[i]);
	return err;
}

int ashlar_call_mend(union ashlar_arg *arg)
{
	struct ashlar_mend *mend = &arg->mend;
	struct ashlar_range *ranges;
	int err;
	u32 nr;

	if (mend->flags)
		return -EOPNOTSUPP;
	if (mend->reserved)
		return -EINVAL;
	ranges = ashlar_ranges_get(mend->ranges, mend->nr_ranges, ASHLAR_EXTENT_SIZE);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	nr = ashlar_ranges_join(ranges, mend->nr_ranges);
	mend->done = 0;
	err = mend_ranges(current->mm, ranges, nr, &mend->done);
	kvfree(ranges);
	return mend->done ? 0 : err;
}
