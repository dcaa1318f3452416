// SPDX-License-Identifier: MIT
#include "pool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tests have a directory of their own. */
static const char *sysfs(void)
{
	const char *dir = secure_getenv("ASHLARCTL_SYSFS");

	return dir ? dir : "/sys/class/misc/ashlar";
}

bool module_loaded(void)
{
	return access(sysfs(), F_OK) == 0;
}

static bool read_value(const char *path, int64_t *value)
{
	FILE *file = fopen(path, "re");
	long long v;
	bool ok;

	if (!file)
		return false;
	ok = fscanf(file, "%lld", &v) == 1;
	fclose(file);
	*value = v;
	return ok;
}

static void read_pool(struct pool *pool)
{
	struct dirent **names;
	char dir[256];
	int n;

	snprintf(dir, sizeof(dir), "%s/node%d", sysfs(), pool->node);
	n = scandir(dir, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		char path[600];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (pool->n < POOL_VALUES && strlen(name) < sizeof(pool->values[0].name) &&
		    strcmp(name, "uevent") && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		    read_value(path, &pool->values[pool->n].value))
			strcpy(pool->values[pool->n++].name, name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static int by_node(const void *a, const void *b)
{
	return ((const struct pool *)a)->node - ((const struct pool *)b)->node;
}

const struct pool *pools_read(unsigned int *n)
{
	static struct pool pools[NODES_MAX];
	DIR *dir = opendir(sysfs());
	struct dirent *entry;

	*n = 0;
	while (dir && (entry = readdir(dir)) && *n < NODES_MAX) {
		int node, end = 0;

		if (sscanf(entry->d_name, "node%d%n", &node, &end) != 1 || entry->d_name[end])
			continue;
		pools[*n].node = node;
		pools[*n].n = 0;
		read_pool(&pools[(*n)++]);
	}
	if (dir)
		closedir(dir);
	qsort(pools, *n, sizeof(*pools), by_node);
	return pools;
}

bool pool_has(const struct pool *pool, const char *name)
{
	for (unsigned int i = 0; i < pool->n; i++) {
		if (!strcmp(pool->values[i].name, name))
			return true;
	}
	return false;
}

int64_t pool_value(const struct pool *pool, const char *name)
{
	for (unsigned int i = 0; i < pool->n; i++) {
		if (!strcmp(pool->values[i].name, name))
			return pool->values[i].value;
	}
	return 0;
}

int64_t pools_sum(const struct pool *pools, unsigned int n, const char *name)
{
	int64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += pool_value(&pools[i], name);
	return sum;
}

struct json_object *pool_json(const struct pool *pool)
{
	struct json_object *object = json_object_new_object();

	json_number(object, "node", pool->node);
	for (unsigned int i = 0; i < pool->n; i++)
		json_number(object, pool->values[i].name, pool->values[i].value);
	return object;
}

void pools_print_json(const struct pool *pools, unsigned int n)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int k = 0; k < n; k++)
		json_object_array_add(list, pool_json(&pools[k]));
	print_json(list);
}

/* --- ashlarctl pool set ------------------------------------------------------------------- */

static struct {
	const char *name;
	const char *text;	/* NULL: not asked for */
} settings[] = { { "low", NULL }, { "high", NULL }, { "rate", NULL } };
static int only_node = -1;
static long wait_seconds;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case 'L':
		settings[0].text = arg;
		return 0;
	case 'H':
		settings[1].text = arg;
		return 0;
	case 'R':
		settings[2].text = arg;
		return 0;
	case 'w':
		wait_seconds = number("--wait", arg, 0, 1L << 20);
		return 0;
	case 'n':
		only_node = (int)number("--node", arg, 0, NODES_MAX - 1);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void pool_set(const struct pool *pool, const char *name, long wanted)
{
	char path[600];
	int64_t is = -1;
	FILE *file;
	int err = 0;

	snprintf(path, sizeof(path), "%s/node%d/%s", sysfs(), pool->node, name);
	file = fopen(path, "we");
	if (!file)
		err = errno;
	else if (fprintf(file, "%ld\n", wanted) < 0)
		err = errno;
	if (file && fclose(file) && !err)
		err = errno;
	if (err == EACCES || err == EPERM)
		fail("node %d: only root may set %s", pool->node, name);
	if (err)
		fail("node %d: the module refuses %s %ld: %s", pool->node, name, wanted,
		     strerror(err));
	if (!read_value(path, &is) || is != wanted)
		fail("node %d: %s is %ld after it was set to %ld", pool->node, name, (long)is, wanted);
	if (!want_json)
		printf("node %d: %s is %ld now\n", pool->node, name, wanted);
}

static int run_pool(void)
{
	const struct pool *pools;
	unsigned int n, done = 0;
	bool any = false;

	if (!strcmp(arguments[0], "load"))
		return pool_load(narguments > 1 ? arguments[1] : "/etc/ashlar-pool.conf", wait_seconds);
	if (strcmp(arguments[0], "set"))
		usage_error("pool: '%s' is not known; say: pool set --high N, or: pool load [FILE]",
			    arguments[0]);
	if (narguments > 1)
		usage_error("pool set: '%s' is one argument too many", arguments[1]);
	for (unsigned int i = 0; i < ARRAY_SIZE(settings); i++)
		any |= settings[i].text != NULL;
	if (!any)
		usage_error("pool set: say what to set: --low N, --high N or --rate N");
	pools = pools_read(&n);
	if (!n)
		fail("the module is not loaded: modprobe ashlar");
	for (unsigned int k = 0; k < n; k++) {
		if (only_node >= 0 && pools[k].node != only_node)
			continue;
		done++;
		/* Upwards the higher mark goes first: low may not pass it. */
		for (unsigned int i = ARRAY_SIZE(settings); i-- > 0;) {
			if (settings[i].text)
				pool_set(&pools[k], settings[i].name,
					 number(settings[i].name, settings[i].text, 0, 1L << 40));
		}
	}
	if (!done)
		fail("there is no node %d", only_node);
	if (want_json) {
		pools = pools_read(&n);
		pools_print_json(pools, n);
	}
	return 0;
}

static const struct argp_option options[] = {
	{ "high", 'H', "N", 0, "Ready extents of a node that its worker fills up to", 0 },
	{ "low", 'L', "N", 0, "Ready extents of a node below which its worker starts", 0 },
	{ "rate", 'R', "N", 0, "Extents a second that a worker washes at the most; 0: no limit", 0 },
	{ "wait", 'w', "SECONDS", 0, "load: wait so long, at the most, until the pool is full", 0 },
	{ "node", 'n', "N", 0, "This node alone, instead of each", 0 },
	{ 0 },
};

const struct command cmd_pool = {
	.name = "pool", .args = "set|load [FILE]",
	.text = "Set the pool's watermarks and its rate, by options or by a file (/etc/ashlar-pool.conf).",
	.options = options, .parse = parse, .run = run_pool, .least = 1, .most = 2,
};
