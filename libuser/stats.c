// SPDX-License-Identifier: MIT
#include "stats.h"

#include <string.h>

#include "filter.h"
#include "os.h"
#include "source_dev.h"
#include "thread.h"

static size_t less(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

/* --- thread caches ------------------------------------------------------------------ */

struct cached {
	const struct arena *arena;	/* whose threads; NULL: all */
	size_t small, large, threads;
};

static void add_cache(struct tcache *t, void *arg)
{
	struct cached *c = arg;

	if (c->arena && t->arena != c->arena)
		return;
	c->threads++;
	c->large += tcache_large_bytes(t);
	c->small += tcache_bytes(t);
}

/* --- arenas and bins ------------------------------------------------------------------- */

static struct arena *arena_at(unsigned int i)
{
	return atomic_load_explicit(&ash_arenas[i], memory_order_acquire);
}

static unsigned int arenas(void)
{
	return atomic_load_explicit(&ash_narenas, memory_order_acquire);
}

/* The node's first arena answers for what belongs to the node. */
static bool speaks_for_heap(const struct arena *a)
{
	for (unsigned int i = 0; i < a->index; i++) {
		if (arena_at(i)->heap == a->heap)
			return false;
	}
	return true;
}

static void add_bin(struct bin_stats *out, struct arena *a, unsigned int class)
{
	const volatile struct bin *bin = &a->bins[class];
	struct bin_stats b;

	/* A look without the lock: most bins of most arenas were never used. */
	if (!bin->fills && !bin->flushes && !bin->ndepot)
		return;
	arena_bin_stats(a, class, &b);
	out->nslabs += b.nslabs;
	out->pages += b.pages;
	out->out += b.out;
	out->depot += b.depot;
	out->nonfull += b.nonfull;
	out->taken += b.taken;
	out->slabs_made += b.slabs_made;
	out->fills += b.fills;
	out->flushes += b.flushes;
}

void stats_bin(unsigned int index, unsigned int class, struct bin_stats *out)
{
	unsigned int n = arenas();

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < n; i++) {
		if (index == i || index == STATS_ALL)
			add_bin(out, arena_at(i), class);
	}
}

size_t stats_bin_outside(const struct bin_stats *b)
{
	return less(b->out, b->depot);
}

void stats_large(unsigned int index, unsigned int class, struct stats_large *out)
{
	unsigned int n = arenas(), k = class - CLASS_LARGE_FIRST;

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < n; i++) {
		struct arena *a = arena_at(i);

		if ((index != i && index != STATS_ALL) || !speaks_for_heap(a))
			continue;
		out->made += atomic_load_explicit(&a->heap->large_made[k], memory_order_relaxed);
		out->gone += atomic_load_explicit(&a->heap->large_gone[k], memory_order_relaxed);
	}
}

struct slabs {
	size_t pages, slots, depots;	/* pages; bytes of slots not free in a bitmap, in depots */
};

static void add_bins(struct stats_arena *out, struct slabs *sl, unsigned int index)
{
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		size_t size = sizeclasses[c].size;
		struct bin_stats b;

		stats_bin(index, c, &b);
		sl->pages += b.pages;
		sl->slots += b.out * size;
		sl->depots += b.depot * size;
		out->small_made += b.taken;
		out->small_gone += less(b.taken, stats_bin_outside(&b));
		out->fills += b.fills;
		out->flushes += b.flushes;
	}
}

/* Pages of all slabs on heap @h. */
static size_t slab_pages(const struct pageheap *h)
{
	size_t pages = 0;
	unsigned int n = arenas();

	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int c = 1; c <= CLASS_SMALL_LAST && arena_at(i)->heap == h; c++)
			pages += *(volatile size_t *)&arena_at(i)->bins[c].pages;
	}
	return pages;
}

static void add_heap(struct stats_arena *out, struct pageheap *h)
{
	struct pageheap_stats hs;

	pageheap_stats(h, &hs);
	out->pactive += less(hs.active, slab_pages(h));
	out->pdirty += hs.dirty;
	out->pmuzzy += hs.muzzy;
	out->lazily += hs.lazily;
	out->resident += (hs.active + hs.dirty + hs.muzzy + hs.untouched - hs.hollow) << PAGE_SHIFT;
	out->mapped += hs.extents << EXTENT_SHIFT;
	out->retained += hs.retained << EXTENT_SHIFT;
	out->purges += hs.purges;
	out->purged += hs.purged;
	for (unsigned int k = 0; k < NLARGE; k++) {
		out->large_made += atomic_load_explicit(&h->large_made[k], memory_order_relaxed);
		out->large_gone += atomic_load_explicit(&h->large_gone[k], memory_order_relaxed);
	}
}

void stats_arena(unsigned int index, struct stats_arena *out)
{
	struct cached c = { .arena = index == STATS_ALL ? NULL : arena_at(index) };
	struct slabs sl = { 0 };
	unsigned int n = arenas();

	memset(out, 0, sizeof(*out));
	thread_for_each(add_cache, &c);
	for (unsigned int i = 0; i < n; i++) {
		if ((index == i || index == STATS_ALL) && speaks_for_heap(arena_at(i)))
			add_heap(out, arena_at(i)->heap);
	}
	/* So far pactive is that of large blocks alone. */
	out->large = less(out->pactive << PAGE_SHIFT, c.large);
	add_bins(out, &sl, index);
	out->pactive += sl.pages;
	out->small = less(sl.slots, sl.depots + c.small);
	out->cached = sl.depots + c.small + c.large;
	out->threads = c.threads;
	if (index == 0 || index == STATS_ALL) {
		out->metadata = meta_bytes();
		out->resident += out->metadata;
	}
}

/* --- all ---------------------------------------------------------------------------------- */

void stats_collect(struct stats *s)
{
	struct stats_arena a;

	memset(s, 0, sizeof(*s));
	if (!thread_ready())
		return;
	stats_arena(STATS_ALL, &a);
	s->small = a.small;
	s->large = a.large;
	s->allocated = a.small + a.large;
	s->cached = a.cached;
	s->active = a.pactive << PAGE_SHIFT;
	s->dirty = a.pdirty << PAGE_SHIFT;
	s->muzzy = a.pmuzzy << PAGE_SHIFT;
	s->lazily_purged = a.lazily << PAGE_SHIFT;
	s->lazy = source_device_lazy();
	s->metadata = a.metadata;
	s->resident = a.resident;
	s->mapped = a.mapped;
	s->retained = a.retained;
	s->purges = a.purges;
	s->purged = a.purged << PAGE_SHIFT;
	s->fills = a.fills;
	s->flushes = a.flushes;
	s->threads = a.threads;
	s->arenas = arenas();
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		struct pageheap_stats hs;

		pageheap_stats(ash_pageheaps[i], &hs);
		s->hollow += hs.hollow << PAGE_SHIFT;
		s->extents += hs.extents;
		s->huge += hs.huge;
		s->device += hs.device;
		s->fallbacks += hs.fallbacks;
		s->punched += hs.punched;
		s->mended += hs.mended;
		s->moved += hs.moved;
	}
	s->purge_calls = atomic_load_explicit(&source_purge_calls, memory_order_relaxed);
}

/* --- what is in RAM ------------------------------------------------------------------------ */

/* Anonymous extents of one kind, some of them: pages by our counters, and by the kernel's. */
struct sample {
	size_t extents, counted, seen;
};

/* Pages more (or less) in RAM than we count in @extents of a kind, going by the sample. */
static ptrdiff_t miscounted(size_t extents, const struct sample *s)
{
	return s->extents ? (ptrdiff_t)(((double)s->seen - (double)s->counted) * (double)extents / (double)s->extents)
			  : 0;
}

/*
 * Read without the heap's lock, as nothing hangs on it: an extent in motion is a small error.
 * The device's are not asked for: what we count there is what there is, in one piece or in many.
 */
static void look(struct extent *e, struct sample *small, struct sample *huge)
{
	struct sample *s = extent_is_huge(e) ? huge : small;
	int pages;

	if (*(volatile uint8_t *)&e->state != EXTENT_LIVE || !e->source || e->source->recommit)
		return;
	pages = os_resident(extent_addr(e));
	if (pages < 0)
		return;
	s->extents++;
	s->counted += extent_is_huge(e) ? EXTENT_PAGES : (unsigned int)(e->nused + e->ndirty - e->nhollow);
	s->seen += (size_t)pages;
}

/* Unless we @may_ask the kernel, our counters are the answer: what was never touched counts too. */
static size_t heap_resident(struct pageheap *h, bool may_ask)
{
	struct sample small = { 0 }, huge = { 0 };
	struct pageheap_stats hs;
	size_t extents = 0, stride;
	ptrdiff_t pages;

	pageheap_stats(h, &hs);
	for (unsigned int i = 0; i < h->nwindows; i++)
		extents += h->windows[i]->grown >> EXTENT_SHIFT;
	stride = extents / RESIDENT_SAMPLES + 1;
	for (unsigned int i = 0; i < h->nwindows && hs.extents > hs.device && may_ask; i++) {
		for (size_t k = 0; k < h->windows[i]->grown >> EXTENT_SHIFT; k += stride)
			look(window_extent(h->windows[i], k), &small, &huge);
	}
	pages = (ptrdiff_t)(hs.active + hs.dirty + hs.muzzy + hs.untouched - hs.hollow) +
		miscounted(less(hs.huge, hs.device - hs.pieces), &huge) +
		miscounted(less(hs.extents, hs.huge + hs.pieces), &small);
	return pages > 0 ? (size_t)pages : 0;
}

size_t stats_resident(void)
{
	bool may_ask = !filter_is_on();
	size_t pages = 0;

	for (unsigned int i = 0; i < ash_npageheaps; i++)
		pages += heap_resident(ash_pageheaps[i], may_ask);
	return (pages << PAGE_SHIFT) + meta_bytes();
}

const char *stats_backend(void)
{
	struct stats s;

	stats_collect(&s);
	return !s.device ? "anon" : s.device == s.extents ? "device" : "mixed";
}

/* --- extents one by one --------------------------------------------------------------- */

/* Whole pages of a word are read without the heap's lock: one in motion is shown in between. */
static void describe(const struct window *w, size_t i, struct stats_extent *out)
{
	const volatile struct extent *e = window_extent(w, i);
	const struct source *source = e->source;

	*out = (struct stats_extent){
		.addr = w->base + (i << EXTENT_SHIFT),
		.node = w->node,
		.state = e->state,
		.source = source,
		.used = e->nused,
		.dirty = e->ndirty - e->nmuzzy,
		.muzzy = e->nmuzzy,
		.stuck = e->stuck,
		.huge = e->intact,
	};
}

void stats_for_extents(void (*fn)(const struct stats_extent *e, void *arg), void *arg)
{
	for (unsigned int k = 0; k < ash_npageheaps; k++) {
		struct pageheap *h = ash_pageheaps[k];
		unsigned int n = *(volatile unsigned int *)&h->nwindows;

		for (unsigned int i = 0; i < n; i++) {
			size_t extents = atomic_load(&h->windows[i]->grown) >> EXTENT_SHIFT;

			for (size_t x = 0; x < extents; x++) {
				struct stats_extent e;

				describe(h->windows[i], x, &e);
				fn(&e, arg);
			}
		}
	}
}

struct occupancy_of {
	struct stats_occupancy *out;
	unsigned int node;	/* STATS_ALL: all */
};

static void add_occupancy(const struct stats_extent *e, void *arg)
{
	struct occupancy_of *o = arg;

	if (e->state != EXTENT_LIVE || (o->node != STATS_ALL && o->node != e->node))
		return;
	o->out->extents[(e->used * 10 + EXTENT_PAGES - 1) / EXTENT_PAGES]++;
	o->out->pinned += (size_t)e->stuck << PAGE_SHIFT;
}

void stats_occupancy(unsigned int node, struct stats_occupancy *out)
{
	struct occupancy_of o = { .out = out, .node = node };

	memset(out, 0, sizeof(*out));
	stats_for_extents(add_occupancy, &o);
}
