// SPDX-License-Identifier: MIT
#include "pageheap.h"

#include <string.h>

#include "conf.h"
#include "kept.h"
#include "limit.h"
#include "nodes.h"
#include "os.h"
#include "sizeclass.h"
#include "supply.h"

/* Smaller blocks than so many pages are many in an extent: none are set aside for them. */
#define FRESH_LEAST	(EXTENT_PAGES / 4)

/* --- spans ----------------------------------------------------------------------------------- */

/*
 * A block of @n pages of large @class is about to open extent @e: pages of it to set aside, if that
 * class opened the last one as well. Nothing is kept now.
 */
static unsigned int set_aside(struct pageheap *h, const struct extent *e, size_t class, unsigned int n)
{
	size_t page = window_page(h->windows[0], extent_addr(e)) + n;
	unsigned int more = EXTENT_PAGES / n * n - n;
	bool again = h->opener == class;

	h->opener = (uint32_t)class;
	/* Where limits count pages, none are taken in advance. */
	if (!again || e->ndirty || extent_window(e) != h->windows[0] || page > UINT32_MAX ||
	    atomic_load_explicit(&ash_limit.on, memory_order_relaxed))
		return 0;
	h->fresh_class = (uint32_t)class;
	h->fresh_page = (uint32_t)page;
	h->fresh_left = more;
	h->kept_pages += more;
	return more;
}

/* Would @n pages of @e, which is in use, be memory that the process does not have yet? */
static bool is_more(const struct extent *e, unsigned int n, unsigned int align)
{
	return !extent_is_huge(e) &&
	       (!e->ndirty || bits_count_range(&e->dirty, extent_find(e, n, align), n) < n);
}

/*
 * Joins what is kept, as much as it takes, for an extent in use with @room for @n pages. @e: which one has it now, or NULL.
 */
RARE static noinline struct extent *room_joined(struct pageheap *h, struct extent *e, unsigned int room, unsigned int n,
					   unsigned int align)
{
	while (e && h->kept_slab_pages && is_more(e, n, align)) {
		extent_settle(h, e);
		kept_join_slabs(h, KEPT_JOIN);
		e = extent_with_room(h, room);
	}
	if (!e && kept_flush(h))
		e = extent_with_room(h, room);
	return e;
}

/*
 * Under the heap's lock, which has limit_try: @n pages of the extent, from *@first on. @class: of the
 * large block they are for, or 0.
 */
static struct extent *take_span(struct pageheap *h, unsigned int n, unsigned int align, size_t class,
				unsigned int *first, bool *clean)
{
	unsigned int room = min(n + align - 1, EXTENT_PAGES), more = 0;
	struct extent *e = extent_with_room(h, room);

	if (unlikely(h->kept_slab_pages || (!e && h->kept_pages)))
		e = room_joined(h, e, room, n, align);
	*first = 0;
	if (e)
		*first = extent_find(e, n, align);
	else
		e = supply_take(h, 1, 1);
	if (!e)
		return NULL;
	if (!limit_grants_pages(h, e, *first, n)) {
		extent_settle(h, e);
		return NULL;
	}
	if (!e->nused && class && n >= FRESH_LEAST)
		more = set_aside(h, e, class, n);
	*clean = extent_use(h, e, *first, n + more);
	extent_settle(h, e);
	return e;
}

void *pageheap_alloc(struct pageheap *h, unsigned int n, unsigned int align, bool *zeroed)
{
	struct limit_try try = { 0 };
	bool clean = false;
	unsigned int first;
	struct extent *e;

	do {
		lock_take(&h->lock);
		h->limit_try = &try;
		e = take_span(h, n, align, 0, &first, &clean);
		lock_drop(&h->lock);
	} while (unlikely(!e) && limit_relieve(&try));
	if (zeroed)
		*zeroed = clean;
	return e ? extent_addr(e) + ((size_t)first << PAGE_SHIFT) : NULL;
}

/* Under the heap's lock: a large block of @class, or the next one, where the maps say so; NULL: no pages. */
static inline char *large_block(struct pageheap *h, size_t class, bool *clean)
{
	struct window *w = h->windows[0];
	size_t got = class, page = kept_pop_near(h, w, &got);

	if (!page) {
		unsigned int n = sizeclass_bytes[class] >> PAGE_SHIFT, first;
		struct extent *e;

		got = class;
		*clean = true;
		page = fresh_pop(h, class);
		if (!page) {
			e = take_span(h, n, 1, class, &first, clean);
			if (unlikely(!e))
				return NULL;
			w = extent_window(e);
			page = window_page(w, extent_addr(e)) + first;
		}
	}
	window_classes(w)[page] = (uint8_t)got;
	atomic_fetch_add_explicit(&h->large_made[got - CLASS_LARGE_FIRST], 1, memory_order_relaxed);
	return w->base + (page << PAGE_SHIFT);
}

void *pageheap_alloc_large(struct pageheap *h, size_t class, bool *zeroed)
{
	struct limit_try try = { 0 };
	bool clean;
	char *p;

	do {
		clean = false;
		lock_take(&h->lock);
		h->limit_try = &try;
		p = large_block(h, class, &clean);
		lock_drop(&h->lock);
	} while (unlikely(!p) && limit_relieve(&try));
	if (zeroed)
		*zeroed = clean;
	return p;
}

/*
 * Reserved address space is granted without a look at memory. A block larger than
 * the machine is one only if the kernel's overcommit policy says so: a mistaken
 * size fails at once, before maps are made for it.
 */
static bool plausible(size_t pages)
{
	static _Atomic size_t physical;
	size_t most = atomic_load_explicit(&physical, memory_order_relaxed);

	if (!most) {
		most = os_physical();
		atomic_store_explicit(&physical, most, memory_order_relaxed);
	}
	return pages <= most >> PAGE_SHIFT || os_would_grant(pages << PAGE_SHIFT);
}

RARE void *pageheap_alloc_huge(struct pageheap *h, size_t n, size_t align, bool *zeroed)
{
	size_t extents = (n + EXTENT_PAGES - 1) / EXTENT_PAGES;
	struct limit_try try = { 0 };
	struct extent *e;
	bool clean = true;

	if (n > SIZE_LIMIT >> PAGE_SHIFT || align > PAGEHEAP_ALIGN_MAX || !plausible(n))
		return NULL;
	do {
		lock_take(&h->lock);
		h->limit_try = &try;
		kept_flush(h);
		e = supply_take(h, extents, max(align >> EXTENT_SHIFT, (size_t)1));
		if (e && !limit_grants_run(h, e, n)) {
			for (size_t i = 0; i < extents; i++)
				extent_settle(h, e + i);
			e = NULL;
		}
		for (size_t left = n, i = 0; e && left; i++) {
			unsigned int k = (unsigned int)min(left, (size_t)EXTENT_PAGES);

			clean &= extent_use(h, e + i, 0, k);
			extent_settle(h, e + i);
			left -= k;
		}
		lock_drop(&h->lock);
	} while (unlikely(!e) && limit_relieve(&try));
	if (zeroed)
		*zeroed = clean;
	return e ? extent_addr(e) : NULL;
}

void pageheap_free(void *p, size_t n)
{
	struct window *w = window_of(p);
	struct pageheap *h = ash_pageheaps[w->heap];

	lock_take(&h->lock);
	extent_unuse_run(h, w, window_page(w, p), n);
	lock_drop(&h->lock);
}

/*
 * Under the slab's bin's lock, which orders it with hollow.c: what that made hollow is seen here
 * once a slot of it can be had.
 */
RARE void pageheap_touched(struct window *w, size_t page, unsigned int pages)
{
	struct pageheap *h = ash_pageheaps[w->heap];
	struct extent *e = window_extent(w, page / EXTENT_PAGES);
	struct bits touched = { { 0 } };

	if (!atomic_load_explicit(&e->nhollow, memory_order_relaxed))
		return;
	for (; pages; pages &= pages - 1)
		bits_set(&touched, (unsigned int)(page % EXTENT_PAGES) + (unsigned int)__builtin_ctz(pages));
	lock_take(&h->lock);
	extent_not_hollow(h, e, &touched);
	extent_mend_later(h, e);
	lock_drop(&h->lock);
}

/* Pages [at, at + n) of @w: all free, and their extents exist? */
static bool pages_free(struct window *w, size_t at, size_t n)
{
	size_t end = at + n;

	if (end > w->grown >> PAGE_SHIFT)
		return false;
	while (at < end) {
		struct extent *e = window_extent(w, at / EXTENT_PAGES);
		unsigned int first = (unsigned int)(at % EXTENT_PAGES);
		unsigned int k = (unsigned int)min(end - at, (size_t)(EXTENT_PAGES - first));

		if (bits_count_range(&e->used, first, k))
			return false;
		if (!e->nused && !map_get(extent_free_map(w), at / EXTENT_PAGES))
			return false;	/* being purged */
		at += k;
	}
	return true;
}

bool pageheap_extend(void *p, size_t n, size_t more, bool *zeroed)
{
	struct window *w = window_of(p);
	struct pageheap *h = ash_pageheaps[w->heap];
	size_t at = window_page(w, p) + n, end = at + more;
	/* Refused: the block moves, and that is tried as often as may be. */
	struct limit_try try = { .n = LIMIT_TRIES };
	bool ok, clean = true;

	if (!plausible(n + more))
		return false;
	lock_take(&h->lock);
	h->limit_try = &try;
	/* A block at the end of the window grows into fresh extents. */
	if (end > w->grown >> PAGE_SHIFT && at <= w->grown >> PAGE_SHIFT &&
	    end <= w->size >> PAGE_SHIFT)
		supply_extend(h, w, (end - (w->grown >> PAGE_SHIFT) + EXTENT_PAGES - 1) / EXTENT_PAGES, 1, false);
	ok = (pages_free(w, at, more) || (kept_flush(h) && pages_free(w, at, more))) &&
	     limit_grants(h, more) &&
	     supply_commit(h, window_extent(w, at / EXTENT_PAGES),
			    (end + EXTENT_PAGES - 1) / EXTENT_PAGES - at / EXTENT_PAGES);
	while (ok && at < end) {
		struct extent *e = window_extent(w, at / EXTENT_PAGES);
		unsigned int first = (unsigned int)(at % EXTENT_PAGES);
		unsigned int k = (unsigned int)min(end - at, (size_t)(EXTENT_PAGES - first));

		extent_lift(h, e);
		clean &= extent_use(h, e, first, k);
		extent_settle(h, e);
		at += k;
	}
	lock_drop(&h->lock);
	*zeroed = clean;
	return ok;
}

/*
 * What moved stays a mapping of its own, and a process may have 65,530 of them: a run has to be
 * so large a part of the window that there are never more than 2^14.
 */
#define MOVED_MAPPINGS_SHIFT	14

RARE size_t pageheap_move(void *to, void *from, size_t pages)
{
	struct window *to_w = window_of(to), *from_w = window_of(from);
	struct extent *d = window_extent(to_w, window_page(to_w, to) / EXTENT_PAGES);
	struct extent *s = window_extent(from_w, window_page(from_w, from) / EXTENT_PAGES);
	struct pageheap *h = ash_pageheaps[to_w->heap];
	size_t n = 0, moved;

	if (to_w->heap != from_w->heap || !s->source->move)
		return 0;
	/* Extents in use keep their sources. */
	while (n < pages / EXTENT_PAGES && d[n].source == s->source && s[n].source == s->source)
		n++;
	if (n <= to_w->grown >> EXTENT_SHIFT >> MOVED_MAPPINGS_SHIFT)
		return 0;
	moved = s->source->move(to, from, n << EXTENT_SHIFT) >> EXTENT_SHIFT;
	lock_take(&h->lock);
	for (size_t i = 0; i < moved; i++)
		extent_move(h, d + i, s + i);
	lock_drop(&h->lock);
	return moved << EXTENT_SHIFT;
}

/* --- heaps ------------------------------------------------------------------------------------ */

bool pageheap_ready(struct pageheap *h)
{
	bool ok;

	lock_take(&h->lock);
	ok = h->nwindows || supply_window(h, 4 * EXTENT_SIZE);
	lock_drop(&h->lock);
	return ok;
}

bool pageheaps_init(void)
{
	uint64_t now = os_now_ms();

	numa_init();
	limit_init();
	supply_init();
	for (uint64_t nodes = ash_numa.heaps; nodes; nodes &= nodes - 1) {
		struct pageheap *h = meta_alloc_for_good(sizeof(*h));

		if (!h)
			break;
		lock_init(&h->lock, RANK_PAGEHEAP);
		lock_init(&h->purge_lock, RANK_PURGE);
		lock_init(&h->hollow_lock, RANK_HOLLOW);
		h->index = ash_npageheaps;
		h->node = (unsigned int)__builtin_ctzll(nodes);
		decay_init(&h->decay, conf.dirty_decay_ms, now);
		decay_init(&h->muzzy, conf.muzzy_decay_ms, now);
		extent_active(h);
		ash_pageheaps[ash_npageheaps++] = h;
	}
	return ash_npageheaps > 0;
}

struct pageheap *pageheap_of_node(unsigned int node)
{
	node = numa_nearest(node);
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		if (ash_pageheaps[i]->node == node)
			return ash_pageheaps[i];
	}
	return ash_pageheaps[0];
}

RARE void pageheap_set_decay(struct pageheap *h, int64_t ms)
{
	lock_take(&h->lock);
	decay_init(&h->decay, ms, os_now_ms());
	extent_active(h);
	lock_drop(&h->lock);
}

RARE void pageheap_set_muzzy_decay(struct pageheap *h, int64_t ms)
{
	lock_take(&h->lock);
	decay_init(&h->muzzy, ms, os_now_ms());
	lock_drop(&h->lock);
}

RARE void pageheap_stats(struct pageheap *h, struct pageheap_stats *out)
{
	lock_take(&h->lock);
	*out = h->stats;
	out->active -= h->kept_pages + h->kept_slab_pages;
	out->dirty += kept_dirty(h);
	if (h->fresh_left && extent_is_huge(window_extent(h->windows[0], h->fresh_page / EXTENT_PAGES)))
		out->untouched += h->fresh_left;
	lock_drop(&h->lock);
}

void pageheaps_prefork(void)
{
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		lock_take(&ash_pageheaps[i]->purge_lock);
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		lock_take(&ash_pageheaps[i]->lock);
	for (unsigned int i = 0; i < ash_nwindows; i++)
		lock_take(&ash_windows[i].slab_lock);
}

static void postfork_lock(struct lock *l, enum lock_rank rank, bool child)
{
	if (child)
		lock_init(l, rank);
	else
		lock_drop(l);
}

RARE void pageheaps_postfork(bool child)
{
	for (unsigned int i = 0; i < ash_nwindows; i++)
		postfork_lock(&ash_windows[i].slab_lock, RANK_META, child);
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		postfork_lock(&ash_pageheaps[i]->lock, RANK_PAGEHEAP, child);
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		postfork_lock(&ash_pageheaps[i]->purge_lock, RANK_PURGE, child);
}
