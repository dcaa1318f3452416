// SPDX-License-Identifier: MIT
#include "holes.h"

/* @a less what is in @b. */
static void take_away(struct bits *a, const struct bits *b)
{
	for (unsigned int i = 0; i < BITS_WORDS; i++)
		a->w[i] &= ~b->w[i];
}

static void keep_only(struct bits *a, const struct bits *b)
{
	for (unsigned int i = 0; i < BITS_WORDS; i++)
		a->w[i] &= b->w[i];
}

/* No more of @pages than the first @most runs. True: there were more. */
static bool shorten(struct bits *pages, unsigned int most)
{
	unsigned int first = 0, n = 0;

	while (bits_next_run(pages, &first, &n)) {
		if (most--)
			continue;
		bits_clear_range(pages, first, EXTENT_PAGES - first);
		return true;
	}
	return false;
}

RARE bool holes_gather(struct pageheap *h, struct holes *b, struct extent *e, unsigned int most)
{
	struct bits free;
	bool more = false;

	b->e = e;
	b->pages = e->dirty;
	for (unsigned int i = 0; i < BITS_WORDS; i++) {
		if (extent_is_huge(e))
			b->pages.w[i] = ~e->used.w[i];
		/* What is dirty goes lazily, when it is its time. */
		if (b->alone)
			b->pages.w[i] &= ~e->dirty.w[i];
		b->pages.w[i] |= b->hollow.w[i];
	}
	if (!extent_punches(e))
		more = shorten(&b->pages, most);
	b->dirty = e->dirty;
	keep_only(&b->dirty, &b->pages);
	keep_only(&b->hollow, &b->pages);
	/* What is hollow is used, and stays so. */
	free = b->pages;
	take_away(&free, &b->hollow);
	extent_lift(h, e);
	for (unsigned int first = 0, n = 0; bits_next_run(&free, &first, &n);)
		extent_use(h, e, first, n);
	extent_settle(h, e);
	return more;
}

RARE unsigned int holes_batches(const struct holes *b)
{
	unsigned int runs = 0;

	if (extent_punches(b->e))
		return 1;
	for (unsigned int first = 0, n = 0; bits_next_run(&b->pages, &first, &n);)
		runs++;
	return (runs + PURGE_BATCH - 1) / PURGE_BATCH;
}

/* Range by range: neighbours together. */
RARE static bool purge_ranges(const struct extent *e, const struct bits *pages)
{
	struct source_range ranges[PURGE_BATCH];
	unsigned int first = 0, n = 0, k = 0;
	bool ok = true, more;

	do {
		more = bits_next_run(pages, &first, &n);
		if (more)
			ranges[k++] = extent_range(e, first, n);
		if (k == PURGE_BATCH || (k && !more)) {
			ok = e->source->purge(ranges, k);
			k = 0;
		}
	} while (more && ok);
	return ok;
}

/* The pages are free again: without memory, or as they were. */
RARE static void finish(struct pageheap *h, const struct holes *b, bool gone)
{
	struct extent *e = b->e;
	struct bits free = b->pages;
	unsigned int total = bits_count(&b->pages);

	take_away(&free, &b->hollow);
	extent_lift(h, e);
	for (unsigned int first = 0, n = 0; bits_next_run(&free, &first, &n);)
		extent_unuse(h, e, first, n);
	if (gone) {
		h->stats.purged += total;
		h->copied += extent_is_huge(e) && extent_punches(e) ? EXTENT_PAGES - total : 0;
		extent_tear(h, e);
		extent_clean(h, e, &free);
		extent_make_hollow(h, e, &b->hollow);
	} else {
		take_away(&free, &b->dirty);
		extent_clean(h, e, &free);
		/* It was told that it is torn, and is no longer a mapping that may be huge. */
		if (e->apart && extent_is_huge(e))
			extent_tear(h, e);
	}
	/* At the end of the list, if it has dirty pages: the others come first next time. */
	extent_settle(h, e);
}

RARE bool holes_give_back(struct pageheap *h, struct holes *b)
{
	struct extent *e = b->e;
	bool tears = !extent_punches(e) && extent_part(h, e, APART_MAX), gone;

	lock_drop(&h->lock);
	if (tears)
		e->source->tear(extent_addr(e), EXTENT_SIZE);
	gone = extent_punches(e) ? e->source->punch(extent_addr(e), &b->pages) : purge_ranges(e, &b->pages);
	lock_take(&h->lock);
	finish(h, b, gone);
	return gone;
}
