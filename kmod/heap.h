/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A space is one open file; a heap is one process's extents in it.
 *
 * Locks, outermost first (Documentation/locking.md tells why):
 *	mmap lock > VMA lock > extent->lock > page lock of the extent's head
 *	page, or of a small page > space->heaps_lock > i_mmap_rwsem
 *	> page-table locks
 *	page lock > the heap's table lock (xa_lock); nothing sleeps under it
 *	space->lock, pool->lock, limit.c's users_lock: leaves
 */
#ifndef ASHLAR_HEAP_H
#define ASHLAR_HEAP_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include "lazy.h"
#include "share.h"

/**
 * struct ashlar_space - one open file
 * @ref: the file, each heap, and the queued work hold one
 * @user: who opened it. Constant.
 * @inode: the file's own inode; its mapping holds the VMAs. Constant.
 * @account: the inode that extents are charged through. Constant.
 * @lock: spinlock for @heaps
 * @heaps_lock: for @heaps too: who changes it holds both, who only reads either
 * @heaps: one for each process that maps the file, the newest first
 * @nr_shared: extents with more than one user
 * @calm: runs when @nr_shared has come to 0: long-term pins work again
 * @calm_round: which round of @calm this is. Of @calm alone.
 * @restore_lock: one task at a time maps VMAs over themselves
 * @restorer: that task, or NULL
 * @restores_again: its VMA may be gone. Of that task alone.
 * @remapper: the task of @calm while it touches what is held, or NULL
 */
struct ashlar_space {
	struct kref ref;
	struct ashlar_user *user;
	struct inode *inode;
	struct inode *account;
	spinlock_t lock;	/* for heaps */
	struct rw_semaphore heaps_lock;
	struct list_head heaps;
	atomic_long_t nr_shared;
	struct work_struct calm;
	unsigned long calm_round;
	struct mutex restore_lock;	/* for restorer */
	struct task_struct *restorer;
	bool restores_again;
	struct task_struct *remapper;
};

/**
 * struct ashlar_heap - the extents of one (file, mm)
 * @ref: one for each VMA, and temporary ones
 * @space: its file; a reference is held. Constant.
 * @mm: its process; mm_count is held. Constant.
 * @node: in @space->heaps. Guarded by @space->lock.
 * @cow: its VMAs have the vm_ops and the protection of sharing. Changed with
 *	the mmap lock and all VMAs of the heap locked for writing; so stable
 *	for a fault and for who holds the mmap lock.
 * @calm_round: the last round of @space->calm that saw it. Of that work alone.
 * @small_seen: some share may have small pages. Never cleared.
 * @page_copies: pages of 4 KB copied by writes of this heap
 * @flushes: runs that FREE and PURGE unmapped, each with one flush of the TLB
 * @lazy: counts its lazy extents
 * @table: extent index (file offset / ASHLAR_EXTENT_SIZE) to share or mark.
 *	Guarded by its xa_lock, as all members below. ASHLAR_BY_PTES marks
 *	those whose PMD holds a page table since they were shared.
 * @frozen: a fork goes through @table: no share leaves it but by the process's
 *	own calls and faults, which are locked out
 * @committed: extents in @table
 * @purged: purge marks in @table
 * @allocs: extents committed so far, by ALLOC and by touching purged ones
 * @frees: extents given back by FREE so far
 * @purges: extents purged by force so far
 * @lazy_taken: lazy extents that the system took so far
 * @hits: of @allocs, those that were ready. @allocs == @hits + @misses.
 * @misses: of @allocs, those that had to be made
 * @copies: extents copied at a fork, because of a pin
 */
struct ashlar_heap {
	struct kref ref;
	struct ashlar_space *space;
	struct mm_struct *mm;
	struct list_head node;
	bool cow;
	unsigned long calm_round;
	bool small_seen;
	atomic_long_t page_copies;
	atomic_long_t flushes;
	struct ashlar_lazy_counts lazy;

	struct xarray table;
	bool frozen;
	unsigned long committed;
	unsigned long purged;
	unsigned long allocs;
	unsigned long frees;
	unsigned long purges;
	unsigned long lazy_taken;
	unsigned long hits;
	unsigned long misses;
	unsigned long copies;
};

/*
 * Marks in a heap's table: an extent that a fork could not copy; and a purged
 * one, which remembers its node.
 */
#define ASHLAR_MARK_LOST	xa_mk_value(1)

#define ASHLAR_BY_PTES		XA_MARK_0

static inline void *ashlar_mark_purged(const struct ashlar_extent *extent)
{
	return xa_mk_value((unsigned long)extent->nid << 1);
}

static inline bool ashlar_is_purged(const void *entry)
{
	return xa_is_value(entry) && entry != ASHLAR_MARK_LOST;
}

static inline int ashlar_purged_nid(const void *entry)
{
	return xa_to_value(entry) >> 1;
}

int ashlar_heaps_init(void);
void ashlar_heaps_exit(void);

/*
 * @uid: whom the limits count what is held for. @calm: called from a workqueue
 * with the space's reference, which it drops.
 */
struct ashlar_space *ashlar_space_create(kuid_t uid, work_func_t calm);
void ashlar_space_put(struct ashlar_space *space);

/*
 * One more user of the extent, at a fork of @share's heap; see struct
 * ashlar_extent.
 */
void ashlar_space_share(struct ashlar_space *space, struct ashlar_share *share);

/*
 * The share has left its table (ashlar_share_leave()) and is mapped nowhere in
 * that heap's mm: free it, and what it was the last user of.
 */
void ashlar_space_drop(struct ashlar_space *space, struct ashlar_share *share);

/*
 * True if current is in ashlar_remap(): what it touches has been looked at, and may
 * have been purged since. Such a fault gives nobody memory and cancels nothing.
 */
static inline bool ashlar_is_remapper(struct ashlar_space *space)
{
	return READ_ONCE(space->remapper) == current;
}

/* The next heap that this round of the calm work has not seen, or NULL. */
struct ashlar_heap *ashlar_space_next(struct ashlar_space *space);

/* The heap of @mm with a reference; made if there is none. NULL: no memory. */
struct ashlar_heap *ashlar_heap_find(struct ashlar_space *space,
				     struct mm_struct *mm);
struct ashlar_heap *ashlar_heap_create(struct ashlar_space *space,
				       struct mm_struct *mm);
void ashlar_heap_get(struct ashlar_heap *heap);
void ashlar_heap_put(struct ashlar_heap *heap);

/**
 * struct ashlar_look - what a heap has at an index
 * @entry: NULL, a mark, or a share
 * @share: the share, or NULL; may be gone by now: see ashlar_heap_holds()
 * @extent: its extent with a reference, or NULL
 */
struct ashlar_look {
	void *entry;
	struct ashlar_share *share;
	struct ashlar_extent *extent;
};

void ashlar_heap_look(struct ashlar_heap *heap, unsigned long index,
		      struct ashlar_look *look);

/* Drop the extent's reference. May sleep. */
void ashlar_heap_unlook(struct ashlar_heap *heap, struct ashlar_look *look);

/*
 * Under extent->lock, or the lock of a page to be mapped: is this still what
 * the heap has at @index? It remains so until the lock is dropped, or at least
 * its remover waits for the lock.
 */
bool ashlar_heap_holds(struct ashlar_heap *heap, unsigned long index,
		       const struct ashlar_look *look);

/* Under extent->lock: the share that @heap has of this extent, or NULL. */
struct ashlar_share *ashlar_heap_share(struct ashlar_heap *heap,
				       unsigned long index,
				       struct ashlar_extent *extent);

/*
 * No small page is, or was a moment ago, in the way of mapping it by PMD, if it is
 * this heap's alone.
 */
bool ashlar_heap_whole(struct ashlar_heap *heap, unsigned long index);

/*
 * With the mmap lock and all VMAs locked for writing, and no extent shared:
 * unmap all that are exposed, and make owned those nobody references. After
 * it, each mapping that is there may be written to.
 */
void ashlar_heap_settle(struct ashlar_heap *heap);

/**
 * struct ashlar_tally - sums over a heap's table
 * @shared: extents that have other users too
 * @small: small pages
 */
struct ashlar_tally {
	unsigned long shared;
	unsigned long small;
};

/* May sleep. */
void ashlar_heap_tally(struct ashlar_heap *heap, struct ashlar_tally *tally);

/* The extent's PMD holds, or is about to hold, a page table. */
void ashlar_heap_by_ptes(struct ashlar_heap *heap, unsigned long index);

/* Unmap a run of extents from the heap's process. May sleep. */
void ashlar_heap_unmap(struct ashlar_heap *heap, unsigned long first,
		       unsigned long nr);

/* The same for FREE and PURGE, whose flushes are counted. */
void ashlar_heap_unmap_counted(struct ashlar_heap *heap, unsigned long first,
			       unsigned long nr);

/* Unmap one page of an extent. May sleep. */
void ashlar_heap_unmap_page(struct ashlar_heap *heap, unsigned long index,
			    unsigned int sub);

/* Forget a run of extents that the process maps no more. May sleep. */
void ashlar_heap_forget(struct ashlar_heap *heap, unsigned long first,
			unsigned long last);

#endif /* ASHLAR_HEAP_H */
