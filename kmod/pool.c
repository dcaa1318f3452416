// SPDX-License-Identifier: GPL-2.0
/* The reserve of zeroed huge pages of each node. Knows nobody above. */
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "poison.h"
#include "pool.h"
#include "trace.h"

/* After pressure took pages, the target stays down for this long. */
#define ASHLAR_CALM	(10 * HZ)

static struct ashlar_pool *pools[MAX_NUMNODES];

struct ashlar_pool *ashlar_pool(int nid)
{
	if (nid < 0 || nid >= MAX_NUMNODES)
		return NULL;
	return pools[nid];
}

struct ashlar_pool *ashlar_pool_next(struct ashlar_pool *pool)
{
	int nid;

	for (nid = pool ? pool->nid + 1 : 0; nid < MAX_NUMNODES; nid++)
		if (pools[nid])
			return pools[nid];
	return NULL;
}

/*
 * The kernel gives back whole what was struck in a huge page that it could not
 * split, and looks at no mark when it hands that out again: such pages we keep.
 */
static struct page *page_alloc(int nid, gfp_t gfp)
{
	struct page *page;

	for (;;) {
		page = alloc_pages_node(nid, gfp, ASHLAR_ORDER);
		if (!page || likely(!ashlar_page_poisoned(page)))
			return page;
		ashlar_pool_put(pools[nid], page);
	}
}

struct page *ashlar_page_make(int nid, gfp_t gfp)
{
	struct page *page = page_alloc(nid, gfp);
	unsigned int i;

	/*
	 * One clear for each change of owner: with init_on_alloc the allocator
	 * has just done it.
	 */
	if (!page)
		return NULL;
	trace_ashlar_clear(nid, !want_init_on_alloc(gfp));
	if (want_init_on_alloc(gfp))
		return page;
	for (i = 0; i < ASHLAR_PAGES; i++) {
		clear_highpage(page + i);
		cond_resched();
	}
	return page;
}

bool ashlar_pool_put(struct ashlar_pool *pool, struct page *page)
{
	if (likely(!ashlar_page_poisoned(page))) {
		put_page(page);
		return true;
	}
	atomic_long_inc(&pool->poisoned);
	spin_lock(&pool->lock);
	pool->quarantined++;
	spin_unlock(&pool->lock);
	return false;
}

/* A ready page goes back to the kernel. Return: it did. */
static bool pool_unready(struct ashlar_pool *pool, struct page *page)
{
	bool put = ashlar_pool_put(pool, page);

	atomic_long_inc(put ? &pool->shrunk : &pool->spoiled);
	return put;
}

static inline struct page *pool_pop(struct ashlar_pool *pool)
{
	struct page *page;

	lockdep_assert_held(&pool->lock);
	page = list_first_entry_or_null(&pool->ready, struct page, lru);
	if (page) {
		list_del(&page->lru);
		pool->nr_ready--;
	}
	return page;
}

static gfp_t page_gfp(enum ashlar_effort effort)
{
	switch (effort) {
	case ASHLAR_HARD:
		return ASHLAR_GFP_HARD;
	case ASHLAR_AGAIN:
		return ASHLAR_GFP_AGAIN;
	default:
		return ASHLAR_GFP_CHEAP;
	}
}

/* From the pool, and more ahead: noinline, as it is one call in ASHLAR_STOCK. */
static noinline struct page *take_pooled(struct ashlar_pool *pool,
					 struct ashlar_stock *stock)
{
	unsigned long more = min(stock->ahead, 1UL + ASHLAR_STOCK);
	struct page *page, *next;
	bool kick;

	spin_lock(&pool->lock);
	page = pool_pop(pool);
	if (page && !stock->nr) {
		stock->pool = pool;
		while (stock->nr + 1 < more && (next = pool_pop(pool)))
			stock->pages[stock->nr++] = next;
	}
	kick = pool->nr_ready < pool->low && !pool->kick;
	spin_unlock(&pool->lock);
	if (kick)
		ashlar_pool_kick(pool);
	return page;
}

static struct page *take_any(struct ashlar_pool *pool,
			     struct ashlar_stock *stock)
{
	if (stock->nr && stock->pool == pool)
		return stock->pages[--stock->nr];
	return take_pooled(pool, stock);
}

/* They may have lain there for long: those that were struck meanwhile stay here. */
static struct page *take_ready(struct ashlar_pool *pool,
			       struct ashlar_stock *stock)
{
	struct page *page;

	do {
		page = take_any(pool, stock);
		if (!page || likely(!ashlar_page_poisoned(page)))
			return page;
	} while (!pool_unready(pool, page));
	return NULL;
}

struct page *ashlar_pool_take(struct ashlar_pool *pool,
			      enum ashlar_effort effort,
			      struct ashlar_stock *stock, bool *hit)
{
	struct page *page = take_ready(pool, stock);

	*hit = page;
	stock->ahead -= page && stock->ahead;
	if (page) {
		atomic_long_inc(&pool->hits);
		return page;
	}
	page = ashlar_page_make(pool->nid, page_gfp(effort));
	atomic_long_inc(page ? &pool->misses : &pool->fails);
	return page;
}

static void pool_push(struct ashlar_pool *pool, struct page *page)
{
	lockdep_assert_held(&pool->lock);
	list_add(&page->lru, &pool->ready);
	pool->nr_ready++;
}

void ashlar_pool_untake(struct page *page, bool hit)
{
	struct ashlar_pool *pool = ashlar_pool(page_to_nid(page));

	atomic_long_dec(hit ? &pool->hits : &pool->misses);
	if (!hit) {
		ashlar_pool_put(pool, page);
		return;
	}
	spin_lock(&pool->lock);
	pool_push(pool, page);
	spin_unlock(&pool->lock);
}

void ashlar_stock_return(struct ashlar_stock *stock)
{
	struct ashlar_pool *pool = stock->pool;

	if (!stock->nr)
		return;
	spin_lock(&pool->lock);
	while (stock->nr)
		pool_push(pool, stock->pages[--stock->nr]);
	spin_unlock(&pool->lock);
}

bool ashlar_pool_fill(struct ashlar_pool *pool, struct page *page)
{
	bool room;

	spin_lock(&pool->lock);
	/* The target may have fallen while the page was being cleared. */
	room = pool->nr_ready < pool->target;
	if (room)
		pool_push(pool, page);
	spin_unlock(&pool->lock);
	return room;
}

unsigned long ashlar_pool_shrink(struct ashlar_pool *pool, unsigned long nr)
{
	unsigned long freed = 0;
	struct page *page;

	while (freed < nr) {
		spin_lock(&pool->lock);
		page = pool_pop(pool);
		pool->pressure = jiffies;
		pool->target = min(pool->target, pool->nr_ready);
		spin_unlock(&pool->lock);
		if (!page)
			break;
		freed += pool_unready(pool, page);
		cond_resched();
	}
	if (freed)
		trace_ashlar_shrink(pool->nid, freed, false);
	return freed;
}

void ashlar_pool_press(struct ashlar_pool *pool)
{
	spin_lock(&pool->lock);
	pool->pressure = jiffies;
	pool->target = min(pool->target, pool->nr_ready);
	spin_unlock(&pool->lock);
}

unsigned long ashlar_pool_wants(struct ashlar_pool *pool)
{
	unsigned long wants = 0;

	spin_lock(&pool->lock);
	if (time_after(jiffies, pool->pressure + ASHLAR_CALM))
		pool->target = pool->high;
	if (pool->nr_ready < pool->low)
		pool->filling = true;
	if (pool->nr_ready >= pool->target)
		pool->filling = false;
	if (pool->filling)
		wants = pool->target - pool->nr_ready;
	spin_unlock(&pool->lock);
	return wants;
}

int ashlar_pool_set(struct ashlar_pool *pool, unsigned long low,
		    unsigned long high)
{
	unsigned long excess = 0;

	if (low > high || high > node_present_pages(pool->nid) / ASHLAR_PAGES)
		return -EINVAL;
	spin_lock(&pool->lock);
	pool->low = low;
	pool->high = high;
	pool->target = high;
	/* An operator's word ends the pause that pressure has begun. */
	pool->pressure = jiffies - ASHLAR_CALM - 1;
	pool->filling = pool->nr_ready < high;
	if (pool->nr_ready > high)
		excess = pool->nr_ready - high;
	spin_unlock(&pool->lock);
	while (excess--) {
		struct page *page;

		spin_lock(&pool->lock);
		page = pool_pop(pool);
		spin_unlock(&pool->lock);
		if (!page)
			break;
		pool_unready(pool, page);
		cond_resched();
	}
	ashlar_pool_kick(pool);
	return 0;
}

void ashlar_pool_kick(struct ashlar_pool *pool)
{
	WRITE_ONCE(pool->kick, true);
	wake_up(&pool->wait);
}

static struct ashlar_pool *pool_create(int nid, unsigned long low,
				       unsigned long high)
{
	struct ashlar_pool *pool = kzalloc_node(sizeof(*pool), GFP_KERNEL, nid);
	unsigned long pages = node_present_pages(nid) / ASHLAR_PAGES;

	if (!pool)
		return NULL;
	pool->nid = nid;
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->ready);
	INIT_LIST_HEAD(&pool->lazy);
	INIT_LIST_HEAD(&pool->quarantine);
	init_waitqueue_head(&pool->wait);
	init_completion(&pool->gone);
	/* By default one 32nd of the node, and no more than 1 GB. */
	pool->high = high ? min(high, pages) : min(pages / 32, 512UL);
	pool->low = low ? min(low, pool->high) : pool->high / 2;
	pool->target = pool->high;
	pool->filling = true;
	pool->pressure = jiffies - ASHLAR_CALM - 1;
	return pool;
}

int ashlar_pools_init(unsigned long low, unsigned long high)
{
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		pools[nid] = pool_create(nid, low, high);
		if (!pools[nid]) {
			ashlar_pools_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

void ashlar_pools_exit(void)
{
	struct page *page, *next;
	int nid;

	for (nid = 0; nid < MAX_NUMNODES; nid++) {
		if (!pools[nid])
			continue;
		list_for_each_entry_safe(page, next, &pools[nid]->ready, lru)
			ashlar_pool_put(pools[nid], page);
		kfree(pools[nid]);
		pools[nid] = NULL;
	}
}
