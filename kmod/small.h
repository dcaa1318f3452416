/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small page: 4 KB that a heap sees in place of its extent's own. Charged as
 * extents are, through the page cache of the hidden inode.
 *
 * It may be in the shares of several heaps, which then read it alone.
 */
#ifndef ASHLAR_SMALL_H
#define ASHLAR_SMALL_H

#include <linux/mm.h>

struct inode;

/**
 * struct ashlar_small - one small page
 * @page: the page; one reference is ours, one the page cache's. Constant.
 * @users: shares that have it. Rises under extent->lock.
 * @exposed: had several users, so that references which another process took
 *	by reading may be left. Guarded by extent->lock.
 */
struct ashlar_small {
	struct page *page;
	atomic_t users;
	bool exposed;
};

/*
 * A new one with one user; its bytes are whatever they are, unless @zero. @mm
 * pays. Tries hard: failing is a SIGBUS. @over: whatever the limits say. NULL:
 * no memory.
 */
struct ashlar_small *ashlar_small_new(struct inode *inode,
				      struct mm_struct *mm, int nid, bool zero,
				      bool over);

/* One user less, which has it mapped nowhere. May sleep. */
void ashlar_small_put(struct inode *inode, struct ashlar_small *small);

int ashlar_smalls_init(void);
void ashlar_smalls_exit(void);

#endif /* ASHLAR_SMALL_H */
