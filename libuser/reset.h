/* SPDX-License-Identifier: MIT */
/*
 * Discarding all blocks of an arena at once. Only an arena that was made on request
 * (arena_create()) can be: then its large blocks know it, see large_alloc_owned().
 *
 * The caller sees to it that nobody uses the arena or its blocks meanwhile, and that
 * no other thread's cache holds any. Sampled blocks (prof.h) are not discarded.
 */
#ifndef ASHLAR_RESET_H
#define ASHLAR_RESET_H

#include "arena.h"

/* The arena stays usable; its pages are dirty. */
void arena_reset(struct arena *a);

/* The same, and its index waits for the next arena_create(). False: threads are bound to it. */
bool arena_destroy(struct arena *a);

#endif /* ASHLAR_RESET_H */
