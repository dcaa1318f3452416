// SPDX-License-Identifier: MIT
#include "kept.h"

#include "conf.h"

/* Pages that may be kept beyond a quarter of what is in use. */
#define KEPT_PAGES	1024

bool kept_push(struct pageheap *h, void *p, unsigned int class)
{
	struct window *w = h->windows[0];
	size_t pages = sizeclasses[class].pages_max, page = window_page(w, p);
	uint32_t *head = &h->kept[class - CLASS_LARGE_FIRST];

	/* Page 0 is the list's end. */
	if (page - 1 >= (w->size >> PAGE_SHIFT) - 1 || !h->decay.ms ||
	    h->kept_pages + pages > (h->stats.active - h->kept_pages) / 4 + KEPT_PAGES)
		return false;
	window_spans(w)[page] = *head;
	*head = (uint32_t)page;
	h->kept_pages += pages;
	return true;
}

bool kept_flush(struct pageheap *h)
{
	if (!h->kept_pages)
		return false;
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++) {
		char *p;

		while ((p = kept_pop(h, c))) {
			size_t page = window_page(h->windows[0], p);

			window_spans(h->windows[0])[page] = 0;
			extent_unuse_run(h, h->windows[0], page, sizeclasses[c].pages_max);
		}
	}
	return true;
}
