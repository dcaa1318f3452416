/* SPDX-License-Identifier: MIT */
/*
 * Where a thread's large block comes from: its own stacks, else its arena's page heap. Inline,
 * for block.c alone.
 */
#ifndef ASHLAR_LARGE_WAY_H
#define ASHLAR_LARGE_WAY_H

#include "large.h"
#include "tcache.h"

/*
 * Pop from the stack of large @class; NULL: it is empty, or a pointer into a block was freed last. Fast
 * paths of free let one into a block's first page pass; it is found when it leaves the cache.
 */
static inline __attribute__((always_inline)) void *large_pop(struct tcache *t, size_t class)
{
	void *p = t->large_top[class - CLASS_LARGE_FIRST][-1];

	if (unlikely((uintptr_t)p & (PAGE_SIZE - 1)))
		return NULL;
	OPAQUE(class);
	t->large_top[class - CLASS_LARGE_FIRST]--;
	OPAQUE(class);
	t->large_room += t->large_cost[class - CLASS_LARGE_FIRST];
	if (!p)
		__builtin_unreachable();	/* no caller has to look twice */
	return p;
}

/* A large block from @a: the node's, or where it may be reset the arena's own. */
static inline void *large_from(struct arena *a, size_t size, size_t align, bool *zeroed)
{
	if (unlikely(a->reserved))
		return large_alloc_owned(a->heap, a->index, size, align, zeroed);
	return large_alloc(a->heap, size, align, zeroed);
}

/* Bytes of the large or huge block @p. */
static inline size_t large_bytes(const struct tcache *t, const void *p)
{
	size_t offset = (uintptr_t)p - t->base, class;

	if (unlikely(offset >= t->home->size))
		return large_size(p);
	class = t->classes[offset >> PAGE_SHIFT];
	return likely(class < CLASS_HUGE) ? sizeclass_bytes[class] : large_size(p);
}

/* A large block past the cache of @t, on its account. */
static inline void *large_fresh(struct tcache *t, size_t size, size_t align, bool *zeroed)
{
	void *p;

	tcache_watch(t);
	p = large_from(t->arena, size, align, zeroed);
	if (likely(p))
		t->net += (int64_t)large_bytes(t, p);
	return p;
}

/* A large block of @class for @size bytes, aligned to a page: the same, on the shortest way. */
static inline void *large_fresh_class(struct tcache *t, size_t size, size_t class, bool *zeroed)
{
	void *p;

	tcache_watch(t);
	if (unlikely(t->arena->reserved))
		return large_fresh(t, size, PAGE_SIZE, zeroed);
	p = large_alloc_class(t->arena->heap, size, class, zeroed);
	if (likely(p))
		t->net += (int64_t)large_bytes(t, p);
	return p;
}

/* Any size above SMALL_MAX, once it is counted. */
static inline void *large(struct tcache *t, size_t size, bool *zeroed)
{
	size_t class;
	void *p;

	if (unlikely(size > LARGE_MAX))
		return large_fresh(t, size, PAGE_SIZE, zeroed);
	class = sizeclass_large(size);
#pragma GCC unroll 4
	for (size_t above = 0; above <= LARGE_ABOVE; above++) {
		p = large_pop(t, class + above);
		if (p)
			return p;
	}
	return large_fresh_class(t, size, class, zeroed);
}

#endif /* ASHLAR_LARGE_WAY_H */
