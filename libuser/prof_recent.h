/* SPDX-License-Identifier: MIT */
/*
 * The last sampled allocations, one by one: a ring of at most prof_recent_alloc_max
 * records, live blocks and freed ones; and how long blocks live, as a histogram of powers of two.
 * Guarded by prof_lock.
 */
#ifndef ASHLAR_PROF_RECENT_H
#define ASHLAR_PROF_RECENT_H

#include "prof_block.h"

/* Buckets of the histogram: [0] below 1 us, [i] from 2^(i-1) us to below 2^i us. */
#define PROF_LIFETIMES	44u

struct prof_lifetime {
	double blocks, bytes;	/* freed ones, as estimated from the samples */
};

/* The number of records that the ring holds; more than it has room for is less. */
#define PROF_RECENT_MOST	4096u
uint32_t prof_recent_max(void);
void prof_recent_set_max(uint32_t n);

/* Record @i is the newest: the ring uses it. */
void prof_recent_add(uint32_t i);

/* Is the free's stack worth looking for? */
bool prof_recent_holds(const struct prof_block *b);

void prof_lifetime_add(const struct prof_block *b);
void prof_lifetime_get(unsigned int bucket, struct prof_lifetime *out);
void prof_lifetimes_clear(void);

/* All of it as JSON, in pieces; takes the lock by itself, once for each record. */
void prof_recent_write(void (*write)(void *arg, const char *text), void *arg);

#endif /* ASHLAR_PROF_RECENT_H */
