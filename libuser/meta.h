/* SPDX-License-Identifier: MIT */
/*
 * Memory for our own records: apart from the heap, so that no overflow from
 * user memory reaches it, and without memory until it is used.
 *
 * Records come in powers of two from 64 bytes to 64 KB; a freed one is kept
 * for the next of its size and never given back to the system.
 */
#ifndef ASHLAR_META_H
#define ASHLAR_META_H

#include "lock.h"

#define META_MAX	(64 * KB)

/* An array whose address never changes and which is committed as it grows. */
struct growing {
	char *base;
	size_t committed;	/* bytes from base that may be touched */
	size_t size;		/* bytes reserved */
};

/* Make the first @need bytes of @g usable. False: limit or no memory. Caller guards. */
bool growing_need(struct growing *g, size_t need);

/* Zeroed record of @size <= META_MAX bytes, aligned to its power of two; NULL if none. */
void *meta_alloc(size_t size);

/* The same for who writes before he reads: it holds anything. */
void *meta_alloc_as_is(size_t size);

/* Zeroed, of any size, aligned to a cache line, not rounded up, and never freed. */
void *meta_alloc_for_good(size_t size);
void meta_free(void *p, size_t size);

/* Bytes of metadata in use, records and maps both. */
size_t meta_bytes(void);
void meta_count(size_t bytes);

extern struct lock meta_lock;

#endif /* ASHLAR_META_H */
