// SPDX-License-Identifier: MIT
#include "reset.h"

#include "arenas.h"
#include "large.h"
#include "record.h"

/*
 * The slab of @a that page @at of @w is of; NULL if it is another's. Maps of pages that
 * are others' change meanwhile: a record is believed if it says itself that the page is
 * its own, because records of this arena stay as they are.
 */
static struct slab *slab_at(const struct arena *a, const struct window *w, size_t at)
{
	unsigned int class = __atomic_load_n(window_classes(w) + at, __ATOMIC_ACQUIRE);
	uint32_t index = ((volatile uint32_t *)window_spans(w))[at];
	struct slab *s;

	if (!class || class > CLASS_SMALL_LAST || !record_readable(w, index))
		return NULL;
	s = record_at(w, index);
	if (s->arena != a->index || s->class != class || at - s->page >= s->npages)
		return NULL;
	return s;
}

/* Whole pages of this arena's large blocks begin with two words in the spanmap. */
static bool owned_at(const struct arena *a, const struct window *w, size_t at)
{
	return ((volatile uint8_t *)window_classes(w))[at] == CLASS_HUGE &&
	       large_owner(w, at) == a->index + 1;
}

static void reset_window(struct arena *a, struct window *w)
{
	size_t pages = atomic_load_explicit(&w->grown, memory_order_acquire) >> PAGE_SHIFT;
	struct slab *s;

	for (size_t at = 0; at < pages; at++) {
		if (owned_at(a, w, at)) {
			huge_free(w->base + (at << PAGE_SHIFT));
			continue;
		}
		s = slab_at(a, w, at);
		if (s)
			arena_discard(a, s);
	}
}

void arena_reset(struct arena *a)
{
	unsigned int n = atomic_load(&ash_narenas), windows = atomic_load(&ash_nwindows);

	/* Its slots in any depot go home, and none of another arena stays in its own. */
	for (unsigned int i = 0; i < n; i++)
		arena_age_depots(ash_arenas[i], true);
	/* Slots that are set aside come back before their slabs go. */
	lock_take(&a->heap->hollow_lock);
	for (unsigned int i = 0; i < windows; i++) {
		if (ash_pageheaps[ash_windows[i].heap] == a->heap)
			reset_window(a, &ash_windows[i]);
	}
	lock_drop(&a->heap->hollow_lock);
}

bool arena_destroy(struct arena *a)
{
	bool expected = false;

	if (atomic_load(&a->nthreads) ||
	    !atomic_compare_exchange_strong(&a->destroyed, &expected, true))
		return false;
	arena_reset(a);
	arena_retire(a);
	return true;
}
