// SPDX-License-Identifier: MIT
#include "meta.h"

#include <string.h>

#include "os.h"

#define RECORD_MIN_SHIFT	6
#define RECORD_MAX_SHIFT	16
#define RECORD_SIZES		(RECORD_MAX_SHIFT - RECORD_MIN_SHIFT + 1)
#define RECORD_SIZE(i)		((size_t)1 << ((i) + RECORD_MIN_SHIFT))

/* Commit in steps of this size at first, then by an eighth of what is there. */
#define GROW_MIN		(32 * KB)
#define GROW_MAX		(2 * MB)

struct record {
	struct record *next;
};

struct lock meta_lock = LOCK_INIT(RANK_META);

/* All guarded by meta_lock. */
static struct growing region;
static size_t region_used;
static struct record *free_records[RECORD_SIZES];

/* Statistic only: relaxed. */
static _Atomic size_t total;

bool growing_need(struct growing *g, size_t need)
{
	size_t step, upto;

	if (likely(need <= g->committed))
		return true;
	if (need > g->size)
		return false;
	step = min(max(g->committed / 8, GROW_MIN), GROW_MAX);
	upto = min(round_up(max(need, g->committed + step), PAGE_SIZE), g->size);
	if (!os_commit(g->base + g->committed, upto - g->committed))
		return false;
	meta_count(upto - g->committed);
	g->committed = upto;
	return true;
}

/* Records of a process are few: 1/32 of its address space is ample, where that is limited. */
static bool region_reserve(void)
{
	size_t most = min(4 * GB, os_address_limit() / 32);

	for (size_t size = round_up(most, EXTENT_SIZE); size >= EXTENT_SIZE;
	     size = round_down(size / 2, EXTENT_SIZE)) {
		region.base = os_reserve(size);
		if (region.base) {
			region.size = size;
			return true;
		}
	}
	return false;
}

static unsigned int record_size(size_t size)
{
	if (size <= (size_t)1 << RECORD_MIN_SHIFT)
		return 0;
	return log2_floor(size - 1) + 1 - RECORD_MIN_SHIFT;
}

/* Up to @at the region becomes free records, as large as their alignment lets them be. */
static void fill_gap(size_t at)
{
	while (region_used < at) {
		unsigned int i = (unsigned int)__builtin_ctzll(region_used) - RECORD_MIN_SHIFT;
		struct record *r = (struct record *)(region.base + region_used);

		r->next = free_records[i];
		free_records[i] = r;
		region_used += RECORD_SIZE(i);
	}
}

/* Under meta_lock; @align <= PAGE_SIZE, and both are multiples of the smallest record. */
static void *region_take(size_t bytes, size_t align)
{
	size_t at = round_up(region_used, align);

	if (!region.base && !region_reserve())
		return NULL;
	if (!growing_need(&region, at + bytes))
		return NULL;
	fill_gap(at);
	region_used = at + bytes;
	return region.base + at;
}

/* *@used: it may hold something. */
static void *record_get(unsigned int i, bool *used)
{
	struct record *r;

	lock_take(&meta_lock);
	r = free_records[i];
	*used = r;
	if (r)
		free_records[i] = r->next;
	else
		r = region_take(RECORD_SIZE(i), min(RECORD_SIZE(i), PAGE_SIZE));
	lock_drop(&meta_lock);
	return r;
}

void *meta_alloc(size_t size)
{
	bool used;
	void *p = record_get(record_size(size), &used);

	return used ? memset(p, 0, size) : p;
}

void *meta_alloc_as_is(size_t size)
{
	bool used;

	return record_get(record_size(size), &used);
}

void *meta_alloc_for_good(size_t size)
{
	void *p;

	lock_take(&meta_lock);
	p = region_take(round_up(size, RECORD_SIZE(0)), RECORD_SIZE(0));
	lock_drop(&meta_lock);
	return p;
}

void meta_free(void *p, size_t size)
{
	unsigned int i = record_size(size);
	struct record *r = p;

	if (!p)
		return;
	lock_take(&meta_lock);
	r->next = free_records[i];
	free_records[i] = r;
	lock_drop(&meta_lock);
}

size_t meta_bytes(void)
{
	return atomic_load_explicit(&total, memory_order_relaxed);
}

void meta_count(size_t bytes)
{
	atomic_fetch_add_explicit(&total, bytes, memory_order_relaxed);
}
