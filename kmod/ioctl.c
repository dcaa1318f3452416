// SPDX-License-Identifier: GPL-2.0
/*
 * The table of calls, and their checks. Memory is named by address in the
 * caller's own address space: the file that carries the call plays no part.
 */
#include <linux/build_bug.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <linux/ashlar.h>
#include "call.h"
#include "extent.h"
#include "ioctl.h"
#include "limit.h"

#define ABILITIES	(ASHLAR_CAN_FORK_COW | ASHLAR_CAN_POPULATE | \
			 ASHLAR_CAN_SNAPSHOT | ASHLAR_CAN_PUNCH | \
			 ASHLAR_CAN_PURGE_LAZY | \
			 (IS_ENABLED(CONFIG_MEMCG) ? ASHLAR_CAN_CHARGE : 0))

static_assert(sizeof(struct ashlar_range) == 16);
static_assert(sizeof(struct ashlar_info) == 40);
static_assert(sizeof(struct ashlar_alloc) == 32);
static_assert(sizeof(struct ashlar_free) == 32);
static_assert(sizeof(struct ashlar_purge) == 32);
static_assert(sizeof(struct ashlar_punch) == 32);
static_assert(sizeof(struct ashlar_mend) == 32);
static_assert(sizeof(struct ashlar_extent_stat) == 4);
static_assert(sizeof(struct ashlar_stat) == 160);

static int ashlar_call_info(union ashlar_arg *arg)
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
		.run = ashlar_call_##_name,					\
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
