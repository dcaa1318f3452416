// SPDX-License-Identifier: GPL-2.0
/* Shares: their small pages, and who refers to what. */
#include <linux/pagemap.h>
#include <linux/slab.h>
#include "account.h"
#include "compat.h"
#include "lazy.h"
#include "share.h"

static struct kmem_cache *share_cache;

bool ashlar_shares_new(struct ashlar_share **shares, unsigned int nr)
{
	return kmem_cache_alloc_bulk(share_cache, ashlar_gfp_small(ASHLAR_HARD) |
						  __GFP_ZERO,
				     nr, (void **)shares);
}

void ashlar_shares_unnew(struct ashlar_share **shares, unsigned int nr)
{
	if (nr)
		kmem_cache_free_bulk(share_cache, nr, (void **)shares);
}

void ashlar_share_unnew(struct ashlar_share *share)
{
	if (share != &share->extent->first)
		kmem_cache_free(share_cache, share);
}

struct page *ashlar_share_page(struct ashlar_share *share, unsigned int sub)
{
	struct ashlar_small *small = ashlar_share_small(share, sub);

	if (small)
		return small->page;
	return share->extent->page ? share->extent->page + sub : NULL;
}

bool ashlar_share_writable(struct ashlar_share *share, unsigned int sub)
{
	struct ashlar_small *small = ashlar_share_small(share, sub);
	struct ashlar_extent *extent = share->extent;

	if (small)
		return atomic_read_acquire(&small->users) == 1 &&
		       !small->exposed;
	return extent->page &&
	       (ashlar_extent_owned(extent) ||
		(extent->owner == share && test_bit(sub, extent->kept)));
}

bool ashlar_share_set(struct ashlar_share *share, unsigned int sub,
		      struct ashlar_small *small, struct ashlar_small ***spare)
{
	struct ashlar_small ***chunk = &share->chunks[sub / ASHLAR_CHUNK];
	struct ashlar_small **slot;

	lockdep_assert_held(&share->extent->lock);
	if (!*chunk) {
		if (!*spare)
			return false;
		*chunk = *spare;
		*spare = NULL;
	}
	slot = &(*chunk)[sub % ASHLAR_CHUNK];
	share->nr += !!small - !!*slot;
	*slot = small;
	return true;
}

struct ashlar_small **ashlar_chunk_new(void)
{
	return kcalloc(ASHLAR_CHUNK, sizeof(struct ashlar_small *),
		       ashlar_gfp_small(ASHLAR_HARD));
}

static void wait_for_mapping(struct page *page)
{
	lock_page(page);
	unlock_page(page);
}

void ashlar_share_wait(struct ashlar_share *share)
{
	unsigned int sub;

	if (share->extent->page)
		wait_for_mapping(share->extent->page);
	for (sub = 0; share->nr && sub < ASHLAR_PAGES; sub++)
		if (ashlar_share_small(share, sub))
			wait_for_mapping(ashlar_share_small(share, sub)->page);
}

void ashlar_share_leave(struct ashlar_share *share)
{
	struct ashlar_extent *extent = share->extent;

	mutex_lock(&extent->lock);
	if (extent->owner == share)
		extent->owner = NULL;
	ashlar_lazy_leave(extent);
	ashlar_share_wait(share);
	mutex_unlock(&extent->lock);
}

void ashlar_share_free(struct inode *inode, struct ashlar_share *share)
{
	unsigned int i, j;

	for (i = 0; i < ASHLAR_CHUNKS; i++) {
		struct ashlar_small **chunk = share->chunks[i];

		if (!chunk)
			continue;
		for (j = 0; j < ASHLAR_CHUNK; j++)
			if (chunk[j])
				ashlar_small_put(inode, chunk[j]);
		kfree(chunk);
		share->chunks[i] = NULL;
		cond_resched();
	}
	share->nr = 0;
	ashlar_share_unnew(share);
}

/*
 * The order of the reads makes errors safe, which is to see too many. No thread
 * stops to wait while the lock is held, so that each one counted has its
 * reference when the page's are counted. And with the page's lock no mapping is
 * added, so that each one counted had its reference too.
 */
bool ashlar_extent_referenced(struct ashlar_extent *extent)
{
	int known = ASHLAR_PAGES + 1 + atomic_read(&extent->waiting);
	int count;

	lockdep_assert_held(&extent->lock);
	/* Who waits, then who refers, then who maps: as said above. */
	smp_rmb();
	count = page_count(extent->page);
	if (count <= known)
		return false;
	/* The mappings after the references, as said above. */
	smp_rmb();
	return count > known + ashlar_mapcount(extent->page);
}

bool ashlar_small_referenced(struct ashlar_small *small, int refs)
{
	int count = page_count(small->page);

	/* The mappings after the references, as above. */
	smp_rmb();
	return count > 2 + refs + ashlar_mapcount(small->page);
}

int ashlar_shares_init(void)
{
	share_cache = KMEM_CACHE(ashlar_share, SLAB_ACCOUNT);
	return share_cache ? 0 : -ENOMEM;
}

void ashlar_shares_exit(void)
{
	kmem_cache_destroy(share_cache);
}
