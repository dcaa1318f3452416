// SPDX-License-Identifier: GPL-2.0
/*
 * The whole module where the kernel has no huge pages of 2 MB (see Kbuild): it
 * says so, and is not loaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pgtable.h>

static int __init ashlar_init(void)
{
	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		pr_err("this kernel has no transparent huge pages%s; programs use libashlar without the module\n",
		       IS_ENABLED(CONFIG_PREEMPT_RT) ? " (none with PREEMPT_RT has)" : "");
	else
		pr_err("huge pages are %lu KB here, and only 2 MB with pages of 4 KB on x86-64 will do; programs use libashlar without the module\n",
		       (unsigned long)PMD_SIZE / 1024);
	return -EOPNOTSUPP;
}

module_init(ashlar_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Says that this kernel has no huge pages of 2 MB");
MODULE_AUTHOR("The Ashlar authors");
