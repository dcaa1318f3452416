// SPDX-License-Identifier: MIT
/*
 * Address space: what lies between the heap and our own records. A page is "walled" if it
 * is reserved and nobody may touch it: an overflow that gets there ends, and no other
 * mapping can take its place.
 */
#include "fake.h"
#include "meta.h"

#include <stdio.h>

static struct range {
	uintptr_t from, to;
	bool open;		/* readable, writable or executable */
} maps[4096];
static size_t nmaps;

static void read_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], perms[8];

	cr_assert(f);
	for (nmaps = 0; fgets(line, sizeof(line), f); nmaps++) {
		struct range *r = &maps[nmaps];

		cr_assert(nmaps < ARRAY_SIZE(maps));
		cr_assert_eq(sscanf(line, "%lx-%lx %4s", &r->from, &r->to, perms), 3);
		r->open = perms[0] == 'r' || perms[1] == 'w' || perms[2] == 'x';
	}
	fclose(f);
}

static const struct range *range_of(const void *p)
{
	for (size_t i = 0; i < nmaps; i++) {
		if ((uintptr_t)p - maps[i].from < maps[i].to - maps[i].from)
			return &maps[i];
	}
	return NULL;
}

static bool walled(const void *p)
{
	const struct range *r = range_of(p);

	return r && !r->open;
}

/* Linear overflows from outside of [@base, @base + @size), and out of it. */
static bool apart(const char *base, size_t size)
{
	return walled(base - 1) && walled(base - PAGE_SIZE) && walled(base + size) &&
	       walled(base + size + PAGE_SIZE - 1);
}

static void windows_are_apart(void)
{
	read_maps();
	for (unsigned int i = 0; i < ash_nwindows; i++) {
		struct window *w = &ash_windows[i];
		struct growing *g[] = { &w->classes, &w->spans, &w->extents, &w->free, &w->idle,
					&w->slabs };

		cr_assert(apart(w->base, w->size), "heap of window %u", i);
		for (unsigned int k = 0; k < ARRAY_SIZE(g); k++) {
			cr_assert(apart(g[k]->base, g[k]->size), "map %u of window %u", k, i);
			cr_assert(g[k]->base + g[k]->size < w->base || g[k]->base > w->base + w->size);
		}
	}
}

Test(window, maps_and_heap_are_walled)
{
	fake_start("source:anon");
	cr_assert(pageheap_ready(ash_pageheaps[0]));
	cr_assert(pageheap_alloc(ash_pageheaps[0], 1, 1, NULL));
	windows_are_apart();
}

/* Windows that are full to the last page, one beside the other. */
Test(window, full_ones_are_walled)
{
	struct pageheap *h;

	fake_start("source:anon,reserve:8m");
	h = ash_pageheaps[0];
	for (int i = 0; i < 40; i++)
		memset(pageheap_alloc_huge(h, EXTENT_PAGES, EXTENT_SIZE, NULL), 1, EXTENT_SIZE);
	cr_assert_geq(ash_nwindows, 3);
	for (unsigned int i = 0; i < ash_nwindows; i++)
		cr_assert_leq(ash_windows[i].size, 16 * MB);
	windows_are_apart();
	cr_assert_eq(ash_windows[0].grown, ash_windows[0].size);
}

/* Records, in their region filled to its end. */
Test(window, records_are_walled)
{
	char *first = meta_alloc(META_MAX), *last = NULL, *p;

	cr_assert(first);
	while ((p = meta_alloc(META_MAX)))
		last = p;
	cr_assert(last && last > first);
	read_maps();
	cr_assert(walled((char *)range_of(first)->from - 1));
	cr_assert(walled((char *)range_of(last)->to));
	/* Neighbours that the kernel places as near as it can stay outside. */
	p = os_reserve(EXTENT_SIZE);
	cr_assert(p && os_commit(p, EXTENT_SIZE));
	read_maps();
	cr_assert(apart(p, EXTENT_SIZE));
	os_unreserve(p, EXTENT_SIZE);
	read_maps();
	cr_assert(!range_of(p - 1) && !range_of(p) && !range_of(p + EXTENT_SIZE));
}
