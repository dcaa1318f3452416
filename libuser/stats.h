/* SPDX-License-Identifier: MIT */
/*
 * Where the memory is: sums over heaps, arenas and thread caches, and the
 * reports made of them.
 *
 * Nothing is counted for this on the fast paths. A sum is taken while threads
 * go on: it may be off by what moves meanwhile, and by nothing once they rest.
 *
 *	active    = pages of slabs and of large blocks
 *	allocated = active - free slots - what thread caches and depots hold
 *	resident  = active + dirty + muzzy + untouched rest of huge pages + metadata
 *	mapped    = extents with memory
 *	retained  = extents without: address kept
 *
 * This resident is an upper bound, as with jemalloc: what a large block has but never
 * touched counts. stats_resident() asks the kernel and is close.
 */
#ifndef ASHLAR_STATS_H
#define ASHLAR_STATS_H

#include "arena.h"

/* In place of an arena's index: all of them. */
#define STATS_ALL	UINT32_MAX

/* Bytes unless said otherwise. */
struct stats {
	size_t allocated, small, large;	/* live blocks; of them small, large or huge */
	size_t cached;			/* free blocks in thread caches and depots */
	size_t active, dirty, muzzy, metadata, resident, mapped, retained;
	size_t hollow;			/* of the active ones, those without memory */
	size_t lazy;			/* of the device's, in the kernel's words */
	size_t extents, huge, device;	/* extents with memory; of them huge, the device's */
	size_t fallbacks;		/* extents the device did not have, since start */
	size_t purges, purged;		/* runs, and bytes given back, since start */
	size_t lazily_purged;		/* bytes made muzzy since start */
	size_t punched, mended;		/* extents that gave single pages back; of them, whole again */
	size_t moved;			/* extents whose memory realloc moved without a copy */
	size_t purge_calls;		/* system calls for them */
	size_t fills, flushes;		/* of thread caches, since start */
	size_t threads, arenas;
};

void stats_collect(struct stats *s);

/*
 * Bytes in RAM, records included. Device extents are known; of anonymous ones up to
 * RESIDENT_SAMPLES are looked at by a system call each, all of them while the heap has no
 * more, else evenly spread ones that stand for the others.
 */
#define RESIDENT_SAMPLES	256
size_t stats_resident(void);

/*
 * One arena, or all. Large blocks, dirty and retained pages belong to a node;
 * they are shown with the node's first arena, so that sums are right.
 */
struct stats_arena {
	size_t threads;
	size_t pactive, pdirty, pmuzzy;		/* pages */
	size_t mapped, retained, resident, metadata;	/* bytes */
	size_t purges, purged, lazily;		/* runs, pages, pages made muzzy */
	size_t small, small_made, small_gone;	/* live bytes; blocks since start */
	size_t large, large_made, large_gone;
	size_t fills, flushes;
	size_t cached;				/* bytes in thread caches and depots */
};

void stats_arena(unsigned int index, struct stats_arena *out);

/* One class of one arena, or of all. */
void stats_bin(unsigned int index, unsigned int class, struct bin_stats *out);

/*
 * Slots of a bin that are neither in it nor in its depot: live, or in a thread's
 * cache. One arena alone may show 0 where its slots lie in another's depot.
 */
size_t stats_bin_outside(const struct bin_stats *b);

/* Large blocks of a class, or huge ones, since start. */
struct stats_large {
	size_t made, gone;
};

void stats_large(unsigned int index, unsigned int class, struct stats_large *out);

/* Where extents with memory come from: "device", "anon", or "mixed". */
const char *stats_backend(void);

/* One extent that has, or had, memory. Counts are of pages. */
struct stats_extent {
	char *addr;
	unsigned int node;
	enum extent_state state;
	const struct source *source;	/* NULL: none yet */
	unsigned int used, dirty, muzzy;
	unsigned int stuck;		/* of the dirty ones, those that time alone does not give back */
	bool huge;			/* on huge pages, or meant to be */
};

/* Call @fn for each, by node and address, while threads go on. */
void stats_for_extents(void (*fn)(const struct stats_extent *e, void *arg), void *arg);

/* How full extents with memory are. */
struct stats_occupancy {
	/* [0]: nothing used; [i]: more than (i - 1) / 10 of the pages and up to i / 10. */
	size_t extents[11];
	/* Bytes free and dirty in extents of which less than a fifth is free: their huge page is worth more. */
	size_t pinned;
};

/* Of kernel node @node, or STATS_ALL. A walk over all extents. */
void stats_occupancy(unsigned int node, struct stats_occupancy *out);

#endif /* ASHLAR_STATS_H */
