/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An extent: one zeroed huge page taken from a node, charged, and given back.
 *
 * Its whole life: ashlar_extent_new() takes a page from the pool or makes one
 * and charges it; heaps share it by @users; the heap that brings @users to 0
 * calls ashlar_extent_free(), which ends the charge and gives the page to the
 * buddy allocator, or to the quarantine if it is pinned or poisoned.
 */
#ifndef ASHLAR_EXTENT_H
#define ASHLAR_EXTENT_H

#include <linux/mm.h>
#include <linux/nodemask.h>
#include "pool.h"

struct inode;

/**
 * struct ashlar_extent - one huge page in use
 * @page: its head page; one reference is the extent's. Constant.
 * @users: heaps whose table holds it. 0 to 1 never happens again; 1 to 2 only
 *	at a fork of its only user, with that user's mmap lock and all VMAs of
 *	its heap locked for writing.
 * @exposed: was shared, and references that another heap's process took by
 *	reading (a pipe's) may be left. Set before @users becomes 2; cleared when
 *	@users is 1, the page mapped nowhere and seen without extra references,
 *	under the page lock and the only user's mmap or VMA lock.
 *	Who faults and sees @users == 1 && !@exposed may write.
 * @link: in the quarantine. Guarded by the pool's lock.
 */
struct ashlar_extent {
	struct page *page;
	atomic_t users;
	bool exposed;
	struct list_head link;
};

/**
 * struct ashlar_want - what a caller wants
 * @mm: whose memory cgroup pays; some task's that is alive
 * @nid: the node asked for
 * @strict: from @nid or not at all
 * @effort: how hard to try
 * @allowed: the nodes that may serve
 * @hit: out: the page was ready
 */
struct ashlar_want {
	struct mm_struct *mm;
	int nid;
	bool strict;
	enum ashlar_effort effort;
	nodemask_t allowed;
	bool hit;
};

/* Set @want->allowed to what the calling task may use on behalf of want->mm. */
void ashlar_want_allowed(struct ashlar_want *want);

/**
 * ashlar_extent_new() - an extent that reads as zero, with one user
 * @inode: accounts it
 * @want: what is wanted
 *
 * Context: may sleep; under mmap lock at most, never under a page lock.
 * Return: the extent or ERR_PTR(-ENOMEM).
 */
struct ashlar_extent *ashlar_extent_new(struct inode *inode,
					struct ashlar_want *want);

/* One that was never mapped: put its page back, zero as it is. */
void ashlar_extent_unnew(struct inode *inode, struct ashlar_extent *extent);

/* No user is left: end the charge and give the page back. May sleep. */
void ashlar_extent_free(struct inode *inode, struct ashlar_extent *extent);

/* The hardware reported a memory error somewhere in the extent. */
static inline bool ashlar_extent_poisoned(struct ashlar_extent *extent)
{
	return PageHWPoison(extent->page) ||
	       folio_test_has_hwpoisoned(page_folio(extent->page));
}

/* Let go of what is no longer pinned; returns how many still are. */
unsigned long ashlar_quarantine_check(struct ashlar_pool *pool);

/* Module parameter: the most extents in use at once, 0 for no limit. */
unsigned long ashlar_max_extents(void);

int ashlar_extents_init(void);
void ashlar_extents_exit(void);

#endif /* ASHLAR_EXTENT_H */
