/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A heap's share of an extent: what its table holds at an index. The heap sees
 * the share's small page where there is one, else the extent's own.
 *
 * A share with any small page is never mapped by PMD in its heap.
 */
#ifndef ASHLAR_SHARE_H
#define ASHLAR_SHARE_H

#include <linux/lockdep.h>
#include "extent.h"
#include "small.h"

/*
 * @nr further shares, of no extent yet and in no table: together they cost half
 * of what they cost one by one. False: no memory, and none of them.
 */
bool ashlar_shares_new(struct ashlar_share **shares, unsigned int nr);

/* Those of them that were not used. */
void ashlar_shares_unnew(struct ashlar_share **shares, unsigned int nr);

/* A share that was in no table, and has no small pages. */
void ashlar_share_unnew(struct ashlar_share *share);

/*
 * May the share's heap write to all of the extent? Acquire: with the last user
 * but one gone, so are its mappings, and what @exposed and the page's count
 * say includes its deeds.
 */
static inline bool ashlar_extent_owned(struct ashlar_extent *extent)
{
	return atomic_read_acquire(&extent->users) == 1 &&
	       !READ_ONCE(extent->exposed);
}

/* The small page at a page number of the extent, or NULL. */
static inline struct ashlar_small *
ashlar_share_small(struct ashlar_share *share, unsigned int sub)
{
	struct ashlar_small **chunk = share->chunks[sub / ASHLAR_CHUNK];

	lockdep_assert_held(&share->extent->lock);
	return chunk ? chunk[sub % ASHLAR_CHUNK] : NULL;
}

/* What the heap sees at a page number: NULL where it was punched. */
struct page *ashlar_share_page(struct ashlar_share *share, unsigned int sub);

/* True if the heap may write to what it sees there. */
bool ashlar_share_writable(struct ashlar_share *share, unsigned int sub);

/**
 * ashlar_share_set() - put a small page in, in place of one or of none
 * @share: the share; its extent's lock is held
 * @sub: where
 * @small: the page, or NULL to take one out
 * @spare: a chunk, or NULL; set to NULL if it was used
 *
 * Return: false if a chunk is needed; ashlar_chunk_new() makes one.
 */
bool ashlar_share_set(struct ashlar_share *share, unsigned int sub,
		      struct ashlar_small *small, struct ashlar_small ***spare);

struct ashlar_small **ashlar_chunk_new(void);

/*
 * With extent->lock: wait for the faults that are about to map a page of it. No
 * other begins until the lock is dropped.
 */
void ashlar_share_wait(struct ashlar_share *share);

/*
 * The share has left its table: wait for those who saw it there. When it
 * returns, no fault maps any of its pages, nobody adds to it, and it is not lazy.
 */
void ashlar_share_leave(struct ashlar_share *share);

/* After ashlar_share_leave() and unmapping: the small pages, and itself. */
void ashlar_share_free(struct inode *inode, struct ashlar_share *share);

/*
 * With extent->lock and the page's lock: does anything but the page cache, us,
 * mappings, and threads that wait for the extent refer to its page?
 */
bool ashlar_extent_referenced(struct ashlar_extent *extent);

/* The same for a small page that has one user, @refs being known of. */
bool ashlar_small_referenced(struct ashlar_small *small, int refs);

int ashlar_shares_init(void);
void ashlar_shares_exit(void);

#endif /* ASHLAR_SHARE_H */
