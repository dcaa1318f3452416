/* SPDX-License-Identifier: MIT */
/*
 * All arenas: how many there are, who makes one, which one a thread gets, and what
 * becomes of them over fork.
 */
#ifndef ASHLAR_ARENAS_H
#define ASHLAR_ARENAS_H

#include "arena.h"

/* The arena a new thread on @node should use; created if that spreads the load. */
struct arena *arena_choose(unsigned int node);

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
