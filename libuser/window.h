/* SPDX-License-Identifier: MIT */
/*
 * A window is a contiguous reservation that belongs to one node, with the maps
 * that say what each of its pages is. Nothing here takes a lock.
 *
 *	page  = (address - base) / PAGE_SIZE
 *	classmap[page]	class of the block that a free of this page means: of a
 *			slab in each of its pages, of a large or huge block in
 *			its first; CLASS_NONE elsewhere
 *	spanmap[page]	slab: index of its record, in each of its pages;
 *			huge: pages of the block, in its first
 *
 * Maps are written by whoever owns the page (its allocation has not been
 * returned, or its free is under way) and read without a lock by anyone who
 * holds a live block of it.
 */
#ifndef ASHLAR_WINDOW_H
#define ASHLAR_WINDOW_H

#include <stdatomic.h>

#include "bitmap.h"
#include "meta.h"
#include "source.h"

#define WINDOWS_MAX	256

enum extent_state {
	EXTENT_FRESH,		/* address space only; never had memory */
	EXTENT_LIVE,		/* has memory */
	EXTENT_RETAINED,	/* purged whole: address kept, memory gone */
};

enum extent_list {
	LIST_NONE,
	LIST_DIRTY,		/* gives its dirty pages back when decay says so */
	LIST_HELD,		/* only where they have to go: it would lose its huge page for too few */
};

/* What hollow.c knows of an extent's slabs. */
enum extent_slabs {
	SLABS_QUIET,		/* no slot was freed since it last had nothing to give, or there are none */
	SLABS_FEW,		/* it has idle pages, but not enough for its huge page, */
	SLABS_KEPT,		/* or not unless by force */
	SLABS_IDLE,		/* it has idle pages, which go at its next turn */
	SLABS_FREED,		/* slots were freed since its last turn */
};

/*
 * 2 MB of a window. Guarded by the page heap's lock.
 *
 *	used & dirty == 0, muzzy & ~dirty == 0, hollow & ~used == 0
 *	nused == popcount(used), and so with the others
 *	nhollow > 0 => not intact
 *	longest == longest run of zeroes in used
 *	nused == 0 <=> bit set in the window's free map (or being purged)
 *	0 < nused < 512 <=> linked in the heap's bucket[longest]
 */
struct extent {
	struct bits used;	/* page belongs to a span */
	struct bits dirty;	/* page is free and may hold anything but zeroes */
	struct bits muzzy;	/* of those: purged lazily since it was used */
	struct bits hollow;	/* page of a slab none of whose slots is used, and whose memory was given back */
	char *addr;			/* constant */
	struct extent *next, *prev;	/* bucket */
	struct extent *dnext, *dprev;	/* list of extents with dirty pages, oldest first: see list */
	struct extent *mnext;		/* list of extents to mend */
	const struct source *source;	/* NULL while FRESH */
	uint16_t nused, ndirty, nmuzzy, longest;
	_Atomic uint16_t nhollow;	/* read without the lock: see pageheap_touched() */
	uint16_t stuck, held;	/* its parts of the heap's stats.stuck and held_pages */
	uint16_t nkept;		/* the same of kept_slab_pages */
	uint8_t state;		/* enum extent_state */
	_Atomic uint8_t slabs;	/* enum extent_slabs; by no lock: see extent_slabs_freed() */
	uint8_t refused, waits;	/* times in a row that its source gave no slabs' page, turns until the next try; hollow_lock */
	uint8_t window;		/* index of its window */
	uint8_t list;		/* enum extent_list: where it is linked in dnext/dprev */
	bool on_mend;		/* linked in mnext */
	bool huge;		/* on huge pages, or meant to be */
	bool moved;		/* in use, but its memory is another extent's now: it has none */
	bool intact;		/* huge, and no page of it was given back since */
	bool apart;		/* not intact, and its source was told: not a mapping that may be huge */
	bool small;		/* not huge, because the process was small then: see supply.c */
	bool outgrown;		/* was small, is meant to be huge, and has not been */
	bool mending;		/* its source is being told, and it has not moved or gone since */
	bool in_free, in_idle;	/* its bits in the window's maps */
};

#define SLAB_PAGES_MAX		8u

/* A slab's record: its fields are record.h's, its room is set aside here. */
struct slab;
#define SLAB_RECORD_BYTES	96
#define RECORD_GROUP		128u	/* 128 * SLAB_RECORD_BYTES == 3 * PAGE_SIZE, see record.h */
#define RECORD_SPARES		8u	/* empty groups that stay */

struct window {
	char *base;		/* constant */
	size_t size;		/* constant, bytes */
	unsigned int node;	/* constant: kernel's node id */
	unsigned int heap;	/* constant: index of the page heap */
	_Atomic size_t grown;	/* bytes from base that ever had memory; only grows */
	size_t mapped;		/* bytes from base that the maps have room for; guarded like them */
	struct growing classes, spans, extents;	/* guarded by the page heap's lock */
	struct growing free, idle;	/* bit per extent: wholly free; free and dirty */
	struct growing slabs;		/* guarded by slab_lock */
	struct growing slacks;		/* with option redzone: redzone.h; guarded like classes */
	struct lock slab_lock;
	/* The records' groups, see record.h. Guarded by slab_lock, ngroups also read without it. */
	struct growing room;		/* bit per group: not the last one, and has room */
	_Atomic uint32_t ngroups;	/* groups ever used */
	uint32_t nroom;			/* bits set in room */
	uint32_t room_low;		/* no word of room below this one has a bit set */
	uint32_t spare[RECORD_SPARES];	/* each 1 + an empty group that was not given back; 0: none */
};

extern struct window ash_windows[WINDOWS_MAX];
extern _Atomic unsigned int ash_nwindows;

/*
 * A new window for @node of about @size bytes, halved until the kernel grants
 * it, but at least @least. NULL if it does not. Caller serialises.
 */
struct window *window_open(unsigned int node, unsigned int heap, size_t size, size_t least);

/* Extend the maps for the first @bytes of the window. Under the page heap's lock. */
bool window_map(struct window *w, size_t bytes);

/* The same, for some more at once where that is granted: extents come one by one. */
#define WINDOW_AHEAD	(8 * EXTENT_SIZE)

static inline bool window_grow(struct window *w, size_t bytes)
{
	return likely(bytes <= w->mapped) || window_map(w, bytes + WINDOW_AHEAD) || window_map(w, bytes);
}

/* The window that @p is in, memory or not; NULL if foreign. */
static inline struct window *window_of(const void *p)
{
	unsigned int n = atomic_load_explicit(&ash_nwindows, memory_order_acquire);

	for (unsigned int i = 0; i < n; i++) {
		struct window *w = &ash_windows[i];

		if ((uintptr_t)p - (uintptr_t)w->base < w->size)
			return w;
	}
	return NULL;
}

static inline size_t window_page(const struct window *w, const void *p)
{
	return ((uintptr_t)p - (uintptr_t)w->base) >> PAGE_SHIFT;
}

static inline uint8_t *window_classes(const struct window *w)
{
	return (uint8_t *)w->classes.base;
}

static inline uint32_t *window_spans(const struct window *w)
{
	return (uint32_t *)w->spans.base;
}

/* Of a page that is ours; hollow.c reads others' at any time, and believes only what the record says. */
static inline void window_set_span(const struct window *w, size_t page, uint32_t value)
{
	__atomic_store_n(window_spans(w) + page, value, __ATOMIC_RELAXED);
}

static inline struct extent *window_extent(const struct window *w, size_t i)
{
	return (struct extent *)w->extents.base + i;
}

static inline struct window *extent_window(const struct extent *e)
{
	return &ash_windows[e->window];
}

static inline char *extent_addr(const struct extent *e)
{
	return e->addr;
}

/* @n pages of it from @first on. */
static inline struct source_range extent_range(const struct extent *e, unsigned int first, unsigned int n)
{
	return (struct source_range){
		.addr = extent_addr(e) + ((size_t)first << PAGE_SHIFT),
		.len = (size_t)n << PAGE_SHIFT,
	};
}

static inline size_t extent_index(const struct extent *e)
{
	return (size_t)(e->addr - extent_window(e)->base) >> EXTENT_SHIFT;
}

#endif /* ASHLAR_WINDOW_H */
