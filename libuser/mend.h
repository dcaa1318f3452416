/* SPDX-License-Identifier: MIT */
/*
 * Extents that get a huge page, again or for the first time: those that were punched or torn and are full
 * once more, and what was made on small pages before the process was large. By the heap's look at what
 * it may give back, under its lock and its purge_lock.
 */
#ifndef ASHLAR_MEND_H
#define ASHLAR_MEND_H

#include "pageheap.h"

/* Extents that one decay mends: each is a copy of 2 MB. A caller of malloc pays for one. */
#define MEND_BATCH	16u

/* Has the process become large? */
void mend_look_slow(struct pageheap *h);

static inline void mend_look(struct pageheap *h)
{
	if (unlikely(h->nsmall))
		mend_look_slow(h);
}

/* @most of the extents to mend, the lock being dropped for the system calls. */
void mend_extents(struct pageheap *h, unsigned int most);

#endif /* ASHLAR_MEND_H */
