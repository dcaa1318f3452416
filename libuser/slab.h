/* SPDX-License-Identifier: MIT */
/*
 * A slab: a span of pages cut into equal slots of one small class, with the
 * bitmap of its free slots in a record outside.
 *
 *	nfree == popcount(free)
 *	nfree == 0		the slab is full and in no list
 *	0 < nfree < nslots	in its bin's list for that fullness
 *	nfree == nslots		does not last: its pages are free memory at once, or kept as they are (kept.h)
 */
#ifndef ASHLAR_SLAB_H
#define ASHLAR_SLAB_H

#include "pageheap.h"
#include "record.h"
#include "sizeclass.h"

#define SLAB_LIST(listed)	((listed) & 7)
#define SLAB_CLASS(listed)	((listed) >> 3 & 63)
#define SLAB_ARENA(listed)	((listed) >> 9 & 4095)
#define SLAB_IDLE_SHIFT		24

_Static_assert(CLASS_SMALL_LAST < 64, "a class is 6 bits");

static inline uint32_t slab_listed(const struct slab *s)
{
	return atomic_load_explicit(&s->listed, memory_order_relaxed);
}

/* Pages without a used slot at hollow.c's last look and since, a bit each. Those that are hollow are among them. */
static inline unsigned int slab_idle(const struct slab *s)
{
	return slab_listed(s) >> SLAB_IDLE_SHIFT;
}

static inline void slab_set_idle(struct slab *s, unsigned int pages)
{
	uint32_t rest = slab_listed(s) & ((1u << SLAB_IDLE_SHIFT) - 1);

	atomic_store_explicit(&s->listed, rest | pages << SLAB_IDLE_SHIFT, memory_order_relaxed);
}

/* It is in list @list of its bin, 0: in none. Who sees that sees all of the record. */
static inline void slab_set_list(struct slab *s, unsigned int list)
{
	uint32_t tag = list ? list | (uint32_t)s->class << 3 | (uint32_t)s->arena << 9 : 0;

	atomic_store_explicit(&s->listed, tag | slab_idle(s) << SLAB_IDLE_SHIFT, memory_order_release);
}

/* All slots free, in no list. NULL when there is no memory. */
struct slab *slab_create(struct pageheap *heap, unsigned int arena, unsigned int class,
			 unsigned int npages);

/* The same of one that is there: NULL when none is kept. */
struct slab *slab_create_kept(struct pageheap *heap, unsigned int arena, unsigned int class,
			      unsigned int npages);

/* Pages and record go back, or are kept. The slab is empty and in no list. */
void slab_destroy(struct slab *s);

/* The slab that owns the small block @p of window @w. */
static inline struct slab *slab_of(const struct window *w, const void *p)
{
	return record_at(w, window_spans(w)[window_page(w, p)]);
}

static inline char *slab_addr(const struct slab *s)
{
	return ash_windows[s->window].base + ((size_t)s->page << PAGE_SHIFT);
}

/* The slots that lie on @pages of @s, a bit each, in part or as a whole. */
struct bits slab_slots_on(const struct slab *s, unsigned int pages);

/* Which of its pages have no used slot, a bit each? Slabs of one page have none unless they are empty. */
unsigned int slab_free_pages(const struct slab *s);

/*
 * Up to @n free slots become used; their addresses go to out[-1], out[-2], …,
 * lowest first, so that a stack that ends at @out gives them back in order.
 */
unsigned int slab_take(struct slab *s, void **out, unsigned int n);

/* The same of those that are on no idle page: one that is hollow would be a page fault. */
unsigned int slab_take_warm(struct slab *s, void **out, unsigned int n);

/*
 * Used slots become free: the first ones of @blocks, up to one that is no start of a used slot of
 * @s (another slab's, free already, or points inside one). Returns how many.
 */
unsigned int slab_put_run(struct slab *s, void *const *blocks, unsigned int n);

/*
 * The same of as many as lie one after the other, up or down: 5 instructions a block instead of
 * 20, and 40 before the first. 0: one of them cannot be put, and slab_put_run() finds which.
 */
unsigned int slab_put_neighbours(struct slab *s, void *const *blocks, unsigned int n);

/* So many neighbours in a row are worth to be looked at together. */
#define RUN_LEAST		((size_t)4)

/* Do @blocks of @class begin with neighbours, up or down? Then most are: they are freed as they were made, or back. */
static inline bool slab_are_neighbours(void *const *blocks, unsigned int n, unsigned int class)
{
	size_t size = sizeclasses[class].size, ahead;

	if (n < RUN_LEAST)
		return false;
	ahead = (uintptr_t)blocks[RUN_LEAST - 1] - (uintptr_t)blocks[0];
	return ahead == (RUN_LEAST - 1) * size || ahead == -(RUN_LEAST - 1) * size;
}

/* One used slot becomes free; false if @p is not the start of one, and nothing is changed. */
static inline bool slab_put(struct slab *s, void *p)
{
	return slab_put_run(s, &p, 1);
}

/* Does @p point to the first byte of a slot? */
bool slab_is_slot(const struct slab *s, const void *p);

#endif /* ASHLAR_SLAB_H */
