// SPDX-License-Identifier: GPL-2.0
/* The worker that washes and refills. Policy only; pool.c holds the pages. */
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/topology.h>
#include <uapi/linux/sched/types.h>
#include "extent.h"
#include "pool.h"
#include "trace.h"
#include "wash.h"

/* How often to look at the quarantine, and at a node that had no memory. */
#define ASHLAR_POLL	(HZ / 10)
#define ASHLAR_RETRY	HZ

/* The worker may compact, which its callers never do; it gives up early. */
#define ASHLAR_GFP_WASH	(ASHLAR_GFP_CHEAP | __GFP_RECLAIM | __GFP_NORETRY)

/* True while the node has memory to spare for a reserve. */
static bool node_has_room(int nid)
{
	unsigned long free = 0, high = 0;
	enum zone_type i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		struct zone *zone = &NODE_DATA(nid)->node_zones[i];

		if (!populated_zone(zone) || i == ZONE_MOVABLE)
			continue;
		free += zone_page_state(zone, NR_FREE_PAGES);
		high += high_wmark_pages(zone);
	}
	return free > high + node_present_pages(nid) / 64 + ASHLAR_PAGES;
}

/* Add one page. False if the node has none to give or the pool is full. */
static bool wash_one(struct ashlar_pool *pool)
{
	struct page *page;

	if (!node_has_room(pool->nid))
		return false;
	page = ashlar_page_make(pool->nid, ASHLAR_GFP_WASH);
	if (!page)
		return false;
	/* Counted first: ready + hits never exceeds washed. */
	atomic_long_inc(&pool->washed);
	trace_ashlar_wash(pool->nid, 1);
	if (ashlar_pool_fill(pool, page))
		return true;
	atomic_long_dec(&pool->washed);
	ashlar_pool_put(pool, page);
	return false;
}

/* Wait until there is something to do; false when it is time to go. */
static bool wash_wait(struct ashlar_pool *pool, long timeout)
{
	wait_event_interruptible_timeout(pool->wait,
					 READ_ONCE(pool->kick) ||
					 kthread_should_stop(), timeout);
	WRITE_ONCE(pool->kick, false);
	return !kthread_should_stop();
}

/*
 * Between two pages. However long a rate makes that, and however long they are
 * taken as fast as they are washed, the quarantine is looked at, @next being when.
 */
static void wash_pause(struct ashlar_pool *pool, long pause,
		       unsigned long *next)
{
	do {
		long step = min_t(long, pause, ASHLAR_POLL);

		if (time_after_eq(jiffies, *next)) {
			ashlar_quarantine_check(pool);
			*next = jiffies + ASHLAR_POLL;
		}
		if (step)
			schedule_timeout_interruptible(step);
		else
			cond_resched();
		pause -= step;
	} while (pause > 0 && !kthread_should_stop());
}

static int wash_worker(void *data)
{
	struct ashlar_pool *pool = data;
	unsigned long next = jiffies;
	long timeout = 0;

	while (wash_wait(pool, timeout)) {
		timeout = MAX_SCHEDULE_TIMEOUT;
		while (ashlar_pool_wants(pool) && !kthread_should_stop()) {
			unsigned long rate = READ_ONCE(pool->rate);

			if (!wash_one(pool)) {
				timeout = ASHLAR_RETRY;
				break;
			}
			wash_pause(pool, rate ? max(HZ / rate, 1UL) : 0, &next);
		}
		/* A target lowered by pressure rises again with time. */
		if (READ_ONCE(pool->target) < READ_ONCE(pool->high))
			timeout = ASHLAR_RETRY;
		if (ashlar_quarantine_check(pool))
			timeout = ASHLAR_POLL;
	}
	return 0;
}

u64 ashlar_wash_cputime(struct ashlar_pool *pool)
{
	return pool->worker ? pool->worker->se.sum_exec_runtime : 0;
}

static int worker_start(struct ashlar_pool *pool)
{
	const struct sched_attr idle = { .sched_policy = SCHED_IDLE };
	const struct cpumask *cpus = cpumask_of_node(pool->nid);
	struct task_struct *worker;

	worker = kthread_create_on_node(wash_worker, pool, pool->nid,
					"ashlar/%d", pool->nid);
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	/* Neither can make it wrong, only slower. */
	sched_setattr_nocheck(worker, &idle);
	if (cpumask_intersects(cpus, cpu_online_mask))
		set_cpus_allowed_ptr(worker, cpus);
	get_task_struct(worker);
	pool->worker = worker;
	wake_up_process(worker);
	return 0;
}

void ashlar_wash_stop(void)
{
	struct ashlar_pool *pool;

	for (pool = ashlar_pool_next(NULL); pool; pool = ashlar_pool_next(pool)) {
		if (!pool->worker)
			continue;
		kthread_stop(pool->worker);
		put_task_struct(pool->worker);
		pool->worker = NULL;
	}
}

int ashlar_wash_start(void)
{
	struct ashlar_pool *pool;
	int err;

	for (pool = ashlar_pool_next(NULL); pool; pool = ashlar_pool_next(pool)) {
		err = worker_start(pool);
		if (err) {
			ashlar_wash_stop();
			return err;
		}
	}
	return 0;
}
