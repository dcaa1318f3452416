// SPDX-License-Identifier: MIT
#include "kept.h"

bool kept_flush(struct pageheap *h)
{
	if (!h->kept_pages)
		return false;
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++) {
		size_t page;

		while ((page = kept_pop(h, c))) {
			window_spans(h->windows[0])[page] = 0;
			extent_unuse_run(h, h->windows[0], page, sizeclasses[c].pages_max);
		}
	}
	return true;
}
