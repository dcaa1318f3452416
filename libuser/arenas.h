/* SPDX-License-Identifier: MIT */
/*
 * All arenas: how many there are, who makes one, which one a thread gets, and what
 * becomes of them over fork.
 */
#ifndef ASHLAR_ARENAS_H
#define ASHLAR_ARENAS_H

#include "arena.h"

/*
 * The arena a new thread on @node should use; created if that spreads the load. Of those with as
 * few threads, one that was last used on this CPU, in whose caches its blocks are.
 */
struct arena *arena_choose(unsigned int node);

/* A thread, maybe another one than this, uses @a no more. */
void arena_leave(struct arena *a);

/*
 * Another arena on @node, beyond what arena_choose() makes: a destroyed one of that
 * node, or a new one. NULL: too many.
 */
struct arena *arena_create(unsigned int node);

/* Arena @index; made, with those before it, if it is one of arena_limit(). NULL: none. */
struct arena *arena_get(unsigned int index);

/* How many arenas arena_choose() makes at the most. */
unsigned int arena_limit(void);

/* A destroyed arena may be taken again. */
void arena_retire(struct arena *a);

/* Around fork. */
void arenas_prefork(void);
void arenas_postfork(bool child);

#endif /* ASHLAR_ARENAS_H */
