// SPDX-License-Identifier: MIT
/*
 * Our figures against the kernel's: stats.resident and what /proc/self/smaps says of the
 * addresses the heap lies at, within 2 %, for a heap of 128 MB: filled, freed in part
 * at random, purged, freed.
 */
#include <malloc.h>
#include <time.h>

#include <ashlar.h>

#include "tap.h"

#define TOTAL	(128 * MB)

static size_t size_of(const char *name)
{
	size_t v = 0, len = sizeof(v);

	if (ashlar_ctl(name, &v, &len, NULL, 0))
		printf("Bail out! no %s\n", name);
	return v;
}

static void epoch(void)
{
	uint64_t e = 1;

	ashlar_ctl("epoch", NULL, NULL, &e, sizeof(e));
}

/*
 * Resident bytes of mappings that are neither a file nor the stack: the heap and its
 * records. Of the kernel's small change libc's own mappings are among them.
 */
static size_t smaps_resident(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	size_t total = 0, kb;
	bool ours = false;

	while (f && fgets(line, sizeof(line), f)) {
		char path[256] = "";
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %255s", &from, &to, path) >= 2)
			ours = !*path || !strncmp(path, "/dev/ashlar", 11);
		else if (ours && sscanf(line, "Rss: %zu kB", &kb) == 1)
			total += kb * KB;
	}
	if (f)
		fclose(f);
	return total;
}

static uint64_t seed;

static size_t random_below(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % n;
}

static void compare(const char *when, size_t live)
{
	size_t ours, kernels, said, difference;

	epoch();
	kernels = smaps_resident();
	ours = size_of("stats.resident");
	said = size_of("stats.allocated");
	difference = ours > kernels ? ours - kernels : kernels - ours;
	printf("# %s: live %zu KB; allocated %zu, active %zu, resident %zu, metadata %zu; smaps %zu KB; %s\n", when,
	       live / KB, said / KB, size_of("stats.active") / KB, ours / KB, size_of("stats.metadata") / KB,
	       kernels / KB, kernels ? "" : "no smaps");
	if (kernels >= 64 * MB)
		OK(difference <= kernels / 50, when, "off by %zu KB", difference / KB);
	else
		OK(difference <= 2 * MB, when, "off by %zu KB", difference / KB);
	OK(said >= live && said <= live + live / 4 + MB, "and allocated is what is live");
	OK(said <= size_of("stats.active") && size_of("stats.active") <= size_of("stats.mapped"),
	   "allocated <= active <= mapped");
}

/*
 * What was moved when the device's pages beside it went is not mapped, and smaps counts what
 * is. On a huge page a block had all its pages, those beyond what was asked for as well.
 */
static void look_at(void **p, size_t n)
{
	if (!size_of("source.device.extents"))
		return;
	for (size_t i = 0; i < n; i++) {
		size_t size = p[i] ? malloc_usable_size(p[i]) : 0;

		for (size_t at = 0; at < size; at += 4 * KB)
			(void)*(volatile char *)((char *)p[i] + at);
		if (size)
			(void)*(volatile char *)((char *)p[i] + size - 1);
	}
}

static void of_sizes(size_t least, size_t most)
{
	size_t n = 0, live = 0, max = TOTAL / (least + most) * 2 + 1;
	void **p = calloc(max, sizeof(*p));
	size_t *size = calloc(max, sizeof(*size));
	char name[100];

	for (; n < max; n++) {
		size[n] = least + random_below(most - least);
		p[n] = malloc(size[n]);
		memset(p[n], 1, size[n]);
		live += size[n];
	}
	live += max * 2 * sizeof(*p);
	snprintf(name, sizeof(name), "%zu to %zu bytes, filled", least, most);
	compare(name, live);
	for (size_t i = 0; i < n; i++) {
		if (random_below(10) < 4) {
			free(p[i]);
			p[i] = NULL;
			live -= size[i];
		}
	}
	snprintf(name, sizeof(name), "%zu to %zu bytes, 40 %% freed", least, most);
	compare(name, live);
	ashlar_purge();
	look_at(p, n);
	snprintf(name, sizeof(name), "%zu to %zu bytes, purged", least, most);
	compare(name, live);
	for (size_t i = 0; i < n; i++)
		free(p[i]);
	free(p);
	free(size);
	ashlar_purge();
	snprintf(name, sizeof(name), "%zu to %zu bytes, freed and purged", least, most);
	compare(name, 0);
}

int main(void)
{
	const char *given = getenv("SEED");

	setvbuf(stdout, NULL, _IONBF, 0);
	seed = given ? strtoull(given, NULL, 0) : (uint64_t)(uintptr_t)&given ^ (uint64_t)clock();
	printf("# SEED=%lu\n", seed);
	of_sizes(16, 512);
	of_sizes(16, 4096);
	of_sizes(1 * KB, 256 * KB);
	of_sizes(1 * MB, 9 * MB);
	return tap_end();
}
