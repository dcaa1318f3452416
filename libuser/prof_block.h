/* SPDX-License-Identifier: MIT */
/*
 * The records of sampled blocks, live ones and those that somebody still wants to see
 * after their free, by number from 1. All guarded by prof_lock, but that the owner of a live
 * block may read its record.
 */
#ifndef ASHLAR_PROF_BLOCK_H
#define ASHLAR_PROF_BLOCK_H

#include "meta.h"

struct prof_block {
	void *addr;		/* NULL: the record is free */
	size_t size, usable;	/* asked for; what malloc_usable_size() says */
	uint64_t born, died;	/* os_now_ns(); died 0: lives */
	double weight;		/* blocks that it stands for in a profile; 0: it is in none */
	uint32_t stack, name;	/* of the allocation, in prof_table.h */
	uint32_t site;		/* likewise, if it is in a profile */
	uint32_t free_stack, free_name;	/* of the free; 0: unknown */
	uint32_t epoch;		/* of the profile that counts it */
	uint32_t pages;		/* of a small one's run; else what the span map says of its first page */
	uint32_t next;		/* list of free records */
	uint8_t class;		/* its own, where the map says CLASS_SAMPLED; CLASS_NONE: small */
	uint8_t uses;		/* who still needs the record: the block, the ring, the guard */
	bool guarded;		/* guard.c owns its pages */
};

extern struct lock prof_lock;

bool prof_blocks_open(void);

/* A zeroed record with one use; 0: no room. */
uint32_t prof_block_take(void);
/* One use less; at none the record is free. */
void prof_block_put(uint32_t i);

extern struct growing prof_blocks;

static inline struct prof_block *prof_block_at(uint32_t i)
{
	return (struct prof_block *)prof_blocks.base + i;
}

/* No number is as large or larger. */
uint32_t prof_blocks_end(void);

#endif /* ASHLAR_PROF_BLOCK_H */
