// SPDX-License-Identifier: GPL-2.0
/* Module and device: the ladder up at load, and down again at unload. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/ashlar.h>
#include "debugfs.h"
#include "extent.h"
#include "fault.h"
#include "heap.h"
#include "ioctl.h"
#include "pool.h"
#include "shrink.h"
#include "sysfs.h"
#include "vma.h"
#include "wash.h"

/* Kbuild leaves other kernels to decline.c. */
static_assert(HPAGE_PMD_SIZE == ASHLAR_EXTENT_SIZE);

static unsigned long pool_low;
module_param(pool_low, ulong, 0444);
MODULE_PARM_DESC(pool_low, "ready extents of a node below which its worker starts; 0, the default: half of pool_high");

static unsigned long pool_high;
module_param(pool_high, ulong, 0444);
MODULE_PARM_DESC(pool_high, "ready extents that each node's worker fills up to; 0, the default: one 32nd of the node, at most 512");

static int ashlar_open(struct inode *inode, struct file *file)
{
	struct ashlar_space *space =
		ashlar_space_create(current_fsuid(), ashlar_vma_calm);

	if (IS_ERR(space))
		return PTR_ERR(space);
	file->private_data = space;
	/* Each open file has its own offsets, and its own list of mappings. */
	file->f_mapping = space->inode->i_mapping;
	/*
	 * A first touch is none of the node's writes: it would tell everybody
	 * when, and dirty the inode of a file system that has the node.
	 */
	inode_set_flags(inode, S_NOCMTIME, S_NOCMTIME);
	return nonseekable_open(inode, file);
}

static int ashlar_release(struct inode *inode, struct file *file)
{
	/* Heaps hold the space; but none is left: each VMA held the file. */
	ashlar_space_put(file->private_data);
	return 0;
}

static const struct file_operations ashlar_fops = {
	.owner			= THIS_MODULE,
	.open			= ashlar_open,
	.release		= ashlar_release,
	.mmap			= ashlar_mmap,
	.get_unmapped_area	= ashlar_get_unmapped_area,
	.unlocked_ioctl		= ashlar_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
};

static struct miscdevice ashlar_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "ashlar",
	.fops	= &ashlar_fops,
	.mode	= 0660,
};

static int __init ashlar_init(void)
{
	int err;

	err = ashlar_pools_init(pool_low, pool_high);
	if (err)
		return err;
	err = ashlar_extents_init();
	if (err)
		goto pools_exit;
	err = ashlar_smalls_init();
	if (err)
		goto extents_exit;
	err = ashlar_shares_init();
	if (err)
		goto smalls_exit;
	err = ashlar_faults_init();
	if (err)
		goto shares_exit;
	err = ashlar_heaps_init();
	if (err)
		goto faults_exit;
	err = ashlar_wash_start();
	if (err)
		goto heaps_exit;
	err = ashlar_shrink_start();
	if (err)
		goto wash_stop;
	/* From here on users come in, and so nothing may fail any more. */
	err = misc_register(&ashlar_misc);
	if (err)
		goto shrink_stop;
	err = ashlar_sysfs_init(&ashlar_misc.this_device->kobj);
	if (err)
		pr_warn("no counters in sysfs: error %d\n", err);
	ashlar_debugfs_init();
	return 0;

shrink_stop:
	ashlar_shrink_stop();
wash_stop:
	ashlar_wash_stop();
heaps_exit:
	ashlar_heaps_exit();
faults_exit:
	ashlar_faults_exit();
shares_exit:
	ashlar_shares_exit();
smalls_exit:
	ashlar_smalls_exit();
extents_exit:
	ashlar_extents_exit();
pools_exit:
	ashlar_pools_exit();
	return err;
}

static void __exit ashlar_exit(void)
{
	ashlar_debugfs_exit();
	ashlar_sysfs_exit();
	misc_deregister(&ashlar_misc);
	ashlar_shrink_stop();
	ashlar_wash_stop();
	ashlar_heaps_exit();
	ashlar_faults_exit();
	ashlar_shares_exit();
	ashlar_smalls_exit();
	ashlar_extents_exit();
	ashlar_pools_exit();
}

module_init(ashlar_init);
module_exit(ashlar_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Pre-zeroed, NUMA-local huge-page extents for user-space allocators");
MODULE_AUTHOR("The Ashlar authors");
MODULE_VERSION("0.1.0");
