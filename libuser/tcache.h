/* SPDX-License-Identifier: MIT */
/*
 * A thread's caches of free blocks: one stack a small class, whose slots lie
 * outside the blocks, and short stacks of large blocks with a common bound in
 * bytes.
 *
 * A small stack:	base <= top <= end, top - base blocks cached, base[-1] readable
 * A large one:		begins end - cap; its top == end, so that the fast path of free finds it
 *			full, and its large_top is full_free()'s; the word before it is LARGE_EMPTY
 *	large_max == large_room + sum over large stacks of blocks * size
 *
 * All fields belong to the thread, except those marked; statistics read them
 * without a lock and may be off by what is under way.
 */
#ifndef ASHLAR_TCACHE_H
#define ASHLAR_TCACHE_H

#include "arena.h"
#include "sample.h"

/* What the fast paths of a stack do not need. */
struct cbin {
	uint16_t cap;		/* slots of the stack's record; base[-1] is one more */
	uint16_t use;		/* fills and flushes since the last GC */
	uint16_t cap_max;	/* constant after set-up; of large ones what large_bytes allows */
};

/* A large request may be served by the stack of one of so many classes above its own. */
#define LARGE_ABOVE	2

/*
 * Keeps the compiler from working out &top[class] in a register of its own and
 * from writing back what it has read: an index is scaled for nothing, and one
 * instruction counts the top up or down where it lies.
 */
#define OPAQUE(class)	__asm__("" : "+r"(class))

/* Below the last block of a large stack: no block, so that one test finds it and pointers into blocks. */
#define LARGE_EMPTY	((void *)1)

/* Sizes whose class the thread's own table tells; with it the cache is just below 4 KB. */
#define TCACHE_NEAR	((size_t)1024)

/* [CLASS_NONE], always full and empty, and those above CLASS_LARGE_LAST, which stay empty. */
#define TCACHE_BINS	(CLASS_LARGE_LAST + 1 + LARGE_ABOVE)
#define TCACHE_LARGE	(TCACHE_BINS - CLASS_LARGE_FIRST)


/* A free of a sampled block finds a full stack too. */
_Static_assert(CLASS_SAMPLED < TCACHE_BINS && CLASS_SAMPLED > CLASS_LARGE_LAST, "not cached");

/* Blocks of other nodes wait here to go home together. */
#define REMOTE_MAX	64u

/*
 * Cost promised: malloc and free of a small block that the stack serves are
 * about 16 instructions each, without lock or atomic.
 */
struct tcache {
	uintptr_t base;		/* home window's first byte */
	size_t limit;		/* bytes from base that have had memory when last looked */
	const uint8_t *classes;	/* home window's class map */
	int64_t countdown;	/* bytes to allocate until tcache_event(); below 0 on the way there */
	/*
	 * By class, each an array of its own: an index is scaled by 8 for nothing,
	 * a record of 32 bytes would cost the fast paths two instructions.
	 */
	void **top[TCACHE_BINS];
	void **end[TCACHE_BINS];
	void **base_of[CLASS_SMALL_LAST + 1];
	/* Of large classes, from CLASS_LARGE_FIRST on. */
	void **large_top[TCACHE_LARGE];
	int32_t large_cost[TCACHE_LARGE];	/* bytes of a block; far below 0: no large class */
	struct cbin bins[TCACHE_BINS];
	/*
	 * Size to class. A table for all threads would be a third of this, and
	 * costs three instructions more: its address, and the division by 8.
	 */
	uint8_t near[TCACHE_NEAR + 1];
	struct window *home;
	struct arena *arena;
	uint64_t owner;		/* pthread_self() of the thread; guarded by threads' lock */
	struct tcache *next, *prev;	/* list of all; guarded by threads' lock */
	bool orphan;		/* its thread did not survive a fork; likewise */
	bool enabled;		/* false: never holds anything, see thread.h */
	uint32_t events;	/* fills, flushes and refusals since the last GC */
	uint32_t gc_events;	/* constant: option gc_events */
	uint32_t nremote;
	uint32_t asked;		/* ash_limit.asked when the cache was last emptied for it */
	uint32_t cpu;		/* *cpu_word when the thread's node was last looked at */
	const volatile uint32_t *cpu_word;	/* see tcache_watch() */
	uint32_t again;		/* looks at decay that may come before the next tick, for it is behind */
	uint32_t follow_wait;	/* events until the thread may be bound to another node again */
	size_t remote_bytes;	/* in remote[] */
	int64_t large_max;	/* a share of the heap, at most option large_bytes; 0 in the static caches */
	int64_t large_room;	/* of it, what is free; below 0 until GC if the heap has shrunk */
	void **large_slots;	/* of all large stacks; NULL: there are none yet */
	uint64_t bytes;		/* asked for, up to the last event */
	int64_t net;		/* bytes taken from arenas and page heaps less those given back */
	int64_t net_due;	/* below it so much went back that decay has to look: see tcache_freed() */
	uint64_t allocated, deallocated;	/* as of the last tcache_count() */
	uint64_t next_tick;	/* ms: when to look at decay again */
	int64_t pace;		/* bytes to the next event, no sample being due before: see tcache.c */
	struct sampling sampling;	/* when the countdown ends, and why */
	uint64_t next_gc;	/* ms: when to collect, at the latest */
	void *remote[REMOTE_MAX];
};

/* Bind to @a: an empty cache becomes that of a thread of its node. */
void tcache_bind(struct tcache *t, struct arena *a);

/*
 * The thread runs on another CPU than before: if that is another node's, it allocates there
 * from now on. Called wherever memory enters the cache, so that what is new is local.
 *
 *	*cpu_word == cpu	same CPU as when last looked; always so with one node
 */
void tcache_follow(struct tcache *t);

static inline void tcache_watch(struct tcache *t)
{
	if (unlikely(*t->cpu_word != t->cpu))
		tcache_follow(t);
}

/* Refill the stack of @class and take one block; NULL: no memory. */
void *tcache_fill(struct tcache *t, unsigned int class);

/* Make room in the stack of @class and push @p; the first of a class goes home if it is another arena's. */
void tcache_flush_push(struct tcache *t, unsigned int class, void *p);

/* @p goes home at once, past the stack of @class, which has room. Ends the process if it is there already. */
void tcache_send_home(struct tcache *t, unsigned int class, void *p);

/* Keep a block of @class of another window until a batch of them goes home. */
void tcache_push_remote(struct tcache *t, unsigned int class, void *p);

/* Blocks in the stack of @class. */
static inline unsigned int tcache_cached(const struct tcache *t, unsigned int class)
{
	if (class <= CLASS_SMALL_LAST)
		return (unsigned int)(t->top[class] - t->base_of[class]);
	return (unsigned int)(t->large_top[class - CLASS_LARGE_FIRST] - t->end[class]) + t->bins[class].cap;
}

/* Have the bytes of all large stacks room for one of @class >= CLASS_LARGE_FIRST? Always, if it is not large. */
static inline bool large_has_room(const struct tcache *t, size_t class)
{
	return likely(t->large_room - t->large_cost[class - CLASS_LARGE_FIRST] >= 0);
}

/* Push @p of such a class; false: its stack is full, there is none, or @p was freed twice. */
static inline bool large_push(struct tcache *t, size_t class, void *p)
{
	void **top = t->large_top[class - CLASS_LARGE_FIRST];

	if (unlikely(top == t->end[class] || top[-1] == p))
		return false;
	t->large_room -= t->large_cost[class - CLASS_LARGE_FIRST];
	OPAQUE(class);
	t->large_top[class - CLASS_LARGE_FIRST]++;
	*top = p;
	return true;
}

/*
 * Push @p of large @class, which large_push() did not take, for there may be no stacks yet. False:
 * it has to go elsewhere. Ends the process if @p is on top.
 */
bool tcache_push_large(struct tcache *t, size_t class, void *p);

/* The @n oldest blocks of the stack of large @class are freed. */
void tcache_free_oldest(struct tcache *t, size_t class, unsigned int n);

/* The large stacks, all empty, are no more. */
void tcache_drop_large(struct tcache *t);

/* How many blocks of large @class the options let a thread have. */
unsigned int tcache_large_cap(size_t class);

/* What large stacks may hold together is a share of the heap, which has grown or shrunk. */
void tcache_rebound(struct tcache *t);

/* Of a cache that is bound to another arena, or new. */
void tcache_bind_large(struct tcache *t);

/* A large block of @bytes leaves the cache, which has no room for it. True: GC or decay is due. */
static inline bool tcache_refused(struct tcache *t, int64_t bytes)
{
	t->net -= bytes;
	return ++t->events >= t->gc_events || t->net < t->net_due;
}

/* The net fell by TCACHE_EVENT_BYTES: decay's tick, for threads that free more than they allocate. */
void tcache_freed(struct tcache *t);

static inline void tcache_watch_net(struct tcache *t)
{
	if (unlikely(t->net < t->net_due))
		tcache_freed(t);
}

/* Ages the stacks; the thread may be another node's after it. */
void tcache_gc(struct tcache *t);

/*
 * Bring the two totals up to date; by the thread itself, at decay's ticks and when it asks.
 *
 *	allocated		bytes asked for
 *	allocated - deallocated	usable bytes of the blocks that it took and did not free
 *
 * deallocated never falls, and is therefore late where a few blocks have much
 * room to spare.
 */
void tcache_count(struct tcache *t);

/*
 * Count a request on the slow path. Below zero: the fast path did, and left the rest to
 * us. True: it is tcache_event()'s turn.
 */
static inline bool tcache_countdown(struct tcache *t, size_t size)
{
	if (unlikely(!t->enabled))
		return false;
	if (t->countdown >= 0)
		t->countdown -= (int64_t)size;
	return unlikely(t->countdown < 0);
}

/* The countdown ran out: decay's tick. A bit for each kind of sample (sample.h) that is due. */
unsigned int tcache_event(struct tcache *t);

/* Give everything back; the cache stays usable. */
void tcache_flush_all(struct tcache *t);

/* Give everything back, the stacks too. */
void tcache_destroy(struct tcache *t);

/* Bytes of small blocks cached, and of large ones; for statistics, racy. */
size_t tcache_bytes(const struct tcache *t);
size_t tcache_large_bytes(const struct tcache *t);

#endif /* ASHLAR_TCACHE_H */
