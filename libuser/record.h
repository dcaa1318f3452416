/* SPDX-License-Identifier: MIT */
/*
 * Slabs' records: what is in them (what it means is slab.h's and bin.h's), and where they come from
 * and go to. They lie in groups of three pages, which a heap that shrank gives back: a record is
 * taken from the lowest group with room.
 *
 *	the first record's place in a group holds the group's own: which of the others are used
 *	group in room	<=> it is not the last one, and not all of its records are used
 *	group's pages are given back <=> none is used, it is neither the last one nor a spare
 *	what was given back reads as zero: no record is used
 */
#ifndef ASHLAR_RECORD_H
#define ASHLAR_RECORD_H

#include "window.h"

struct slab {
	struct bits free;	/* 1 = free; guarded by the bin's lock */
	/* The bin's list, under its lock; of an empty one a list of kept.h's, under the page heap's. */
	struct slab *next, *prev;
	uint32_t page;		/* first page in its window; constant */
	/*
	 * In which of its bin's lists it is, 1 to BIN_LISTS, and then class and arena, all 0 if in none: one
	 * word, because hollow.c looks for a slab's bin without a lock. And the pages that
	 * are idle, see there. Guarded by the bin's lock.
	 *
	 *	list | class << 3 | arena << 9 | idle << 24
	 */
	_Atomic uint32_t listed;
	uint16_t nfree;		/* guarded by the bin's lock */
	/* Constant, the first, class and arena until it is empty. */
	uint16_t nslots : 12, npages : 4;
	uint16_t arena;		/* index of the owner */
	uint8_t class;
	uint8_t window;
};

_Static_assert(sizeof(struct slab) == SLAB_RECORD_BYTES, "windows set the records' room aside");

#define RECORD_NONE		0u	/* no slab's index: the first group's own place */

static inline struct slab *record_at(const struct window *w, uint32_t index)
{
	return (struct slab *)w->slabs.base + index;
}

static inline uint32_t record_index(const struct slab *s)
{
	return (uint32_t)(s - (struct slab *)ash_windows[s->window].slabs.base);
}

/* The extent that its pages are of: a slab lies in one. */
static inline struct extent *record_extent(const struct slab *s)
{
	return window_extent(&ash_windows[s->window], s->page / EXTENT_PAGES);
}

/* The index of a record of @w, with its last contents; RECORD_NONE when there is no memory. */
uint32_t record_take(struct window *w);
void record_put(struct window *w, uint32_t index);

/* Is @index, read while others change it, that of a record that may be looked at? */
bool record_readable(const struct window *w, uint32_t index);

#endif /* ASHLAR_RECORD_H */
