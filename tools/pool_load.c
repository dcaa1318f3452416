// SPDX-License-Identifier: MIT
/* ashlarctl pool load: the pool of each node as a small file says, at boot. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pool.h"

struct wish {
	bool wanted;
	uint64_t high;
	int64_t low, rate;	/* -1: not said */
};

static const char *path;
static unsigned int line_number;

#define wrong(fmt, ...) fail("%s, line %u: " fmt, path, line_number, ##__VA_ARGS__)

/* The memory of a node, in extents; 0 if the kernel does not tell. */
static uint64_t node_extents(int node)
{
	char name[64], text[256];
	unsigned long long kb = 0;
	FILE *file;

	snprintf(name, sizeof(name), "/sys/devices/system/node/node%d/meminfo", node);
	file = fopen(name, "re");
	while (file && fgets(text, sizeof(text), file)) {
		if (sscanf(text, "Node %*d MemTotal: %llu kB", &kb) == 1)
			break;
	}
	if (file)
		fclose(file);
	return (kb << 10) / EXTENT_BYTES;
}

/* "512" extents, "1G" or "512M" bytes, "5%" of the node. */
static uint64_t amount(const char *text, int node)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (isdigit((unsigned char)*text) && !errno && value < 1ULL << 40) {
		if (!*end)
			return value;
		if (!strcmp(end, "M"))
			return (value << 20) / EXTENT_BYTES;
		if (!strcmp(end, "G"))
			return (value << 30) / EXTENT_BYTES;
		if (!strcmp(end, "%") && value <= 100)
			return node_extents(node) * value / 100;
	}
	wrong("'%s' is no amount: give extents (512), bytes (1G, 512M) or a share of the node (5%%)",
	      text);
}

static void word(const char *text, struct wish *wish, int node)
{
	if (!strncmp(text, "low=", 4))
		wish->low = (int64_t)amount(text + 4, node);
	else if (!strncmp(text, "rate=", 5) && text[5] && text[5 + strspn(text + 5, "0123456789")] == '\0' &&
		 strlen(text) < 16)
		wish->rate = atoll(text + 5);
	else
		wrong("'%s' is not known; a line is: NODE HIGH [low=LOW] [rate=EXTENTS]", text);
}

static void read_line(char *line, struct wish *wishes, const struct pool *pools, unsigned int n)
{
	char *save, *who, *high, *more, *end;
	bool any = false;
	long node = -1;

	line[strcspn(line, "#\n")] = '\0';
	who = strtok_r(line, " \t\r", &save);
	if (!who)
		return;
	high = strtok_r(NULL, " \t\r", &save);
	if (!high)
		wrong("node '%s' has no amount; a line is: NODE HIGH [low=LOW] [rate=EXTENTS]", who);
	if (strcmp(who, "all")) {
		node = strtol(who, &end, 10);
		if (*end || node < 0)
			wrong("'%s' is no node; give its number, or all", who);
	}
	more = strtok_r(NULL, "", &save);
	for (unsigned int k = 0; k < n; k++) {
		struct wish wish = { .wanted = true, .low = -1, .rate = -1 };
		char *words;

		if (node >= 0 && pools[k].node != node)
			continue;
		any = true;
		wish.high = amount(high, pools[k].node);
		words = more ? strdup(more) : NULL;
		for (char *w = words ? strtok_r(words, " \t\r", &save) : NULL; w;
		     w = strtok_r(NULL, " \t\r", &save))
			word(w, &wish, pools[k].node);
		free(words);
		if (wish.low > (int64_t)wish.high)
			wrong("low is %lld, more than high, which is %llu (extents, on node %d)",
			      (long long)wish.low, (unsigned long long)wish.high, pools[k].node);
		wishes[k] = wish;
	}
	/* A machine may have lost a node: not worth an error that leaves the others empty. */
	if (!any)
		fprintf(stderr, "ashlarctl: %s, line %u: there is no node %s; the line is passed over\n",
			path, line_number, who);
}

/* Until what is ready is what the workers aim at, which under memory pressure is less. */
static void wait_for(const struct wish *wishes, long seconds)
{
	const struct timespec step = { .tv_nsec = 100000000 };
	const struct pool *pools;
	unsigned int n;

	for (long tenths = seconds * 10; tenths > 0; tenths--) {
		bool full = true;

		pools = pools_read(&n);
		for (unsigned int k = 0; k < n; k++)
			full &= !wishes[k].wanted || pool_value(&pools[k], "ready") >=
				pool_value(&pools[k], "target");
		if (full)
			return;
		nanosleep(&step, NULL);
	}
}

int pool_load(const char *file, long seconds)
{
	static struct wish wishes[NODES_MAX];
	unsigned int n;
	const struct pool *pools = pools_read(&n);
	char *line = NULL;
	size_t size = 0;
	FILE *in;

	if (!n)
		fail("the module is not loaded: modprobe ashlar");
	path = file;
	in = fopen(path, "re");
	if (!in)
		fail("%s: %s", path, strerror(errno));
	/* All of it is read before anything is set: a wrong line changes nothing. */
	while (getline(&line, &size, in) > 0) {
		line_number++;
		read_line(line, wishes, pools, n);
	}
	free(line);
	fclose(in);
	for (unsigned int k = 0; k < n; k++) {
		const struct wish *w = &wishes[k];

		if (!w->wanted)
			continue;
		if (w->rate >= 0)
			pool_set(&pools[k], "rate", w->rate);
		pool_set(&pools[k], "high", (long)w->high);
		pool_set(&pools[k], "low", w->low >= 0 ? (long)w->low : (long)(w->high / 2));
	}
	wait_for(wishes, seconds);
	pools = pools_read(&n);
	if (want_json) {
		pools_print_json(pools, n);
		return 0;
	}
	for (unsigned int k = 0; k < n; k++)
		printf("node %d: %lld of %lld extents are ready\n", pools[k].node,
		       (long long)pool_value(&pools[k], "ready"),
		       (long long)pool_value(&pools[k], "high"));
	return 0;
}
