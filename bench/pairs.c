// SPDX-License-Identifier: MIT
/*
 * The loops whose instructions bench/instr counts: pairs PATTERN N.
 *
 * Each loop is as lean as a caller can be, and touches what it got once. What
 * it costs by itself is counted with an allocator that does nothing (noop.c).
 */
#include <err.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BATCH	4096	/* blocks at a time; more than any cache's small bound */
#define SLOTS	1024	/* live blocks of the random sizes; both powers of two */
#define LARGE	256	/* live blocks of the large one; some 36 MB */
#define BUFFERS	400	/* of 4 KB at a time; more than caches hold of them */

#ifdef NOOP
void *noop_malloc(size_t size);
void *noop_calloc(size_t n, size_t size);
void *noop_realloc(void *p, size_t size);
void noop_free(void *p);
#define malloc		noop_malloc
#define calloc		noop_calloc
#define realloc		noop_realloc
#define free		noop_free
#define new_sized	noop_malloc
#define delete_sized(p, size)	noop_free(p)
#else
/* operator new(size_t), operator delete(void *, size_t) */
void *new_sized(size_t size) __asm__("_Znwm");
void delete_sized(void *p, size_t size) __asm__("_ZdlPvm");
#endif

static char *slot[BATCH];

/* Keeps the compiler from seeing that a block is never read. */
static inline void touch(char *p)
{
	*(volatile char *)p = 1;
}

static inline uint64_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static void one(long n)
{
	while (n--) {
		char *p = malloc(16);

		touch(p);
		free(p);
	}
}

static void random_sizes(long n)
{
	uint64_t seed = 1;

	while (n--) {
		uint64_t r = next(&seed);
		char **s = &slot[r & (SLOTS - 1)];

		free(*s);
		*s = malloc(8 + (r >> 8 & 511));
		touch(*s);
	}
}

static void at_a_time(long n, int count, size_t size)
{
	for (n /= count; n--;) {
		for (int i = 0; i < count; i++) {
			slot[i] = malloc(size);
			touch(slot[i]);
		}
		for (int i = 0; i < count; i++)
			free(slot[i]);
	}
}

static void batch(long n)
{
	at_a_time(n, BATCH, 64);
}

static void buffers(long n)
{
	at_a_time(n, BUFFERS, 4096);
}

static void zeroed(long n)
{
	while (n--) {
		char *p = calloc(1, 100);

		touch(p);
		free(p);
	}
}

/* Never freed, so that each is fresh: clearing one would be 65,536 instructions. */
static void fresh(long n)
{
	for (long i = 0; i < n; i++)
		touch(calloc(1, 1 << 20));
}

static void large(long n)
{
	uint64_t seed = 1;

	while (n--) {
		uint64_t r = next(&seed);
		char **s = &slot[r & (LARGE - 1)];

		free(*s);
		*s = malloc(16384 + (r >> 8 & 0x3ffff));
		touch(*s);
	}
}

static void new_delete(long n)
{
	while (n--) {
		char *p = new_sized(40);

		touch(p);
		delete_sized(p, 40);
	}
}

/* 16 B to 1 MB; the blocks between keep a step from growing in place by luck. */
static void growth(long n)
{
	char *between[17];

	while (n--) {
		char *p = malloc(16);
		int k = 0;

		for (size_t size = 32; size <= 1 << 20; size *= 2) {
			between[k] = malloc(size / 2);
			touch(between[k++]);
			p = realloc(p, size);
			touch(p);
		}
		while (k)
			free(between[--k]);
		free(p);
	}
}

static const struct {
	const char *name;
	void (*run)(long n);
} patterns[] = {
	{ "one-16", one },
	{ "random-8-519", random_sizes },
	{ "batch-4096x64", batch },
	{ "buffers-400x4k", buffers },
	{ "calloc-100", zeroed },
	{ "calloc-1m-fresh", fresh },
	{ "large-16-272k", large },
	{ "new-delete-40", new_delete },
	{ "realloc-16-1m", growth },
};

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: pairs PATTERN N");
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		if (!strcmp(argv[1], patterns[i].name)) {
			patterns[i].run(atol(argv[2]));
			return 0;
		}
	}
	errx(2, "no pattern '%s': see the end of bench/pairs.c", argv[1]);
}
