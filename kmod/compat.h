/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only file that knows kernel versions. The code is written for the newest
 * supported kernel; each shim below says which version makes it removable.
 */
#ifndef ASHLAR_COMPAT_H
#define ASHLAR_COMPAT_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/version.h>

/* 6.3 exports zap_page_range_single(); before, this one stays in its VMA. */
static inline void ashlar_zap(struct vm_area_struct *vma, unsigned long start,
			      unsigned long size)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	zap_page_range(vma, start, size);
#else
	zap_page_range_single(vma, start, size, NULL);
#endif
}

/*
 * Out of the page cache, by the folio itself. truncate_inode_pages_range()
 * looks for it and, afterwards, for the next one in the file, which among frame
 * numbers can be far. 6.8 gave it this name.
 */
static inline void ashlar_remove_folio(struct address_space *mapping,
				       struct folio *folio)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	generic_error_remove_page(mapping, &folio->page);
#else
	generic_error_remove_folio(mapping, folio);
#endif
}

/*
 * Was there ever a memory error on the node? 6.3 counts them; before, nothing
 * tells, and one has to look.
 */
static inline bool ashlar_node_struck(int nid)
{
#ifndef CONFIG_MEMORY_FAILURE
	return false;
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	return true;
#else
	return READ_ONCE(NODE_DATA(nid)->mf_stats.total);
#endif
}

/*
 * copy_mc_user_highpage() met a memory error in @from. 6.4 has it told to the
 * kernel there; before, the caller has to, or the page is not marked as bad.
 */
static inline void ashlar_copy_failed(struct page *from)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	memory_failure_queue(page_to_pfn(from), 0);
#endif
}

/* 6.3 has the flags of a VMA changed by functions alone. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* 6.4 has locks per VMA; before, the mmap lock excludes every fault. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
static inline void vma_start_write(struct vm_area_struct *vma)
{
}
#endif

/*
 * How often a page is mapped: a compound one by PMD, which counts once, and by
 * PTEs. Since 6.7 the folio knows; before, each small page counts both.
 */
static inline int ashlar_mapcount(struct page *head)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
	int by_pmd, nr = 0;
	unsigned long i;

	if (!PageCompound(head))
		return atomic_read(&head->_mapcount) + 1;
	by_pmd = atomic_read(compound_mapcount_ptr(head)) + 1;
	for (i = 0; i < compound_nr(head); i++)
		nr += atomic_read(&head[i]._mapcount) + 1 - by_pmd;
	return max(nr, 0) + by_pmd;
#else
	return folio_mapcount(page_folio(head));
#endif
}

/* 6.6 gives vm_operations_struct.huge_fault an order; before, a name of a size. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#define ASHLAR_HUGE_FAULT_ARGS \
	struct vm_fault *vmf, enum page_entry_size order
#define ashlar_is_pmd_fault(order)	((order) == PE_SIZE_PMD)
#else
#define ASHLAR_HUGE_FAULT_ARGS \
	struct vm_fault *vmf, unsigned int order
#define ashlar_is_pmd_fault(order)	((order) == HPAGE_PMD_ORDER)
#endif

/* 6.7 added a parameter to vm_operations_struct.get_policy. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define ASHLAR_GET_POLICY_ARGS \
	struct vm_area_struct *vma, unsigned long addr
#else
#define ASHLAR_GET_POLICY_ARGS \
	struct vm_area_struct *vma, unsigned long addr, pgoff_t *ilx
#endif

/* 6.7 allocates shrinkers; before, they were the caller's. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *ashlar_shrinker_alloc(void)
{
	return kzalloc(sizeof(struct shrinker), GFP_KERNEL);
}

static inline int ashlar_shrinker_register(struct shrinker *shrinker)
{
	shrinker->flags |= SHRINKER_NUMA_AWARE;
	return register_shrinker(shrinker, "ashlar");
}

/* For one that was allocated but not registered. */
static inline void ashlar_shrinker_cancel(struct shrinker *shrinker)
{
	kfree(shrinker);
}

static inline void ashlar_shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#else
static inline struct shrinker *ashlar_shrinker_alloc(void)
{
	return shrinker_alloc(SHRINKER_NUMA_AWARE, "ashlar");
}

static inline int ashlar_shrinker_register(struct shrinker *shrinker)
{
	shrinker_register(shrinker);
	return 0;
}

static inline void ashlar_shrinker_cancel(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}

static inline void ashlar_shrinker_free(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#endif

#endif /* ASHLAR_COMPAT_H */
