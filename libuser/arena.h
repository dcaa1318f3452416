/* SPDX-License-Identifier: MIT */
/*
 * An arena owns slabs of one node, a bin per small class. Threads are spread
 * over the arenas of their node; each bin has a lock of its own.
 *
 * In front of a bin's slabs stands its depot: a stack of free slots that thread
 * caches exchange in bulk, so that what is freed as it was made, or by other threads, touches no bitmap. A slot
 * in the depot counts as used in its slab, and may belong to any arena of the
 * node. An arena with no free slot borrows some of another's slabs before it makes
 * one; they go home as all blocks do.
 */
#ifndef ASHLAR_ARENA_H
#define ASHLAR_ARENA_H

#include "bin.h"

/* A bin at one moment. */
struct bin_stats {
	size_t nslabs, pages, out, depot, nonfull;	/* now */
	size_t taken, slabs_made, fills, flushes;	/* since start */
};

/*
 * Up to @n free slots of @class to top[-n..-1], top[-1] the best to use first;
 * returns how many, the last ones of that range. 0: no memory.
 */
unsigned int arena_fill(struct arena *a, unsigned int class, void **top, unsigned int n);

/*
 * Take back @n blocks of @class, of any arena. What the depot of @a has room
 * for stays there (unless @a is NULL); the rest goes home to its slabs.
 */
void arena_flush(struct arena *a, unsigned int class, void **blocks, unsigned int n);

/* Is small block @p, of this node's window, one of @a's slabs'? */
bool arena_owns(const struct arena *a, const void *p);

/*
 * Had @n > 0 blocks of a full stack better go home than into the depot? Small ones that @a made and that
 * were freed in an order of their own: their slabs' bitmaps sort them. (By the first few and the last.
 * Others' would be as many locks as there are owners, so that they wait in the depot.)
 */
bool arena_sorts(const struct arena *a, unsigned int class, void *const *blocks, unsigned int n);

/*
 * Are the slabs of @class almost empty, and those @n blocks, which a thread of @a keeps, a good
 * part of what keeps them from being free memory?
 */
bool arena_is_sparse(struct arena *a, unsigned int class, void *const *blocks, unsigned int n);

/* Return to the slabs what lay in the depots unused since the last call; all if @all. */
void arena_age_depots(struct arena *a, bool all);

/*
 * The same, not all, for one of the arenas whose threads are gone: their blocks keep
 * others' slabs from becoming empty.
 */
void arena_age_abandoned(void);

void arena_bin_stats(struct arena *a, unsigned int class, struct bin_stats *out);

/* All slots of @s, one of @a's slabs, are free, whoever had them; so are its pages. */
void arena_discard(struct arena *a, struct slab *s);

#endif /* ASHLAR_ARENA_H */
