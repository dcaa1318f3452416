// SPDX-License-Identifier: MIT
/* A thread's stacks of large blocks. */
#include "tcache.h"

#include <string.h>

#include "conf.h"
#include "large.h"

/* A thread's large blocks: this share of the heap, but not less. Option large_bytes: not more. */
#define LARGE_HEAP_SHARE	16
#define LARGE_LEAST		((size_t)256 * KB)

/*
 * Blocks of a class: so many, or so many bytes. Who asks for all sizes has room for a few of each
 * then; in a simulation of 16 to 272 KB 14 % of the requests went unserved, and 23 % when the first
 * to come took all the bytes there are.
 */
#define LARGE_EACH		3
#define LARGE_EACH_BYTES	((size_t)128 * KB)

/* Where stacks that are not made yet begin and end. */
static void *none[1] = { LARGE_EMPTY };

/* What a thread's large stacks may hold together: little of a small heap. */
static int64_t large_bound(const struct arena *a)
{
	/* A look without the lock: a bound need not be exact. */
	size_t heap = atomic_load_explicit(&a->heap->active_seen, memory_order_relaxed) << PAGE_SHIFT;

	if (a->reserved)
		return 0;
	return (int64_t)min(max(heap / LARGE_HEAP_SHARE, LARGE_LEAST), (size_t)conf.large_bytes);
}

void tcache_rebound(struct tcache *t)
{
	int64_t bound = large_bound(t->arena);

	/* Stacks that hold too much keep it until they are aged. */
	t->large_room += bound - t->large_max;
	t->large_max = bound;
}

unsigned int tcache_large_cap(size_t class)
{
	size_t size = sizeclass_bytes[class];

	return (unsigned int)min(max(LARGE_EACH_BYTES / size, (size_t)LARGE_EACH),
				 (size_t)conf.large_bytes / size);
}

static void set_stack(struct tcache *t, size_t class, void **base, unsigned int cap)
{
	t->large_top[class - CLASS_LARGE_FIRST] = base;
	t->top[class] = t->end[class] = base + cap;
	t->bins[class].cap = (uint16_t)cap;
}

static void no_stacks(struct tcache *t)
{
	for (size_t c = CLASS_LARGE_FIRST; c < TCACHE_BINS; c++)
		set_stack(t, c, none + 1, 0);
	t->large_slots = NULL;
}

void tcache_bind_large(struct tcache *t)
{
	if (!t->large_slots)
		no_stacks(t);
	for (size_t c = CLASS_LARGE_FIRST; c < TCACHE_BINS; c++)
		t->large_cost[c - CLASS_LARGE_FIRST] = c <= CLASS_LARGE_LAST ? (int32_t)sizeclass_bytes[c] : INT32_MIN;
	t->large_max = t->large_room = large_bound(t->arena);
}

/* All stacks lie together, before each its LARGE_EMPTY. */
static bool make_stacks(struct tcache *t)
{
	void **slots;
	size_t n = 0;

	for (size_t c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++)
		n += 1u + t->bins[c].cap_max;
	slots = meta_alloc(n * sizeof(void *));
	if (!slots)
		return false;
	t->large_slots = slots;
	for (size_t c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++) {
		*slots++ = LARGE_EMPTY;
		set_stack(t, c, slots, t->bins[c].cap_max);
		slots += t->bins[c].cap_max;
	}
	return true;
}

void tcache_drop_large(struct tcache *t)
{
	size_t n = 0;

	/* What they were made with; cap_max may be another by now. */
	for (size_t c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++)
		n += 1u + t->bins[c].cap;
	if (t->large_slots)
		meta_free(t->large_slots, n * sizeof(void *));
	no_stacks(t);
}

void tcache_free_oldest(struct tcache *t, size_t class, unsigned int n)
{
	unsigned int left = tcache_cached(t, (unsigned int)class) - n;
	void **base = t->end[class] - t->bins[class].cap;
	int64_t bytes = n * (int64_t)sizeclass_bytes[class];

	if (!n)
		return;
	t->net -= bytes;
	t->large_room += bytes;
	large_free_spans(base, n, class);
	memmove(base, base + n, left * sizeof(void *));
	t->large_top[class - CLASS_LARGE_FIRST] = base + left;
}

bool tcache_push_large(struct tcache *t, size_t class, void *p)
{
	if (t->large_top[class - CLASS_LARGE_FIRST][-1] == p)
		ash_fatal("free: block %p was freed twice", p);
	if (!t->large_slots && !make_stacks(t))
		return false;
	return large_has_room(t, class) && large_push(t, class, p);
}
