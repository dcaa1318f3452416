/* SPDX-License-Identifier: MIT */
/*
 * The holes of one extent on their way back: its free pages, and pages that slabs have in use and that
 * hold nothing. By one call where the source punches, range by range elsewhere. Which extent, and when, is
 * purge.c's matter.
 *
 * All under the heap's lock and its purge_lock.
 */
#ifndef ASHLAR_HOLES_H
#define ASHLAR_HOLES_H

#include "pageheap.h"

/* Ranges that are given back in one call to the source. */
#define PURGE_BATCH	64u

/*
 * An extent that is apart is a mapping of its own, and a process may have 65,530 of them. So many
 * at the most, by all heaps; for the others khugepaged's pace has to do.
 */
#define APART_MAX	(((size_t)1 << 13) / ash_npageheaps)

struct holes {
	struct extent *e;	/* NULL: none were gathered */
	struct bits pages;	/* what goes; nobody else's meanwhile */
	struct bits dirty;	/* of it what was free and counted as dirty */
	struct bits hollow;	/* of it what is in use; before holes_gather(): what the caller knows to hold nothing */
	bool alone;		/* before holes_gather(): what is dirty stays */
};

/*
 * What is free and dirty of @e goes; of one that loses its huge page all that is free, what was never
 * touched too: it is resident, or would be copied. Of ranges @most, unless the source punches; true: there were more.
 */
bool holes_gather(struct pageheap *h, struct holes *b, struct extent *e, unsigned int most);

/* In how many calls. */
unsigned int holes_batches(const struct holes *b);

/*
 * The system calls, the heap's lock being dropped for them, and then the pages are free without memory, or,
 * if the source refused (false), as they were.
 */
bool holes_give_back(struct pageheap *h, struct holes *b);

#endif /* ASHLAR_HOLES_H */
