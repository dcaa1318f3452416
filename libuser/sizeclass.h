/* SPDX-License-Identifier: MIT */
/*
 * Sizes and their classes.
 *
 *	0		no class: the page holds nothing that could be freed
 *	1 to 39		small: a slot of a slab, 8 to 14336 bytes
 *	40 to 67	large: a span of its own, 16 KB to 1.75 MB
 *	68		huge: pages from one extent into the next
 *	69		sampled: a block with a record of its own, see prof.h
 *
 * Zero is "none" so that fresh, zeroed maps say so by themselves.
 * Spacing: 8, 16 to 128 by 16, then four classes a doubling, so that at most a
 * fifth of a block is lost to rounding above 128 bytes. An eighth above 1, 2 and 4 KB is one
 * more: what programs keep in pages of such a size often has a header beside it.
 */
#ifndef ASHLAR_SIZECLASS_H
#define ASHLAR_SIZECLASS_H

#include "util.h"

#define CLASS_NONE		0u
#define CLASS_SMALL_LAST	39u
#define CLASS_LARGE_FIRST	40u
#define CLASS_LARGE_LAST	67u
#define CLASS_HUGE		68u
#define CLASS_SAMPLED		69u	/* of any size, with a record in prof.c */
#define NCLASSES		68u	/* with a size of their own; 0 included */

#define SMALL_MAX		((size_t)14336)
#define LARGE_MIN		((size_t)16384)
#define LARGE_MAX		((size_t)1835008)

/* The largest request that can be served: more is ENOMEM, never arithmetic. */
#define SIZE_LIMIT		((size_t)PTRDIFF_MAX)

struct sizeclass {
	uint32_t size;		/* bytes of a block */
	uint32_t reciprocal;	/* of a small size: offset / size = offset * reciprocal >> 32 */
	uint16_t pages_min;	/* pages of a bin's first slabs */
	uint16_t pages_max;	/* pages of its later ones; of a large block, exactly */
};

extern const struct sizeclass sizeclasses[NCLASSES];
/* Their sizes once more, for paths where the multiplication by 12 would show. */
extern const uint32_t sizeclass_bytes[NCLASSES];
extern const uint8_t sizeclass_of_words[SMALL_MAX / 8 + 1];
extern const uint8_t sizeclass_of_pages[LARGE_MAX / PAGE_SIZE];

static inline unsigned int sizeclass_small(size_t size)
{
	return sizeclass_of_words[(size + 7) >> 3];
}

/* 1 <= size <= LARGE_MAX; less than LARGE_MIN gets the first large class. */
static inline unsigned int sizeclass_large(size_t size)
{
	return sizeclass_of_pages[(size - 1) >> PAGE_SHIFT];
}

/* Any size up to LARGE_MAX. */
static inline unsigned int sizeclass_of(size_t size)
{
	return size <= SMALL_MAX ? sizeclass_small(size) : sizeclass_large(size);
}

/* Bytes a request of @size gets, or 0 if it is beyond SIZE_LIMIT. */
static inline size_t sizeclass_round(size_t size)
{
	if (size <= LARGE_MAX)
		return sizeclasses[sizeclass_of(size)].size;
	return size > SIZE_LIMIT ? 0 : round_up(size, PAGE_SIZE);
}

/* Slot of a small class that begins at or before byte @offset of its slab. */
static inline unsigned int sizeclass_slot(unsigned int class, size_t offset)
{
	return (unsigned int)(((uint64_t)offset * sizeclasses[class].reciprocal) >> 32);
}

#endif /* ASHLAR_SIZECLASS_H */
