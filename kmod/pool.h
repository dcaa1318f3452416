/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Per NUMA node: zeroed huge pages that belong to nobody, and the counters.
 *
 * A page in the pool has one reference, the pool's, reads as zero, is charged
 * to no memory cgroup and is on no LRU list. A page that some process has
 * used never comes back here: it goes to the buddy allocator, which ends its
 * charge, and the worker (wash.h) takes a fresh one and clears it.
 */
#ifndef ASHLAR_POOL_H
#define ASHLAR_POOL_H

#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/ashlar.h>

#define ASHLAR_PAGES	(ASHLAR_EXTENT_SIZE / PAGE_SIZE)
#define ASHLAR_ORDER	(ASHLAR_EXTENT_SHIFT - PAGE_SHIFT)

/**
 * struct ashlar_pool - one node's reserve
 * @nid: the node, constant
 * @lock: spinlock; a leaf, nothing is taken under it
 * @ready: zeroed pages by page->lru. Guarded by @lock.
 * @nr_ready: length of @ready. Guarded by @lock, read without.
 * @low: the worker starts when @nr_ready falls below. Guarded by @lock to
 *	write, read without. 0 <= @low <= @high.
 * @high: the worker never goes beyond. As @low.
 * @target: what the worker fills to just now, @target <= @high; falls to what
 *	is left under memory pressure and is @high again when that has been
 *	over for ten seconds. As @low.
 * @rate: most pages washed per second, 0 for no limit. Read without a lock.
 * @pressure: jiffies of the last time pressure took pages. Guarded by @lock.
 * @filling: @nr_ready fell below @low, and has not reached @target since.
 *	Guarded by @lock.
 * @out: extents in use by processes of this node's memory
 * @hits: pages handed out that were ready
 * @misses: pages handed out that had to be made in the caller
 * @fails: times the node had no page to give
 * @remote: of hits + misses, pages handed out though another node was asked
 * @washed: pages cleared by the worker
 * @shrunk: ready pages given back under memory pressure
 * @lazy: extents purged lazily, the oldest first (lazy.h). Guarded by @lock.
 * @nr_lazy: length of @lazy. Guarded by @lock, read without.
 * @lazied: extents that became lazy. This and the next three as @nr_lazy.
 * @lazy_cancelled: of those, touched again
 * @lazy_taken: of those, given to the kernel: to the shrinker, the OOM notifier, or
 *	for a caller that found no page
 * @lazy_freed: of those, freed, purged by force, or unmapped by their process
 * @lazy_kept: extents that lazy PURGE had to leave as they were
 * @returned: extents that came back, quarantined ones included
 * @pinned: extents that came back while something held a reference, and went on
 *	to for ASHLAR_PASSING
 * @passing: those where it was gone by then
 * @poisoned: pages with a hardware memory error, ready ones and others
 * @spoiled: of those, the ready ones
 * @quarantined: length of @quarantine, and @poisoned. Guarded by @lock, read without.
 * @quarantine: extents that wait to be let go. Guarded by @lock.
 * @wait: the worker sleeps here
 * @worker: the worker, or NULL
 * @kick: tells the worker to look again; set before @wait is woken
 * @kobj: the node's directory in sysfs
 * @gone: completed when the last user of @kobj has left
 *
 * Balance: @lazied == @nr_lazy + @lazy_cancelled + @lazy_taken + @lazy_freed;
 * hits + misses == @out + @returned + pages that were given back
 * unused because the charge failed, each of which is counted in neither; and
 * washed == hits + nr_ready + shrunk + @spoiled + freed at unload.
 */
struct ashlar_pool {
	int nid;
	spinlock_t lock;	/* for most of it, see above; a leaf */
	struct list_head ready;
	unsigned long nr_ready;
	unsigned long low;
	unsigned long high;
	unsigned long target;
	unsigned long rate;
	unsigned long pressure;
	bool filling;

	atomic_long_t out;
	atomic_long_t hits;
	atomic_long_t misses;
	atomic_long_t fails;
	atomic_long_t remote;
	atomic_long_t washed;
	atomic_long_t shrunk;
	struct list_head lazy;
	unsigned long nr_lazy;
	unsigned long lazied;
	unsigned long lazy_cancelled;
	unsigned long lazy_taken;
	unsigned long lazy_freed;
	atomic_long_t lazy_kept;
	atomic_long_t returned;
	atomic_long_t pinned;
	atomic_long_t passing;
	atomic_long_t poisoned;
	atomic_long_t spoiled;
	unsigned long quarantined;
	struct list_head quarantine;

	wait_queue_head_t wait;
	struct task_struct *worker;
	bool kick;

	struct kobject kobj;
	struct completion gone;
};

/* How hard ashlar_pool_take() tries to make a page when none is ready. */
enum ashlar_effort {
	ASHLAR_CHEAP,	/* never reclaims, never compacts */
	ASHLAR_HARD,	/* both: the alternative is a SIGBUS */
	ASHLAR_AGAIN,	/* cheap, and has just given the node a page */
};

/*
 * Flags for small things charged to a memory cgroup. At its limit both end in
 * an error; plain GFP_KERNEL would call the OOM killer.
 */
static inline gfp_t ashlar_gfp_small(enum ashlar_effort effort)
{
	return GFP_KERNEL_ACCOUNT | __GFP_NOWARN |
	       (effort == ASHLAR_HARD ? __GFP_RETRY_MAYFAIL : __GFP_NORETRY);
}

int ashlar_pools_init(unsigned long low, unsigned long high);
void ashlar_pools_exit(void);

/* The node's pool, or NULL: no such node, or none with memory at load. */
struct ashlar_pool *ashlar_pool(int nid);

/* The pool after this one, the first after NULL, and NULL after the last. */
struct ashlar_pool *ashlar_pool_next(struct ashlar_pool *pool);

/* Ready pages taken ahead at a time. */
#define ASHLAR_STOCK	16

/**
 * struct ashlar_stock - ready pages of one node that a call took ahead
 * @ahead: how many pages the call may still need; with 0, all zero, none are
 *	taken ahead
 * @pool: where they are from
 * @nr: how many of @pages there are
 * @pages: the pages
 *
 * A call for many extents takes the pool's lock once for ASHLAR_STOCK of them. It
 * gives back what is left before it ends, or waits for others. Of one thread.
 */
struct ashlar_stock {
	unsigned long ahead;
	struct ashlar_pool *pool;
	unsigned int nr;
	struct page *pages[ASHLAR_STOCK];
};

/**
 * ashlar_pool_take() - a zeroed page of this node, or NULL
 * @pool: the node
 * @effort: what may be done when none is ready
 * @stock: what the call took ahead
 * @hit: out: the page was ready
 */
struct page *ashlar_pool_take(struct ashlar_pool *pool,
			      enum ashlar_effort effort,
			      struct ashlar_stock *stock, bool *hit);

/* Give back what was taken ahead and not used. */
void ashlar_stock_return(struct ashlar_stock *stock);

/* Put back a page that nobody has seen: it is zero still. Undoes the count. */
void ashlar_pool_untake(struct page *page, bool hit);

/*
 * Let go of a page that nobody else refers to. If it is poisoned we keep our
 * reference, so that nobody ever has it again, and count it. Return: it was let go.
 */
bool ashlar_pool_put(struct ashlar_pool *pool, struct page *page);

/* Add a page that was just cleared; false if the pool has enough. */
bool ashlar_pool_fill(struct ashlar_pool *pool, struct page *page);

/* Give up to @nr ready pages to the kernel; returns how many. */
unsigned long ashlar_pool_shrink(struct ashlar_pool *pool, unsigned long nr);

/* Memory is short: no refill for ten seconds. */
void ashlar_pool_press(struct ashlar_pool *pool);

/* Change watermarks. -EINVAL unless low <= high <= pages of the node. */
int ashlar_pool_set(struct ashlar_pool *pool, unsigned long low,
		    unsigned long high);

/* How many pages the worker should add now. */
unsigned long ashlar_pool_wants(struct ashlar_pool *pool);

/* Make the worker look again. */
void ashlar_pool_kick(struct ashlar_pool *pool);

/* A page from the buddy allocator, zeroed; NULL if there is none. */
struct page *ashlar_page_make(int nid, gfp_t gfp);

/* Allocation flags: for the caller who must not wait, and for who may. */
#define ASHLAR_GFP_CHEAP \
	((GFP_HIGHUSER | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN | \
	  __GFP_THISNODE) & ~__GFP_RECLAIM)
/*
 * The node may be at its watermarks, and does not count the page among its free
 * ones while that is on the list of a CPU: what was given may be taken all the same.
 */
#define ASHLAR_GFP_AGAIN \
	((ASHLAR_GFP_CHEAP & ~__GFP_NOMEMALLOC) | __GFP_MEMALLOC)
#define ASHLAR_GFP_HARD \
	(GFP_HIGHUSER | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN | \
	 __GFP_THISNODE | __GFP_RETRY_MAYFAIL)

#endif /* ASHLAR_POOL_H */
