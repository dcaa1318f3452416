// SPDX-License-Identifier: GPL-2.0
/* What we do when the system is short of memory. Objects are pages. */
#include <linux/cpuset.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include "compat.h"
#include "pool.h"
#include "purge_lazy.h"
#include "shrink.h"

static struct shrinker *shrinker;

static unsigned long shrink_count(struct shrinker *s, struct shrink_control *sc)
{
	struct ashlar_pool *pool = ashlar_pool(sc->nid);
	unsigned long nr;

	if (!pool)
		return SHRINK_EMPTY;
	nr = READ_ONCE(pool->nr_lazy) + READ_ONCE(pool->nr_ready);
	return nr ? nr * ASHLAR_PAGES : SHRINK_EMPTY;
}

/* Lazy ones first: somebody has said that they are not needed. */
static unsigned long shrink_pool(struct ashlar_pool *pool, unsigned long nr)
{
	unsigned long freed = ashlar_lazy_take(pool, nr);

	if (freed)
		ashlar_pool_press(pool);
	return freed < nr ? freed + ashlar_pool_shrink(pool, nr - freed) : freed;
}

static unsigned long shrink_scan(struct shrinker *s, struct shrink_control *sc)
{
	struct ashlar_pool *pool = ashlar_pool(sc->nid);
	unsigned long nr = DIV_ROUND_UP(sc->nr_to_scan, ASHLAR_PAGES);
	unsigned long freed;

	if (!pool)
		return SHRINK_STOP;
	freed = shrink_pool(pool, nr);
	/* What was scanned is what was freed, by whole extents. */
	sc->nr_scanned = freed * ASHLAR_PAGES;
	return freed ? freed * ASHLAR_PAGES : SHRINK_STOP;
}

/* Everything that is lazy or ready, of the nodes that current may use or not. */
static unsigned long shrink_nodes(bool allowed)
{
	struct ashlar_pool *pool;
	unsigned long freed = 0;

	for (pool = ashlar_pool_next(NULL); pool; pool = ashlar_pool_next(pool))
		if (node_isset(pool->nid, cpuset_current_mems_allowed) == allowed)
			freed += shrink_pool(pool, ULONG_MAX);
	return freed;
}

/*
 * The last call before a process dies. Current is who asks for memory: of what
 * it may not use it has nothing, unless the kernel itself was short of that.
 */
static int shrink_oom(struct notifier_block *nb, unsigned long action,
		      void *data)
{
	unsigned long *pages = data, freed;

	freed = shrink_nodes(true);
	if (!freed)
		freed = shrink_nodes(false);
	*pages += freed * ASHLAR_PAGES;
	return NOTIFY_OK;
}

static struct notifier_block oom_block = {
	.notifier_call = shrink_oom,
};

int ashlar_shrink_start(void)
{
	int err;

	shrinker = ashlar_shrinker_alloc();
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = shrink_count;
	shrinker->scan_objects = shrink_scan;
	shrinker->seeks = DEFAULT_SEEKS;
	shrinker->batch = ASHLAR_PAGES;
	err = ashlar_shrinker_register(shrinker);
	if (err)
		goto cancel;
	err = register_oom_notifier(&oom_block);
	if (err)
		goto unregister;
	return 0;

unregister:
	ashlar_shrinker_free(shrinker);
	return err;
cancel:
	ashlar_shrinker_cancel(shrinker);
	return err;
}

void ashlar_shrink_stop(void)
{
	unregister_oom_notifier(&oom_block);
	ashlar_shrinker_free(shrinker);
}
