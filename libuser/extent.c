// SPDX-License-Identifier: MIT
#include "extent.h"

#include "os.h"

struct pageheap *ash_pageheaps[OS_MAX_NODES];
unsigned int ash_npageheaps;
_Atomic size_t extents_with_memory;

/* --- buckets of extents in use ---------------------------------------------------- */

static void bucket_link(struct pageheap *h, struct extent *e)
{
	struct extent **head = &h->bucket[e->longest];

	if (!e->longest)
		return;
	e->prev = NULL;
	e->next = *head;
	if (*head)
		(*head)->prev = e;
	*head = e;
	bits_set(&h->nonempty, e->longest);
}

static void bucket_unlink(struct pageheap *h, struct extent *e)
{
	if (!e->longest)
		return;
	if (e->next)
		e->next->prev = e->prev;
	if (e->prev)
		e->prev->next = e->next;
	else
		h->bucket[e->longest] = e->next;
	if (!h->bucket[e->longest])
		bits_clear(&h->nonempty, e->longest);
}

/* --- extents that are used in part and hold dirty pages, oldest first ---------------- */

static struct extent_queue *queue_of(struct pageheap *h, const struct extent *e)
{
	return e->list == LIST_DIRTY ? &h->dirty : &h->held;
}

static void dirty_unlink(struct pageheap *h, struct extent *e)
{
	struct extent_queue *q = queue_of(h, e);

	if (e->list == LIST_NONE)
		return;
	e->list = LIST_NONE;
	if (e->dnext)
		e->dnext->dprev = e->dprev;
	else
		q->tail = e->dprev;
	if (e->dprev)
		e->dprev->dnext = e->dnext;
	else
		q->head = e->dnext;
}

static void dirty_link(struct pageheap *h, struct extent *e, enum extent_list list)
{
	struct extent_queue *q;

	if (e->list == list)
		return;
	dirty_unlink(h, e);
	e->list = list;
	q = queue_of(h, e);
	e->dnext = NULL;
	e->dprev = q->tail;
	if (q->tail)
		q->tail->dnext = e;
	else
		q->head = e;
	q->tail = e;
}

/*
 * Do its dirty pages go, while it is in use, because time has passed? Pages that were purged lazily
 * are gone as far as we are concerned.
 */
static bool purges_pages(const struct extent *e)
{
	if (e->intact && !e->nmuzzy && EXTENT_PAGES - e->nused < TEAR_LEAST)
		return false;
	return e->source->purge_unit == PAGE_SIZE || e->source->punch;
}

RARE static noinline void settle_stuck(struct pageheap *h, struct extent *e, bool stays)
{
	uint16_t stuck = stays ? (uint16_t)(e->ndirty - e->nmuzzy) : 0;
	uint16_t held = e->list == LIST_HELD ? stuck : 0;

	h->stats.stuck += (size_t)stuck - e->stuck;
	h->held_pages += (size_t)held - e->held;
	e->stuck = stuck;
	e->held = held;
}

/* Which list is it on, and is it counted as stuck? */
static void settle_dirty(struct pageheap *h, struct extent *e)
{
	/* Most have none. */
	if (e->ndirty | e->list | e->stuck) {
		bool dirty = e->nused && e->ndirty, goes = dirty && purges_pages(e);

		if (goes)
			dirty_link(h, e, LIST_DIRTY);
		else if (dirty && e->source->tear)
			dirty_link(h, e, LIST_HELD);
		else
			dirty_unlink(h, e);
		if (unlikely((dirty && !goes) || e->stuck))
			settle_stuck(h, e, dirty && !goes);
		extent_purgeable(h);
	}
}

/* --- extents that were punched, torn or outgrown, and are nearly full ---------------------------- */

static bool wants_mending(const struct extent *e)
{
	return e->nused && extent_is_torn(e) && EXTENT_PAGES - e->nused + e->nhollow <= MEND_MOST_FREE;
}

RARE void extent_mend_later(struct pageheap *h, struct extent *e)
{
	if (e->on_mend || !wants_mending(e))
		return;
	e->on_mend = true;
	e->mnext = NULL;
	if (h->mend_head)
		h->mend_tail->mnext = e;
	else
		h->mend_head = e;
	h->mend_tail = e;
}

RARE struct extent *extent_to_mend(struct pageheap *h)
{
	struct extent *e;

	while ((e = h->mend_head)) {
		h->mend_head = e->mnext;
		e->on_mend = false;
		/* It may have emptied, or have gone and come again since. */
		if (wants_mending(e))
			break;
	}
	return e;
}

RARE void extent_tear(struct pageheap *h, struct extent *e)
{
	h->stats.untouched -= extent_untouched(e);
	h->stats.huge -= extent_is_huge(e);
	if (extent_is_huge(e) && extent_punches(e)) {
		h->stats.punched++;
		h->stats.pieces++;
	}
	/* What was not worth a huge page is now. */
	if (e->intact)
		extent_slabs_freed(e);
	e->intact = false;
}

void extent_set_apart(struct pageheap *h, struct extent *e, bool apart)
{
	h->napart += (size_t)apart - e->apart;
	e->apart = apart;
}

RARE bool extent_part(struct pageheap *h, struct extent *e, size_t most)
{
	if (!e->source->tear || !e->huge || e->apart || h->napart >= most)
		return false;
	extent_set_apart(h, e, true);
	return true;
}

RARE void extent_outgrown(struct pageheap *h, struct extent *e)
{
	extent_count_small(h, e, false);
	e->huge = e->outgrown = true;
	extent_set_apart(h, e, true);
	extent_mend_later(h, e);
}

RARE void extent_mend(struct pageheap *h, struct extent *e)
{
	e->intact = true;
	e->outgrown = false;
	if (e->nhollow)
		extent_slabs_freed(e);
	extent_not_hollow(h, e, &e->used);
	extent_set_apart(h, e, false);
	h->stats.huge++;
	if (extent_punches(e)) {
		h->stats.mended++;
		h->stats.pieces--;
	}
	h->stats.untouched += extent_untouched(e);
	/* Its few dirty pages stay, or it would be punched again for them, and mended. */
	settle_dirty(h, e);
}

/* --- pages of slabs, without memory ------------------------------------------------------ */

RARE void extent_make_hollow(struct pageheap *h, struct extent *e, const struct bits *pages)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < BITS_WORDS; i++) {
		n += (unsigned int)__builtin_popcountll(pages->w[i] & ~e->hollow.w[i]);
		e->hollow.w[i] |= pages->w[i];
	}
	e->nhollow = (uint16_t)(e->nhollow + n);
	h->stats.hollow += n;
}

RARE void extent_not_hollow(struct pageheap *h, struct extent *e, const struct bits *pages)
{
	unsigned int n = 0;

	for (unsigned int i = 0; e->nhollow && i < BITS_WORDS; i++) {
		n += (unsigned int)__builtin_popcountll(pages->w[i] & e->hollow.w[i]);
		e->hollow.w[i] &= ~pages->w[i];
	}
	e->nhollow = (uint16_t)(e->nhollow - n);
	h->stats.hollow -= n;
}

/* --- one extent ------------------------------------------------------------------------ */

/* longest has to be found again: what was the longest run got shorter. */
#define LONGEST_UNKNOWN	UINT16_MAX

RARE void extent_not_muzzy(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n)
{
	unsigned int was = bits_count_range(&e->muzzy, first, n);

	bits_clear_range(&e->muzzy, first, n);
	e->nmuzzy = (uint16_t)(e->nmuzzy - was);
	h->stats.muzzy -= was;
	h->stats.dirty += was;
}

RARE void extent_make_muzzy(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n)
{
	unsigned int fresh = bits_count_range(&e->dirty, first, n) -
			     bits_count_range(&e->muzzy, first, n);

	bits_for_words(i, first, n)
		e->muzzy.w[i] |= e->dirty.w[i] & bits_mask(i, first, n);
	e->nmuzzy = (uint16_t)(e->nmuzzy + fresh);
	h->stats.muzzy += fresh;
	h->stats.dirty -= fresh;
	h->stats.lazily += fresh;
}

RARE void extent_move(struct pageheap *h, struct extent *to, struct extent *from)
{
	/* Whether it may be huge belongs to the mapping, which moved. */
	h->stats.huge -= extent_is_huge(to);
	to->huge = from->huge;
	to->intact = from->intact;
	to->outgrown = from->outgrown;
	to->mending = false;
	extent_count_small(h, to, from->small);
	extent_set_apart(h, to, from->apart);
	extent_mend_later(h, to);
	h->stats.huge += extent_is_huge(to);
	from->moved = true;
	from->mending = false;
	h->stats.moved++;
}

RARE void extent_gone(struct pageheap *h, struct extent *e)
{
	h->stats.untouched -= extent_untouched(e);
	h->stats.dirty -= e->ndirty - e->nmuzzy;
	h->stats.muzzy -= e->nmuzzy;
	h->stats.extents--;
	atomic_fetch_sub_explicit(&extents_with_memory, 1, memory_order_relaxed);
	extent_count_small(h, e, false);
	h->stats.huge -= extent_is_huge(e);
	h->stats.device -= e->source->recommit;
	h->stats.pieces -= extent_punches(e) && !extent_is_huge(e);
	h->stats.retained++;
	bits_clear_range(&e->dirty, 0, EXTENT_PAGES);
	bits_clear_range(&e->muzzy, 0, EXTENT_PAGES);
	e->ndirty = e->nmuzzy = 0;
	e->state = EXTENT_RETAINED;
	e->mending = false;
	/* Its mapping is as it was at first: nobody knows how much will be touched of what comes back. */
	if (e->outgrown) {
		e->outgrown = e->huge = false;
		extent_set_apart(h, e, false);
	}
}

void extent_active(struct pageheap *h)
{
	h->kept_most = h->decay.ms ? h->stats.active / 4 + KEPT_PAGES : 0;
	atomic_store_explicit(&h->active_seen, h->stats.active, memory_order_relaxed);
}

/* How many of these pages were dirty; they no longer are. */
static noinline unsigned int use_dirty(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n)
{
	unsigned int was_dirty = bits_count_range(&e->dirty, first, n);

	bits_clear_range(&e->dirty, first, n);
	e->ndirty = (uint16_t)(e->ndirty - was_dirty);
	h->stats.dirty -= was_dirty;
	if (unlikely(e->nmuzzy))
		extent_not_muzzy(h, e, first, n);
	return was_dirty;
}

bool extent_use(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n)
{
	unsigned int was_dirty = e->ndirty ? use_dirty(h, e, first, n) : 0;

	if (extent_is_huge(e))
		h->stats.untouched -= n - was_dirty;
	/* Most extents have one free run, and lose its first pages. */
	if (extent_one_run(e) && (!first || bits_get(&e->used, first - 1)))
		e->longest = (uint16_t)(e->longest - n);
	else if (!e->nused)
		e->longest = (uint16_t)max(first, EXTENT_PAGES - first - n);
	else if (bits_zero_run_at(&e->used, first, n) == e->longest)
		e->longest = LONGEST_UNKNOWN;
	bits_set_range(&e->used, first, n);
	e->nused = (uint16_t)(e->nused + n);
	h->stats.active += n;
	h->used_most = max(h->used_most, h->stats.active - h->kept_pages);
	extent_active(h);
	return !was_dirty;
}

/* Pages that have just become free: those without memory are not dirty. */
RARE static noinline void unuse_hollow(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n)
{
	struct bits pages = { { 0 } };

	bits_for_words(i, first, n)
		pages.w[i] = e->hollow.w[i] & bits_mask(i, first, n);
	extent_not_hollow(h, e, &pages);
	extent_clean(h, e, &pages);
}

void extent_unuse(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n)
{
	bits_clear_range(&e->used, first, n);
	if (e->longest != LONGEST_UNKNOWN)
		e->longest = (uint16_t)max((unsigned int)e->longest,
					   bits_zero_run_at(&e->used, first, n));
	bits_set_range(&e->dirty, first, n);
	e->nused = (uint16_t)(e->nused - n);
	e->ndirty = (uint16_t)(e->ndirty + n);
	h->stats.active -= n;
	extent_active(h);
	h->stats.dirty += n;
	if (unlikely(e->nhollow))
		unuse_hollow(h, e, first, n);
	extent_more_free(e);
}

RARE void extent_clean(struct pageheap *h, struct extent *e, const struct bits *pages)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < BITS_WORDS; i++) {
		n += (unsigned int)__builtin_popcountll(e->dirty.w[i] & pages->w[i]);
		e->dirty.w[i] &= ~pages->w[i];
	}
	e->ndirty = (uint16_t)(e->ndirty - n);
	h->stats.dirty -= n;
	h->stats.untouched += extent_is_huge(e) ? n : 0;
}

void extent_show(struct pageheap *h, struct extent *e, bool whole, bool idle)
{
	struct window *w = extent_window(e);
	size_t i = extent_index(e);

	map_put(extent_free_map(w), i, whole);
	map_put(extent_idle_map(w), i, idle);
	h->nfree += (size_t)whole - e->in_free;
	h->nidle += (size_t)idle - e->in_idle;
	e->in_free = whole;
	e->in_idle = idle;
}

void extent_settle(struct pageheap *h, struct extent *e)
{
	bool whole = e->nused == 0, idle;

	if (e->longest == LONGEST_UNKNOWN)
		e->longest = (uint16_t)bits_longest_zero_run(&e->used);
	if (unlikely(e->moved) && whole) {
		e->moved = false;
		extent_gone(h, e);
	}
	idle = whole && e->ndirty;
	if (whole != e->in_free || idle != e->in_idle)
		extent_show(h, e, whole, idle);
	if (!whole)
		bucket_link(h, e);
	settle_dirty(h, e);
	if (!whole && unlikely(e->huge && !e->intact))
		extent_mend_later(h, e);
}

void extent_lift(struct pageheap *h, struct extent *e)
{
	if (e->nused)
		bucket_unlink(h, e);
}

void extent_unuse_run(struct pageheap *h, struct window *w, size_t at, size_t n)
{
	size_t end = at + n;

	while (at < end) {
		struct extent *e = window_extent(w, at / EXTENT_PAGES);
		unsigned int first = (unsigned int)(at % EXTENT_PAGES);
		unsigned int k = (unsigned int)min(end - at, (size_t)(EXTENT_PAGES - first));

		extent_lift(h, e);
		extent_unuse(h, e, first, k);
		extent_settle(h, e);
		at += k;
	}
}

unsigned int extent_find(const struct extent *e, unsigned int n, unsigned int align)
{
	if (align == 1 && extent_one_run(e))
		return bits_get(&e->used, EXTENT_PAGES - 1) ? bits_next(&e->used, 0, false) :
							      EXTENT_PAGES - e->longest;
	return bits_find_zero_run(&e->used, n, align);
}

struct extent *extent_with_room(struct pageheap *h, unsigned int n)
{
	unsigned int i = bits_next(&h->nonempty, n, true);
	struct extent *e;

	if (i >= EXTENT_PAGES)
		return NULL;
	e = h->bucket[i];
	bucket_unlink(h, e);
	return e;
}
