// SPDX-License-Identifier: MIT
#include "supply.h"

#include "conf.h"
#include "limit.h"
#include "nodes.h"
#include "os.h"
#include "source_dev.h"

/* Extents at a time that a window is extended by, so that maps grow rarely. */
#define SMALL_START_EXTENTS	1

/* Where in @w, at or after extent @i, the address is a multiple of @align extents. */
static size_t align_extent(const struct window *w, size_t i, size_t align)
{
	size_t base = (uintptr_t)w->base >> EXTENT_SHIFT;

	return round_up(base + i, align) - base;
}

/* First of @n consecutive set bits of @w's @map below @end, aligned; @end if none. */
static size_t map_find(const struct window *w, const uint64_t *map, size_t end, size_t n,
		       size_t align)
{
	for (size_t i = 0; i < end;) {
		size_t at, run;

		if (!(i % 64) && !map[i / 64]) {
			i += 64;
			continue;
		}
		if (!map_get(map, i)) {
			i++;
			continue;
		}
		at = align_extent(w, i, align);
		for (run = 0; at + run < end && run < n && map_get(map, at + run); run++)
			;
		if (run == n)
			return at;
		i = max(at + run, i + 1);
	}
	return end;
}

/* --- memory ------------------------------------------------------------------------------- */

static _Atomic uint8_t policy;	/* enum conf_thp */

/*
 * Where there are no huge pages, extents are small from the start: that one is huge is a reason not to give
 * single pages of it back. The process may have been told so later on, by itself.
 */
void supply_init(void)
{
	policy = (uint8_t)(conf.thp == THP_AUTO && !os_thp_possible() ? THP_NEVER : conf.thp);
}

RARE static noinline bool become_large(struct pageheap *h)
{
	h->large = true;
	if (!os_thp_disabled())
		return true;
	atomic_store_explicit(&policy, THP_NEVER, memory_order_relaxed);
	return false;
}

static inline bool want_huge(struct pageheap *h)
{
	uint8_t p = atomic_load_explicit(&policy, memory_order_relaxed);

	if (p != THP_AUTO)
		return p == THP_ALWAYS;
	if (atomic_load_explicit(&extents_with_memory, memory_order_relaxed) < LARGE_EXTENTS)
		return false;
	return likely(h->large) || become_large(h);
}

bool supply_has_outgrown(struct pageheap *h)
{
	return atomic_load_explicit(&extents_with_memory, memory_order_relaxed) > LARGE_EXTENTS &&
	       want_huge(h);
}

/* The first extent of a heap is always small pages: most processes need no more. */
static const struct source *choose_source(struct pageheap *h, const struct extent *e)
{
	if (conf.source == SOURCE_ANON)
		return &source_anon;
	if (h->stats.extents == 0 && e->state == EXTENT_FRESH)
		return &source_anon;
	if (source_device.ready())
		return &source_device;
	if (conf.source == SOURCE_DEVICE) {
		static _Atomic bool said;

		if (!atomic_exchange(&said, true))
			ash_warn("source:device was asked for, but /dev/ashlar cannot be opened; "
				 "load the module or join group ashlar (using anonymous memory)");
	}
	return &source_anon;
}

static inline void extent_has_memory(struct pageheap *h, struct extent *e, const struct source *s,
				     bool huge)
{
	if (e->state == EXTENT_RETAINED)
		h->stats.retained--;
	e->state = EXTENT_LIVE;
	e->source = s;
	e->huge = e->intact = huge;
	/* Of a block of 1 GB that is made while all is small no more than that: who knows whether it is touched. */
	if (!huge && h->nsmall < LARGE_EXTENTS)
		extent_count_small(h, e, s->tear && policy == THP_AUTO);
	h->stats.extents++;
	atomic_fetch_add_explicit(&extents_with_memory, 1, memory_order_relaxed);
	h->stats.huge += huge;
	h->stats.untouched += extent_untouched(e);
	h->stats.device += s == &source_device;
}

/* @n consecutive extents from @e on, all FRESH or all RETAINED by one source, and alike huge or not. */
static bool commit_alike(struct pageheap *h, struct extent *e, size_t n)
{
	const struct source *s = e->source ? e->source : choose_source(h, e);
	struct window *w = extent_window(e);
	bool huge = s == &source_device || want_huge(h);
	char *addr = extent_addr(e);
	size_t done = n, room = 0;

	if (e->state == EXTENT_RETAINED && !s->recommit)
		huge = e->huge;
	if (huge && !limit_grants(h, n * EXTENT_PAGES))
		return false;
	/* The last of a cgroup's memory would leave nothing for maps and page tables: an OOM kill. */
	if (s == &source_device && !limit_system_grants(n << EXTENT_SHIFT))
		return false;
	if (addr + (n << EXTENT_SHIFT) == w->base + w->grown)
		room = w->size - w->grown;
	if (e->state == EXTENT_FRESH && s == &source_anon)
		source_device_leave(addr, n << EXTENT_SHIFT, h->node);
	if (e->state == EXTENT_FRESH || s->recommit)
		done = s->commit(addr, n << EXTENT_SHIFT, room, h->node, huge) >> EXTENT_SHIFT;
	for (size_t i = 0; i < done; i++) {
		/* It was punched or torn before it was purged. */
		if (e[i].state == EXTENT_RETAINED && extent_is_torn(e + i)) {
			s->mend(addr + (i << EXTENT_SHIFT), EXTENT_SIZE);
			extent_set_apart(h, e + i, false);
		}
		extent_has_memory(h, e + i, s, huge);
	}
	if (done == n || s == &source_anon)
		return done == n;
	h->stats.fallbacks += n - done;
	/* At the system's limit a touch of anonymous memory would be the OOM killer's business. */
	for (; done < n && limit_system_grants(EXTENT_SIZE); done++) {
		huge = want_huge(h);
		if (!source_anon.commit(addr + (done << EXTENT_SHIFT), EXTENT_SIZE, 0, h->node, huge))
			break;
		extent_has_memory(h, e + done, &source_anon, huge);
	}
	for (size_t i = done; i < n; i++) {
		if (e[i].state == EXTENT_RETAINED)
			h->stats.retained--;
		e[i].state = EXTENT_FRESH;
		e[i].source = NULL;
	}
	return done == n;
}

static bool is_loan(const struct extent *e)
{
	return e->state == EXTENT_LIVE && e->nmuzzy && e->source->take_back;
}

/* Muzzy extents from @e on, of one source: what the kernel cannot give back is gone. */
RARE static noinline void take_back(struct pageheap *h, struct extent *e, size_t n)
{
	size_t got = e->source->take_back(extent_addr(e), n << EXTENT_SHIFT, h->node) >> EXTENT_SHIFT;

	for (size_t i = 0; i < n; i++) {
		if (i < got)
			extent_not_muzzy(h, e + i, 0, EXTENT_PAGES);
		else
			extent_gone(h, e + i);
		extent_settle(h, e + i);
	}
}

/* Can one call give both memory? What was huge, or was not, is so when it comes back. */
static bool alike(const struct extent *a, const struct extent *b)
{
	return a->state == b->state && a->source == b->source &&
	       (a->state != EXTENT_RETAINED || a->huge == b->huge);
}

bool supply_commit(struct pageheap *h, struct extent *e, size_t n)
{
	if (n == 1 && e->state != EXTENT_LIVE)
		return commit_alike(h, e, 1);
	for (size_t i = 0, run; h->stats.muzzy && i < n; i += run) {
		for (run = 1; i + run < n && is_loan(e + i) && is_loan(e + i + run) &&
			      e[i + run].source == e[i].source; run++)
			;
		if (is_loan(e + i))
			take_back(h, e + i, run);
	}
	for (size_t i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && alike(e + i, e + i + run); run++)
			;
		if (e[i].state == EXTENT_LIVE)
			continue;
		/* The heap's very first extent is on its own: see choose_source(). */
		if (h->stats.extents == 0)
			run = SMALL_START_EXTENTS;
		if (!commit_alike(h, e + i, run))
			return false;
	}
	return true;
}

/* A block got no memory: its extents are free, and decay's, as if they had been used, where they have some. */
RARE static noinline void commit_in_vain(struct pageheap *h, struct extent *e, size_t n)
{
	for (size_t i = 0; i < n; i++, e++) {
		if (!e->in_free)
			extent_show(h, e, true, false);
		if (e->state != EXTENT_LIVE || e->ndirty || !extent_is_huge(e))
			continue;
		h->stats.untouched -= EXTENT_PAGES;
		bits_set_range(&e->dirty, 0, EXTENT_PAGES);
		e->ndirty = EXTENT_PAGES;
		h->stats.dirty += EXTENT_PAGES;
		extent_show(h, e, true, true);
	}
}

struct extent *supply_extend(struct pageheap *h, struct window *w, size_t n, size_t align, bool taken)
{
	size_t grown = atomic_load_explicit(&w->grown, memory_order_relaxed) >> EXTENT_SHIFT;
	size_t at = align_extent(w, grown, align);

	if (at + n > w->size >> EXTENT_SHIFT || !window_grow(w, (at + n) << EXTENT_SHIFT))
		return NULL;
	for (size_t i = grown; i < at + n; i++) {
		struct extent *e = window_extent(w, i);

		e->window = (uint8_t)(w - ash_windows);
		e->addr = w->base + (i << EXTENT_SHIFT);
		e->longest = EXTENT_PAGES;
		if (i < at || !taken)
			extent_show(h, e, true, false);
	}
	atomic_store_explicit(&w->grown, (at + n) << EXTENT_SHIFT, memory_order_release);
	return window_extent(w, at);
}

static size_t window_size(void)
{
	size_t size = (size_t)conf.reserve, heaps = (size_t)__builtin_popcountll(ash_numa.heaps);

	if (!size)
		size = max((size_t)1 << 40, 4 * os_physical());
	return round_up(max(size / heaps, EXTENT_SIZE), EXTENT_SIZE);
}

struct window *supply_window(struct pageheap *h, size_t least)
{
	size_t size = max(window_size(), least);
	struct window *w;

	if (h->nwindows == PAGEHEAP_WINDOWS)
		return NULL;
	/* At first no less than 1 GB, then whatever address space is left. */
	w = window_open(h->node, h->index, size, max(least, min(size, GB)));
	if (!w)
		w = window_open(h->node, h->index, size, max(least, 4 * EXTENT_SIZE));
	if (!w)
		return NULL;
	numa_place(w->base, w->size, h->node);
	h->windows[h->nwindows++] = w;
	return w;
}

struct extent *supply_take(struct pageheap *h, size_t n, size_t align)
{
	struct extent *e = NULL;

	for (int pass = h->nidle ? 0 : 1; pass < (h->nfree ? 2 : 0) && !e; pass++) {
		for (unsigned int i = 0; i < h->nwindows && !e; i++) {
			struct window *w = h->windows[i];
			size_t end = w->grown >> EXTENT_SHIFT, at;

			at = map_find(w, pass ? extent_free_map(w) : extent_idle_map(w), end, n,
				      align);
			if (at < end)
				e = window_extent(w, at);
		}
	}
	for (unsigned int i = 0; i < h->nwindows && !e; i++)
		e = supply_extend(h, h->windows[i], n, align, true);
	if (!e) {
		struct window *w = supply_window(h, (n + align) << EXTENT_SHIFT);

		if (w)
			e = supply_extend(h, w, n, align, true);
	}
	if (e && !supply_commit(h, e, n)) {
		commit_in_vain(h, e, n);
		e = NULL;
	}
	return e;
}
