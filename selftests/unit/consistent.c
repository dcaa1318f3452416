// SPDX-License-Identifier: MIT
#include "consistent.h"

#include "kept.h"
#include "window.h"

bool slab_consistent(const struct slab *s)
{
	unsigned int n = bits_count_range(&s->free, 0, BITS_COUNT);

	return n == s->nfree && s->nfree <= s->nslots && s->nslots <= BITS_COUNT &&
	       n == bits_count_range(&s->free, 0, s->nslots);
}

static bool extent_consistent(struct window *w, struct extent *e)
{
	unsigned int used = bits_count_range(&e->used, 0, EXTENT_PAGES);
	unsigned int dirty = bits_count_range(&e->dirty, 0, EXTENT_PAGES);

	for (unsigned int i = 0; i < BITS_WORDS; i++) {
		if (e->used.w[i] & e->dirty.w[i] || e->muzzy.w[i] & ~e->dirty.w[i] ||
		    e->hollow.w[i] & ~e->used.w[i])
			return false;
	}
	if ((e->apart && (e->intact || !e->huge)) || (e->small && (e->huge || e->state != EXTENT_LIVE)))
		return false;
	if (bits_count_range(&e->hollow, 0, EXTENT_PAGES) != e->nhollow || (e->nhollow && e->intact))
		return false;
	return used == e->nused && dirty == e->ndirty &&
	       bits_count_range(&e->muzzy, 0, EXTENT_PAGES) == e->nmuzzy &&
	       e->longest == bits_longest_zero_run(&e->used) &&
	       map_get(extent_free_map(w), extent_index(e)) == !used &&
	       map_get(extent_idle_map(w), extent_index(e)) == (!used && dirty) &&
	       (e->state == EXTENT_LIVE || (!used && !dirty));
}

/* Slabs that are kept: empty, in no list, of no class, and their pages in use. */
static bool kept_consistent(struct pageheap *h)
{
	size_t pages = 0;
	bool ok = true;

	for (unsigned int n = 1; n <= SLAB_PAGES_MAX; n++) {
		for (const struct slab *s = h->kept_slabs[n]; s; s = s->next) {
			const struct window *w = &ash_windows[s->window];

			pages += n;
			ok &= s->npages == n && s->nfree == s->nslots && !slab_listed(s);
			for (size_t at = s->page; at < s->page + n; at++)
				ok &= window_classes(w)[at] == CLASS_NONE && record_at(w, window_spans(w)[at]) == s &&
				      bits_get(&window_extent(w, at / EXTENT_PAGES)->used, at % EXTENT_PAGES);
		}
	}
	return ok && pages == h->kept_slab_pages && pages <= KEPT_SLAB_PAGES;
}

bool pageheap_consistent(struct pageheap *h)
{
	size_t active = 0, dirty = 0, untouched = 0, stuck = 0, apart = 0, huge = 0, small = 0, held = 0, hollow = 0;
	size_t kept = 0, kept_in = 0;
	bool ok;

	lock_take(&h->lock);
	ok = kept_consistent(h);
	for (unsigned int i = 0; i < h->nwindows; i++) {
		for (size_t k = 0; k < h->windows[i]->grown >> EXTENT_SHIFT; k++) {
			struct extent *e = window_extent(h->windows[i], k);

			ok &= extent_consistent(h->windows[i], e);
			active += e->nused;
			dirty += e->ndirty;
			stuck += e->nused && e->list != LIST_DIRTY ? e->ndirty - e->nmuzzy : 0;
			held += e->list == LIST_HELD ? e->ndirty : 0;
			apart += e->apart;
			hollow += e->nhollow;
			huge += e->state == EXTENT_LIVE && extent_is_huge(e);
			small += e->small;
			kept += e->nkept;
			kept_in += e->nkept > 0;
			untouched += e->state == EXTENT_LIVE ? extent_untouched(e) : 0;
		}
	}
	ok &= active == h->stats.active && dirty == h->stats.dirty + h->stats.muzzy &&
	      untouched == h->stats.untouched && apart == h->napart && stuck == h->stats.stuck &&
	      huge == h->stats.huge && small == h->nsmall && hollow == h->stats.hollow && held == h->held_pages &&
	      kept == h->kept_slab_pages && kept_in == h->kept_extents;
	lock_drop(&h->lock);
	return ok;
}
