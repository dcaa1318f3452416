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
 *
 *	out == slots of the bin's slabs that are not free in a bitmap
 *	    == live blocks + slots in thread caches and depots
 */
#ifndef ASHLAR_ARENA_H
#define ASHLAR_ARENA_H

#include "slab.h"

/* Lists of slabs by the quarter of their slots that is free: fullest first. */
#define BIN_LISTS	4
#define ARENAS_MAX	4095

struct bin {
	struct lock lock;
	/* All guarded by lock. */
	uint32_t ndepot, depot_cap;
	uint32_t depot_low;		/* least of ndepot since the last aging */
	uint32_t depot_high;		/* most of ndepot since it had no array */
	bool depot_closed;		/* until someone fills here; again when an aging finds nobody does */
	void **depot;
	struct slab *lists[BIN_LISTS];
	size_t nslabs, pages, out;
	size_t fills, flushes;		/* since start */
	size_t fills_aged;		/* fills at the last aging */
	size_t taken;			/* slots handed out since start */
	_Atomic size_t slabs_made;	/* since start; borrow() reads it without the lock */
};

/* A bin at one moment. */
struct bin_stats {
	size_t nslabs, pages, out, depot, nonfull;	/* now */
	size_t taken, slabs_made, fills, flushes;	/* since start */
};

struct arena {
	/*
	 * fork's gate. While it is set nobody keeps a bin's lock: whoever takes
	 * one looks here next, and lets go until the gate opens.
	 */
	_Atomic uint32_t gate;
	_Atomic uint32_t nthreads;
	_Atomic uint32_t cpu;		/* where a thread last came to it, or left it; relaxed, a hint */
	_Atomic size_t depot_bytes;	/* in all depots; relaxed, a bound not a count */
	unsigned int index;		/* constant */
	bool reserved;			/* constant: for those who ask for it by index alone */
	_Atomic bool destroyed;		/* no arena to ask for until arena_create() takes it */
	bool retired;			/* destroyed and empty; guarded by arenas_lock */
	struct pageheap *heap;		/* constant */
	struct bin bins[CLASS_SMALL_LAST + 1];
};

extern _Atomic(struct arena *) ash_arenas[ARENAS_MAX];
extern _Atomic unsigned int ash_narenas;	/* created so far; [0, n) are not NULL */

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
