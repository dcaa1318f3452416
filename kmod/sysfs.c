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
	ssize_t (*show)(struct ashlar_pool *pool, char *buf);
	int (*store)(struct ashlar_pool *pool, unsigned long value);
};

static struct ashlar_pool *to_pool(struct kobject *kobj)
{
	return container_of(kobj, struct ashlar_pool, kobj);
}

#define SHOW(_name, _format, _value)					\
static ssize_t _name##_show(struct ashlar_pool *pool, char *buf)	\
{									\
	return sysfs_emit(buf, _format "\n", _value);			\
}

#define NODE_RO(_name)							\
static struct node_attribute _name##_attr = {				\
	.attr = { .name = #_name, .mode = 0444 },			\
	.show = _name##_show,						\
}

#define NODE_RW(_name)							\
static struct node_attribute _name##_attr = {				\
	.attr = { .name = #_name, .mode = 0644 },			\
	.show = _name##_show,						\
	.store = _name##_store,						\
}

#define COUNTER(_name)							\
	SHOW(_name, "%ld", atomic_long_read(&pool->_name))		\
	NODE_RO(_name)

#define LEVEL(_name)							\
	SHOW(_name, "%lu", READ_ONCE(pool->_name))			\
	NODE_RO(_name)

COUNTER(out);
COUNTER(hits);
COUNTER(misses);
COUNTER(fails);
COUNTER(remote);
COUNTER(washed);
COUNTER(shrunk);
COUNTER(returned);
COUNTER(pinned);
COUNTER(poisoned);
LEVEL(quarantined);
LEVEL(target);

SHOW(ready, "%lu", READ_ONCE(pool->nr_ready))
NODE_RO(ready);

SHOW(cputime, "%llu", ashlar_wash_cputime(pool))
NODE_RO(cputime);

SHOW(low, "%lu", READ_ONCE(pool->low))
static int low_store(struct ashlar_pool *pool, unsigned long value)
{
	return ashlar_pool_set(pool, value, READ_ONCE(pool->high));
}
NODE_RW(low);

SHOW(high, "%lu", READ_ONCE(pool->high))
static int high_store(struct ashlar_pool *pool, unsigned long value)
{
	return ashlar_pool_set(pool, min(value, READ_ONCE(pool->low)), value);
}
NODE_RW(high);

SHOW(rate, "%lu", READ_ONCE(pool->rate))
static int rate_store(struct ashlar_pool *pool, unsigned long value)
{
	WRITE_ONCE(pool->rate, value);
	return 0;
}
NODE_RW(rate);

static struct attribute *node_attrs[] = {
	&low_attr.attr,
	&high_attr.attr,
	&target_attr.attr,
	&rate_attr.attr,
	&ready_attr.attr,
	&out_attr.attr,
	&hits_attr.attr,
	&misses_attr.attr,
	&fails_attr.attr,
	&remote_attr.attr,
	&washed_attr.attr,
	&shrunk_attr.attr,
	&returned_attr.attr,
	&pinned_attr.attr,
	&poisoned_attr.attr,
	&quarantined_attr.attr,
	&cputime_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(node);

static ssize_t node_show(struct kobject *kobj, struct attribute *attr,
			 char *buf)
{
	struct node_attribute *node =
		container_of(attr, struct node_attribute, attr);

	return node->show(to_pool(kobj), buf);
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
	int nid;

	for_each_ashlar_pool(pool, nid) {
		if (!pool->kobj.state_initialized)
			continue;
		kobject_put(&pool->kobj);
		wait_for_completion(&pool->gone);
	}
}

int ashlar_sysfs_init(struct kobject *parent)
{
	struct ashlar_pool *pool;
	int nid, err;

	for_each_ashlar_pool(pool, nid) {
		err = kobject_init_and_add(&pool->kobj, &node_type, parent,
					   "node%d", nid);
		if (err) {
			ashlar_sysfs_exit();
			return err;
		}
		kobject_uevent(&pool->kobj, KOBJ_ADD);
	}
	return 0;
}
