// SPDX-License-Identifier: MIT
#include "mend.h"

#include "supply.h"

/* What was made on small pages before the process was large: it lies where windows begin. */
RARE static noinline void outgrow(struct pageheap *h)
{
	for (unsigned int i = 0; i < h->nwindows; i++) {
		size_t extents = h->windows[i]->grown >> EXTENT_SHIFT;

		for (size_t k = 0; k < extents && h->nsmall; k++) {
			struct extent *e = window_extent(h->windows[i], k);

			if (e->small)
				extent_outgrown(h, e);
		}
	}
}

/*
 * Extents that were punched or torn and are in use again all over get their huge page back; those that
 * are outgrown get one. One that the source refuses, for a reference in passing or a child that
 * shares it, is tried again at a later look.
 */
RARE void mend_extents(struct pageheap *h, unsigned int most)
{
	struct extent *e, *refused[MEND_BATCH];
	unsigned int n = 0;

	for (; most && (e = extent_to_mend(h)); most--) {
		bool whole;

		/* Its source was never told. */
		if (e->source->tear && !e->apart) {
			extent_mend(h, e);
			continue;
		}
		/* Pages come and go meanwhile; the extent stays, with purge_lock held, unless it moved. */
		e->mending = !e->moved;
		lock_drop(&h->lock);
		whole = e->source->mend(extent_addr(e), EXTENT_SIZE);
		lock_take(&h->lock);
		if (!whole)
			refused[n++] = e;
		else if (e->mending)
			extent_mend(h, e);
		e->mending = false;
	}
	while (n)
		extent_mend_later(h, refused[--n]);
}

RARE void mend_look_slow(struct pageheap *h)
{
	if (supply_has_outgrown(h))
		outgrow(h);
}
