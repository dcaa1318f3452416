// SPDX-License-Identifier: MIT
#include "purge.h"

#include <limits.h>

#include "kept.h"
#include "limit.h"
#include "mend.h"

/*
 * Pages on their way back. While the system calls run without the heap's lock
 * they can be neither allocated nor purged again: a whole extent has left the
 * free maps, single pages count as used.
 */
struct item {
	struct extent *e;
	unsigned int first, n;	/* n == EXTENT_PAGES: the whole extent */
	bool tears;		/* its source is to be told: the first pages of a huge extent */
};

/* What a batch is about: dirty pages become muzzy, muzzy ones go, or all go. */
enum aim { MAKE_MUZZY, TAKE_MUZZY, TAKE_ALL };

struct batch {
	struct item items[PURGE_BATCH];
	unsigned int n, ntears;	/* n + ntears <= PURGE_BATCH + 1 */
	size_t pages;
	enum aim aim;
	struct holes holes;	/* instead of items: those of one extent */
};

/*
 * When so many pages were copied, a caller of malloc punches no further extent. Of the last one it copies four
 * fifths at the most, so that all are less than two extents' worth. After a burst whose leftovers lie in
 * every other page, fewer could not keep up with decay.
 */
#define COPIED_MOST	EXTENT_PAGES

/* Extents in a row that the source may refuse to punch. */
#define PUNCH_TRIES	8u

/* What became of an item. */
enum outcome { REFUSED, MUZZY, GONE };

/* How many pages of @e the batch is about. */
static unsigned int concerned(const struct extent *e, enum aim aim)
{
	return aim == MAKE_MUZZY ? e->ndirty - e->nmuzzy :
	       aim == TAKE_MUZZY ? e->nmuzzy : e->ndirty;
}

/* Which ones. */
static struct bits chosen(const struct extent *e, enum aim aim)
{
	struct bits b = aim == TAKE_MUZZY ? e->muzzy : e->dirty;

	for (unsigned int i = 0; aim == MAKE_MUZZY && i < BITS_WORDS; i++)
		b.w[i] &= ~e->muzzy.w[i];
	return b;
}

static void add_whole(struct pageheap *h, struct batch *b, struct extent *e)
{
	extent_show(h, e, false, false);
	b->items[b->n++] = (struct item){ .e = e, .n = EXTENT_PAGES };
	b->pages += concerned(e, b->aim);
}

/* Free dirty extents, from the top down, until @want pages are in the batch. */
static void gather_whole(struct pageheap *h, struct batch *b, size_t want)
{
	for (unsigned int i = h->nwindows; i-- > 0;) {
		struct window *w = h->windows[i];
		uint64_t *idle = extent_idle_map(w);
		size_t extents = w->grown >> EXTENT_SHIFT;

		for (size_t word = (extents + 63) / 64; word-- > 0;) {
			uint64_t left = idle[word];

			while (left && b->n < PURGE_BATCH && b->pages < want) {
				unsigned int bit = 63 - (unsigned int)__builtin_clzll(left);
				struct extent *e = window_extent(w, word * 64 + bit);

				left &= ~(1ull << bit);
				if (concerned(e, b->aim))
					add_whole(h, b, e);
			}
			if (b->n == PURGE_BATCH || b->pages >= want)
				return;
		}
	}
}

/* The oldest that can be punched. */
static bool gather_punched(struct pageheap *h, struct batch *b)
{
	for (struct extent *e = h->dirty.head; e; e = e->dnext) {
		if (extent_punches(e) && concerned(e, b->aim)) {
			holes_gather(h, &b->holes, e, UINT_MAX);
			return true;
		}
	}
	return false;
}

/* Room for another item? To tell a source is a call as well. */
static bool has_room(const struct batch *b)
{
	return b->n + b->ntears < PURGE_BATCH;
}

/* Dirty runs of extents in use, from @e on, oldest first; or the holes of one. */
RARE static noinline void gather_pages(struct pageheap *h, struct batch *b, size_t want, struct extent *e)
{
	struct extent *next;

	for (; e && has_room(b) && b->pages < want; e = next) {
		struct bits pages;
		bool tears;

		next = e->dnext;
		if (!concerned(e, b->aim))
			continue;
		if (extent_punches(e)) {
			if (!b->n)
				holes_gather(h, &b->holes, e, UINT_MAX);
			break;
		}
		pages = chosen(e, b->aim);
		tears = extent_part(h, e, APART_MAX);
		b->ntears += tears;
		extent_lift(h, e);
		for (unsigned int first = 0, n = 0;
		     (tears || has_room(b)) && bits_next_run(&pages, &first, &n);) {
			extent_use(h, e, first, n);
			b->items[b->n++] = (struct item){ .e = e, .first = first, .n = n, .tears = tears };
			tears = false;
			b->pages += n;
		}
		extent_settle(h, e);
	}
}

static bool adjoin(struct source_range *a, struct source_range b)
{
	if (b.addr + b.len == a->addr) {
		a->addr = b.addr;
		a->len += b.len;
		return true;
	}
	if (a->addr + a->len == b.addr) {
		a->len += b.len;
		return true;
	}
	return false;
}

/* The lazy step, where the source has one and its kernel agrees; else by force. */
static enum outcome purge_ranges(const struct source *s, const struct source_range *ranges,
				 unsigned int n, enum aim aim)
{
	if (aim == MAKE_MUZZY && s->purge_lazy && s->purge_lazy(ranges, n))
		return MUZZY;
	return s->purge(ranges, n) ? GONE : REFUSED;
}

/* The system calls, by source, neighbours joined. out[i] says what became of item i. */
static void give_back(const struct batch *b, enum outcome *out)
{
	struct source_range ranges[PURGE_BATCH];
	unsigned int from = 0;

	while (from < b->n) {
		const struct source *s = b->items[from].e->source;
		unsigned int i = from, n = 0;
		enum outcome got;

		for (; i < b->n && b->items[i].e->source == s; i++) {
			struct source_range r = extent_range(b->items[i].e, b->items[i].first, b->items[i].n);

			if (b->items[i].tears)
				s->tear(extent_addr(b->items[i].e), EXTENT_SIZE);
			if (!n || !adjoin(&ranges[n - 1], r))
				ranges[n++] = r;
		}
		got = purge_ranges(s, ranges, n, b->aim);
		for (; from < i; from++)
			out[from] = got;
	}
}

static void finish_whole(struct pageheap *h, struct extent *e, enum outcome got)
{
	if (got == MUZZY) {
		extent_make_muzzy(h, e, 0, EXTENT_PAGES);
	} else if (got == GONE) {
		h->stats.purged += e->ndirty;
		extent_gone(h, e);
	}
	extent_settle(h, e);
}

static void finish_pages(struct pageheap *h, const struct item *it, enum outcome got)
{
	extent_lift(h, it->e);
	extent_unuse(h, it->e, it->first, it->n);
	if (got != REFUSED || it->e->apart)
		extent_tear(h, it->e);
	if (got == MUZZY) {
		extent_make_muzzy(h, it->e, it->first, it->n);
	} else if (got == GONE) {
		bits_clear_range(&it->e->dirty, it->first, it->n);
		it->e->ndirty = (uint16_t)(it->e->ndirty - it->n);
		h->stats.dirty -= it->n;
		h->stats.purged += it->n;
	}
	extent_settle(h, it->e);
}

/* @b's extent, or another one if the source refuses: each of them is shared, or pinned. */
RARE static noinline size_t punch(struct pageheap *h, struct batch *b)
{
	unsigned int tries = 0;

	do {
		if (holes_give_back(h, &b->holes))
			return bits_count(&b->holes.dirty);
	} while (++tries < PUNCH_TRIES && gather_punched(h, b));
	return 0;
}

/* Whoever waits for purge_lock has all the time there is. */
static bool begin(struct pageheap *h, bool wait)
{
	if (wait)
		lock_take(&h->purge_lock);
	else if (!lock_try(&h->purge_lock))
		return false;
	lock_take(&h->lock);
	return true;
}

/* Records that a caller of malloc puts at a look: each may be the last of its group, and that a system call. */
#define PUT_BATCH	((size_t)64)

/* @put: records that go, at most. */
static void end(struct pageheap *h, size_t put)
{
	limit_note(h);
	extent_purgeable(h);
	for (; put > PUT_BATCH && h->joined; put -= PUT_BATCH) {
		kept_unlock(h, PUT_BATCH);
		lock_take(&h->lock);
	}
	kept_unlock(h, min(put, PUT_BATCH));
	lock_drop(&h->purge_lock);
}

RARE void purge_hollow(struct pageheap *h, struct extent *e, struct purge_hollow *try)
{
	struct holes b = { .hollow = try->pages };
	size_t dirty, muzzy;

	try->batches = try->gone = 0;
	try->more = false;
	if (!begin(h, try->by_force))
		return;
	dirty = purgeable(h);
	muzzy = h->stats.muzzy;
	b.alone = h->muzzy.ms && !try->by_force && !extent_punches(e);
	try->more = holes_gather(h, &b, e, min(try->most, PURGE_BATCHES) * PURGE_BATCH);
	try->batches = holes_batches(&b);
	h->stats.purges++;
	if (holes_give_back(h, &b))
		try->gone = bits_count(&b.hollow);
	decay_gone(&h->decay, dirty - min(dirty, purgeable(h)));
	decay_gone(&h->muzzy, muzzy - min(muzzy, h->stats.muzzy));
	end(h, try->by_force ? SIZE_MAX : 0);
}

/*
 * One batch of at most @want pages, with the lock held but for the system calls. Returns how
 * many pages of the kind that @aim is about are left less: the rest of a huge page does not count.
 */
static size_t purge_batch(struct pageheap *h, size_t want, enum aim aim, bool by_force)
{
	struct batch b = { .aim = aim };
	enum outcome out[PURGE_BATCH];
	size_t gone = 0;

	gather_whole(h, &b, want);
	if (b.pages < want)
		gather_pages(h, &b, want, h->dirty.head);
	if (by_force && b.pages < want && !b.holes.e)
		gather_pages(h, &b, want, h->held.head);
	if (!b.n && !b.holes.e)
		return 0;
	h->stats.purges++;
	if (b.holes.e)
		return punch(h, &b);
	lock_drop(&h->lock);
	give_back(&b, out);
	lock_take(&h->lock);
	for (unsigned int i = 0; i < b.n; i++) {
		bool whole = b.items[i].n == EXTENT_PAGES;

		if (out[i] != REFUSED)
			gone += whole ? concerned(b.items[i].e, aim) : b.items[i].n;
		if (whole)
			finish_whole(h, b.items[i].e, out[i]);
		else
			finish_pages(h, &b.items[i], out[i]);
	}
	return gone;
}

bool purge_is_spent(struct pageheap *h, const struct purge_spent *spent)
{
	/* Copies of an extent's pages are as much as a caller of malloc may have to pay for. */
	return spent->batches >= PURGE_BATCHES || h->copied - spent->copied >= COPIED_MOST;
}

bool purge_is_half_spent(struct pageheap *h, const struct purge_spent *spent)
{
	return spent->batches >= PURGE_HALF || h->copied - spent->copied >= COPIED_MOST / 2;
}

/* As many batches as it takes, or as one caller may pay for, until at most @limit pages of a kind are left. */
static size_t purge_down(struct pageheap *h, size_t limit, enum aim aim, struct purge_spent *spent, bool by_force)
{
	size_t total = 0, gone;

	while (!spent || !purge_is_spent(h, spent)) {
		size_t left = aim == TAKE_MUZZY ? h->stats.muzzy :
			      by_force ? purgeable_by_force(h) : purgeable(h);

		if (left <= limit)
			break;
		gone = purge_batch(h, left - limit, aim, by_force);
		total += gone;
		if (!gone)
			break;
		if (spent)
			spent->batches++;
	}
	return total;
}

/*
 * What a heap whose free pages may stay for no time still keeps when a caller looks: as much as it
 * was in use of more since the last look, every few MB, for it would ask for that again at once;
 * an eighth less at each look at which it was not. The background thread leaves nothing.
 */
static size_t breath(struct pageheap *h)
{
	size_t used = h->stats.active - h->kept_pages, most = max(h->used_most, used);

	h->used_most = used;
	h->breath = max(most - used, h->breath / 8 * 7);
	return h->breath;
}

size_t purge_heap_rest(struct pageheap *h, uint64_t now, enum purge_scope scope, struct purge_spent *spent)
{
	struct purge_spent *bound = scope == PURGE_DECAY_BATCH ? spent : NULL;
	bool able;
	size_t total, limit = 0, muzzy = 0, dirty, keep = SIZE_MAX, lazy;
	enum aim aim = TAKE_ALL;

	if (!begin(h, scope == PURGE_ALL))
		return 0;
	dirty = purgeable(h) + kept_dirty(h);
	if (scope != PURGE_ALL) {
		keep = decay_limit(&h->decay, now, dirty);
		if (scope == PURGE_DECAY_BATCH && !h->decay.ms)
			keep = breath(h);
		limit = limit_dirty(keep, now);
		/* Nothing lazily where a limit or pressure is the reason. */
		if (h->muzzy.ms && limit == keep)
			aim = MAKE_MUZZY;
	}
	/* Kept spans are what is used again first: they go last where time alone is the reason. */
	if (limit == keep && limit != SIZE_MAX && limit >= kept_dirty(h)) {
		/* But slabs may be all that is in many an extent, which would be torn for the rest of its pages. */
		if (dirty > limit + h->nidle * EXTENT_PAGES)
			kept_join_slabs(h, KEPT_SLAB_PAGES);
		limit -= kept_dirty(h);
	} else if (limit == keep ? dirty > limit : purgeable_by_force(h) + kept_dirty(h) > limit) {
		kept_flush(h);
	}
	lazy = h->stats.muzzy;
	able = !bound || !purge_is_spent(h, bound);
	total = purge_down(h, limit, aim, bound, limit != keep);
	/* What is taken by force may have been either. */
	lazy = aim == TAKE_ALL ? min(total, lazy - min(lazy, h->stats.muzzy)) : 0;
	decay_gone(&h->decay, total - lazy);
	decay_gone(&h->muzzy, lazy);
	/* Nothing that is late can go: not asked again before the next epoch. */
	if (!total && scope != PURGE_ALL && able)
		h->decay.late = 0;
	/* After that step: what it made muzzy counts from now on. */
	if (scope != PURGE_ALL)
		muzzy = decay_limit(&h->muzzy, now, h->stats.muzzy);
	if (h->stats.muzzy > muzzy && (!total || scope != PURGE_DECAY_BATCH)) {
		size_t gone = purge_down(h, muzzy, TAKE_MUZZY, bound, false);

		decay_gone(&h->muzzy, gone);
		if (!gone && able)
			h->muzzy.late = 0;
		total += gone;
	}
	mend_look(h);
	if (unlikely(h->mend_head) && scope != PURGE_ALL)
		mend_extents(h, scope == PURGE_DECAY_BATCH ? 1 : MEND_BATCH);
	end(h, scope == PURGE_DECAY_BATCH ? PUT_BATCH : SIZE_MAX);
	return total;
}

size_t purge_heap(struct pageheap *h, uint64_t now, enum purge_scope scope)
{
	return purge_heap_rest(h, now, scope, &(struct purge_spent){ .copied = h->copied });
}

RARE size_t purge_heaps(uint64_t now, enum purge_scope scope)
{
	size_t total = 0;

	for (unsigned int i = 0; i < ash_npageheaps; i++)
		total += purge_heap(ash_pageheaps[i], now, scope);
	return total;
}
