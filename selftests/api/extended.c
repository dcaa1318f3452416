// SPDX-License-Identifier: MIT
/* A program written for jemalloc, compiled with its header, on our library. */
#include <malloc.h>

#include <jemalloc/jemalloc.h>

#include "tap.h"

__attribute__((noipa)) static bool all(const void *p, int value, size_t from, size_t to)
{
	const unsigned char *b = p;

	for (size_t i = from; i < to; i++) {
		if (b[i] != value)
			return false;
	}
	return true;
}

/* Blocks that were used before: zero must not be luck. */
static void soil(size_t n)
{
	void *p[20];

	for (int i = 0; i < 20; i++)
		memset(p[i] = malloc(n), 0xa5, n);
	for (int i = 0; i < 20; i++)
		free(p[i]);
}

static void sizes(void)
{
	bool good = true, enough = true;

	for (size_t n = 1; n < 5 * MB; n += n / 9 + 1) {
		size_t want = nallocx(n, 0);
		void *p = mallocx(n, MALLOCX_TCACHE_NONE);

		good &= sallocx(p, 0) == want && malloc_usable_size(p) == want;
		enough &= want >= n;
		dallocx(p, MALLOCX_TCACHE_NONE);
		p = mallocx(n, 0);
		sdallocx(p, n, 0);
	}
	OK(enough, "nallocx gives at least what is asked for");
	OK(good, "and tells what mallocx gives");
	OK(nallocx(SIZE_MAX, 0) == 0 && !mallocx(HIDE(SIZE_MAX / 2 + 1), 0), "no more than there can be");
}

static void alignments(void)
{
	bool ok = true;

	for (int lg = 0; lg <= 23; lg++) {
		for (size_t n = 1; n < 3 * MB; n = n * 3 + 1) {
			void *p = mallocx(n, MALLOCX_LG_ALIGN(lg));

			ok &= p && !((uintptr_t)p & (((size_t)1 << lg) - 1)) &&
			      sallocx(p, 0) >= nallocx(n, MALLOCX_LG_ALIGN(lg));
			memset(p, 1, n);
			p = rallocx(p, n * 2, MALLOCX_LG_ALIGN(lg));
			ok &= p && !((uintptr_t)p & (((size_t)1 << lg) - 1)) && all(p, 1, 0, n);
			sdallocx(p, n * 2, MALLOCX_LG_ALIGN(lg));
		}
	}
	OK(ok, "alignments up to 8 MB, kept by rallocx");
	OK(MALLOCX_ALIGN(4096) == MALLOCX_LG_ALIGN(12), "the header's flags");
}

static void zeroes(void)
{
	bool ok = true;

	for (size_t n = 1; n < 6 * MB; n = n * 2 + 7) {
		soil(n);
		for (int flags = MALLOCX_ZERO;; flags |= MALLOCX_TCACHE_NONE) {
			void *p = mallocx(n, flags);
			size_t have = sallocx(p, 0);

			ok &= all(p, 0, 0, have);
			memset(p, 7, have);
			p = rallocx(p, have * 2, flags);
			ok &= all(p, 7, 0, have) && all(p, 0, have, sallocx(p, 0));
			dallocx(p, 0);
			if (flags & MALLOCX_TCACHE_NONE)
				break;
		}
	}
	OK(ok, "MALLOCX_ZERO: all usable bytes, and those that rallocx adds");
}

static void in_place(void)
{
	char *p = mallocx(100 * KB, 0);
	size_t have = sallocx(p, 0), got;

	OK(xallocx(p, have, 0, 0) == have, "xallocx to what it is");
	got = xallocx(p, 10, 0, 0);
	OK(got >= 10 && got <= have && sallocx(p, 0) == got, "xallocx never moves", "%zu", got);
	dallocx(p, 0);
	p = mallocx(8 * MB, 0);
	memset(p, 3, 8 * MB);
	got = xallocx(p, 10 * MB, 6 * MB, MALLOCX_ZERO);
	OK(got >= 8 * MB && all(p, 3, 0, 8 * MB) && all(p, 0, 8 * MB, got), "a huge one grows in place if it can",
	   "%zu", got);
	dallocx(p, 0);
	p = mallocx(40, 0);
	OK(xallocx(p, 41, SIZE_MAX - 41, 0) == sallocx(p, 0), "extra beyond all bounds is harmless");
	dallocx(p, 0);
}

static void arenas(void)
{
	unsigned int arena, where;
	size_t len = sizeof(arena);
	void *p, *q;
	bool ok = true;

	OK(!mallctl("arenas.create", &arena, &len, NULL, 0), "arenas.create");
	for (size_t n = 1; n <= 14 * KB; n *= 2) {
		p = mallocx(n, MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE);
		len = sizeof(where);
		ok &= !mallctl("arenas.lookup", &where, &len, &p, sizeof(p)) && where == arena;
		dallocx(p, MALLOCX_TCACHE_NONE);
	}
	OK(ok, "MALLOCX_ARENA allocates there, and arenas.lookup says so");
	p = mallocx(3 * MB, MALLOCX_ARENA(arena));
	q = mallocx(100 * KB, MALLOCX_ARENA(arena) | MALLOCX_LG_ALIGN(16));
	OK(p && q && !((uintptr_t)q & 0xffff), "large blocks too");
	dallocx(p, 0);
	dallocx(q, 0);
	OK(!mallocx(10, MALLOCX_ARENA(4000)), "an arena that does not exist gives nothing");
}

static void caches(void)
{
	unsigned int tc;
	size_t len = sizeof(tc);
	void *p;

	OK(!mallctl("tcache.create", &tc, &len, NULL, 0), "tcache.create");
	p = mallocx(100, MALLOCX_TCACHE(tc));
	OK(p, "a block through it");
	dallocx(p, MALLOCX_TCACHE(tc));
	OK(!mallctl("tcache.flush", NULL, NULL, &tc, sizeof(tc)) &&
	   !mallctl("tcache.destroy", NULL, NULL, &tc, sizeof(tc)), "flush and destroy");
}

/* As a program for jemalloc sets its defaults; the last is none of ours. */
const char *malloc_conf = "dirty_decay_ms:4321,narenas:3,lg_extent_max_active_fit:6";

static void options(void)
{
	unsigned int n = 0;
	ssize_t ms = 0;
	size_t len = sizeof(ms);

	mallctl("opt.dirty_decay_ms", &ms, &len, NULL, 0);
	len = sizeof(n);
	mallctl("opt.narenas", &n, &len, NULL, 0);
	OK(ms == 4321 && n == 3, "the program's malloc_conf counts", "%zd, %u", ms, n);
}

static size_t printed;

static void count(void *arg, const char *text)
{
	*(size_t *)arg += strlen(text);
}

static void printing(void)
{
	size_t all_of_it, part = 0;

	malloc_stats_print(count, &printed, NULL);
	all_of_it = printed;
	malloc_stats_print(count, &part, "gablx");
	OK(all_of_it > 500 && part < all_of_it && part, "malloc_stats_print", "%zu and %zu", all_of_it, part);
	malloc_message = count;
	printed = 0;
	malloc_stats_print(NULL, &printed, NULL);
	malloc_message = NULL;
	OK(printed > 500, "malloc_message takes it where no function is named", "%zu", printed);
}

int main(void)
{
	options();
	sizes();
	alignments();
	zeroes();
	in_place();
	arenas();
	caches();
	printing();
	return tap_end();
}
