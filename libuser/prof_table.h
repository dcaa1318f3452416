/* SPDX-License-Identifier: MIT */
/*
 * What a profile counts: stacks, threads' names, and sites, which are the pairs of both.
 *
 * All of it lies in one reservation with bounds: a profile cannot eat the machine. What
 * finds no room is counted at the stack, name or site 0 ("other"). Entries are made and
 * never moved or freed, except all of them by prof_table_clear().
 *
 * Everything is guarded by prof_lock, unless said otherwise.
 */
#ifndef ASHLAR_PROF_TABLE_H
#define ASHLAR_PROF_TABLE_H

#include "prof_stack.h"

struct prof_stack {
	uint64_t hash;		/* of the addresses */
	uint32_t next;		/* in its chain */
	uint32_t first;		/* in the array of addresses */
	uint32_t n;
};

/* Bytes and blocks sampled, and what they stand for. */
struct prof_count {
	int64_t blocks, bytes;
	double all_blocks, all_bytes;
};

static inline void prof_count_add(struct prof_count *c, int64_t blocks, size_t size, double weight)
{
	c->blocks += blocks;
	c->bytes += blocks * (int64_t)size;
	c->all_blocks += weight;
	c->all_bytes += weight * (double)size;
}

struct prof_site {
	struct prof_count made, gone;	/* since the start; live ones are the difference */
	uint32_t stack, name;
	uint32_t next;		/* in its chain */
};

/* Mean bytes between the samples that are counted here, though sampling may be off. */
extern _Atomic int64_t prof_table_mean;

/* Address space for the tables. False: none to be had; profiling stays off. */
bool prof_table_open(void);

/* Number of the stack @t. *@found: was it there? */
uint32_t prof_table_stack(const struct prof_trace *t);

/*
 * What chain @key of frame pointers once stood for: its stack, and the site of that stack and the
 * last @name. NULL: not known, or forgotten. 64 bits of a hash are believed.
 */
struct prof_known {
	uint64_t key;
	uint32_t stack, site, name;
	uint32_t clearing;	/* which life of the tables it belongs to */
};
struct prof_known *prof_table_known(uint64_t key);
/* Remember it. NULL if @key or @stack is 0. */
struct prof_known *prof_table_remember(uint64_t key, uint32_t stack);

/* Number of @name, at most 15 bytes of it. */
uint32_t prof_table_name(const char *name);
#define PROF_NAME_BYTES	16u
const char *prof_table_name_at(uint32_t name);

uint32_t prof_table_site(uint32_t stack, uint32_t name);

/* Entry by number; stacks' addresses. May be called without the lock for what cannot be cleared. */
struct prof_site *prof_site_at(uint32_t site);
struct prof_stack *prof_stack_at(uint32_t stack);
const uintptr_t *prof_stack_pcs(const struct prof_stack *s);

/* How many there are; numbers are below. */
uint32_t prof_table_stacks(void);
uint32_t prof_table_sites(void);
uint32_t prof_table_names(void);
/* Sum of all stacks' depths. */
size_t prof_table_pcs(void);

/* What did not fit, since the last clearing. */
size_t prof_table_lost(void);

/* Forget stacks and sites; names stay. */
void prof_table_clear(void);

#endif /* ASHLAR_PROF_TABLE_H */
