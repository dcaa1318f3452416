// SPDX-License-Identifier: MIT
#include "kept.h"

bool kept_flush(struct pageheap *h)
{
	if (!h->kept_pages)
		return false;
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++) {
		struct window *w = h->windows[0];
		size_t page;

		while ((page = kept_pop(h, w, c))) {
			window_spans(w)[page] = 0;
			extent_unuse_run(h, w, page, sizeclasses[c].pages_max);
		}
	}
	return true;
}
