// SPDX-License-Identifier: GPL-2.0
/* Taking, charging and giving back single extents; the quarantine. */
#include <linux/cpuset.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "account.h"
#include "extent.h"
#include "limit.h"

/*
 * Who scans memory, as compaction does, or looks through page tables without
 * locks, holds a reference for microseconds; a pin lasts longer than this.
 */
#define ASHLAR_PASSING	(HZ / 10)

static struct kmem_cache *extent_cache;

void ashlar_want_allowed(struct ashlar_want *want)
{
	/* A debugger or a kernel thread faults by its own cpuset's leave. */
	if (want->mm == current->mm)
		nodes_and(want->allowed, cpuset_current_mems_allowed,
			  node_states[N_MEMORY]);
	else
		want->allowed = node_states[N_MEMORY];
}

/* The node of @nodes nearest to @nid, or NUMA_NO_NODE. */
static int nearest_node(int nid, const nodemask_t *nodes)
{
	int best = NUMA_NO_NODE, node;

	if (node_isset(nid, *nodes))
		return nid;
	for_each_node_mask(node, *nodes)
		if (best == NUMA_NO_NODE ||
		    node_distance(nid, node) < node_distance(nid, best))
			best = node;
	return best;
}

int ashlar_want_first(const struct ashlar_want *want)
{
	int nid = nearest_node(want->nid, &want->allowed);

	return want->strict && nid != want->nid ? NUMA_NO_NODE : nid;
}

static struct page *take_from(struct ashlar_want *want, int nid,
			      enum ashlar_effort effort)
{
	struct ashlar_pool *pool = ashlar_pool(nid);
	struct page *page;

	if (!pool)
		return NULL;
	page = ashlar_pool_take(pool, effort, &want->stock, &want->hit);
	if (page && nid != want->nid)
		atomic_long_inc(&pool->remote);
	return page;
}

static struct page *take_page(struct ashlar_want *want)
{
	nodemask_t left = want->allowed;
	struct page *page;
	int first, nid;

	first = nearest_node(want->nid, &left);
	if (want->again)
		return take_from(want, first, ASHLAR_AGAIN);
	for (nid = first; nid != NUMA_NO_NODE;
	     nid = nearest_node(want->nid, &left)) {
		if (want->strict && nid != want->nid)
			return NULL;
		page = take_from(want, nid, ASHLAR_CHEAP);
		if (page)
			return page;
		node_clear(nid, left);
	}
	if (want->effort == ASHLAR_CHEAP || first == NUMA_NO_NODE)
		return NULL;
	return take_from(want, first, ASHLAR_HARD);
}

static void untake_page(struct ashlar_want *want, struct page *page)
{
	int nid = page_to_nid(page);

	if (nid != want->nid)
		atomic_long_dec(&ashlar_pool(nid)->remote);
	ashlar_pool_untake(page, want->hit);
}

static struct ashlar_extent *extent_make(struct inode *inode,
					 struct ashlar_want *want)
{
	struct ashlar_extent *extent;
	struct page *page;

	/* Not charged: a few bytes beside 2 MB that are, and no cheaper. */
	extent = kmem_cache_alloc(extent_cache, ashlar_gfp_small(want->effort) &
						~__GFP_ACCOUNT);
	if (!extent)
		return NULL;
	page = take_page(want);
	want->dry = !page;
	if (!page)
		goto free_extent;
	if (ashlar_charge(inode, page, want->effort))
		goto untake_page;
	extent->nid = page_to_nid(page);
	extent->page = page;
	atomic_set(&extent->users, 1);
	refcount_set(&extent->ref, 1);
	extent->exposed = false;
	mutex_init(&extent->lock);
	extent->owner = NULL;
	atomic_set(&extent->waiting, 0);
	extent->lazy = false;
	INIT_LIST_HEAD(&extent->link);
	memset(&extent->first, 0, sizeof(extent->first));
	extent->first.extent = extent;
	atomic_long_inc(&ashlar_pool(page_to_nid(page))->out);
	return extent;

untake_page:
	untake_page(want, page);
free_extent:
	kmem_cache_free(extent_cache, extent);
	return NULL;
}

/* The same where another process pays than the one that runs. */
static struct ashlar_extent *extent_make_for(struct inode *inode,
					     struct ashlar_want *want)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(want->mm);
	struct mem_cgroup *old = set_active_memcg(memcg);
	struct ashlar_extent *extent = extent_make(inode, want);

	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return extent;
}

struct ashlar_extent *ashlar_extent_new(struct inode *inode,
					struct ashlar_want *want)
{
	struct ashlar_user *user = ashlar_inode_user(inode);
	struct ashlar_extent *extent;

	if (!ashlar_limit_take(user, ASHLAR_PAGES, false))
		return ERR_PTR(-ENOMEM);
	if (want->mm == current->mm)
		/* The kernel charges the caller unless told otherwise. */
		extent = extent_make(inode, want);
	else
		extent = extent_make_for(inode, want);
	if (extent) {
		extent->user = user;
		return extent;
	}
	ashlar_limit_give(user, ASHLAR_PAGES);
	return ERR_PTR(-ENOMEM);
}

static void extent_free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(extent_cache,
			container_of(rcu, struct ashlar_extent, rcu));
}

/* The page is out of the page cache; nobody can find it any more. */
static void extent_let_go(struct ashlar_pool *pool, struct ashlar_extent *extent)
{
	ashlar_pool_put(pool, extent->page);
	ashlar_limit_give(extent->user, ASHLAR_PAGES);
	call_rcu(&extent->rcu, extent_free_rcu);
}

static void quarantine(struct ashlar_pool *pool, struct ashlar_extent *extent)
{
	extent->since = jiffies;
	extent->pinned = false;
	spin_lock(&pool->lock);
	list_add(&extent->link, &pool->quarantine);
	pool->quarantined++;
	spin_unlock(&pool->lock);
	ashlar_pool_kick(pool);
}

static void extent_free(struct inode *inode, struct ashlar_extent *extent)
{
	struct ashlar_pool *pool = ashlar_pool(extent->nid);

	WARN_ON_ONCE(atomic_read(&extent->users));
	if (!extent->page) {
		call_rcu(&extent->rcu, extent_free_rcu);
		return;
	}
	ashlar_uncharge(inode, extent->page);
	atomic_long_dec(&pool->out);
	atomic_long_inc(&pool->returned);
	/* The kernel's own look at a bad page may leave a reference. */
	if (page_count(extent->page) > 1 && !ashlar_extent_poisoned(extent))
		quarantine(pool, extent);
	else
		extent_let_go(pool, extent);
}

void ashlar_extent_punch(struct inode *inode, struct ashlar_extent *extent)
{
	struct ashlar_pool *pool = ashlar_pool(extent->nid);
	struct page *page = extent->page;

	lockdep_assert_held(&extent->lock);
	WRITE_ONCE(extent->page, NULL);
	ashlar_uncharge_locked(inode, page);
	atomic_long_dec(&pool->out);
	atomic_long_inc(&pool->returned);
	ashlar_pool_put(pool, page);
	ashlar_limit_give(extent->user, ASHLAR_PAGES);
}

void ashlar_extent_put(struct inode *inode, struct ashlar_extent *extent)
{
	if (refcount_dec_and_test(&extent->ref))
		extent_free(inode, extent);
}

void ashlar_extent_unnew(struct inode *inode, struct ashlar_extent *extent)
{
	atomic_set(&extent->users, 0);
	ashlar_extent_put(inode, extent);
}

/* Still referenced. */
static void quarantine_stay(struct ashlar_pool *pool,
			    struct ashlar_extent *extent)
{
	if (extent->pinned ||
	    !time_after(jiffies, extent->since + ASHLAR_PASSING))
		return;
	extent->pinned = true;
	atomic_long_inc(&pool->pinned);
}

unsigned long ashlar_quarantine_check(struct ashlar_pool *pool)
{
	struct ashlar_extent *extent, *next;
	unsigned long left = 0, gone = 0;
	LIST_HEAD(look);
	LIST_HEAD(free);

	/* As many as users care to pin: not with a lock that ALLOC and FREE want. */
	spin_lock(&pool->lock);
	list_splice_init(&pool->quarantine, &look);
	spin_unlock(&pool->lock);
	list_for_each_entry_safe(extent, next, &look, link) {
		if (page_count(extent->page) == 1 ||
		    ashlar_extent_poisoned(extent)) {
			list_move(&extent->link, &free);
			gone++;
			if (!extent->pinned)
				atomic_long_inc(&pool->passing);
		} else {
			quarantine_stay(pool, extent);
			left++;
		}
		cond_resched();
	}
	spin_lock(&pool->lock);
	list_splice(&look, &pool->quarantine);
	pool->quarantined -= gone;
	spin_unlock(&pool->lock);
	list_for_each_entry_safe(extent, next, &free, link) {
		extent_let_go(pool, extent);
		cond_resched();
	}
	return left;
}

int ashlar_extents_init(void)
{
	extent_cache = KMEM_CACHE(ashlar_extent, 0);
	return extent_cache ? 0 : -ENOMEM;
}

void ashlar_extents_exit(void)
{
	struct ashlar_extent *extent, *next;
	struct ashlar_pool *pool;

	for (pool = ashlar_pool_next(NULL); pool; pool = ashlar_pool_next(pool)) {
		list_for_each_entry_safe(extent, next, &pool->quarantine, link) {
			/* The page itself is let go by its pin. */
			ashlar_pool_put(pool, extent->page);
			ashlar_limit_give(extent->user, ASHLAR_PAGES);
			kmem_cache_free(extent_cache, extent);
		}
	}
	/* Extents on their way back to the cache. */
	rcu_barrier();
	kmem_cache_destroy(extent_cache);
}
