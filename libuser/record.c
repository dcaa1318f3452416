// SPDX-License-Identifier: MIT
#include "record.h"

#include "os.h"

#define GROUP_BYTES	((size_t)RECORD_GROUP * SLAB_RECORD_BYTES)
#define WORDS		(RECORD_GROUP / 64)

_Static_assert(GROUP_BYTES % PAGE_SIZE == 0, "a group is whole pages");

/* In the place of a group's first record, whose bit stays 0. Guarded by slab_lock. */
struct group {
	uint64_t used[WORDS];
};

_Static_assert(sizeof(struct group) <= SLAB_RECORD_BYTES, "it takes one record's place");

static struct group *group_at(const struct window *w, uint32_t g)
{
	return (struct group *)(w->slabs.base + g * GROUP_BYTES);
}

static uint64_t *room_map(const struct window *w)
{
	return (uint64_t *)w->room.base;
}

static bool is_full(const struct group *group)
{
	return !~(group->used[0] | 1) && !~group->used[1];
}

static bool is_empty(const struct group *group)
{
	return !(group->used[0] | group->used[1]);
}

static bool open_group(struct window *w)
{
	uint32_t g = w->ngroups;

	if (!growing_need(&w->slabs, (g + 1) * GROUP_BYTES))
		return false;
	/* Of the last group no bit is needed, nor with it the map's page in a small process. */
	if (g && !growing_need(&w->room, (g / 64 + 1) * sizeof(uint64_t)))
		return false;
	w->ngroups++;
	return true;
}

static void set_room(struct window *w, uint32_t g, bool has)
{
	uint64_t *word = room_map(w) + g / 64;

	*word ^= 1ull << g % 64;
	w->nroom += has ? 1 : -1u;
	if (has)
		w->room_low = min(w->room_low, g / 64);
}

static uint32_t lowest_room(struct window *w)
{
	while (!room_map(w)[w->room_low])
		w->room_low++;
	return w->room_low * 64 + (uint32_t)__builtin_ctzll(room_map(w)[w->room_low]);
}

/* A group with room; the number of groups if there is no memory for one. */
static uint32_t find_group(struct window *w)
{
	uint32_t last = w->ngroups - 1;

	if (w->nroom)
		return lowest_room(w);
	if (w->ngroups && !is_full(group_at(w, last)))
		return last;
	return open_group(w) ? w->ngroups - 1 : w->ngroups;
}

/* @g is no spare from now on; false: it was none. */
static bool spare_take(struct window *w, uint32_t g)
{
	for (unsigned int i = 0; i < RECORD_SPARES; i++) {
		if (w->spare[i] == g + 1) {
			w->spare[i] = 0;
			return true;
		}
	}
	return false;
}

static uint32_t take_of(struct window *w, uint32_t g)
{
	struct group *group = group_at(w, g);
	unsigned int word = ~(group->used[0] | 1) ? 0 : 1;
	unsigned int bit = (unsigned int)__builtin_ctzll(~(group->used[word] | !word));

	if (g != w->ngroups - 1 && is_empty(group) && !spare_take(w, g))
		meta_count(GROUP_BYTES);
	group->used[word] |= 1ull << bit;
	if (g != w->ngroups - 1 && is_full(group))
		set_room(w, g, false);
	return g * RECORD_GROUP + word * 64 + bit;
}

uint32_t record_take(struct window *w)
{
	uint32_t g, index = RECORD_NONE;

	lock_take(&w->slab_lock);
	g = find_group(w);
	if (g < w->ngroups)
		index = take_of(w, g);
	lock_drop(&w->slab_lock);
	return index;
}

/* The lowest empty groups stay for a heap that grows again. */
static void retire(struct window *w, uint32_t g)
{
	uint32_t goes = g + 1;

	for (unsigned int i = 0; i < RECORD_SPARES && goes; i++) {
		uint32_t other = w->spare[i];

		if (other && other < goes)
			continue;
		w->spare[i] = goes;
		goes = other;
	}
	if (!goes)
		return;
	meta_count(-GROUP_BYTES);
	os_purge(group_at(w, goes - 1), GROUP_BYTES);
}

void record_put(struct window *w, uint32_t index)
{
	uint32_t g = index / RECORD_GROUP;
	struct group *group = group_at(w, g);

	lock_take(&w->slab_lock);
	if (g != w->ngroups - 1 && is_full(group))
		set_room(w, g, true);
	group->used[index % RECORD_GROUP / 64] &= ~(1ull << index % 64);
	if (g != w->ngroups - 1 && is_empty(group))
		retire(w, g);
	lock_drop(&w->slab_lock);
}

bool record_readable(const struct window *w, uint32_t index)
{
	return index / RECORD_GROUP < atomic_load_explicit(&w->ngroups, memory_order_relaxed);
}
