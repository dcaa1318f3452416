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

bool kept_flush(struct pageheap *h)
{
	if (!h->kept_pages)
		return false;
	if (h->fresh_left)
		fresh_join(h);
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
