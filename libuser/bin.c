// SPDX-License-Identifier: MIT
#include "bin.h"

#include "record.h"

BULK _Atomic(struct arena *) ash_arenas[ARENAS_MAX];
_Atomic unsigned int ash_narenas;

void bin_destroy(struct slab *empty)
{
	while (empty) {
		struct slab *s = empty;

		empty = s->next;
		slab_destroy(s);
	}
}

/*
 * Page and record may be another slab's at any moment, but not while it is in a list whose lock we
 * have: the word that says so names the bin.
 */
RARE struct slab *bin_slab_at(struct window *w, size_t at, struct bin **b)
{
	uint32_t index = __atomic_load_n(window_spans(w) + at, __ATOMIC_RELAXED), listed;
	struct arena *a;
	struct slab *s;

	if (index == RECORD_NONE || !record_readable(w, index))
		return NULL;
	s = (struct slab *)w->slabs.base + index;
	listed = slab_listed(s);
	if (!SLAB_LIST(listed) || sizeclasses[SLAB_CLASS(listed)].pages_max == 1 ||
	    at - __atomic_load_n(&s->page, __ATOMIC_RELAXED) >= SLAB_PAGES_MAX)
		return NULL;
	a = ash_arenas[SLAB_ARENA(listed)];
	*b = &a->bins[SLAB_CLASS(listed)];
	bin_lock(a, *b);
	listed = atomic_load_explicit(&s->listed, memory_order_acquire);
	if (SLAB_LIST(listed) && &a->bins[SLAB_CLASS(listed)] == *b && SLAB_ARENA(listed) == a->index &&
	    at - s->page < s->npages)
		return s;
	bin_unlock(*b);
	return NULL;
}

/* For each run of @pages: its slots. False if there is none from *@page on. */
static bool next_slots(const struct slab *s, unsigned int pages, unsigned int *page, unsigned int *slot,
		       unsigned int *n)
{
	unsigned int left = pages >> *page << *page, first, end;

	if (!left)
		return false;
	first = (unsigned int)__builtin_ctz(left);
	end = (unsigned int)__builtin_ctz(~(left >> first)) + first;
	*n = slab_slots_of(s, first, end - first, slot);
	*page = end;
	return true;
}

/* Slots may lie on pages of two runs: those count that change. */
RARE void bin_set_aside(struct bin *b, struct slab *s, unsigned int pages)
{
	unsigned int page = 0, slot, n, changed;

	bin_unlink(b, s);
	while (next_slots(s, pages, &page, &slot, &n)) {
		changed = bits_count_range(&s->free, slot, n);
		bits_clear_range(&s->free, slot, n);
		s->nfree = (uint16_t)(s->nfree - changed);
		b->out += changed;
	}
	if (s->nfree)
		bin_link(b, s);
}

RARE void bin_bring_back(struct bin *b, struct slab *s, unsigned int pages, struct slab **empty)
{
	unsigned int page = 0, slot, n, changed;
	bool full = !s->nfree;

	while (next_slots(s, pages, &page, &slot, &n)) {
		changed = n - bits_count_range(&s->free, slot, n);
		bits_set_range(&s->free, slot, n);
		s->nfree = (uint16_t)(s->nfree + changed);
		b->out -= changed;
	}
	/* A fill that came by meanwhile saw them used. */
	slab_set_idle(s, slab_idle(s) | pages);
	bin_returned(b, s, full, empty);
}
