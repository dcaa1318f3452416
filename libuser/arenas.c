// SPDX-License-Identifier: MIT
#include "arenas.h"

#include "cgroup.h"
#include "conf.h"
#include "nodes.h"

#define ARENAS_PER_CPU	4	/* option narenas: 0 */

static struct lock arenas_lock = LOCK_INIT(RANK_ARENAS);

unsigned int arena_limit(void)
{
	static _Atomic unsigned int limit;
	unsigned int n = atomic_load_explicit(&limit, memory_order_relaxed);

	if (!n) {
		n = conf.narenas ? (unsigned int)conf.narenas : ARENAS_PER_CPU * cgroup_cpus();
		n = min(max(n, 1u), ARENAS_MAX - 1u);
		atomic_store_explicit(&limit, n, memory_order_relaxed);
	}
	return n;
}

/*
 * May there be an arena of this index? The first four any number of CPUs allows: a process
 * of a few threads need not ask how many it has, which costs system calls.
 */
static bool within_limit(unsigned int index)
{
	return (!conf.narenas && index < ARENAS_PER_CPU) || index < arena_limit();
}

/* Under arenas_lock. */
static struct arena *create(unsigned int node, bool reserved)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_relaxed);
	struct pageheap *h = pageheap_of_node(node);
	struct arena *a;

	if (n == ARENAS_MAX || !pageheap_ready(h))
		return NULL;
	a = meta_alloc_for_good(sizeof(*a));
	if (!a)
		return NULL;
	a->index = n;
	a->reserved = reserved;
	a->heap = h;
	for (unsigned int c = 0; c <= CLASS_SMALL_LAST; c++) {
		lock_init(&a->bins[c].lock, RANK_BIN);
		a->bins[c].depot_closed = true;
	}
	atomic_store_explicit(&ash_arenas[n], a, memory_order_release);
	atomic_store_explicit(&ash_narenas, n + 1, memory_order_release);
	return a;
}

/* A retired arena of @node, alive again. Under arenas_lock. */
static struct arena *revive(unsigned int node)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_relaxed);

	for (unsigned int i = 0; i < n; i++) {
		struct arena *a = ash_arenas[i];

		if (!a->retired || a->heap != pageheap_of_node(node))
			continue;
		a->retired = false;
		atomic_store(&a->destroyed, false);
		return a;
	}
	return NULL;
}

RARE struct arena *arena_create(unsigned int node)
{
	struct arena *a;

	lock_take(&arenas_lock);
	a = revive(node);
	if (!a)
		a = create(node, true);
	lock_drop(&arenas_lock);
	return a;
}

RARE void arena_retire(struct arena *a)
{
	lock_take(&arenas_lock);
	a->retired = true;
	lock_drop(&arenas_lock);
}

struct arena *arena_get(unsigned int index)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_acquire);

	if (unlikely(index >= n && index < arena_limit())) {
		lock_take(&arenas_lock);
		while ((n = atomic_load_explicit(&ash_narenas, memory_order_relaxed)) <= index &&
		       create(ash_pageheaps[n % ash_npageheaps]->node, false))
			;
		lock_drop(&arenas_lock);
	}
	return index < n && !ash_arenas[index]->destroyed ? ash_arenas[index] : NULL;
}

static bool suits_better(const struct arena *a, const struct arena *best, uint32_t cpu)
{
	if (a->nthreads != best->nthreads)
		return a->nthreads < best->nthreads;
	return a->cpu == cpu && best->cpu != cpu;
}

struct arena *arena_choose(unsigned int node)
{
	struct pageheap *heap = pageheap_of_node(node);
	uint32_t cpu = numa_this_cpu();
	struct arena *best = NULL;
	unsigned int n, local = 0;

	lock_take(&arenas_lock);
	n = atomic_load_explicit(&ash_narenas, memory_order_relaxed);
	for (unsigned int i = 0; i < n; i++) {
		struct arena *a = ash_arenas[i];

		if (a->heap != heap || a->reserved)
			continue;
		local++;
		if (!best || suits_better(a, best, cpu))
			best = a;
	}
	/* Each node has its share of the limit: local < limit / ash_npageheaps. */
	if (!best || (best->nthreads && within_limit((local + 1) * ash_npageheaps - 1))) {
		struct arena *fresh = create(node, false);

		best = fresh ? fresh : best;
	}
	if (!best && n)
		best = ash_arenas[0];
	if (best) {
		best->nthreads++;
		best->cpu = cpu;
	}
	lock_drop(&arenas_lock);
	return best;
}

void arena_leave(struct arena *a)
{
	a->cpu = numa_this_cpu();
	a->nthreads--;
}

/* --- fork ------------------------------------------------------------------------------ */

void arenas_prefork(void)
{
	unsigned int n;

	lock_take(&arenas_lock);
	n = atomic_load(&ash_narenas);
	for (unsigned int i = 0; i < n; i++)
		atomic_store(&ash_arenas[i]->gate, 1);
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
			while (lock_held(&ash_arenas[i]->bins[c].lock))
				cpu_relax();
		}
	}
}

void arenas_postfork(bool child)
{
	unsigned int n = atomic_load(&ash_narenas);

	for (unsigned int i = 0; i < n; i++) {
		struct arena *a = ash_arenas[i];

		for (unsigned int c = 1; child && c <= CLASS_SMALL_LAST; c++)
			lock_init(&a->bins[c].lock, RANK_BIN);
		atomic_store(&a->gate, 0);
		if (!child)
			futex_wake_all(&a->gate);
	}
	if (child)
		lock_init(&arenas_lock, RANK_ARENAS);
	else
		lock_drop(&arenas_lock);
}
