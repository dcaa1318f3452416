// SPDX-License-Identifier: MIT
#include "limit.h"

#include "cgroup.h"
#include "conf.h"
#include "os.h"

/* Zero until limit_init(), so that it shares its page with what else starts as zero. */
struct limit ash_limit;

/* --- what the limits are ------------------------------------------------------------------ */

static size_t load(const _Atomic size_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void set(_Atomic size_t *limit, size_t bytes)
{
	atomic_store(limit, bytes ? bytes >> PAGE_SHIFT : SIZE_MAX);
	atomic_store(&ash_limit.on, ash_limit.soft != SIZE_MAX || ash_limit.hard != SIZE_MAX);
}

RARE void limit_set_soft(size_t bytes)
{
	set(&ash_limit.soft, bytes);
}

RARE void limit_set_hard(size_t bytes)
{
	set(&ash_limit.hard, bytes);
}

RARE void limit_set_dirty(size_t bytes)
{
	atomic_store(&ash_limit.dirty, bytes ? bytes >> PAGE_SHIFT : SIZE_MAX);
}

RARE size_t limit_dirty_max(void)
{
	size_t pages = load(&ash_limit.dirty);

	return pages == SIZE_MAX ? 0 : pages << PAGE_SHIFT;
}

/* @bytes, or @percent of what the cgroup, or the machine, has; the lower of the two. 0: none. */
static size_t lower(size_t bytes, int64_t percent, size_t all)
{
	size_t share = percent ? max(all / 100 * (size_t)percent, PAGE_SIZE) : 0;

	return bytes && share ? min(bytes, share) : bytes + share;
}

void limit_init(void)
{
	size_t all = 0;

	if (conf.heap_soft_limit_percent || conf.heap_hard_limit_percent)
		all = min(cgroup_memory_max(), os_physical());
	limit_set_dirty((size_t)conf.dirty_max);
	limit_set_soft(lower((size_t)conf.heap_soft_limit, conf.heap_soft_limit_percent, all));
	limit_set_hard(lower((size_t)conf.heap_hard_limit, conf.heap_hard_limit_percent, all));
}

/* --- the heap's size ------------------------------------------------------------------------- */

static size_t total(void)
{
	return load(&ash_limit.total) + (meta_bytes() >> PAGE_SHIFT);
}

RARE size_t limit_size(void)
{
	return total() << PAGE_SHIFT;
}

void limit_note(struct pageheap *h)
{
	const struct pageheap_stats *s = &h->stats;
	size_t now = s->active + s->dirty + s->muzzy + s->untouched;

	/* Sums wrap around: a heap that shrank adds the difference all the same. */
	atomic_fetch_add_explicit(&ash_limit.total, now - h->limit_noted, memory_order_relaxed);
	h->limit_noted = now;
}

/* Pages that can go, of all nodes: a thread that freed much may have been moved to another since. */
static size_t spare(void)
{
	size_t pages = 0;

	for (unsigned int i = 0; i < ash_npageheaps; i++)
		pages += load(&ash_pageheaps[i]->purgeable_seen);
	return pages;
}

RARE bool limit_grants_slow(struct pageheap *h, size_t pages)
{
	struct limit_try *try = h->limit_try;
	size_t then;

	if (!pages)
		return true;
	limit_note(h);
	extent_purgeable(h);
	then = total() + pages;
	try->soft = then > load(&ash_limit.soft) && !try->n && spare() >= LIMIT_WORTH;
	try->hard = then > load(&ash_limit.hard);
	if (try->soft || try->hard)
		return false;
	/* They are used at once; until that is noted nobody else shall have them. */
	atomic_fetch_add_explicit(&ash_limit.total, pages, memory_order_relaxed);
	h->limit_noted += pages;
	return true;
}

bool limit_grants_run(struct pageheap *h, const struct extent *e, size_t n)
{
	size_t cost = 0;

	if (likely(!atomic_load_explicit(&ash_limit.on, memory_order_relaxed)))
		return true;
	for (; n; e++) {
		unsigned int k = (unsigned int)min(n, (size_t)EXTENT_PAGES);

		cost += limit_cost(e, 0, k);
		n -= k;
	}
	return limit_grants_slow(h, cost);
}

size_t limit_dirty(size_t pages, uint64_t now)
{
	size_t soft = load(&ash_limit.soft);

	pages = min(pages, load(&ash_limit.dirty));
	if (unlikely(now < atomic_load_explicit(&ash_limit.pressed_until, memory_order_relaxed)))
		return 0;
	if (likely(soft == SIZE_MAX))
		return pages;
	return total() > soft - soft / 16 ? 0 : pages;
}

/* --- the system's ------------------------------------------------------------------------------ */

#define LOOK_MS		100
#define AMPLE		(64 * MB)
/*
 * What a grant takes beside itself, and what is known no better: page tables, charges that CPUs
 * hold in advance (64 pages each), page cache that is in use and does not go.
 */
#define BESIDE		MB

/* An eighth of the machine is left for others, who were promised theirs. */
static size_t system_left(void)
{
	size_t left = SIZE_MAX, reserve = os_physical() / 8;

	if (os_strict_commit()) {
		left = os_available();
		left = left == SIZE_MAX ? left : left - min(left, reserve);
	}
	return min(left, cgroup_memory_left());
}

bool limit_system_grants(size_t bytes)
{
	/* How much there was at the last look, less what was granted since; racy, hence ample. */
	static _Atomic size_t left;
	static _Atomic uint64_t next_look;
	uint64_t now = os_now_ms();
	size_t have = load(&left);

	if (now >= atomic_load_explicit(&next_look, memory_order_relaxed) || have < AMPLE + bytes) {
		have = system_left();
		atomic_store_explicit(&next_look, now + LOOK_MS, memory_order_relaxed);
	}
	if (have < bytes + BESIDE)
		return false;
	atomic_store_explicit(&left, have == SIZE_MAX ? have : have - bytes, memory_order_relaxed);
	return true;
}
