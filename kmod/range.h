/* SPDX-License-Identifier: GPL-2.0 */
/* The vectors of ranges that callers hand in: fetched, checked, sorted, joined. */
#ifndef ASHLAR_RANGE_H
#define ASHLAR_RANGE_H

#include <linux/types.h>

struct ashlar_range;
struct mm_struct;

/*
 * The caller's ranges, each of them checked: multiples of @unit, not empty, not
 * around the end. To be freed with kvfree(); or an ERR_PTR().
 */
struct ashlar_range *ashlar_ranges_get(u64 user, u32 nr, unsigned long unit);

/* Sort and join, so that what is contiguous is unmapped at once: how many are left. */
u32 ashlar_ranges_join(struct ashlar_range *ranges, u32 nr);

/* With the mmap lock: 0 if all of the range is of one process's heaps, or -ENXIO. */
int ashlar_range_check(struct mm_struct *mm, const struct ashlar_range *range);

/*
 * Between two extents: let others have the CPU, the lock, and the process.
 * Returns 1 if the mmap lock was dropped in between; or -EINTR, and then it
 * is not held any more.
 */
int ashlar_breathe(struct mm_struct *mm);

#endif /* ASHLAR_RANGE_H */
