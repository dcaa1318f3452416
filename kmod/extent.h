/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An extent: one zeroed huge page taken from a node, charged, and given back.
 *
 * Its whole life: ashlar_extent_new() takes a page from the pool or makes one
 * and charges it; heaps hold it by their shares (share.h), counted by @users;
 * with the last of them, and the last look at it, ashlar_extent_put() ends the
 * charge and gives the page to the buddy allocator; or to the quarantine if it
 * is pinned, and to nobody ever if it is poisoned.
 */
#ifndef ASHLAR_EXTENT_H
#define ASHLAR_EXTENT_H

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/refcount.h>
#include "poison.h"
#include "pool.h"

struct ashlar_extent;
struct ashlar_heap;
struct ashlar_lazy_counts;
struct ashlar_small;
struct ashlar_user;
struct inode;

/* Small pages of a share are kept in chunks of so many. */
#define ASHLAR_CHUNK	64
#define ASHLAR_CHUNKS	(ASHLAR_PAGES / ASHLAR_CHUNK)

/**
 * struct ashlar_share - what one heap has of an extent; its table's entry
 * @extent: the extent. Constant.
 * @nr: small pages in @chunks
 * @chunks: the small pages that this heap sees instead of the extent's own; a
 *	chunk that was never needed is NULL.
 *
 * @nr and @chunks are guarded by extent->lock; once the share is out of its
 * table and ashlar_share_leave() is over, they are its remover's alone.
 */
struct ashlar_share {
	struct ashlar_extent *extent;
	unsigned int nr;
	struct ashlar_small **chunks[ASHLAR_CHUNKS];
};

/**
 * struct ashlar_extent - one huge page in use
 * @nid: the node it was made on. Constant.
 * @user: whom the limits count it for. Constant.
 * @page: its head page; one reference is the extent's. NULL once it was punched;
 *	so changed under @lock, and never back.
 * @users: shares of it in the tables of heaps. 0 to 1 never happens again; 1 to
 *	2 only at a fork of its only user, with that user's mmap lock and all
 *	VMAs of its heap locked for writing.
 * @ref: one for all users together, one for each look at it
 * @exposed: was shared, and references that another heap's process took by
 *	reading (a pipe's) may be left. Set before @users becomes 2; cleared when
 *	@users is 1, the page mapped nowhere and seen without extra references,
 *	under @lock.
 *	Who faults and sees @users == 1 && !@exposed may write.
 * @lock: for what follows, and for the small pages of all shares
 * @owner: the share that may write in place, once it has saved what the others
 *	see; NULL if that one is gone: the next one to write may take it.
 * @kept: pages that nobody but @owner sees, nor has a reference to. Of no
 *	meaning without @owner.
 * @waiting: threads inside page_mkwrite whose kernel holds a reference of the
 *	page. Rises any time, falls under @lock.
 * @lazy: on its node's list of lazy extents (lazy.h). Changed under @lock and
 *	the pool's lock; so read under either.
 * @heap: while @lazy, the one that has it; stays while @lock is held
 * @index: while @lazy, its place there
 * @counts: while @lazy, that heap's counters
 * @link: in the quarantine, or with @lazy. Guarded by the pool's lock.
 * @since: in the quarantine, jiffies when it came there. Constant then.
 * @pinned: in the quarantine, it is counted as pinned. As @link.
 * @rcu: who looks at it as lazy may still be in @lock when it is freed
 * @first: the share of the heap that the extent was made for
 */
struct ashlar_extent {
	int nid;
	struct ashlar_user *user;
	struct page *page;
	atomic_t users;
	refcount_t ref;
	bool exposed;
	struct mutex lock;	/* for owner, kept, and small pages */
	struct ashlar_share *owner;
	atomic_t waiting;
	bool lazy;
	struct ashlar_heap *heap;
	unsigned long index;
	struct ashlar_lazy_counts *counts;
	struct list_head link;
	unsigned long since;
	bool pinned;
	struct rcu_head rcu;
	struct ashlar_share first;
	DECLARE_BITMAP(kept, ASHLAR_PAGES);
};

/**
 * struct ashlar_want - what a caller wants
 * @mm: whose memory cgroup pays; some task's that is alive
 * @nid: the node asked for
 * @strict: from @nid or not at all
 * @effort: how hard to try
 * @allowed: the nodes that may serve
 * @again: the node was just given a page for this, on this CPU
 * @hit: out: the page was ready
 * @stock: where many are wanted, ready pages taken ahead; all zero otherwise
 * @dry: out: there was no page
 */
struct ashlar_want {
	struct mm_struct *mm;
	int nid;
	bool strict;
	enum ashlar_effort effort;
	nodemask_t allowed;
	bool again;
	bool hit;
	struct ashlar_stock stock;
	bool dry;
};

/* The node to begin with: @want->nid, or the nearest allowed; or NUMA_NO_NODE. */
int ashlar_want_first(const struct ashlar_want *want);

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

/*
 * With extent->lock, and the page's lock, which it drops: give the page back
 * alone. It is mapped nowhere, nothing refers to it, and the extent has one user.
 */
void ashlar_extent_punch(struct inode *inode, struct ashlar_extent *extent);

/*
 * With the last reference: end the charge, give the page back. May sleep. @inode
 * is not looked at for an extent without a page.
 */
void ashlar_extent_put(struct inode *inode, struct ashlar_extent *extent);

/* The hardware reported a memory error somewhere in the extent, which has a page. */
static inline bool ashlar_extent_poisoned(struct ashlar_extent *extent)
{
	return ashlar_page_struck(extent->page);
}

/*
 * Let go of what nothing refers to any more; returns how many wait still. For the
 * node's worker alone: those that it looks at are on no list of the pool's.
 */
unsigned long ashlar_quarantine_check(struct ashlar_pool *pool);

int ashlar_extents_init(void);
void ashlar_extents_exit(void);

#endif /* ASHLAR_EXTENT_H */
