// SPDX-License-Identifier: MIT
/*
 * What a burst leaves: MB of live blocks, nine of ten freed at random, then all, each time
 * with SECONDS of a little work after it, in which decay can do its own. Prints resident
 * bytes over live ones when full and after the first pause, and MB above the start at the end.
 *
 *	leftovers RANGE MB SECONDS
 */
#include <math.h>
#include <sys/mman.h>
#include <time.h>

#include "pattern.h"

static const struct range {
	const char *name;
	size_t from, to;
	int logarithmic;
} ranges[] = {
	{ "16-512", 16, 512, 0 },
	{ "16-4096", 16, 4096, 0 },
	{ "16-32K", 16, 32768, 1 },
	{ "1K-256K", 1024, 262144, 1 },
};

static uint64_t seed = 1;

static size_t size_in(const struct range *r)
{
	double share = (double)(rng_next(&seed) >> 11) / (double)(1ull << 53);

	return r->logarithmic ? (size_t)((double)r->from * pow((double)r->to / (double)r->from, share)) :
				r->from + (size_t)(share * (double)(r->to - r->from));
}

__attribute__((weak)) int ashlar_ctl(const char *name, void *old, size_t *old_len, void *new,
				     size_t new_len);

struct memory {
	double mapped, counted;
};

/*
 * As the kernel counts what is mapped, and as the library counts. Of an extent of the device that gave pages
 * back only what was touched since is mapped, so that both have a say.
 */
static struct memory resident(void)
{
	size_t counted = 0, len = sizeof(counted);
	unsigned long all, pages;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu %lu", &all, &pages) != 2)
		err(1, "/proc/self/statm");
	fclose(f);
	if (ashlar_ctl && (ashlar_ctl("epoch", NULL, NULL, &(uint64_t){ 1 }, sizeof(uint64_t)) ||
			   ashlar_ctl("stats.resident", &counted, &len, NULL, 0)))
		errx(1, "no stats.resident");
	return (struct memory){ (double)pages * (double)sysconf(_SC_PAGESIZE), (double)counted };
}

static double since(struct memory start)
{
	struct memory now = resident();

	return fmax(now.mapped - start.mapped, now.counted - start.counted);
}

/* As a server that has little to do: 4 MB each 50 ms. */
static void pause_for(double seconds)
{
	for (double t = 0; t < seconds; t += 0.05) {
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		for (int i = 0; i < 64; i++) {
			char *volatile p = malloc(65536);

			*p = 1;
			free(p);
		}
	}
}

int main(int argc, char **argv)
{
	const struct range *r = ranges;
	struct block {
		char *p;
		size_t size;
	} *blocks;
	size_t total, live = 0, n = 0, most;
	struct memory start;
	double full;

	if (argc != 4)
		errx(2, "usage: leftovers 16-512|16-4096|16-32K|1K-256K MB SECONDS");
	while (strcmp(r->name, argv[1])) {
		if (++r == ranges + sizeof(ranges) / sizeof(*ranges))
			errx(2, "no range '%s'", argv[1]);
	}
	total = strtoul(argv[2], NULL, 10) << 20;
	/* Not from the allocator: what it costs is not what is measured. */
	most = total / r->from + 1;
	blocks = mmap(NULL, most * sizeof(*blocks), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (blocks == MAP_FAILED)
		err(1, "mmap");
	free(malloc(1));
	start = resident();
	for (; live < total; live += blocks[n++].size) {
		size_t size = size_in(r);

		blocks[n] = (struct block){ .p = malloc(size), .size = size };
		memset(blocks[n].p, 1, size);
	}
	start.mapped += (double)(n * sizeof(*blocks));
	full = since(start) / (double)live;
	for (size_t i = 0; i < n; i++) {
		if (rng_next(&seed) % 10) {
			live -= blocks[i].size;
			free(blocks[i].p);
			blocks[i].p = NULL;
		}
	}
	pause_for(strtod(argv[3], NULL));
	printf("%.3f %.3f ", full, since(start) / (double)live);
	for (size_t i = 0; i < n; i++)
		free(blocks[i].p);
	pause_for(strtod(argv[3], NULL));
	printf("%.1f\n", since(start) / (1 << 20));
	return 0;
}
