/* SPDX-License-Identifier: MIT */
/* The module as sysfs shows it: a directory for each node, one value a file. */
#ifndef ASHLARCTL_POOL_H
#define ASHLARCTL_POOL_H

#include "tool.h"

#define POOL_VALUES	48

struct pool {
	int node;
	unsigned int n;
	struct {
		char name[32];
		int64_t value;
	} values[POOL_VALUES];
};

/* Is the module loaded? */
bool module_loaded(void);

/* All nodes by their numbers; *@n of them, 0 without the module. Lives until the next call. */
const struct pool *pools_read(unsigned int *n);

/* A value by its file's name; 0 if this module has no such file. */
int64_t pool_value(const struct pool *pool, const char *name);
bool pool_has(const struct pool *pool, const char *name);

/* Over all nodes. */
int64_t pools_sum(const struct pool *pools, unsigned int n, const char *name);

struct json_object *pool_json(const struct pool *pool);
void pools_print_json(const struct pool *pools, unsigned int n);

/* Sets a file of the node, looks whether it took, and says so; else fail(). */
void pool_set(const struct pool *pool, const char *name, long wanted);

/* `ashlarctl pool load`: sets what @file says and waits up to @seconds until it is ready. */
int pool_load(const char *file, long seconds);

#endif /* ASHLARCTL_POOL_H */
