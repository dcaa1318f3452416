/* SPDX-License-Identifier: MIT */
/*
 * Free memory inside slabs that are in use. Where a burst leaves a block here and there, most pages of
 * its slabs have none: they are given back, and are hollow until one of their slots is used again.
 *
 *	hollow page	a slab's, none of its slots is used, its memory is with the system
 *	idle page	none of its slots was used when it was last looked at, nor since
 *
 * Extents are looked at in turn, each twice in a decay time: a page that is idle at both goes.
 * While it does its slots count as used. Policy; the mechanism is bin.h's, and purge_hollow().
 *
 * Whose turn it is, and what an extent refused, is guarded by the heap's hollow_lock; idle pages by their bin's lock;
 * which are hollow by the heap's lock; what is known of an extent's slabs (enum extent_slabs) by none.
 */
#ifndef ASHLAR_HOLLOW_H
#define ASHLAR_HOLLOW_H

#include "bin.h"
#include "purge.h"

/*
 * Pages of @h given back, slabs' and then others: purge_heap() for those who hold no lock. Of slabs'
 * pages PURGE_DECAY takes what its turn of extents has, PURGE_ALL all that are free.
 */
size_t hollow_purge(struct pageheap *h, uint64_t now, enum purge_scope scope);

/*
 * PURGE_DECAY_BATCH, for a caller of malloc: as many batches for both together as purge_heap() makes.
 * *@behind: there was more to do.
 */
size_t hollow_look(struct pageheap *h, uint64_t now, bool *behind);

/* All heaps. */
size_t hollow_purge_all(uint64_t now, enum purge_scope scope);

/*
 * PURGE_DECAY of all heaps, by a thread of the library's own. While it is at it, for ATTEND_MOST_MS at the
 * most, and for @rest ms afterwards callers of malloc leave to it what is due by time alone.
 */
#define ATTEND_MOST_MS	60000u
void hollow_attend(uint64_t rest);

/* Is that so of @h? Not where a limit or pressure asks for more, or its decay time is not the thread's. */
bool hollow_attended(const struct pageheap *h, uint64_t now);

/*
 * PURGE_DECAY_BATCH of another node's heap, a different one each time: its threads may all
 * have ended, or sleep, and nobody else would look.
 */
void hollow_another(const struct pageheap *own, uint64_t now);

/* Around fork: nothing is set aside in a child. */
void hollow_prefork(void);
void hollow_postfork(bool child);

#endif /* ASHLAR_HOLLOW_H */
