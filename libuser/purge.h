/* SPDX-License-Identifier: MIT */
/*
 * Giving free pages back: which ones, and how many at a time. Whole extents
 * first (the highest addresses, which are reused last), single pages last, and
 * those only where the source can.
 */
#ifndef ASHLAR_PURGE_H
#define ASHLAR_PURGE_H

#include "pageheap.h"

/*
 * Ranges given back by one batch, and batches that a caller of malloc may have to
 * pay for at a time: some 0.3 ms. Fewer could not keep up with decay after a burst
 * whose leftovers lie in every other page.
 */
#define PURGE_BATCH	64u
#define PURGE_BATCHES	4u

enum purge_scope {
	PURGE_DECAY_BATCH,	/* what decay asks for, PURGE_BATCHES at the most */
	PURGE_DECAY,		/* what decay asks for */
	PURGE_ALL,		/* everything that is free */
};

/* Pages given back. Does nothing if another thread is at it, except for PURGE_ALL. */
size_t purge_heap(struct pageheap *h, uint64_t now, enum purge_scope scope);

/*
 * PURGE_DECAY_BATCH of another node's heap, a different one each time: its threads may all
 * have ended, or sleep, and nobody else would look.
 */
void purge_another(const struct pageheap *own, uint64_t now);

/* All heaps. */
size_t purge_heaps(uint64_t now, enum purge_scope scope);

#endif /* ASHLAR_PURGE_H */
