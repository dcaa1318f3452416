// SPDX-License-Identifier: MIT
#include "kept.h"

/*
 * What was set aside and not used goes back as clean as it was; but of an extent that was torn
 * meanwhile nobody knows any more which pages are resident.
 */
static void fresh_join(struct pageheap *h)
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

/* Join slabs of other lengths than @but until at most @most pages of slabs are kept, or no others are. */
static void join_slabs(struct pageheap *h, unsigned int but, size_t most)
{
	for (unsigned int n = SLAB_PAGES_MAX; n && h->kept_slab_pages > most;) {
		struct slab *s = n == but ? NULL : kept_pop_slab(h, n);
		struct window *w;

		if (!s) {
			n--;
			continue;
		}
		w = &ash_windows[s->window];
		extent_unuse_run(h, w, s->page, n);
		record_put(w, record_index(s));
	}
}

bool kept_push_slab(struct pageheap *h, struct slab *s)
{
	unsigned int n = s->npages;

	if (h->kept_slab_pages + n > KEPT_SLAB_PAGES)
		join_slabs(h, n, KEPT_SLAB_PAGES - n);
	if (!h->kept_most || h->kept_slab_pages + n > KEPT_SLAB_PAGES)
		return false;
	s->next = atomic_load_explicit(&h->kept_slabs[n], memory_order_relaxed);
	kept_set_slab(h, n, s);
	h->kept_pages += n;
	h->kept_slab_pages += n;
	extent_active(h);
	return true;
}

void kept_join_slabs(struct pageheap *h, size_t pages)
{
	join_slabs(h, 0, h->kept_slab_pages - min(h->kept_slab_pages, pages));
}

bool kept_flush(struct pageheap *h)
{
	if (!h->kept_pages)
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
