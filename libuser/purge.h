/* SPDX-License-Identifier: MIT */
/*
 * Giving free pages back: which ones, and how many at a time. Whole extents
 * first (the highest addresses, which are reused last), single pages last, and
 * those only where the source can.
 */
#ifndef ASHLAR_PURGE_H
#define ASHLAR_PURGE_H

#include "holes.h"

/*
 * Batches of PURGE_BATCH ranges that a caller of malloc may have to pay for at a time: some
 * 0.3 ms. Fewer could not keep up with decay after a burst whose leftovers lie in every other page.
 */
#define PURGE_BATCHES	4u
/* Of these the most for slabs' pages: the rest is for pages that are free as such, whole extents at a time. */
#define PURGE_HALF	(PURGE_BATCHES / 2)

enum purge_scope {
	PURGE_DECAY_BATCH,	/* what decay asks for, PURGE_BATCHES at the most */
	PURGE_DECAY,		/* what decay asks for */
	PURGE_ALL,		/* everything that is free */
};

/* Pages given back, those that are free as whole pages. Does nothing if another thread is at it, except for PURGE_ALL. */
size_t purge_heap(struct pageheap *h, uint64_t now, enum purge_scope scope);

/* What a caller of malloc has paid for in one look. */
struct purge_spent {
	unsigned int batches;
	size_t copied;		/* pages that the heap had copied when the look began */
	bool more;		/* slabs' pages were due that it had no room for */
};

/* The same with what is left of it, and *@spent is more by what that took. */
size_t purge_heap_rest(struct pageheap *h, uint64_t now, enum purge_scope scope, struct purge_spent *spent);

/* Has a caller of malloc paid for as much as it may have to, of @h? Or for half of it? */
bool purge_is_spent(struct pageheap *h, const struct purge_spent *spent);
bool purge_is_half_spent(struct pageheap *h, const struct purge_spent *spent);

/* Pages of one extent that slabs have in use and that hold nothing, and what became of them. */
struct purge_hollow {
	struct bits pages;
	unsigned int most;	/* batches that the caller may pay for, 1 at least */
	bool by_force;
	unsigned int batches;	/* that it took; 0: another thread is at it, and it is not by force */
	unsigned int gone;	/* pages whose memory went; none if the source refused */
	bool more;		/* it would have been more batches: the rest is as it was */
};

/*
 * With them goes what is free of @e: if it is on a huge page all of it, else what is dirty; but not by force,
 * where dirty pages become muzzy first, those stay.
 */
void purge_hollow(struct pageheap *h, struct extent *e, struct purge_hollow *try);

/* All heaps. */
size_t purge_heaps(uint64_t now, enum purge_scope scope);

#endif /* ASHLAR_PURGE_H */
