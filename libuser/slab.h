/* SPDX-License-Identifier: MIT */
/*
 * A slab: a span of pages cut into equal slots of one small class, with the
 * bitmap of its free slots in a record outside.
 *
 *	nfree == popcount(free)
 *	nfree == 0		the slab is full and in no list
 *	0 < nfree < nslots	in its bin's list for that fullness
 *	nfree == nslots		does not last: its pages are free memory at once
 */
#ifndef ASHLAR_SLAB_H
#define ASHLAR_SLAB_H

#include "pageheap.h"
#include "sizeclass.h"

struct slab {
	struct bits free;	/* 1 = free; guarded by the bin's lock */
	struct slab *next, *prev;	/* the bin's list; guarded by the bin's lock */
	uint32_t page;		/* first page in its window; constant */
	uint16_t nfree;		/* guarded by the bin's lock */
	uint16_t nslots;	/* constant, as all below */
	uint16_t arena;		/* index of the owner */
	uint8_t class;
	uint8_t window;
	uint8_t npages;
	uint8_t list;		/* which of the bin's lists; guarded by the bin's lock */
};

/* All slots free, in no list. NULL when there is no memory. */
struct slab *slab_create(struct pageheap *heap, unsigned int arena, unsigned int class,
			 unsigned int npages);

/* Pages and record go back. The slab is empty and in no list. */
void slab_destroy(struct slab *s);

/* The slab that owns the small block @p of window @w. */
static inline struct slab *slab_of(const struct window *w, const void *p)
{
	return (struct slab *)w->slabs.base + window_spans(w)[window_page(w, p)];
}

static inline char *slab_addr(const struct slab *s)
{
	return ash_windows[s->window].base + ((size_t)s->page << PAGE_SHIFT);
}

/*
 * Up to @n free slots become used; their addresses go to out[-1], out[-2], …,
 * lowest first, so that a stack that ends at @out gives them back in order.
 */
unsigned int slab_take(struct slab *s, void **out, unsigned int n);

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
