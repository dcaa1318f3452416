// SPDX-License-Identifier: GPL-2.0
/* A directory per node, one value per file. */
#include <linux/completion.h>
#include <linux/kstrtox.h>
#include <linux/sysfs.h>
#include "pool.h"
#include "sysfs.h"
#include "wash.h"

struct node_attribute {
	struct attribute attr;
	size_t offset;		/* of an atomic_long_t or unsigned long */
	ssize_t (*show)(struct ashlar_pool *pool, size_t offset, char *buf);
	int (*store)(struct ashlar_pool *pool, unsigned long value);
};

static struct ashlar_pool *to_pool(struct kobject *kobj)
{
	return container_of(kobj, struct ashlar_pool, kobj);
}

static ssize_t counter_show(struct ashlar_pool *pool, size_t offset, char *buf)
{
	atomic_long_t *counter = (void *)pool + offset;

	return sysfs_emit(buf, "%ld\n", atomic_long_read(counter));
}

static ssize_t level_show(struct ashlar_pool *pool, size_t offset, char *buf)
{
	unsigned long *level = (void *)pool + offset;

	return sysfs_emit(buf, "%lu\n", READ_ONCE(*level));
}

static ssize_t cputime_show(struct ashlar_pool *pool, size_t offset, char *buf)
{
	return sysfs_emit(buf, "%llu\n", ashlar_wash_cputime(pool));
}

static int low_store(struct ashlar_pool *pool, unsigned long value)
{
	return ashlar_pool_set(pool, value, READ_ONCE(pool->high));
}

static int high_store(struct ashlar_pool *pool, unsigned long value)
{
	return ashlar_pool_set(pool, min(value, READ_ONCE(pool->low)), value);
}

static int rate_store(struct ashlar_pool *pool, unsigned long value)
{
	WRITE_ONCE(pool->rate, value);
	return 0;
}

#define AT(_member)	offsetof(struct ashlar_pool, _member)

static struct node_attribute attributes[] = {
	{ { "low", 0644 }, AT(low), level_show, low_store },
	{ { "high", 0644 }, AT(high), level_show, high_store },
	{ { "rate", 0644 }, AT(rate), level_show, rate_store },
	{ { "target", 0444 }, AT(target), level_show },
	{ { "ready", 0444 }, AT(nr_ready), level_show },
	{ { "quarantined", 0444 }, AT(quarantined), level_show },
	{ { "out", 0444 }, AT(out), counter_show },
	{ { "hits", 0444 }, AT(hits), counter_show },
	{ { "misses", 0444 }, AT(misses), counter_show },
	{ { "fails", 0444 }, AT(fails), counter_show },
	{ { "remote", 0444 }, AT(remote), counter_show },
	{ { "washed", 0444 }, AT(washed), counter_show },
	{ { "shrunk", 0444 }, AT(shrunk), counter_show },
	{ { "lazy", 0444 }, AT(nr_lazy), level_show },
	{ { "lazied", 0444 }, AT(lazied), level_show },
	{ { "lazy_cancelled", 0444 }, AT(lazy_cancelled), level_show },
	{ { "lazy_taken", 0444 }, AT(lazy_taken), level_show },
	{ { "lazy_freed", 0444 }, AT(lazy_freed), level_show },
	{ { "lazy_kept", 0444 }, AT(lazy_kept), counter_show },
	{ { "returned", 0444 }, AT(returned), counter_show },
	{ { "pinned", 0444 }, AT(pinned), counter_show },
	{ { "passing", 0444 }, AT(passing), counter_show },
	{ { "poisoned", 0444 }, AT(poisoned), counter_show },
	{ { "spoiled", 0444 }, AT(spoiled), counter_show },
	{ { "cputime", 0444 }, 0, cputime_show },
};

/* The same as sysfs wants them, with a NULL at the end; filled at load. */
static struct attribute *node_attrs[ARRAY_SIZE(attributes) + 1];
ATTRIBUTE_GROUPS(node);

static ssize_t node_show(struct kobject *kobj, struct attribute *attr,
			 char *buf)
{
	struct node_attribute *node =
		container_of(attr, struct node_attribute, attr);

	return node->show(to_pool(kobj), node->offset, buf);
}

static ssize_t node_store(struct kobject *kobj, struct attribute *attr,
			  const char *buf, size_t len)
{
	struct node_attribute *node =
		container_of(attr, struct node_attribute, attr);
	unsigned long value;
	int err;

	if (!node->store)
		return -EIO;
	err = kstrtoul(buf, 0, &value);
	if (!err)
		err = node->store(to_pool(kobj), value);
	return err ? err : len;
}

static const struct sysfs_ops node_sysfs_ops = {
	.show = node_show,
	.store = node_store,
};

static void node_release(struct kobject *kobj)
{
	complete(&to_pool(kobj)->gone);
}

static const struct kobj_type node_type = {
	.release = node_release,
	.sysfs_ops = &node_sysfs_ops,
	.default_groups = node_groups,
};

void ashlar_sysfs_exit(void)
{
	struct ashlar_pool *pool;

	for (pool = ashlar_pool_next(NULL); pool; pool = ashlar_pool_next(pool)) {
		if (!pool->kobj.state_initialized)
			continue;
		kobject_put(&pool->kobj);
		wait_for_completion(&pool->gone);
		/* Once: the load may have failed half-way through the nodes. */
		memset(&pool->kobj, 0, sizeof(pool->kobj));
	}
}

int ashlar_sysfs_init(struct kobject *parent)
{
	struct ashlar_pool *pool;
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(attributes); i++)
		node_attrs[i] = &attributes[i].attr;
	for (pool = ashlar_pool_next(NULL); pool; pool = ashlar_pool_next(pool)) {
		err = kobject_init_and_add(&pool->kobj, &node_type, parent,
					   "node%d", pool->nid);
		if (err) {
			ashlar_sysfs_exit();
			return err;
		}
		kobject_uevent(&pool->kobj, KOBJ_ADD);
	}
	return 0;
}
