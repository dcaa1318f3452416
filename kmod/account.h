/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Charging a page that is already zeroed to a memory cgroup.
 *
 * No charge function is exported to modules, but the page cache charges what
 * enters it. So each open file has a hidden inode whose page cache its extents
 * enter when they are handed out, at an index that is the page's own frame
 * number: unique, aligned, and nothing to allocate. Nobody ever looks a page
 * up there. The mapping is unevictable and cannot migrate. The charge stays
 * until the last reference to the page is put.
 *
 * A page in use has ASHLAR_PAGES references of the page cache, one of ours,
 * and one for each mapping and each pin.
 */
#ifndef ASHLAR_ACCOUNT_H
#define ASHLAR_ACCOUNT_H

#include <linux/fs.h>
#include <linux/mm.h>
#include "pool.h"

struct ashlar_user;
struct mem_cgroup;

/* Two inodes of a file system nobody can mount; undone by their iput(). */
struct inode *ashlar_inode_get(void);
void ashlar_inode_put(struct inode *inode);

/* Make an inode one that pages are accounted in, and limited as this user's. */
void ashlar_inode_account(struct inode *inode, struct ashlar_user *user);

static inline struct ashlar_user *ashlar_inode_user(struct inode *inode)
{
	return inode->i_private;
}

/**
 * ashlar_charge() - put a page under the active memory cgroup
 * @inode: where to account it
 * @page: a page with one reference, reading as zero
 * @effort: how hard the cgroup may be reclaimed to make room
 *
 * Never invokes the OOM killer.
 * Return: 0, or -ENOMEM with the page as it was.
 */
int ashlar_charge(struct inode *inode, struct page *page,
		  enum ashlar_effort effort);

/*
 * Take the page out of the page cache again. The caller's reference is the
 * last one but for pins; the page is mapped nowhere and the caller does not
 * hold its lock.
 */
void ashlar_uncharge(struct inode *inode, struct page *page);

/* The same where the caller holds the page's lock, which is dropped. */
void ashlar_uncharge_locked(struct inode *inode, struct page *page);

/* True if anything but the page cache and we hold a page mapped nowhere. */
static inline bool ashlar_page_pinned(struct page *page)
{
	return page_count(page) > ASHLAR_PAGES + 1;
}

#endif /* ASHLAR_ACCOUNT_H */
