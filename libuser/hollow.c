// SPDX-License-Identifier: MIT
#include "hollow.h"

#include "conf.h"
#include "kept.h"
#include "limit.h"
#include "os.h"

/* Each extent's turn comes so often in a decay time, and no more often than each half second. */
#define TURNS		2
#define TURN_LEAST_MS	500

/* Extents that a caller of malloc looks at, some 15 us each. */
#define LOOK_MOST	((size_t)16)
/* And passes over, a cache line each. */
#define PASS_MOST	((size_t)1024)

/* @npages bits of @b from @at on. */
static unsigned int bits_of(const struct bits *b, size_t at, unsigned int npages)
{
	unsigned int pages = 0;

	for (unsigned int i = 0; i < npages; i++)
		pages |= (unsigned int)bits_get(b, (unsigned int)at + i) << i;
	return pages;
}

static void set_bits(struct bits *b, size_t at, unsigned int pages)
{
	for (; pages; pages &= pages - 1)
		bits_set(b, (unsigned int)at + (unsigned int)__builtin_ctz(pages));
}

/* Pages without a used slot of the slabs from page @first of @w on; *@idle, those that were so at the last look. */
RARE static noinline void look(struct window *w, size_t first, struct bits *free, struct bits *idle)
{
	for (size_t at = 0; at < EXTENT_PAGES; at++) {
		struct bin *b;
		struct slab *s = bin_slab_at(w, first + at, &b);
		unsigned int pages, had;

		if (!s)
			continue;
		pages = slab_free_pages(s);
		had = slab_idle(s);
		set_bits(free, s->page - first, pages);
		set_bits(idle, s->page - first, pages & had);
		/* A write would be a page's copy where a child shares the records. */
		if (pages != had)
			slab_set_idle(s, pages);
		at = s->page + s->npages - 1 - first;
		bin_unlock(b);
	}
}

/* Those of @found that are still idle are set aside. */
RARE static noinline void set_aside(struct window *w, size_t first, const struct bits *found, struct bits *aside)
{
	for (unsigned int at = bits_next(found, 0, true); at < EXTENT_PAGES; at = bits_next(found, at, true)) {
		struct bin *b;
		struct slab *s = bin_slab_at(w, first + at, &b);
		unsigned int pages;

		if (!s) {
			at++;
			continue;
		}
		pages = bits_of(found, s->page - first, s->npages) & slab_idle(s);
		if (pages)
			bin_set_aside(b, s, pages);
		set_bits(aside, s->page - first, pages);
		at = (unsigned int)(s->page + s->npages - first);
		bin_unlock(b);
	}
}

RARE static noinline void bring_back(struct window *w, size_t first, const struct bits *aside)
{
	for (unsigned int at = bits_next(aside, 0, true), end; at < EXTENT_PAGES; at = bits_next(aside, end, true)) {
		struct slab *s = slab_of(w, w->base + ((first + at) << PAGE_SHIFT)), *empty = NULL;
		struct bin *b = bin_of(s);

		end = (unsigned int)(s->page + s->npages - first);
		bin_lock(ash_arenas[s->arena], b);
		bin_bring_back(b, s, bits_of(aside, s->page - first, s->npages), &empty);
		bin_unlock(b);
		bin_destroy(empty);
	}
}

/* Of @pages those that have memory. */
static void with_memory(struct pageheap *h, const struct extent *e, struct bits *pages)
{
	lock_take(&h->lock);
	for (unsigned int i = 0; i < BITS_WORDS; i++)
		pages->w[i] &= ~e->hollow.w[i];
	lock_drop(&h->lock);
}

/* What is to be known of the extent, unless slots were freed meanwhile. */
static void set_slabs(struct extent *e, enum extent_slabs slabs)
{
	uint8_t quiet = SLABS_QUIET;

	atomic_compare_exchange_strong(&e->slabs, &quiet, (uint8_t)slabs);
}

/*
 * Are @pages more of @e worth its huge page, if it has one? That is given up for what is free and was used, not
 * for what nobody has come to yet. By force for as much as mending may add. If they are not, they may be
 * when more is free.
 */
static bool worth_it(struct pageheap *h, struct extent *e, unsigned int pages, bool by_force)
{
	unsigned int free;
	bool few, worth;

	lock_take(&h->lock);
	free = pages + e->ndirty + e->nkept;
	few = e->intact && free < (e->source && e->source->tear ? MEND_MOST_FREE : TEAR_LEAST);
	worth = e->source && (e->source->punch || e->source->purge_unit == PAGE_SIZE) && !few &&
		(!e->intact || by_force || free >= TEAR_LEAST);
	if (!worth)
		set_slabs(e, few ? SLABS_FEW : SLABS_KEPT);
	else if (e->intact && e->nkept)
		kept_join_slabs(h, KEPT_SLAB_PAGES);	/* what is free of it goes in one go */
	lock_drop(&h->lock);
	return worth;
}

/* What the source refuses, locked memory, say, or on the device what a child shares, is tried half as often each time. */
#define REFUSED_MOST	6u

static void note_outcome(struct extent *e, const struct purge_hollow *try)
{
	if (try->gone) {
		e->refused = e->waits = 0;
	} else if (try->batches && !try->by_force) {
		e->refused = (uint8_t)min(e->refused + 1u, REFUSED_MOST);
		e->waits = (uint8_t)((1u << e->refused) - 1);
	}
}

/* False: it is to have its turn again at the next look, for the rest. */
RARE static noinline bool hollow_out(struct pageheap *h, struct window *w, size_t i, bool by_force,
				     struct purge_spent *spent, size_t *pages)
{
	struct purge_hollow try = { .most = spent ? PURGE_HALF - spent->batches : PURGE_BATCHES, .by_force = by_force };
	struct bits free = { { 0 } }, idle = { { 0 } };
	struct extent *e = window_extent(w, i);
	size_t first = i * EXTENT_PAGES;

	/* What is freed from now on says so again; nothing below is read before. */
	atomic_exchange(&e->slabs, SLABS_QUIET);
	look(w, first, &free, &idle);
	with_memory(h, e, &free);
	/* Those that are idle are among them. */
	for (unsigned int k = 0; k < BITS_WORDS; k++)
		idle.w[k] = by_force ? free.w[k] : idle.w[k] & free.w[k];
	if (bits_count(&free) > bits_count(&idle))
		set_slabs(e, SLABS_IDLE);
	if (!bits_count(&idle) || !worth_it(h, e, bits_count(&idle), by_force))
		return true;
	set_aside(w, first, &idle, &try.pages);
	if (bits_count(&try.pages) < bits_count(&idle))
		set_slabs(e, SLABS_IDLE);
	if (!bits_count(&try.pages))
		return true;
	purge_hollow(h, e, &try);
	/* Which says that slots were freed: there will be another look. */
	bring_back(w, first, &try.pages);
	note_outcome(e, &try);
	if (spent)
		spent->batches += try.batches;
	*pages += try.gone;
	return try.batches && !try.more;
}

/* --- whose turn it is ----------------------------------------------------------------------- */

static size_t extents_of(const struct window *w)
{
	return atomic_load_explicit(&w->grown, memory_order_acquire) >> EXTENT_SHIFT;
}

/* Of all windows there are, *@windows of them. */
static size_t count_extents(struct pageheap *h, unsigned int *windows)
{
	size_t n = 0;

	lock_take(&h->lock);
	*windows = h->nwindows;
	for (unsigned int i = 0; i < h->nwindows; i++)
		n += extents_of(h->windows[i]);
	lock_drop(&h->lock);
	return n;
}

/* The next extent in turn, an index into *@w. There is one. */
static size_t next_extent(struct pageheap *h, struct turn *turn, unsigned int windows, struct window **w)
{
	while (turn->extent >= extents_of(h->windows[turn->window])) {
		turn->extent = 0;
		turn->window = (turn->window + 1) % windows;
	}
	*w = h->windows[turn->window];
	return turn->extent++;
}

/* How many of @all extents are due, each once in @ms; none is twice, however long nobody looked. */
static size_t extents_due(struct pageheap *h, uint64_t now, uint64_t ms, size_t all)
{
	uint64_t since = h->turn_at && now > h->turn_at ? now - h->turn_at : 0;

	h->turn_at = max(h->turn_at, now);
	h->turn_due = min(h->turn_due + all * min(since, ms), all * ms);
	return h->turn_due / ms;
}

/* Is there anything to be had of its slabs? Most extents have nothing, and cost a look at this. */
static bool is_quiet(struct extent *e, bool by_force)
{
	if (atomic_load_explicit(&e->slabs, memory_order_relaxed) < (by_force ? SLABS_KEPT : SLABS_IDLE))
		return true;
	if (by_force || !e->waits)
		return false;
	e->waits--;
	return true;
}

/* @due extents from @turn on; returns how many had theirs. *@pages were given back. */
RARE static noinline size_t take_turns(struct pageheap *h, struct turn *turn, unsigned int windows, size_t due,
				       bool by_force, struct purge_spent *spent, size_t *pages)
{
	size_t most = spent ? min(due, PASS_MOST) : due, done, looks = 0;

	for (done = 0; done < most && (!spent || (looks < LOOK_MOST && !purge_is_half_spent(h, spent))); done++) {
		struct window *w;
		size_t i = next_extent(h, turn, windows, &w);

		if (is_quiet(window_extent(w, i), by_force))
			continue;
		looks++;
		if (!hollow_out(h, w, i, by_force, spent, pages)) {
			turn->extent = i;
			break;
		}
		/* Whoever waits, to fork or for memory, waits for one extent. */
		if (!spent) {
			lock_drop(&h->hollow_lock);
			lock_take(&h->hollow_lock);
		}
	}
	if (spent)
		spent->more = done < due;
	return done;
}

static size_t hollow_heap(struct pageheap *h, uint64_t now, enum purge_scope scope, struct purge_spent *spent)
{
	int64_t decay_ms = __atomic_load_n(&h->decay.ms, __ATOMIC_RELAXED);
	uint64_t ms = (uint64_t)max(decay_ms / TURNS, (int64_t)TURN_LEAST_MS);
	size_t all, due, pages = 0;
	unsigned int windows;

	if (decay_ms < 0 && scope != PURGE_ALL)
		return 0;
	if (scope == PURGE_ALL)
		lock_take(&h->hollow_lock);
	else if (!lock_try(&h->hollow_lock))
		return 0;
	all = count_extents(h, &windows);
	if (scope == PURGE_ALL) {
		take_turns(h, &(struct turn){ 0 }, windows, all, true, NULL, &pages);
	} else {
		due = extents_due(h, now, ms, all);
		h->turn_due -= due * ms;
		if (due)
			h->turn_due += (due - take_turns(h, &h->turn, windows, due, false, spent, &pages)) * ms;
	}
	lock_drop(&h->hollow_lock);
	return pages;
}

size_t hollow_look(struct pageheap *h, uint64_t now, bool *behind)
{
	struct purge_spent spent = { .copied = h->copied };
	size_t pages = hollow_heap(h, now, PURGE_DECAY_BATCH, &spent);

	pages += purge_heap_rest(h, now, PURGE_DECAY_BATCH, &spent);
	*behind = spent.more || purge_is_spent(h, &spent);
	return pages;
}

size_t hollow_purge(struct pageheap *h, uint64_t now, enum purge_scope scope)
{
	bool behind;

	if (scope == PURGE_DECAY_BATCH)
		return hollow_look(h, now, &behind);
	return hollow_heap(h, now, scope, NULL) + purge_heap(h, now, scope);
}

RARE size_t hollow_purge_all(uint64_t now, enum purge_scope scope)
{
	size_t pages = 0;

	for (unsigned int i = 0; i < ash_npageheaps; i++)
		pages += hollow_purge(ash_pageheaps[i], now, scope);
	return pages;
}

static void attend_until(uint64_t ms)
{
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		atomic_store_explicit(&ash_pageheaps[i]->attended, ms, memory_order_relaxed);
}

RARE void hollow_attend(uint64_t rest)
{
	uint64_t now = os_now_ms();

	attend_until(now + ATTEND_MOST_MS);
	hollow_purge_all(now, PURGE_DECAY);
	attend_until(os_now_ms() + rest);
}

bool hollow_attended(const struct pageheap *h, uint64_t now)
{
	return unlikely(now < atomic_load_explicit(&h->attended, memory_order_relaxed)) &&
	       __atomic_load_n(&h->decay.ms, __ATOMIC_RELAXED) ==
	       __atomic_load_n(&conf.dirty_decay_ms, __ATOMIC_RELAXED) &&
	       limit_dirty(SIZE_MAX, now) == SIZE_MAX;
}

RARE void hollow_another(const struct pageheap *own, uint64_t now)
{
	static _Atomic unsigned int turn;
	struct pageheap *h;

	if (ash_npageheaps < 2)
		return;
	h = ash_pageheaps[atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) % ash_npageheaps];
	if (h != own)
		hollow_purge(h, now, PURGE_DECAY_BATCH);
}

/* --- fork ------------------------------------------------------------------------------------ */

RARE void hollow_prefork(void)
{
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		lock_take(&ash_pageheaps[i]->hollow_lock);
}

RARE void hollow_postfork(bool child)
{
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		if (child)
			lock_init(&ash_pageheaps[i]->hollow_lock, RANK_HOLLOW);
		else
			lock_drop(&ash_pageheaps[i]->hollow_lock);
	}
}
