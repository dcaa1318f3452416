/* SPDX-License-Identifier: MIT */
/*
 * A four-byte mutex on a futex. It never allocates, works before libc's own
 * start-up, and can be put back into its initial state in a forked child.
 *
 * Taking is sequentially consistent: fork's gate (arena.c) relies on it.
 *
 * The lock order is the rank: a thread takes locks in rising rank only.
 * Locks of equal rank are never held together (fork, which holds them all,
 * takes them in address order while nobody else can hold two).
 * A debug build checks this, except between lock_check_fork(true) and (false).
 */
#ifndef ASHLAR_LOCK_H
#define ASHLAR_LOCK_H

#include <stdatomic.h>

#include "util.h"

enum lock_rank {
	RANK_NONE,
	RANK_INIT,	/* first use of the library */
	RANK_THREADS,	/* list of thread caches */
	RANK_HOLLOW,	/* slots of one node's slabs are set aside */
	RANK_ARENAS,	/* creation of arenas */
	RANK_BIN,	/* one size class of one arena */
	RANK_PURGE,	/* one node's purge, over its system calls */
	RANK_PAGEHEAP,	/* spans and extents of one node */
	RANK_PROF_DUMP,	/* one heap profile is written at a time */
	RANK_GUARD,	/* slots of guarded blocks */
	RANK_PROF,	/* records and counts of sampled blocks */
	RANK_META,	/* our own records */
	RANK_EXTENTS,	/* the bitmaps of ashlar_extents_* */
	RANK_SOURCE,	/* the device's descriptor */
};

struct lock {
	_Atomic uint32_t state;	/* 0 free, 1 held, 2 held and waited for */
#if ASHLAR_DEBUG
	uint32_t rank;
#endif
};

#if ASHLAR_DEBUG
#define LOCK_INIT(r)	{ .state = 0, .rank = (r) }
#else
#define LOCK_INIT(r)	{ .state = 0 }
#endif

void lock_init(struct lock *l, enum lock_rank rank);
void lock_slow(struct lock *l);
void lock_wake(struct lock *l);
void lock_check_take(struct lock *l);
void lock_check_drop(struct lock *l);
void lock_check_fork(bool begins);

static inline void lock_take(struct lock *l)
{
	uint32_t expected = 0;

	if (ASHLAR_DEBUG)
		lock_check_take(l);
	if (unlikely(!atomic_compare_exchange_strong_explicit(&l->state,
			&expected, 1, memory_order_seq_cst, memory_order_relaxed)))
		lock_slow(l);
}

static inline bool lock_try(struct lock *l)
{
	uint32_t expected = 0;
	bool ok = atomic_compare_exchange_strong_explicit(&l->state, &expected, 1,
				memory_order_acquire, memory_order_relaxed);

	if (ASHLAR_DEBUG && ok)
		lock_check_take(l);
	return ok;
}

/* Drop it; true: the caller has to lock_wake() it. For those who would rather jump than call. */
static inline bool lock_let_go(struct lock *l)
{
	if (ASHLAR_DEBUG)
		lock_check_drop(l);
	return unlikely(atomic_exchange_explicit(&l->state, 0, memory_order_release) == 2);
}

static inline void lock_drop(struct lock *l)
{
	if (lock_let_go(l))
		lock_wake(l);
}

static inline bool lock_held(struct lock *l)
{
	return atomic_load_explicit(&l->state, memory_order_seq_cst) != 0;
}

/* Wait on a word until it is no longer @value; wake all who do. */
void futex_wait(_Atomic uint32_t *word, uint32_t value);
void futex_wait_ms(_Atomic uint32_t *word, uint32_t value, int64_t ms);
void futex_wake_all(_Atomic uint32_t *word);

#endif /* ASHLAR_LOCK_H */
