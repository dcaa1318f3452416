// SPDX-License-Identifier: GPL-2.0
/* What the pool does when the system is short of memory. Objects are pages. */
#include <linux/notifier.h>
#include <linux/oom.h>
#include "compat.h"
#include "pool.h"
#include "shrink.h"

static struct shrinker *shrinker;

static unsigned long shrink_count(struct shrinker *s, struct shrink_control *sc)
{
	struct ashlar_pool *pool = ashlar_pool(sc->nid);
	unsigned long ready = pool ? READ_ONCE(pool->nr_ready) : 0;

	return ready ? ready * ASHLAR_PAGES : SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *s, struct shrink_control *sc)
{
	struct ashlar_pool *pool = ashlar_pool(sc->nid);
	unsigned long nr = DIV_ROUND_UP(sc->nr_to_scan, ASHLAR_PAGES);
	unsigned long freed;

	if (!pool)
		return SHRINK_STOP;
	freed = ashlar_pool_shrink(pool, nr);
	/* What was scanned is what was freed, by whole extents. */
	sc->nr_scanned = freed * ASHLAR_PAGES;
	return freed ? freed * ASHLAR_PAGES : SHRINK_STOP;
}

/* The last call before a process dies: give back everything that is ready. */
static int shrink_oom(struct notifier_block *nb, unsigned long action,
		      void *data)
{
	unsigned long *freed = data, pages = 0;
	struct ashlar_pool *pool;

	for (pool = ashlar_pool_next(NULL); pool; pool = ashlar_pool_next(pool))
		pages += ashlar_pool_shrink(pool, ULONG_MAX) * ASHLAR_PAGES;
	*freed += pages;
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
