// SPDX-License-Identifier: MIT
#include "cgroup.h"

#include <string.h>
#include <unistd.h>

#include "lines.h"

#define PATH_ROOM	768
#define FILE_ROOM	64

const char *cgroup_self = "/proc/self/cgroup";
const char *cgroup_mount = "/sys/fs/cgroup";

/* --- small texts ------------------------------------------------------------------------ */

/* The number at *@s, which moves behind it; false if there is none. */
static bool number(const char **s, uint64_t *value)
{
	uint64_t v = 0;

	while (**s == ' ')
		(*s)++;
	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(**s - '0'), &v))
			v = UINT64_MAX / 10;
	}
	*value = v;
	return true;
}

/* The first number of @dir/@name; false for "max", "-1", or no such file. */
static bool read_number(const char *dir, const char *name, uint64_t *value)
{
	char path[PATH_ROOM + FILE_ROOM], text[FILE_ROOM];
	const char *s = text;

	ash_format(path, sizeof(path), "%s/%s", dir, name);
	return os_read_file(path, text, sizeof(text)) > 0 && number(&s, value);
}

/* --- where the group is ------------------------------------------------------------------- */

/* Is @controller one of "a,b,c", which ends with a colon? */
static bool listed(const char *list, const char *controller)
{
	size_t n = strlen(controller);

	for (;; list++) {
		if (!strncmp(list, controller, n) && (list[n] == ',' || list[n] == ':'))
			return true;
		list += strcspn(list, ",:");
		if (*list != ',')
			return false;
	}
}

/*
 * The directory of the group, as far as the kernel tells: of version 1's @controller if a
 * hierarchy has it, else of version 2. @root: how long the mount's part is.
 */
struct group {
	char dir[PATH_ROOM];
	size_t root;
	bool v1;
};

/* @line is "ID:controllers:path"; takes it if it is about @controller or version 2's. */
static void take_line(struct group *g, const char *line, const char *controller)
{
	const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
	bool v1;

	if (!path || g->v1)
		return;
	v1 = listed(list + 1, controller);
	if (!v1 && list[1] != ':')
		return;
	g->v1 = v1;
	g->root = v1 ? ash_format(g->dir, sizeof(g->dir), "%s/%s", cgroup_mount, controller) :
		       ash_format(g->dir, sizeof(g->dir), "%s", cgroup_mount);
	if (strcmp(path + 1, "/"))
		ash_format(g->dir + g->root, sizeof(g->dir) - g->root, "%s", path + 1);
}

static void find_group(struct group *g, const char *controller)
{
	char line[PATH_ROOM];
	struct lines l;

	g->v1 = false;
	g->root = ash_format(g->dir, sizeof(g->dir), "%s", cgroup_mount);
	lines_open(&l, cgroup_self);
	while (lines_next(&l, line, sizeof(line)))
		take_line(g, line, controller);
	lines_close(&l);
}

/* One level up; false at the mount's root. */
static bool go_up(struct group *g)
{
	char *slash = strrchr(g->dir, '/');

	if (!slash || (size_t)(slash - g->dir) < g->root)
		return false;
	*slash = '\0';
	return true;
}

bool cgroup_file(const char *name, char *path, size_t size)
{
	struct group g;
	char byte[2];

	find_group(&g, " none ");
	do {
		ash_format(path, size, "%s/%s", g.dir, name);
		if (os_read_file(path, byte, sizeof(byte)) >= 0)
			return true;
	} while (go_up(&g));
	return false;
}

/* --- CPUs ------------------------------------------------------------------------------------ */

static unsigned int quota_of(const struct group *g)
{
	char path[PATH_ROOM + FILE_ROOM], text[FILE_ROOM];
	const char *s = text;
	uint64_t quota, period;

	if (g->v1) {
		if (!read_number(g->dir, "cpu.cfs_quota_us", &quota) ||
		    !read_number(g->dir, "cpu.cfs_period_us", &period))
			return 0;
	} else {
		ash_format(path, sizeof(path), "%s/cpu.max", g->dir);
		if (os_read_file(path, text, sizeof(text)) <= 0 || !number(&s, &quota) ||
		    !number(&s, &period))
			return 0;
	}
	if (!period)
		return 0;
	return (unsigned int)min(max(quota / period + !!(quota % period), 1ul), (uint64_t)UINT32_MAX);
}

unsigned int cgroup_quota(void)
{
	unsigned int cpus = 0;
	struct group g;

	find_group(&g, "cpu");
	do {
		unsigned int q = quota_of(&g);

		if (q && (!cpus || q < cpus))
			cpus = q;
	} while (go_up(&g));
	return cpus;
}

unsigned int cgroup_cpus(void)
{
	unsigned int cpus = os_affinity(), quota = cgroup_quota();

	return quota ? min(cpus, quota) : cpus;
}

/* --- memory ------------------------------------------------------------------------------------ */

/* Version 1 says "no limit" with a number beyond all memory. */
#define NO_LIMIT	((uint64_t)1 << 60)

static size_t max_of(const struct group *g)
{
	uint64_t most;

	if (!read_number(g->dir, g->v1 ? "memory.limit_in_bytes" : "memory.max", &most) ||
	    most >= NO_LIMIT)
		return SIZE_MAX;
	return most;
}

size_t cgroup_memory_max(void)
{
	size_t most = SIZE_MAX;
	struct group g;

	find_group(&g, "memory");
	do
		most = min(most, max_of(&g));
	while (go_up(&g));
	return most;
}

/* Bytes of page cache that reclaim can take: two lines of memory.stat. */
static uint64_t page_cache(const struct group *g)
{
	char line[PATH_ROOM + FILE_ROOM];
	struct lines l;
	uint64_t total = 0, v;

	ash_format(line, sizeof(line), "%s/memory.stat", g->dir);
	lines_open(&l, line);
	while (lines_next(&l, line, sizeof(line))) {
		const char *s = strchr(line, ' ');

		if (s && (!strncmp(line, "inactive_file ", 14) || !strncmp(line, "active_file ", 12)) &&
		    number(&s, &v))
			total += v;
	}
	lines_close(&l);
	return total;
}

size_t cgroup_memory_left(void)
{
	size_t least = SIZE_MAX;
	struct group g;

	if (os_free_swap())
		return SIZE_MAX;
	find_group(&g, "memory");
	do {
		size_t most = max_of(&g);
		uint64_t used;

		if (most == SIZE_MAX ||
		    !read_number(g.dir, g.v1 ? "memory.usage_in_bytes" : "memory.current", &used))
			continue;
		used -= min(used, page_cache(&g));
		least = min(least, most - min((uint64_t)most, used));
	} while (go_up(&g));
	return least;
}
