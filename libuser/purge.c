// SPDX-License-Identifier: MIT
#include "purge.h"

#include "kept.h"

/*
 * Pages on their way back. While the system calls run without the heap's lock
 * they can be neither allocated nor purged again: a whole extent has left the
 * free maps, single pages count as used.
 */
struct item {
	struct extent *e;
	unsigned int first, n;	/* n == EXTENT_PAGES: the whole extent */
};

struct batch {
	struct item items[PURGE_BATCH];
	unsigned int n;
	size_t pages;
};

static void add_whole(struct batch *b, struct extent *e)
{
	struct window *w = extent_window(e);

	map_put(extent_free_map(w), extent_index(e), false);
	map_put(extent_idle_map(w), extent_index(e), false);
	b->items[b->n++] = (struct item){ .e = e, .n = EXTENT_PAGES };
	b->pages += e->ndirty;

}

/* Free dirty extents, from the top down, until @want pages are in the batch. */
static void gather_whole(struct pageheap *h, struct batch *b, size_t want)
{
	for (unsigned int i = h->nwindows; i-- > 0;) {
		struct window *w = h->windows[i];
		uint64_t *idle = extent_idle_map(w);
		size_t extents = w->grown >> EXTENT_SHIFT;

		for (size_t word = (extents + 63) / 64; word-- > 0;) {
			while (idle[word] && b->n < PURGE_BATCH && b->pages < want) {
				unsigned int bit = 63 - (unsigned int)__builtin_clzll(idle[word]);

				add_whole(b, window_extent(w, word * 64 + bit));
			}
			if (b->n == PURGE_BATCH || b->pages >= want)
				return;
		}
	}
}

/* Dirty runs of extents in use, oldest first. */
static void gather_pages(struct pageheap *h, struct batch *b, size_t want)
{
	while (h->dirty_head && b->n < PURGE_BATCH && b->pages < want) {
		struct extent *e = h->dirty_head;

		extent_lift(h, e);
		while (e->ndirty && b->n < PURGE_BATCH) {
			unsigned int first = bits_next(&e->dirty, 0, true);
			unsigned int n = bits_next(&e->dirty, first, false) - first;

			extent_use(h, e, first, n);
			b->items[b->n++] = (struct item){ .e = e, .first = first, .n = n };
			b->pages += n;
		}
		extent_settle(h, e);
	}
}

static struct source_range item_range(const struct item *it)
{
	return (struct source_range){
		.addr = extent_addr(it->e) + ((size_t)it->first << PAGE_SHIFT),
		.len = (size_t)it->n << PAGE_SHIFT,
	};
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

/* The system calls, by source, neighbours joined. ok[i] says whether item i is gone. */
static void give_back(const struct batch *b, bool *ok)
{
	struct source_range ranges[PURGE_BATCH];
	unsigned int from = 0;

	while (from < b->n) {
		const struct source *s = b->items[from].e->source;
		unsigned int i = from, n = 0;
		bool gone;

		for (; i < b->n && b->items[i].e->source == s; i++) {
			struct source_range r = item_range(&b->items[i]);

			if (!n || !adjoin(&ranges[n - 1], r))
				ranges[n++] = r;
		}
		gone = s->purge(ranges, n);
		for (; from < i; from++)
			ok[from] = gone;
	}
}

static void finish_whole(struct pageheap *h, struct extent *e, bool gone)
{
	if (gone) {
		h->stats.untouched -= extent_untouched(e);
		h->stats.dirty -= e->ndirty;
		h->stats.purged += e->ndirty;
		h->stats.extents--;
		h->stats.huge -= extent_is_huge(e);
		e->torn = false;
		h->stats.device -= e->source->recommit;
		h->stats.retained++;
		bits_clear_range(&e->dirty, 0, EXTENT_PAGES);
		e->ndirty = 0;
		e->state = EXTENT_RETAINED;
	}
	extent_settle(h, e);
}

/* A huge page with a hole in it is one no more, until its extent is used anew. */
static void tear(struct pageheap *h, struct extent *e)
{
	h->stats.untouched -= extent_untouched(e);
	h->stats.huge -= extent_is_huge(e);
	e->torn = true;
}

static void finish_pages(struct pageheap *h, const struct item *it, bool gone)
{
	extent_lift(h, it->e);
	extent_unuse(h, it->e, it->first, it->n);
	if (gone) {
		tear(h, it->e);
		bits_clear_range(&it->e->dirty, it->first, it->n);
		it->e->ndirty = (uint16_t)(it->e->ndirty - it->n);
		h->stats.dirty -= it->n;
		h->stats.purged += it->n;
	}
	extent_settle(h, it->e);
}

/* One batch of at most @want pages, with the lock held but for the system calls. */
static size_t purge_batch(struct pageheap *h, size_t want)
{
	struct batch b = { .n = 0 };
	bool ok[PURGE_BATCH];
	size_t gone = 0;

	gather_whole(h, &b, want);
	if (b.pages < want)
		gather_pages(h, &b, want);
	if (!b.n)
		return 0;
	h->stats.purges++;
	lock_drop(&h->lock);
	give_back(&b, ok);
	lock_take(&h->lock);
	for (unsigned int i = 0; i < b.n; i++) {
		if (b.items[i].n == EXTENT_PAGES)
			finish_whole(h, b.items[i].e, ok[i]);
		else
			finish_pages(h, &b.items[i], ok[i]);
		if (ok[i])
			gone += b.items[i].n;
	}
	return gone;
}

size_t purge_heap(struct pageheap *h, uint64_t now, enum purge_scope scope)
{
	size_t total = 0, gone, limit, dirty;

	if (scope == PURGE_ALL)
		lock_take(&h->purge_lock);
	else if (!lock_try(&h->purge_lock))
		return 0;
	lock_take(&h->lock);
	dirty = h->stats.dirty + h->kept_pages;
	limit = scope == PURGE_ALL ? 0 : decay_limit(&h->decay, now, dirty, false);
	if (dirty > limit)
		kept_flush(h);
	while (h->stats.dirty > limit) {
		gone = purge_batch(h, h->stats.dirty - limit);
		total += gone;
		if (!gone || scope == PURGE_DECAY_BATCH)
			break;
	}
	lock_drop(&h->lock);
	lock_drop(&h->purge_lock);
	return total;
}

size_t purge_heaps(uint64_t now, enum purge_scope scope)
{
	size_t total = 0;

	for (unsigned int i = 0; i < ash_npageheaps; i++)
		total += purge_heap(ash_pageheaps[i], now, scope);
	return total;
}
