// SPDX-License-Identifier: GPL-2.0
/*
 * The table of calls, and their checks. Memory is named by address in the
 * caller's own address space: the file that carries the call plays no part.
 */
#include <linux/build_bug.h>
#include <linux/cpuset.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/ashlar.h>
#include "commit.h"
#include "heap.h"
#include "ioctl.h"
#include "punch.h"
#include "purge.h"
#include "restore.h"
#include "vma.h"

#define ABILITIES	(ASHLAR_CAN_FORK_COW | ASHLAR_CAN_POPULATE | \
			 ASHLAR_CAN_SNAPSHOT | ASHLAR_CAN_PUNCH | \
			 (IS_ENABLED(CONFIG_MEMCG) ? ASHLAR_CAN_CHARGE : 0))

union ashlar_arg {
	struct ashlar_info info;
	struct ashlar_alloc alloc;
	struct ashlar_free free;
	struct ashlar_purge purge;
	struct ashlar_stat stat;
	struct ashlar_punch punch;
	struct ashlar_mend mend;
};

static_assert(sizeof(struct ashlar_range) == 16);
static_assert(sizeof(struct ashlar_info) == 40);
static_assert(sizeof(struct ashlar_alloc) == 32);
static_assert(sizeof(struct ashlar_free) == 32);
static_assert(sizeof(struct ashlar_purge) == 32);
static_assert(sizeof(struct ashlar_punch) == 32);
static_assert(sizeof(struct ashlar_mend) == 32);
static_assert(sizeof(struct ashlar_extent_stat) == 4);
static_assert(sizeof(struct ashlar_stat) == 128);

static int ioctl_info(union ashlar_arg *arg)
{
	struct ashlar_info *info = &arg->info;
	int nid;

	if (info->flags)
		return -EOPNOTSUPP;
	info->abilities = ABILITIES;
	info->extent_size = ASHLAR_EXTENT_SIZE;
	info->nr_nodes = 0;
	for_each_node_state(nid, N_MEMORY)
		info->nr_nodes = nid + 1;
	info->max_ranges = ASHLAR_MAX_RANGES;
	info->max_extents = ashlar_max_extents();
	return 0;
}

/* The caller's ranges, each of them checked; to be freed with kvfree(). */
static struct ashlar_range *ranges_get(u64 user, u32 nr, unsigned long unit)
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
static int breathe(struct mm_struct *mm)
{
	bool dying = fatal_signal_pending(current);

	if (!dying && !need_resched() && !mmap_lock_is_contended(mm))
		return 0;
	mmap_read_unlock(mm);
	cond_resched();
	return dying || mmap_read_lock_killable(mm) ? -EINTR : 1;
}

/* Map an extent that was just committed. Failing is not an error. */
static void populate(struct mm_struct *mm, unsigned long addr)
{
	fixup_user_fault(mm, addr, FAULT_FLAG_WRITE, NULL);
}

/* Commit one range. Called with the mmap lock, which it drops on -EINTR. */
static int alloc_range(struct mm_struct *mm, const struct ashlar_range *range,
		       struct ashlar_want *want, bool map, u64 *done)
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
		err = ashlar_commit(run.heap, run.first, want);
		if (err)
			return err;
		(*done)++;
		if (map)
			populate(mm, addr);
		addr += ASHLAR_EXTENT_SIZE;
		run.first++;
		run.nr--;
		err = breathe(mm);
		if (err < 0)
			return err;
		/* The mappings may have changed meanwhile. */
		if (err)
			run.nr = 0;
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

static int ioctl_alloc(union ashlar_arg *arg)
{
	struct ashlar_alloc *alloc = &arg->alloc;
	struct mm_struct *mm = current->mm;
	struct ashlar_want want = { };
	struct ashlar_range *ranges;
	u64 done = 0;
	int err;
	u32 i;

	if (alloc->flags & ~(ASHLAR_ALLOC_STRICT | ASHLAR_ALLOC_POPULATE))
		return -EOPNOTSUPP;
	err = alloc_want(alloc, &want);
	if (err)
		return err;
	ranges = ranges_get(alloc->ranges, alloc->nr_ranges,
			    ASHLAR_EXTENT_SIZE);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	err = -EINTR;
	if (mmap_read_lock_killable(mm))
		goto free_ranges;
	for (i = 0, err = 0; i < alloc->nr_ranges && !err; i++)
		err = alloc_range(mm, &ranges[i], &want,
				  alloc->flags & ASHLAR_ALLOC_POPULATE, &done);
	if (err != -EINTR)
		mmap_read_unlock(mm);
free_ranges:
	kvfree(ranges);
	alloc->done = done;
	return done ? 0 : err;
}

static int range_cmp(const void *a, const void *b)
{
	const struct ashlar_range *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Sort and join, so that what is contiguous is unmapped at once. */
static u32 ranges_join(struct ashlar_range *ranges, u32 nr)
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
static int range_check(struct mm_struct *mm, const struct ashlar_range *range)
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

/* Called with the mmap lock, which it drops on -EINTR. */
static int purge_range(struct mm_struct *mm, const struct ashlar_range *range,
		       bool keep, u64 *done)
{
	unsigned long addr = range->addr, end = addr + range->length;
	struct ashlar_run run;
	long nr;
	int err;

	while (addr < end) {
		err = ashlar_run_at(mm, addr, end, &run);
		if (err)
			return err;
		nr = ashlar_purge_run(run.heap, run.first, run.nr, keep);
		if (nr < 0)
			return nr;
		*done += nr;
		addr += run.nr * ASHLAR_EXTENT_SIZE;
		err = breathe(mm);
		if (err < 0)
			return err;
	}
	return 0;
}

/* FREE and PURGE. Nothing is done unless all ranges are the caller's. */
static int purge_ranges(u64 user, u32 nr, bool keep, u64 *done)
{
	struct mm_struct *mm = current->mm;
	struct ashlar_range *ranges = ranges_get(user, nr, ASHLAR_EXTENT_SIZE);
	int err = 0;
	u32 i;

	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	nr = ranges_join(ranges, nr);
	*done = 0;
	if (mmap_read_lock_killable(mm)) {
		err = -EINTR;
		goto free_ranges;
	}
	for (i = 0; i < nr && !err; i++)
		err = range_check(mm, &ranges[i]);
	for (i = 0; i < nr && !err; i++)
		err = purge_range(mm, &ranges[i], keep, done);
	if (err != -EINTR)
		mmap_read_unlock(mm);
free_ranges:
	kvfree(ranges);
	return *done ? 0 : err;
}

static int ioctl_free(union ashlar_arg *arg)
{
	struct ashlar_free *free = &arg->free;

	if (free->flags)
		return -EOPNOTSUPP;
	if (free->reserved)
		return -EINVAL;
	return purge_ranges(free->ranges, free->nr_ranges, false, &free->done);
}

static int ioctl_purge(union ashlar_arg *arg)
{
	struct ashlar_purge *purge = &arg->purge;

	/* Lazy needs ASHLAR_CAN_PURGE_LAZY. */
	if (purge->flags & ~ASHLAR_PURGE_FORCED)
		return -EOPNOTSUPP;
	if (!purge->flags || purge->reserved)
		return -EINVAL;
	return purge_ranges(purge->ranges, purge->nr_ranges, true,
			    &purge->done);
}

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
		ret = breathe(mm);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int ioctl_punch(union ashlar_arg *arg)
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
	ranges = ranges_get(punch->ranges, punch->nr_ranges, ASHLAR_PAGE_SIZE);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	nr = ranges_join(ranges, punch->nr_ranges);
	punch->done = 0;
	err = -EINTR;
	if (mmap_read_lock_killable(mm))
		goto free_ranges;
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
		ret = breathe(mm);
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
		err = mend_range(mm, &ranges[i], done);
	if (err != -EINTR)
		mmap_read_unlock(mm);
	for (i = 0; i < nr && !err; i++)
		err = mend_mapping(mm, &ranges[i]);
	return err;
}

static int ioctl_mend(union ashlar_arg *arg)
{
	struct ashlar_mend *mend = &arg->mend;
	struct ashlar_range *ranges;
	int err;
	u32 nr;

	if (mend->flags)
		return -EOPNOTSUPP;
	if (mend->reserved)
		return -EINVAL;
	ranges = ranges_get(mend->ranges, mend->nr_ranges, ASHLAR_EXTENT_SIZE);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	nr = ranges_join(ranges, mend->nr_ranges);
	mend->done = 0;
	err = mend_ranges(current->mm, ranges, nr, &mend->done);
	kvfree(ranges);
	return mend->done ? 0 : err;
}

static void stat_heap(struct ashlar_heap *heap, struct ashlar_stat *stat)
{
	struct ashlar_tally tally = { };

	if (heap->cow || READ_ONCE(heap->small_seen))
		ashlar_heap_tally(heap, &tally);
	stat->shared = tally.shared;
	stat->small = tally.small;
	stat->page_copies = atomic_long_read(&heap->page_copies);
	stat->lazy = 0;
	xa_lock(&heap->table);
	stat->committed = heap->committed;
	stat->purged = heap->purged;
	stat->allocs = heap->allocs;
	stat->frees = heap->frees;
	stat->purges = heap->purges;
	stat->hits = heap->hits;
	stat->misses = heap->misses;
	stat->copies = heap->copies;
	xa_unlock(&heap->table);
}

static struct ashlar_extent_stat stat_extent(struct ashlar_heap *heap,
					     unsigned long index)
{
	struct ashlar_extent_stat stat = { .node = -1 };
	struct ashlar_look look;

	ashlar_heap_look(heap, index, &look);
	if (look.extent) {
		mutex_lock(&look.extent->lock);
		stat.node = look.extent->nid;
		stat.state = atomic_read(&look.extent->users) > 1 ?
			     ASHLAR_STATE_SHARED : ASHLAR_STATE_OWNED;
		if (stat.state == ASHLAR_STATE_OWNED &&
		    ashlar_heap_holds(heap, index, &look) &&
		    (look.share->nr || !look.extent->page))
			stat.state = ASHLAR_STATE_PIECES;
		mutex_unlock(&look.extent->lock);
		ashlar_heap_unlook(heap, &look);
	} else if (ashlar_is_purged(look.entry)) {
		stat.state = ASHLAR_STATE_PURGED;
	} else if (look.entry) {
		stat.state = ASHLAR_STATE_LOST;
	}
	return stat;
}

/* Describe up to @max extents from @addr on. With the mmap lock. */
static long stat_run(struct mm_struct *mm, unsigned long addr,
		     unsigned long end, struct ashlar_extent_stat *stats,
		     unsigned long max)
{
	struct ashlar_run run;
	unsigned long i;
	int err;

	err = ashlar_run_at(mm, addr, end, &run);
	if (err)
		return err;
	run.nr = min(run.nr, max);
	for (i = 0; i < run.nr; i++)
		stats[i] = stat_extent(run.heap, run.first + i);
	return run.nr;
}

/* The user's array is written without the mmap lock: it may fault. */
static int stat_extents(struct mm_struct *mm, const struct ashlar_stat *stat)
{
	struct ashlar_extent_stat __user *user = u64_to_user_ptr(stat->extents);
	unsigned long addr = stat->addr, end = addr + stat->length;
	struct ashlar_extent_stat *stats;
	long nr = 0;

	stats = (void *)__get_free_page(GFP_KERNEL);
	if (!stats)
		return -ENOMEM;
	while (addr < end) {
		nr = -EINTR;
		if (mmap_read_lock_killable(mm))
			break;
		nr = stat_run(mm, addr, end, stats, PAGE_SIZE / sizeof(*stats));
		mmap_read_unlock(mm);
		if (nr < 0)
			break;
		if (copy_to_user(user, stats, nr * sizeof(*stats))) {
			nr = -EFAULT;
			break;
		}
		user += nr;
		addr += nr * ASHLAR_EXTENT_SIZE;
		cond_resched();
	}
	free_page((unsigned long)stats);
	return min(nr, 0L);
}

static int ioctl_stat(union ashlar_arg *arg)
{
	struct ashlar_stat *stat = &arg->stat;
	struct mm_struct *mm = current->mm;
	struct ashlar_range range = { stat->addr, stat->length };
	struct ashlar_run run;
	int err;

	if (stat->flags)
		return -EOPNOTSUPP;
	if (!IS_ALIGNED(stat->addr | stat->length, ASHLAR_EXTENT_SIZE) ||
	    stat->addr + stat->length < stat->addr ||
	    !stat->length != !stat->extents)
		return -EINVAL;
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	err = range_check(mm, &range);
	if (!err)
		err = ashlar_run_at(mm, stat->addr, ULONG_MAX, &run);
	if (!err)
		stat_heap(run.heap, stat);
	mmap_read_unlock(mm);
	if (!err && stat->length)
		err = stat_extents(mm, stat);
	return err;
}

/**
 * struct ashlar_op - one call
 * @size: its struct as known here
 * @min_size: the struct's size when the call was new
 * @run: does it; @arg is copied back where it returns 0
 */
struct ashlar_op {
	size_t size;
	size_t min_size;
	int (*run)(union ashlar_arg *arg);
};

#define OP(_cmd, _name, _last)						\
	[_IOC_NR(_cmd)] = {						\
		.size = sizeof(struct ashlar_##_name),			\
		.min_size = offsetofend(struct ashlar_##_name, _last),	\
		.run = ioctl_##_name,					\
	}

static const struct ashlar_op ops[] = {
	OP(ASHLAR_IOC_INFO, info, max_extents),
	OP(ASHLAR_IOC_ALLOC, alloc, done),
	OP(ASHLAR_IOC_FREE, free, done),
	OP(ASHLAR_IOC_PURGE, purge, done),
	OP(ASHLAR_IOC_STAT, stat, copies),
	OP(ASHLAR_IOC_PUNCH, punch, done),
	OP(ASHLAR_IOC_MEND, mend, done),
};

long ashlar_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	unsigned int nr = _IOC_NR(cmd);
	union ashlar_arg karg = { };
	const struct ashlar_op *op;
	u32 size;
	int err;

	if (nr >= ARRAY_SIZE(ops) || cmd != _IO(ASHLAR_IOC_TYPE, nr))
		return -ENOTTY;
	op = &ops[array_index_nospec(nr, ARRAY_SIZE(ops))];
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < op->min_size)
		return -EINVAL;
	/* Nothing that long can be meant; and reading it takes time. */
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(&karg, op->size, user, size);
	if (err)
		return err;
	err = op->run(&karg);
	if (err)
		return err;
	if (copy_to_user(user, &karg, min_t(size_t, size, op->size)))
		return -EFAULT;
	return 0;
}
