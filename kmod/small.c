// SPDX-License-Identifier: GPL-2.0
/* Taking, charging and giving back small pages. */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "account.h"
#include "limit.h"
#include "small.h"

#define SMALL_GFP	(GFP_HIGHUSER | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

static struct kmem_cache *small_cache;

static struct ashlar_small *small_make(struct inode *inode, int nid, bool zero,
				       bool over)
{
	struct ashlar_small *small;

	small = kmem_cache_alloc(small_cache, ashlar_gfp_small(ASHLAR_HARD));
	if (!small)
		return NULL;
	if (!ashlar_limit_take(ashlar_inode_user(inode), 1, over))
		goto free_small;
	small->page = alloc_pages_node(nid, SMALL_GFP | (zero ? __GFP_ZERO : 0),
				       0);
	if (!small->page)
		goto give;
	if (ashlar_charge(inode, small->page, ASHLAR_HARD))
		goto free_page;
	atomic_set(&small->users, 1);
	small->exposed = false;
	return small;

free_page:
	put_page(small->page);
give:
	ashlar_limit_give(ashlar_inode_user(inode), 1);
free_small:
	kmem_cache_free(small_cache, small);
	return NULL;
}

struct ashlar_small *ashlar_small_new(struct inode *inode,
				      struct mm_struct *mm, int nid, bool zero,
				      bool over)
{
	struct mem_cgroup *memcg, *old;
	struct ashlar_small *small;

	memcg = get_mem_cgroup_from_mm(mm);
	old = set_active_memcg(memcg);
	small = small_make(inode, nid, zero, over);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return small;
}

void ashlar_small_put(struct inode *inode, struct ashlar_small *small)
{
	if (!atomic_dec_and_test(&small->users))
		return;
	ashlar_uncharge(inode, small->page);
	/* Whoever still has it pinned keeps it from being used again. */
	put_page(small->page);
	ashlar_limit_give(ashlar_inode_user(inode), 1);
	kmem_cache_free(small_cache, small);
}

int ashlar_smalls_init(void)
{
	small_cache = KMEM_CACHE(ashlar_small, SLAB_ACCOUNT);
	return small_cache ? 0 : -ENOMEM;
}

void ashlar_smalls_exit(void)
{
	kmem_cache_destroy(small_cache);
}
