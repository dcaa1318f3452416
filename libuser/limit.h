/* SPDX-License-Identifier: MIT */
/*
 * How large the heap may be: a soft limit, beyond which free memory goes back
 * before more is taken, and a hard one, beyond which malloc returns NULL with ENOMEM.
 *
 *	size = pages of blocks and slabs, free pages not yet given back, the untouched rest of
 *	       huge extents, the library's own records
 *
 * that is what of the heap is, or may be, in RAM; a block counts as a whole when it is handed
 * out, touched or not. From 15/16 of the soft limit on decay keeps nothing. Before the soft limit is
 * passed, one bounded batch is purged; before the hard one refuses, all that is free. Blocks in
 * threads' caches and depots count as used: at a refusal, and under pressure, all threads are asked
 * to empty theirs at their next fill or flush.
 *
 * The size is summed up where the heap is about to grow and where it shrank, by heaps: nothing is
 * counted on the fast paths, nor anything at all while no limit is set.
 */
#ifndef ASHLAR_LIMIT_H
#define ASHLAR_LIMIT_H

#include "extent.h"

/* Attempts of one allocation: with nothing purged, with a batch, with all. */
#define LIMIT_TRIES	2u

/* Dirty pages, of all heaps, that are worth a purge before the soft limit is passed. */
#define LIMIT_WORTH	(MB >> PAGE_SHIFT)

struct limit {
	_Atomic bool on;		/* a limit is set */
	_Atomic size_t soft, hard;	/* pages; SIZE_MAX: none */
	_Atomic size_t dirty;		/* pages that a heap may keep dirty; SIZE_MAX: none */
	_Atomic size_t total;		/* pages, records not included: sum of all heaps' limit_noted */
	_Atomic size_t refused;		/* allocations that the hard limit refused, since start */
	_Atomic size_t relieved;	/* purges for a limit's sake, since start */
	_Atomic uint64_t pressed_until;	/* ms: until then decay keeps nothing */
	_Atomic uint32_t asked;		/* how often threads were asked to empty their caches */
};

extern struct limit ash_limit;

/* One allocation's way past the limits; known to the heap while its lock is held. */
struct limit_try {
	unsigned int n;		/* attempts so far */
	bool soft, hard;	/* which limit refused the last one */
};

/* The options' limits, once; pages of a cgroup's limit included. */
void limit_init(void);

/* Set at run time; bytes, 0: none. */
void limit_set_soft(size_t bytes);
void limit_set_hard(size_t bytes);

/* Bytes that each heap may keep dirty; 0: no such limit. */
void limit_set_dirty(size_t bytes);
size_t limit_dirty_max(void);

/* Is more of @h dirty than that? Without the lock: a guess. */
static inline bool limit_dirty_passed(const struct pageheap *h)
{
	return atomic_load_explicit(&h->purgeable_seen, memory_order_relaxed) >
	       atomic_load_explicit(&ash_limit.dirty, memory_order_relaxed);
}

/* Bytes of the heap as the limits see it; only while one is set. */
size_t limit_size(void);

/* All below: under @h's lock. May the heap have @pages more in RAM? Counts them if so. */
bool limit_grants_slow(struct pageheap *h, size_t pages);

static inline bool limit_grants(struct pageheap *h, size_t pages)
{
	return likely(!atomic_load_explicit(&ash_limit.on, memory_order_relaxed)) ||
	       limit_grants_slow(h, pages);
}

/* Pages of [@first, @first + @n) that using them would bring into RAM. */
static inline size_t limit_cost(const struct extent *e, unsigned int first, unsigned int n)
{
	return extent_is_huge(e) ? 0 : n - bits_count_range(&e->dirty, first, n);
}

static inline bool limit_grants_pages(struct pageheap *h, const struct extent *e,
				      unsigned int first, unsigned int n)
{
	return likely(!atomic_load_explicit(&ash_limit.on, memory_order_relaxed)) ||
	       limit_grants_slow(h, limit_cost(e, first, n));
}

/* The same for @n pages from the start of @e on, over as many extents as it takes. */
bool limit_grants_run(struct pageheap *h, const struct extent *e, size_t n);

/* The heap grew or shrank. */
void limit_note(struct pageheap *h);

/* How many dirty pages may be kept, where decay would keep @pages. No lock needed. */
size_t limit_dirty(size_t pages, uint64_t now);

/*
 * Can the cgroup, and with overcommit_memory = 2 the machine, have @bytes more without an OOM kill?
 * Asked before the device, whose last extent would leave the cgroup nothing for what else is
 * charged, and where it refused; under that policy because its memory is not in
 * the kernel's sum of what was promised. The answer of a moment ago serves again while there is
 * ample room. No lock needed.
 */
bool limit_system_grants(size_t bytes);

/*
 * pressure.c: an allocation failed; gives free memory back. True: try again. Without any heap's lock.
 */
bool limit_relieve(struct limit_try *try);

#endif /* ASHLAR_LIMIT_H */
