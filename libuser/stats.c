// SPDX-License-Identifier: MIT
#include "stats.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "os.h"
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
	out->resident += (hs.active + hs.dirty + hs.untouched) << PAGE_SHIFT;
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
	s->metadata = a.metadata;
	s->resident = a.resident;
	s->mapped = a.mapped;
	s->retained = a.retained;
	s->purges = a.purges;
	s->purged = a.purged << PAGE_SHIFT;
	s->threads = a.threads;
	s->arenas = arenas();
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		struct pageheap_stats hs;

		pageheap_stats(ash_pageheaps[i], &hs);
		s->extents += hs.extents;
		s->huge += hs.huge;
		s->device += hs.device;
		s->fallbacks += hs.fallbacks;
	}
	s->purge_calls = atomic_load_explicit(&source_purge_calls, memory_order_relaxed);
}

/* --- what is in RAM ------------------------------------------------------------------------ */

/* Pages of one kind of extent: what our counters say, and what the kernel said of a sample. */
struct sample {
	size_t counted, seen;
};

/* Scale @pages, which our counters say, by what the sample showed. */
static size_t corrected(size_t pages, const struct sample *s)
{
	return s->counted ? (size_t)((double)pages * (double)s->seen / (double)s->counted) : pages;
}

/* Read without the heap's lock, as nothing hangs on it: an extent in motion is a small error. */
static void look(struct extent *e, struct sample *small, struct sample *huge)
{
	struct sample *s = extent_is_huge(e) ? huge : small;
	int pages;

	if (*(volatile uint8_t *)&e->state != EXTENT_LIVE || !e->source || e->source->recommit)
		return;
	pages = os_resident(extent_addr(e));
	if (pages < 0)
		return;
	s->counted += extent_is_huge(e) ? EXTENT_PAGES : e->nused + e->ndirty;
	s->seen += (size_t)pages;
}

static size_t heap_resident(struct pageheap *h)
{
	struct sample small = { 0 }, huge = { 0 };
	struct pageheap_stats hs;
	size_t extents = 0, stride, used_huge;

	pageheap_stats(h, &hs);
	for (unsigned int i = 0; i < h->nwindows; i++)
		extents += h->windows[i]->grown >> EXTENT_SHIFT;
	stride = extents / RESIDENT_SAMPLES + 1;
	for (unsigned int i = 0; i < h->nwindows && hs.extents > hs.device; i++) {
		for (size_t k = 0; k < h->windows[i]->grown >> EXTENT_SHIFT; k += stride)
			look(window_extent(h->windows[i], k), &small, &huge);
	}
	used_huge = hs.huge * EXTENT_PAGES - hs.untouched;
	return hs.device * EXTENT_PAGES +
	       corrected(less(hs.huge, hs.device) * EXTENT_PAGES, &huge) +
	       corrected(less(hs.active + hs.dirty, used_huge), &small);
}

size_t stats_resident(void)
{
	size_t pages = 0;

	for (unsigned int i = 0; i < ash_npageheaps; i++)
		pages += heap_resident(ash_pageheaps[i]);
	return (pages << PAGE_SHIFT) + meta_bytes();
}

const char *stats_backend(void)
{
	struct stats s;

	stats_collect(&s);
	return !s.device ? "anon" : s.device == s.extents ? "device" : "mixed";
}

/* --- the report ---------------------------------------------------------------------- */

struct report {
	void (*write)(void *arg, const char *text);
	void *arg;
	char line[192];		/* columns collect here */
	size_t len;
};

static void to_stderr(void *arg, const char *text)
{
	size_t len = strlen(text);

	(void)arg;
	while (len) {
		ssize_t n = write(STDERR_FILENO, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* Text right-aligned in @width more columns; left-aligned if that is negative. */
static void column(struct report *r, int width, const char *text)
{
	size_t len = strlen(text), w = (size_t)(width < 0 ? -width : width);

	for (; width > 0 && w > len && r->len < sizeof(r->line) - 2; w--)
		r->line[r->len++] = ' ';
	for (const char *s = text; *s && r->len < sizeof(r->line) - 2; s++)
		r->line[r->len++] = *s;
	for (; width < 0 && w > len && r->len < sizeof(r->line) - 2; w--)
		r->line[r->len++] = ' ';
}

static void number(struct report *r, int width, size_t value)
{
	char digits[24];

	ash_format(digits, sizeof(digits), "%zu", value);
	column(r, width, digits);
}

static void end_line(struct report *r)
{
	r->line[r->len++] = '\n';
	r->line[r->len] = '\0';
	r->len = 0;
	r->write(r->arg, r->line);
}

static void headings(struct report *r, const char *title, const char *const *names, unsigned int n)
{
	end_line(r);
	column(r, 0, title);
	end_line(r);
	for (unsigned int i = 0; i < n; i++)
		column(r, 12, names[i]);
	end_line(r);
}

static void numbers(struct report *r, const size_t *values, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		number(r, 12, values[i]);
	end_line(r);
}

static void total(struct report *r, const char *name, size_t value, const char *meaning)
{
	column(r, -14, name);
	number(r, 18, value);
	column(r, 0, "  ");
	column(r, 0, meaning);
	end_line(r);
}

static void print_totals(struct report *r)
{
	struct stats s;

	stats_collect(&s);
	s.resident = stats_resident();
	total(r, "allocated", s.allocated, "bytes in live blocks");
	total(r, "  small", s.small, "in slots of slabs");
	total(r, "  large", s.large, "in pages of their own");
	total(r, "cached", s.cached, "bytes free in thread caches and depots");
	total(r, "active", s.active, "bytes in pages in use");
	total(r, "dirty", s.dirty, "bytes in free pages that decay will give back");
	total(r, "metadata", s.metadata, "bytes of our own records");
	total(r, "resident", s.resident, "bytes in RAM");
	total(r, "mapped", s.mapped, "bytes in extents with memory");
	total(r, "  device", s.device << EXTENT_SHIFT, "from /dev/ashlar");
	total(r, "  huge", s.huge << EXTENT_SHIFT, "on huge pages, or meant to be");
	total(r, "retained", s.retained, "bytes of address space kept without memory");
	total(r, "fallbacks", s.fallbacks, "extents that the device did not have");
	total(r, "purges", s.purges, "runs of purging");
	total(r, "  calls", s.purge_calls, "system calls for them");
	total(r, "  purged", s.purged, "bytes given back");
	total(r, "arenas", s.arenas, "made so far");
	total(r, "threads", s.threads, "with a cache");
}

static void print_nodes(struct report *r)
{
	static const char *const names[] = { "node", "active", "dirty", "retained", "extents",
					     "huge", "device", "fallbacks" };

	headings(r, "Nodes (bytes; extents in numbers)", names, ARRAY_SIZE(names));
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		struct pageheap_stats h;

		pageheap_stats(ash_pageheaps[i], &h);
		numbers(r, (size_t[]){ ash_pageheaps[i]->node, h.active << PAGE_SHIFT,
			h.dirty << PAGE_SHIFT, h.retained << EXTENT_SHIFT, h.extents, h.huge,
			h.device, h.fallbacks }, ARRAY_SIZE(names));
	}
}

static void print_arenas(struct report *r)
{
	static const char *const names[] = { "arena", "node", "threads", "small", "large",
					     "cached", "fills", "flushes" };
	unsigned int n = arenas();

	headings(r, "Arenas (bytes; what belongs to a node is with its first arena)", names,
		 ARRAY_SIZE(names));
	for (unsigned int i = 0; i < n; i++) {
		struct stats_arena a;

		stats_arena(i, &a);
		numbers(r, (size_t[]){ i, arena_at(i)->heap->node, a.threads, a.small, a.large,
			a.cached, a.fills, a.flushes }, ARRAY_SIZE(names));
	}
}

static void print_bins(struct report *r)
{
	static const char *const names[] = { "size", "outside", "depots", "slabs", "not full",
					     "bytes", "used %", "fills", "flushes" };

	headings(r, "Bins (outside: blocks that are live or in thread caches)", names,
		 ARRAY_SIZE(names));
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		size_t size = sizeclasses[c].size;
		struct bin_stats b;

		stats_bin(STATS_ALL, c, &b);
		if (!b.fills && !b.flushes && !b.depot)
			continue;
		numbers(r, (size_t[]){ size, stats_bin_outside(&b), b.depot, b.nslabs, b.nonfull,
			b.pages << PAGE_SHIFT,
			stats_bin_outside(&b) * size * 100 / max(b.pages << PAGE_SHIFT, (size_t)1),
			b.fills, b.flushes }, ARRAY_SIZE(names));
	}
}

static void print_large(struct report *r)
{
	static const char *const names[] = { "size", "now", "made" };

	headings(r, "Large blocks (now: live or in thread caches; size 0: huge ones)", names,
		 ARRAY_SIZE(names));
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_HUGE; c++) {
		struct stats_large l;

		stats_large(STATS_ALL, c, &l);
		if (l.made)
			numbers(r, (size_t[]){ c < CLASS_HUGE ? sizeclasses[c].size : 0,
				less(l.made, l.gone), l.made }, ARRAY_SIZE(names));
	}
}

void stats_print(void (*write)(void *arg, const char *text), void *arg, const char *opts)
{
	static const struct {
		char letter;
		void (*print)(struct report *r);
	} parts[] = {
		{ 'g', print_totals }, { 'n', print_nodes }, { 'a', print_arenas },
		{ 'b', print_bins }, { 'l', print_large },
	};
	struct report r = { .write = write ? write : to_stderr, .arg = arg };
	int saved = errno;

	if (!thread_ready())
		return;
	column(&r, 0, "___ Begin Ashlar statistics ___");
	end_line(&r);
	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!opts || !strchr(opts, parts[i].letter))
			parts[i].print(&r);
	}
	column(&r, 0, "--- End Ashlar statistics ---");
	end_line(&r);
	errno = saved;
}

__attribute__((destructor)) static void print_at_exit(void)
{
	if (conf.stats_print)
		stats_print(NULL, NULL, NULL);
}
