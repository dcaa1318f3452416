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
	s = record_at(w, index);
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

RARE void bin_set_aside(struct bin *b, struct slab *s, unsigned int pages)
{
	struct bits slots = slab_slots_on(s, pages);
	unsigned int n = bits_count_range(&slots, 0, BITS_COUNT);

	bin_take_off(b, s);
	for (unsigned int i = 0; i < BITS_WORDS; i++)
		s->free.w[i] &= ~slots.w[i];
	s->nfree = (uint16_t)(s->nfree - n);
	b->out += n;
	bin_relink(b, s);
}

RARE void bin_bring_back(struct bin *b, struct slab *s, unsigned int pages, struct slab **empty)
{
	struct bits slots = slab_slots_on(s, pages);
	unsigned int n = bits_count_range(&slots, 0, BITS_COUNT);
	bool full = !s->nfree;

	for (unsigned int i = 0; i < BITS_WORDS; i++)
		s->free.w[i] |= slots.w[i];
	s->nfree = (uint16_t)(s->nfree + n);
	b->out -= n;
	/* A fill that came by meanwhile saw them used. */
	slab_set_idle(s, slab_idle(s) | pages);
	bin_returned(b, s, full, empty);
}
