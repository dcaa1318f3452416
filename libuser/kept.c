// SPDX-License-Identifier: MIT
#include "kept.h"

/*
 * What was set aside and not used goes back as clean as it was; but of an extent that was torn
 * meanwhile nobody knows any more which pages are resident.
 */
RARE static noinline void fresh_join(struct pageheap *h)
{
	struct extent *e = window_extent(h->windows[0], h->fresh_page / EXTENT_PAGES);
	unsigned int first = h->fresh_page % EXTENT_PAGES, n = h->fresh_left;
	struct bits pages = { 0 };

	bits_set_range(&pages, first, n);
	extent_lift(h, e);
	extent_unuse(h, e, first, n);
	if (extent_is_huge(e) || !e->huge)
		extent_clean(h, e, &pages);
	extent_settle(h, e);
	h->fresh_left = 0;
	h->kept_pages -= n;
}

/* --- slabs ------------------------------------------------------------------------------------ */

static void set_head(struct pageheap *h, unsigned int npages, struct slab *s)
{
	atomic_store_explicit(&h->kept_slabs[npages], s, memory_order_relaxed);
}

/* @by more or, wrapped around, fewer pages of slabs are kept, in @e. */
static void count(struct pageheap *h, struct extent *e, size_t by)
{
	h->kept_extents -= e->nkept > 0;
	e->nkept = (uint16_t)(e->nkept + by);
	h->kept_extents += e->nkept > 0;
	h->kept_slab_pages += by;
	extent_purgeable(h);
}

static struct slab *pop(struct pageheap *h, unsigned int npages)
{
	struct slab *s = kept_slab(h, npages);

	if (s) {
		set_head(h, npages, s->next);
		count(h, record_extent(s), -(size_t)npages);
	}
	return s;
}

void kept_join_slab(struct pageheap *h, struct slab *s)
{
	extent_unuse_run(h, &ash_windows[s->window], s->page, s->npages);
	s->next = h->joined;
	h->joined = s;
}

/* Slabs of other lengths than @but, until at most @most pages of slabs are kept, or no others are. */
RARE static noinline void join_slabs(struct pageheap *h, unsigned int but, size_t most)
{
	for (unsigned int n = SLAB_PAGES_MAX; n && h->kept_slab_pages > most;) {
		struct slab *s = n == but ? NULL : pop(h, n);

		if (s)
			kept_join_slab(h, s);
		else
			n--;
	}
}

RARE void kept_join_slabs(struct pageheap *h, size_t pages)
{
	join_slabs(h, 0, h->kept_slab_pages - min(h->kept_slab_pages, pages));
}

static bool is_lonely(const struct pageheap *h, const struct slab *s)
{
	return h->kept_extents > KEPT_FEW && record_extent(s)->nused < KEPT_LEAST;
}

struct slab *kept_pop_slab(struct pageheap *h, unsigned int npages)
{
	struct slab *s = pop(h, npages);

	if (!s || likely(!is_lonely(h, s)))
		return s;
	kept_join_slab(h, s);
	return NULL;
}

void kept_push_slab(struct pageheap *h, struct slab *s)
{
	unsigned int n = s->npages;

	if (h->kept_slab_pages + n > KEPT_SLAB_PAGES)
		join_slabs(h, n, KEPT_SLAB_PAGES - n);
	if (!h->kept_most || h->kept_slab_pages + n > KEPT_SLAB_PAGES || is_lonely(h, s)) {
		kept_join_slab(h, s);
		return;
	}
	s->next = kept_slab(h, n);
	set_head(h, n, s);
	count(h, record_extent(s), n);
}

void kept_unlock(struct pageheap *h, size_t most)
{
	struct slab *first = h->joined, **end = &first;

	for (; *end && most; most--)
		end = &(*end)->next;
	h->joined = *end;
	*end = NULL;
	lock_drop(&h->lock);
	while (first) {
		struct slab *s = first;

		first = s->next;
		record_put(&ash_windows[s->window], record_index(s));
	}
}

/* --- all -------------------------------------------------------------------------------------- */

RARE bool kept_flush(struct pageheap *h)
{
	if (!(h->kept_pages | h->kept_slab_pages))
		return false;
	if (h->fresh_left)
		fresh_join(h);
	kept_join_slabs(h, KEPT_SLAB_PAGES);
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++) {
		struct window *w = h->windows[0];
		size_t page;

		while ((page = kept_pop(h, w, c))) {
			window_set_span(w, page, 0);
			extent_unuse_run(h, w, page, sizeclasses[c].pages_max);
		}
	}
	return true;
}
