/* SPDX-License-Identifier: MIT */
/*
 * Where slabs' records come from and go to. They lie in groups of three pages, which a heap
 * that shrank gives back: a record is taken from the lowest group with room.
 *
 *	the first record's place in a group holds the group's own: which of the others are used
 *	group in room	<=> it is not the last one, and not all of its records are used
 *	group's pages are given back <=> none is used, it is neither the last one nor the spare
 *	what was given back reads as zero: no record is used
 */
#ifndef ASHLAR_RECORD_H
#define ASHLAR_RECORD_H

#include "window.h"

#define RECORD_NONE		0u	/* no slab's index: the first group's own place */

/* The index of a record of @w, with its last contents; RECORD_NONE when there is no memory. */
uint32_t record_take(struct window *w);
void record_put(struct window *w, uint32_t index);

/* Is @index, read while others change it, that of a record that may be looked at? */
bool record_readable(const struct window *w, uint32_t index);

#endif /* ASHLAR_RECORD_H */
