// SPDX-License-Identifier: MIT
#include "slab.h"

#include <string.h>

#include "kept.h"

/* Records that go when a slab is made or goes, beside its own: see kept_unlock(). */
#define PUT_MOST	((size_t)8)

/* One that was kept when it was empty, its record as it was then; NULL: none of @npages is. */
static struct slab *take_kept(struct pageheap *h, unsigned int npages)
{
	struct slab *s;

	if (!kept_slab(h, npages))
		return NULL;
	lock_take(&h->lock);
	s = kept_pop_slab(h, npages);
	kept_unlock(h, PUT_MOST);
	return s;
}

/* Pages and a record that says which they are. */
static struct slab *take_new(struct pageheap *h, unsigned int npages)
{
	char *addr = pageheap_alloc(h, npages, 1, NULL);
	struct window *w;
	struct slab *s;
	uint32_t index;

	if (!addr)
		return NULL;
	w = window_of(addr);
	index = record_take(w);
	if (index == RECORD_NONE) {
		pageheap_free(addr, npages);
		return NULL;
	}
	s = record_at(w, index);
	atomic_store_explicit(&s->listed, 0, memory_order_relaxed);
	__atomic_store_n(&s->page, (uint32_t)window_page(w, addr), __ATOMIC_RELAXED);
	s->window = (uint8_t)(w - ash_windows);
	s->npages = npages & 0xf;
	s->class = CLASS_NONE;
	for (unsigned int i = 0; i < npages; i++)
		window_set_span(w, s->page + i, index);
	return s;
}

/* Last of all: who sees a page's class finds the record as it is. */
static void set_class(const struct slab *s, unsigned int class)
{
	uint8_t *classes = window_classes(&ash_windows[s->window]) + s->page;

	for (unsigned int i = 0; i < s->npages; i++)
		__atomic_store_n(classes + i, (uint8_t)class, __ATOMIC_RELEASE);
}

/* Of class and arena from now on, with all slots free: one that was kept has them so. */
static struct slab *set_up(struct slab *s, unsigned int arena, unsigned int class)
{
	s->arena = (uint16_t)arena;
	if (s->class != class) {
		s->nslots = (unsigned int)(s->npages * PAGE_SIZE / sizeclasses[class].size) & 0xfff;
		s->nfree = s->nslots;
		s->class = (uint8_t)class;
		memset(&s->free, 0, sizeof(s->free));
		bits_set_range(&s->free, 0, s->nslots);
	}
	set_class(s, class);
	return s;
}

struct slab *slab_create_kept(struct pageheap *heap, unsigned int arena, unsigned int class,
			      unsigned int npages)
{
	struct slab *s = take_kept(heap, npages);

	return s ? set_up(s, arena, class) : NULL;
}

struct slab *slab_create(struct pageheap *heap, unsigned int arena, unsigned int class,
			 unsigned int npages)
{
	struct slab *s = slab_create_kept(heap, arena, class, npages);

	if (s)
		return s;
	s = take_new(heap, npages);
	return s ? set_up(s, arena, class) : NULL;
}

/* With hollow pages it is not kept: they would be so no longer, and the extent would not know. */
void slab_destroy(struct slab *s)
{
	struct pageheap *h = ash_pageheaps[ash_windows[s->window].heap];

	DEBUG_ASSERT(s->nfree == s->nslots);
	set_class(s, CLASS_NONE);
	lock_take(&h->lock);
	if (likely(!slab_idle(s)))
		kept_push_slab(h, s);
	else
		kept_join_slab(h, s);
	kept_unlock(h, PUT_MOST);
}

/* From *@slot on, on page @page alone. 0: it is the tail, without a slot. */
static unsigned int slots_of_page(const struct slab *s, unsigned int page, unsigned int *slot)
{
	unsigned int end = sizeclass_slot(s->class, (page + 1) * PAGE_SIZE - 1) + 1;

	*slot = sizeclass_slot(s->class, page * PAGE_SIZE);
	end = min(end, (unsigned int)s->nslots);
	return end > *slot ? end - *slot : 0;
}

RARE struct bits slab_slots_on(const struct slab *s, unsigned int pages)
{
	struct bits slots = { { 0 } };
	unsigned int slot, n;

	for (; pages; pages &= pages - 1) {
		n = slots_of_page(s, (unsigned int)__builtin_ctz(pages), &slot);
		if (n)
			bits_set_range(&slots, slot, n);
	}
	return slots;
}

RARE unsigned int slab_free_pages(const struct slab *s)
{
	unsigned int pages = 0, slot, n;

	for (unsigned int i = 0; s->npages > 1 && i < s->npages; i++) {
		n = slots_of_page(s, i, &slot);
		if (n && bits_count_range(&s->free, slot, n) == n)
			pages |= 1u << i;
	}
	return pages;
}

/* Neighbours cost an addition each, and not a multiplication. */
static inline unsigned int take(struct slab *s, void **out, unsigned int n)
{
	size_t size = sizeclasses[s->class].size;
	char *base = slab_addr(s);
	unsigned int left;

	/* No more than there are, so that the words behind the last one are not looked at. */
	n = min(n, (unsigned int)s->nfree);
	left = n;
	for (unsigned int i = 0; i < BITS_WORDS && left; i++) {
		uint64_t w = s->free.w[i];

		while (w && left) {
			unsigned int first = (unsigned int)__builtin_ctzll(w);
			uint64_t gone = ~(w >> first);
			unsigned int run = gone ? (unsigned int)__builtin_ctzll(gone) : 64;
			char *p = base + (i * 64 + first) * size;

			run = min(run, left);
			w &= ~(~0ull >> (64 - run) << first);
			left -= run;
			for (; run; run--, p += size)
				*--out = p;
		}
		s->free.w[i] = w;
	}
	s->nfree = (uint16_t)(s->nfree - (n - left));
	return n - left;
}

/* Pages on which a slot is taken are idle no more. Not all others are free: they may be set aside (bin.h). */
RARE static noinline unsigned int take_cold(struct slab *s, void **out, unsigned int n)
{
	unsigned int idle = slab_idle(s), touched = 0, got, slot, k;
	struct bits taken = s->free;

	got = take(s, out, n);
	for (unsigned int i = 0; i < BITS_WORDS; i++)
		taken.w[i] &= ~s->free.w[i];
	for (unsigned int left = idle; left; left &= left - 1) {
		k = slots_of_page(s, (unsigned int)__builtin_ctz(left), &slot);
		if (k && bits_any_range(&taken, slot, k))
			touched |= left & -left;
	}
	if (touched) {
		slab_set_idle(s, idle & ~touched);
		pageheap_touched(&ash_windows[s->window], s->page, touched);
	}
	return got;
}

unsigned int slab_take(struct slab *s, void **out, unsigned int n)
{
	return unlikely(slab_idle(s)) ? take_cold(s, out, n) : take(s, out, n);
}

RARE unsigned int slab_take_warm(struct slab *s, void **out, unsigned int n)
{
	struct bits cold = slab_slots_on(s, slab_idle(s));
	unsigned int got;

	/* Not all of them are free: they may be set aside (bin.h). */
	for (unsigned int i = 0; i < BITS_WORDS; i++) {
		cold.w[i] &= s->free.w[i];
		s->free.w[i] &= ~cold.w[i];
	}
	got = take(s, out, n);
	for (unsigned int i = 0; i < BITS_WORDS; i++)
		s->free.w[i] |= cold.w[i];
	return got;
}

unsigned int slab_put_run(struct slab *s, void *const *blocks, unsigned int n)
{
	uintptr_t base = (uintptr_t)slab_addr(s);
	size_t size = sizeclasses[s->class].size, nslots = s->nslots;
	unsigned int put;

	for (put = 0; put < n; put++) {
		size_t offset = (uintptr_t)blocks[put] - base;
		unsigned int slot;

		if (offset >= nslots * size)
			break;
		slot = sizeclass_slot(s->class, offset);
		if (unlikely(slot * size != offset || bits_get(&s->free, slot)))
			break;
		bits_set(&s->free, slot);
	}
	s->nfree = (uint16_t)(s->nfree + put);
	return put;
}

/* The slot of @s whose first byte @p is; false: it is no slot's. */
static inline bool slot_at(const struct slab *s, const void *p, unsigned int *slot)
{
	size_t offset = (size_t)((const char *)p - slab_addr(s));

	*slot = sizeclass_slot(s->class, offset);
	return *slot * sizeclasses[s->class].size == offset && *slot < s->nslots;
}

unsigned int slab_put_neighbours(struct slab *s, void *const *blocks, unsigned int n)
{
	bool down = n > 1 && blocks[1] < blocks[0];
	size_t size = sizeclasses[s->class].size, step = down ? -size : size;
	uintptr_t p = (uintptr_t)blocks[0];
	unsigned int slot, most, run = 1;

	if (unlikely(!slot_at(s, blocks[0], &slot)))
		return 0;
	most = min(down ? slot + 1u : s->nslots - slot, n);
	while (run < most && (uintptr_t)blocks[run] == (p += step))
		run++;
	if (down)
		slot -= run - 1;
	if (unlikely(bits_any_range(&s->free, slot, run)))
		return 0;
	bits_set_range(&s->free, slot, run);
	s->nfree = (uint16_t)(s->nfree + run);
	return run;
}

bool slab_is_slot(const struct slab *s, const void *p)
{
	unsigned int slot;

	return slot_at(s, p, &slot);
}
