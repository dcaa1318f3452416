/* SPDX-License-Identifier: MIT */
/*
 * A bin: the slabs that an arena has of one class, in lists by how full they are, behind
 * a lock of its own; and an arena as the record that its bins lie in.
 *
 *	out == slots of the bin's slabs that are not free in a bitmap
 *	    == live blocks + slots in thread caches and depots + slots set aside (hollow.h)
 */
#ifndef ASHLAR_BIN_H
#define ASHLAR_BIN_H

#include "slab.h"

/* Lists of slabs by the quarter of their slots that is free, fullest first; and those that have none but on idle pages. */
#define BIN_QUARTERS	4u
#define BIN_COLD	5u
#define BIN_LISTS	5
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

/* Not while fork's gate is set. */
static inline void bin_lock(struct arena *a, struct bin *b)
{
	for (;;) {
		lock_take(&b->lock);
		/* Pairs with arenas_prefork(), which stores the gate, then looks at the locks. */
		if (likely(!atomic_load_explicit(&a->gate, memory_order_seq_cst)))
			return;
		lock_drop(&b->lock);
		futex_wait(&a->gate, 1);
	}
}

static inline void bin_unlock(struct bin *b)
{
	lock_drop(&b->lock);
}

/* All down to bin_returned() under the bin's lock. Which list is @s for? */
static inline unsigned int bin_list_of(const struct slab *s)
{
	return 1 + min(s->nfree * BIN_QUARTERS / (s->nslots + 1u), BIN_QUARTERS - 1);
}

/* @s, which has free slots, goes to @list. */
static inline void bin_link_to(struct bin *b, struct slab *s, unsigned int list)
{
	struct slab **head = &b->lists[list - 1];

	s->prev = NULL;
	s->next = *head;
	if (*head)
		(*head)->prev = s;
	*head = s;
	slab_set_list(s, list);
}

static inline void bin_link(struct bin *b, struct slab *s)
{
	bin_link_to(b, s, bin_list_of(s));
}

/* And off it, to another or to none: until that is said, hollow.c, which passes over slabs in none, waits for the lock. */
static inline void bin_take_off(struct bin *b, struct slab *s)
{
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		b->lists[SLAB_LIST(slab_listed(s)) - 1] = s->next;
}

static inline void bin_unlink(struct bin *b, struct slab *s)
{
	bin_take_off(b, s);
	slab_set_list(s, 0);
}

/* Was taken off: to where it belongs now. */
static inline void bin_relink(struct bin *b, struct slab *s)
{
	if (s->nfree)
		bin_link(b, s);
	else
		slab_set_list(s, 0);
}

/* One of the fullest slabs that have a free slot, a cold one if no other has; NULL: none has. */
static inline struct slab *bin_fullest(const struct bin *b)
{
	for (unsigned int i = 0; i < BIN_LISTS; i++) {
		if (b->lists[i])
			return b->lists[i];
	}
	return NULL;
}

/* @s got slots back; it was @full before. Empty slabs are chained for bin_destroy(). */
static inline void bin_returned(struct bin *b, struct slab *s, bool full, struct slab **empty)
{
	struct extent *e = record_extent(s);

	if (s->nfree == s->nslots) {
		if (!full)
			bin_unlink(b, s);
		b->nslabs--;
		b->pages -= s->npages;
		s->next = *empty;
		*empty = s;
	} else if (full) {
		bin_link(b, s);
		/* hollow.c may have passed it over while it was in no list: after that. */
		extent_set_slabs_freed(e);
	} else {
		extent_slabs_freed(e);
		if (SLAB_LIST(slab_listed(s)) != bin_list_of(s)) {
			bin_take_off(b, s);
			bin_link(b, s);
		}
	}
}

/*
 * The slab with free and with used slots that page @at of @w is of, *@b its bin, whose lock is held
 * then; NULL, and no lock: another slab's, or none's.
 */
struct slab *bin_slab_at(struct window *w, size_t at, struct bin **b);

/* The bin of @s, which has used slots that are the caller's. */
static inline struct bin *bin_of(const struct slab *s)
{
	return &ash_arenas[s->arena]->bins[s->class];
}

/*
 * Under the bin's lock: the slots on these pages of @s, all free, are set aside, as if they were used; or are
 * free again, and *@empty chained to if all of the slab's are.
 */
void bin_set_aside(struct bin *b, struct slab *s, unsigned int pages);
void bin_bring_back(struct bin *b, struct slab *s, unsigned int pages, struct slab **empty);

/* Without the lock: slabs that bin_returned() found empty are free memory. */
void bin_destroy(struct slab *empty);

#endif /* ASHLAR_BIN_H */
