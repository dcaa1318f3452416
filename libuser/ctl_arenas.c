// SPDX-License-Identifier: MIT
/* Values of ctl about arenas and size classes; and the door to purging. */
#include "ctl.h"

#include <errno.h>
#include <stdatomic.h>

#include "arenas.h"
#include "ashlar.h"
#include "block.h"
#include "conf.h"
#include "hollow.h"
#include "large.h"
#include "os.h"
#include "reset.h"
#include "stats.h"

/* --- arenas ----------------------------------------------------------------------------- */

/* Call @fn for the heap of each arena meant, once. */
static int for_heaps(const struct ctl_call *c, void (*fn)(struct pageheap *h, int64_t arg),
		     int64_t arg)
{
	unsigned int index;
	int err = ctl_arena_index(c->index[0], &index);

	if (err)
		return err;
	if (index != STATS_ALL) {
		fn(ash_arenas[index]->heap, arg);
		return 0;
	}
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		fn(ash_pageheaps[i], arg);
	return 0;
}

static int get_initialized(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int index;

	v->b = !ctl_arena_index(c->index[0], &index);
	return v->b || c->index[0] < arena_limit() ? 0 : ENOENT;
}

/* Free slots of the arena's depots are free memory too. */
static void empty_depots(unsigned int index)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_acquire);

	for (unsigned int i = 0; i < n; i++) {
		if (index == i || index == STATS_ALL)
			arena_age_depots(ash_arenas[i], true);
	}
}

static void purge_all(struct pageheap *h, int64_t arg)
{
	(void)arg;
	hollow_purge(h, os_now_ms(), PURGE_ALL);
}

static int arena_purge(const struct ctl_call *c, const union ctl_value *v)
{
	struct tcache *t = thread_cache();
	unsigned int index;

	(void)v;
	if (!ctl_arena_index(c->index[0], &index)) {
		if (index == STATS_ALL && t->enabled)
			tcache_flush_all(t);
		empty_depots(index);
	}
	return for_heaps(c, purge_all, 0);
}

static void decay_now(struct pageheap *h, int64_t arg)
{
	(void)arg;
	hollow_purge(h, os_now_ms(), PURGE_DECAY);
}

static int arena_decay(const struct ctl_call *c, const union ctl_value *v)
{
	(void)v;
	return for_heaps(c, decay_now, 0);
}

/* One arena that "arenas.create" made. Its blocks in this thread's cache go first. */
static int one_created(const struct ctl_call *c, struct arena **a)
{
	unsigned int index;
	int err = ctl_arena_index(c->index[0], &index);

	if (err)
		return err;
	if (index == STATS_ALL || !ash_arenas[index]->reserved)
		return EFAULT;
	*a = ash_arenas[index];
	if (thread_cache()->enabled)
		tcache_flush_all(thread_cache());
	return 0;
}

static int reset_arena(const struct ctl_call *c, const union ctl_value *v)
{
	struct arena *a;
	int err = one_created(c, &a);

	(void)v;
	if (!err)
		arena_reset(a);
	return err;
}

static int destroy_arena(const struct ctl_call *c, const union ctl_value *v)
{
	struct arena *a;
	int err = one_created(c, &a);

	(void)v;
	return err ? err : arena_destroy(a) ? 0 : EFAULT;
}

int ctl_get_dirty_decay(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int index;
	int err = ctl_arena_index(c->index[0], &index);

	if (!err)
		v->s = index == STATS_ALL ? ash_pageheaps[0]->decay.ms :
					    ash_arenas[index]->heap->decay.ms;
	return err;
}

static bool decay_valid(ssize_t ms)
{
	return ms >= -1 && ms <= INT64_MAX / 1000000;
}

/* Arenas of one node share its free pages, and so this time. */
static int set_dirty_decay(const struct ctl_call *c, const union ctl_value *v)
{
	return decay_valid(v->s) ? for_heaps(c, pageheap_set_decay, v->s) : EFAULT;
}

static int get_decay_default(const struct ctl_call *c, union ctl_value *v)
{
	v->s = *(int64_t *)((char *)&conf + c->row->arg);
	return 0;
}

/* All heaps exist from the start: a new default that new ones alone had would be none. */
static int set_dirty_default(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	if (!decay_valid(v->s))
		return EFAULT;
	conf.dirty_decay_ms = v->s;
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		pageheap_set_decay(ash_pageheaps[i], v->s);
	return 0;
}

static int set_muzzy_default(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	if (!decay_valid(v->s))
		return EFAULT;
	conf.muzzy_decay_ms = v->s;
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		pageheap_set_muzzy_decay(ash_pageheaps[i], v->s);
	return 0;
}

int ctl_get_muzzy_decay(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int index;
	int err = ctl_arena_index(c->index[0], &index);

	if (!err)
		v->s = index == STATS_ALL ? ash_pageheaps[0]->muzzy.ms :
					    ash_arenas[index]->heap->muzzy.ms;
	return err;
}

static int set_muzzy_decay(const struct ctl_call *c, const union ctl_value *v)
{
	return decay_valid(v->s) ? for_heaps(c, pageheap_set_muzzy_decay, v->s) : EFAULT;
}

static int get_narenas(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->u = atomic_load_explicit(&ash_narenas, memory_order_acquire);
	return 0;
}

static int get_create(const struct ctl_call *c, union ctl_value *v)
{
	struct arena *a = arena_create(os_current_node());

	(void)c;
	if (!a)
		return EAGAIN;
	v->u = a->index;
	return 0;
}

static int get_lookup(const struct ctl_call *c, union ctl_value *v)
{
	const void *p = v->p;
	struct block b;

	(void)c;
	if (!block_find(p, &b))
		return EINVAL;
	if (b.class <= CLASS_SMALL_LAST) {
		v->u = slab_of(b.w, p)->arena;
		return 0;
	}
	if (b.class == CLASS_HUGE && large_owner(b.w, window_page(b.w, p))) {
		v->u = large_owner(b.w, window_page(b.w, p)) - 1;
		return 0;
	}
	/* Any other large block is its node's: the node's first arena stands for it. */
	for (unsigned int i = 0; i < ash_narenas; i++) {
		if (ash_arenas[i]->heap == ash_pageheaps[b.w->heap]) {
			v->u = i;
			return 0;
		}
	}
	return EINVAL;
}

/* --- size classes ------------------------------------------------------------------------ */

enum { BIN_SIZE, BIN_NREGS, BIN_SLAB_SIZE };

static int get_bin_constant(const struct ctl_call *c, union ctl_value *v)
{
	const struct sizeclass *sc = &sizeclasses[c->index[0] + 1];
	size_t slab;

	if (c->index[0] >= CLASS_SMALL_LAST)
		return ENOENT;
	slab = sc->pages_max * PAGE_SIZE;
	ctl_put(c, v, c->row->arg == BIN_SIZE ? sc->size :
			 c->row->arg == BIN_NREGS ? slab / sc->size : slab);
	return 0;
}

static int get_bin_one(const struct ctl_call *c, union ctl_value *v)
{
	v->u = 1;
	return c->index[0] < CLASS_SMALL_LAST ? 0 : ENOENT;
}

static int get_lextent_size(const struct ctl_call *c, union ctl_value *v)
{
	if (c->index[0] >= NLEXTENTS)
		return ENOENT;
	v->z = sizeclasses[CLASS_LARGE_FIRST + c->index[0]].size;
	return 0;
}

/* --- purging by name of its own ------------------------------------------------------- */

EXPORT size_t ashlar_purge(void)
{
	struct tcache *t = thread_cache();

	if (!thread_ready())
		return 0;
	if (t->enabled)
		tcache_flush_all(t);
	empty_depots(STATS_ALL);
	return hollow_purge_all(os_now_ms(), PURGE_ALL) << PAGE_SHIFT;
}

/* --- the names --------------------------------------------------------------------------- */

CTL_TABLE_BEGIN(ctl_arenas)
	CTL_RO("arena.#.initialized", BOOL, get_initialized)
	CTL_ACT("arena.#.decay", arena_decay)
	CTL_ACT("arena.#.purge", arena_purge)
	CTL_ACT("arena.#.reset", reset_arena)
	CTL_ACT("arena.#.destroy", destroy_arena)
	CTL_RO("arena.#.dss", STRING, ctl_get_text, .text = "disabled")
	CTL_RW("arena.#.dirty_decay_ms", SSIZE, ctl_get_dirty_decay, set_dirty_decay)
	CTL_RW("arena.#.muzzy_decay_ms", SSIZE, ctl_get_muzzy_decay, set_muzzy_decay)

	CTL_RO("arenas.narenas", UNSIGNED, get_narenas)
	CTL_RW("arenas.dirty_decay_ms", SSIZE, get_decay_default, set_dirty_default,
	   .arg = offsetof(struct conf, dirty_decay_ms))
	CTL_RW("arenas.muzzy_decay_ms", SSIZE, get_decay_default, set_muzzy_default,
	   .arg = offsetof(struct conf, muzzy_decay_ms))
	CTL_IS("arenas.quantum", SIZE, 16)
	CTL_IS("arenas.page", SIZE, PAGE_SIZE)
	CTL_IS("arenas.hugepage", SIZE, EXTENT_SIZE)
	CTL_IS("arenas.tcache_max", SIZE, LARGE_MAX)
	CTL_IS("arenas.nbins", UNSIGNED, CLASS_SMALL_LAST)
	CTL_IS("arenas.nhbins", UNSIGNED, CLASS_LARGE_LAST)
	CTL_IS("arenas.nlextents", UNSIGNED, NLEXTENTS)
	CTL_RO("arenas.bin.#.size", SIZE, get_bin_constant, .arg = BIN_SIZE)
	CTL_RO("arenas.bin.#.nregs", UNSIGNED, get_bin_constant, .arg = BIN_NREGS)
	CTL_RO("arenas.bin.#.slab_size", SIZE, get_bin_constant, .arg = BIN_SLAB_SIZE)
	CTL_RO("arenas.bin.#.nshards", UNSIGNED, get_bin_one)
	CTL_RO("arenas.lextent.#.size", SIZE, get_lextent_size)
	CTL_RO("arenas.create", UNSIGNED, get_create, .flags = CTL_ALWAYS)
	CTL_RO("arenas.lookup", UNSIGNED, get_lookup, .flags = CTL_ASKS)
CTL_TABLE_END
