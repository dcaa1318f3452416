/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A space is one open file; a heap is one process's extents in it.
 *
 * Locks, outermost first (Documentation/locking.md tells why):
 *	mmap lock > VMA lock > page lock of an extent's head page
 *	> i_mmap_rwsem > page-table locks
 *	page lock > the heap's table lock (xa_lock); nothing sleeps under it
 *	space->lock, pool->lock: leaves
 */
#ifndef ASHLAR_HEAP_H
#define ASHLAR_HEAP_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include "extent.h"

/**
 * struct ashlar_space - one open file
 * @ref: the file, each heap, and the queued work hold one
 * @inode: the file's own inode; its mapping holds the VMAs. Constant.
 * @account: the inode that extents are charged through. Constant.
 * @lock: spinlock for @heaps
 * @heaps: one for each process that maps the file, the newest first
 * @nr_shared: extents with more than one user
 * @calm: runs when @nr_shared has come to 0: long-term pins work again
 * @calm_round: which round of @calm this is. Of @calm alone.
 */
struct ashlar_space {
	struct kref ref;
	struct inode *inode;
	struct inode *account;
	spinlock_t lock;	/* for heaps */
	struct list_head heaps;
	atomic_long_t nr_shared;
	struct work_struct calm;
	unsigned long calm_round;
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
 * @table: extent index (file offset / ASHLAR_EXTENT_SIZE) to extent or mark.
 *	Guarded by its xa_lock, as all members below.
 * @committed: extents in @table
 * @purged: purge marks in @table
 * @allocs: extents committed so far, by ALLOC and by touching purged ones
 * @frees: extents given back by FREE so far
 * @purges: extents purged so far
 * @hits: of @allocs, those that were ready. @allocs == @hits + @misses.
 * @misses: of @allocs, those that had to be made
 * @copies: extents copied by writes after a fork, or at a fork for a pin
 */
struct ashlar_heap {
	struct kref ref;
	struct ashlar_space *space;
	struct mm_struct *mm;
	struct list_head node;
	bool cow;
	unsigned long calm_round;

	struct xarray table;
	unsigned long committed;
	unsigned long purged;
	unsigned long allocs;
	unsigned long frees;
	unsigned long purges;
	unsigned long hits;
	unsigned long misses;
	unsigned long copies;
};

/*
 * Marks in a heap's table: an extent that a fork could not copy; and a purged
 * one, which remembers its node.
 */
#define ASHLAR_MARK_LOST	xa_mk_value(1)

static inline void *ashlar_mark_purged(const struct ashlar_extent *extent)
{
	return xa_mk_value((unsigned long)page_to_nid(extent->page) << 1);
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

/* @calm: called from a workqueue with the space's reference, which it drops. */
struct ashlar_space *ashlar_space_create(work_func_t calm);
void ashlar_space_put(struct ashlar_space *space);

/* One more user of @extent, at a fork; see struct ashlar_extent. */
void ashlar_space_share(struct ashlar_space *space,
			struct ashlar_extent *extent);

/* One user of @extent less. It is mapped nowhere in that user's mm. */
void ashlar_space_drop(struct ashlar_space *space,
		       struct ashlar_extent *extent);

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
 * @entry: NULL, a mark, or an extent; not to be followed
 * @page: the extent's page with a reference, or NULL
 * @shared: more than one heap has it
 * @owned: no other heap has it, nor references from when it was shared
 */
struct ashlar_look {
	void *entry;
	struct page *page;
	bool shared;
	bool owned;
};

void ashlar_heap_look(struct ashlar_heap *heap, unsigned long index,
		      struct ashlar_look *look);

/*
 * Under the page's lock: is this still what the heap has at @index? With
 * @owned, only if the heap may write to it; see struct ashlar_extent.
 */
bool ashlar_heap_holds(struct ashlar_heap *heap, unsigned long index,
		       struct page *page, bool owned);

/*
 * Under the page's lock, and with the heap's mmap or VMA lock: if @heap is the
 * last user of the extent, unmap it, and make it owned again if the page has
 * no reference but the page cache's, ours and @refs. True if it is owned now.
 */
bool ashlar_heap_retake(struct ashlar_heap *heap, unsigned long index,
			struct page *page, int refs);

/*
 * With the mmap lock and all VMAs locked for writing, and no extent shared:
 * unmap all that are exposed, and make owned those nobody references. After
 * it, each mapping that is there may be written to.
 */
void ashlar_heap_settle(struct ashlar_heap *heap);

/* How many extents of the heap have other users too. May sleep. */
unsigned long ashlar_heap_shared(struct ashlar_heap *heap);

/* Unmap a run of extents from the heap's process. May sleep. */
void ashlar_heap_unmap(struct ashlar_heap *heap, unsigned long first,
		       unsigned long nr);

/* Forget a run of extents that the process maps no more. May sleep. */
void ashlar_heap_forget(struct ashlar_heap *heap, unsigned long first,
			unsigned long last);

#endif /* ASHLAR_HEAP_H */
