// SPDX-License-Identifier: MIT
/* Every name of ctl, and where its value comes from. */
#include "ctl.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "ashlar.h"
#include "background.h"
#include "block.h"
#include "conf.h"
#include "os.h"
#include "purge.h"
#include "stats.h"

/* jemalloc's MALLCTL_ARENAS_ALL; it also takes the number of arenas for the same. */
#define ARENAS_ALL	4096u

/* --- constants and options ---------------------------------------------------------- */

static void put_number(const struct ctl_call *c, union ctl_value *v, size_t n)
{
	switch (c->row->type) {
	case CTL_BOOL:
		v->b = n;
		break;
	case CTL_UNSIGNED:
		v->u = (unsigned int)n;
		break;
	default:
		v->q = n;
		break;
	}
}

static int get_number(const struct ctl_call *c, union ctl_value *v)
{
	put_number(c, v, c->row->arg);
	return 0;
}

static int get_text(const struct ctl_call *c, union ctl_value *v)
{
	v->str = c->row->text;
	return 0;
}

static int64_t *conf_value(const struct conf_row *row)
{
	return (int64_t *)((char *)&conf + row->offset);
}

/* Word @i of "a|b|c", in a place of its own for each option: it never changes. */
static const char *conf_word(const struct conf_row *row)
{
	static char words[64][16];
	char *out = words[row - conf_rows];
	const char *s = row->words;
	size_t len;

	for (int64_t i = *conf_value(row); i > 0; i--)
		s = strchr(s, '|') + 1;
	len = strcspn(s, "|");
	memcpy(out, s, min(len, sizeof(words[0]) - 1));
	return out;
}

static int get_option(const struct ctl_call *c, union ctl_value *v)
{
	const struct conf_row *row = &conf_rows[c->row->arg];

	if (c->row->type == CTL_STRING)
		v->str = conf_word(row);
	else
		put_number(c, v, (size_t)*conf_value(row));
	return 0;
}

/* The most arenas made by themselves: 0 means "by CPUs" where it is set, not where it is read. */
static int get_narenas_option(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->u = arena_limit();
	return 0;
}

const struct ctl_row *ctl_row(unsigned int i, struct ctl_row *scratch)
{
	static char names[64][32];
	const struct conf_row *row;

	if (i < ctl_nrows)
		return &ctl_rows[i];
	i -= ctl_nrows;
	if (i >= min(conf_nrows, (unsigned int)ARRAY_SIZE(names)))
		return NULL;
	row = &conf_rows[i];
	ash_format(names[i], sizeof(names[i]), "opt.%s", row->key);
	*scratch = (struct ctl_row){ .name = names[i], .type = CTL_SIZE, .get = get_option, .arg = i };
	if (row->words)
		scratch->type = strcmp(row->words, "false|true") ? CTL_STRING : CTL_BOOL;
	else if (row->least < 0)
		scratch->type = CTL_SSIZE;
	return scratch;
}

/* --- the snapshot ------------------------------------------------------------------- */

/* Written at each "epoch", read at any time: single words, relaxed. */
static struct {
	_Atomic uint64_t epoch;
	_Atomic size_t allocated, active, metadata, resident, mapped, retained;
} now;

static int set_epoch(const struct ctl_call *c, const union ctl_value *v)
{
	struct stats s;

	(void)c;
	(void)v;
	stats_collect(&s);
	now.allocated = s.allocated;
	now.active = s.active;
	now.metadata = s.metadata;
	now.resident = stats_resident();
	now.mapped = s.mapped;
	now.retained = s.retained;
	atomic_fetch_add(&now.epoch, 1);
	return 0;
}

static int get_epoch(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	if (!now.epoch)
		set_epoch(c, NULL);
	v->q = now.epoch;
	return 0;
}

static int get_total(const struct ctl_call *c, union ctl_value *v)
{
	if (!now.epoch)
		set_epoch(c, NULL);
	v->z = *(_Atomic size_t *)((char *)&now + c->row->arg);
	return 0;
}

static int get_zero_reallocs(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->z = atomic_load_explicit(&block_zero_reallocs, memory_order_relaxed);
	return 0;
}

/* --- this thread ---------------------------------------------------------------------- */

static int get_thread_arena(const struct ctl_call *c, union ctl_value *v)
{
	struct arena *a = thread_arena(thread_cache());

	(void)c;
	v->u = a ? a->index : 0;
	return a ? 0 : EAGAIN;
}

static int set_thread_arena(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	if (v->u > ARENAS_MAX)
		return EFAULT;
	if (!arena_get(v->u))
		return EAGAIN;
	return thread_set_arena(v->u) ? 0 : EAGAIN;
}

/* arg: offset in struct tcache. */
static int get_thread_count(const struct ctl_call *c, union ctl_value *v)
{
	struct tcache *t = thread_cache();

	if (!t->disabled)
		tcache_count(t);
	v->q = *(uint64_t *)((char *)t + c->row->arg);
	return 0;
}

static int get_thread_countp(const struct ctl_call *c, union ctl_value *v)
{
	struct tcache *t = thread_cache();

	if (!t->disabled)
		tcache_count(t);
	v->p = (char *)t + c->row->arg;
	return 0;
}

static int get_tcache_enabled(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->b = !thread_cache()->disabled;
	return 0;
}

static int set_tcache_enabled(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	thread_cache_enable(v->b);
	return 0;
}

static int tcache_flush(const struct ctl_call *c, const union ctl_value *v)
{
	struct tcache *t = thread_cache();

	(void)c;
	(void)v;
	if (t->disabled)
		return EFAULT;
	tcache_flush_all(t);
	return 0;
}

static int thread_idle(const struct ctl_call *c, const union ctl_value *v)
{
	tcache_flush(c, v);
	purge_heaps(os_now_ms(), PURGE_DECAY);
	return 0;
}

/* --- caches by number ----------------------------------------------------------------- */

/* A numbered cache holds nothing (see jemalloc.c): only numbers are kept. */
#define NUMBERED_MAX	4094u

static _Atomic unsigned int numbered;

static int get_tcache_create(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int n = atomic_load(&numbered);

	(void)c;
	do {
		if (n == NUMBERED_MAX)
			return EAGAIN;
	} while (!atomic_compare_exchange_weak(&numbered, &n, n + 1));
	v->u = n;
	return 0;
}

static int set_tcache_flush(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return v->u < atomic_load(&numbered) ? 0 : EFAULT;
}

/* --- arenas ----------------------------------------------------------------------------- */

/* @i as STATS_ALL or the index of an arena that exists. */
static int arena_index(size_t i, unsigned int *index)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_acquire);

	*index = i == ARENAS_ALL || i == n ? STATS_ALL : (unsigned int)i;
	return i < n || *index == STATS_ALL ? 0 : ENOENT;
}

/* Call @fn for the heap of each arena meant, once. */
static int for_heaps(const struct ctl_call *c, void (*fn)(struct pageheap *h, int64_t arg),
		     int64_t arg)
{
	unsigned int index;
	int err = arena_index(c->index[0], &index);

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

	v->b = !arena_index(c->index[0], &index);
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
	purge_heap(h, os_now_ms(), PURGE_ALL);
}

static int arena_purge(const struct ctl_call *c, const union ctl_value *v)
{
	unsigned int index;

	if (!arena_index(c->index[0], &index)) {
		if (index == STATS_ALL)
			tcache_flush(c, v);
		empty_depots(index);
	}
	return for_heaps(c, purge_all, 0);
}

static void decay_now(struct pageheap *h, int64_t arg)
{
	(void)arg;
	purge_heap(h, os_now_ms(), PURGE_DECAY);
}

static int arena_decay(const struct ctl_call *c, const union ctl_value *v)
{
	(void)v;
	return for_heaps(c, decay_now, 0);
}

/* An arena cannot be emptied under its users: large blocks are the node's, not the arena's. */
static int not_possible(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	(void)v;
	return EOPNOTSUPP;
}

static int get_dirty_decay(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int index;
	int err = arena_index(c->index[0], &index);

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
	return 0;
}

static int get_muzzy_decay(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int index;

	v->s = conf.muzzy_decay_ms;
	return arena_index(c->index[0], &index);
}

static int set_muzzy_decay(const struct ctl_call *c, const union ctl_value *v)
{
	unsigned int index;
	int err = arena_index(c->index[0], &index);

	return err ? err : set_muzzy_default(c, v);
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
	/* A large block is its node's: the node's first arena stands for it. */
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
	put_number(c, v, c->row->arg == BIN_SIZE ? sc->size :
			 c->row->arg == BIN_NREGS ? slab / sc->size : slab);
	return 0;
}

static int get_bin_one(const struct ctl_call *c, union ctl_value *v)
{
	v->u = 1;
	return c->index[0] < CLASS_SMALL_LAST ? 0 : ENOENT;
}

#define NLEXTENTS	(CLASS_LARGE_LAST - CLASS_LARGE_FIRST + 1)

static int get_lextent_size(const struct ctl_call *c, union ctl_value *v)
{
	if (c->index[0] >= NLEXTENTS)
		return ENOENT;
	v->z = sizeclasses[CLASS_LARGE_FIRST + c->index[0]].size;
	return 0;
}

/* --- statistics by arena ------------------------------------------------------------------- */

/* arg: offset of a size_t in struct stats_arena. */
static int get_arena_stat(const struct ctl_call *c, union ctl_value *v)
{
	struct stats_arena a;
	unsigned int index;
	int err = arena_index(c->index[0], &index);

	if (err)
		return err;
	stats_arena(index, &a);
	put_number(c, v, *(size_t *)((char *)&a + c->row->arg));
	return 0;
}

static int get_arena_zero(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int index;

	v->q = 0;
	return arena_index(c->index[0], &index);
}

static int get_arena_text(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int index;

	v->str = c->row->text;
	return arena_index(c->index[0], &index);
}

enum { BIN_MADE, BIN_GONE, BIN_NOW };

static int find_bin(const struct ctl_call *c, struct bin_stats *b)
{
	unsigned int index;
	int err = arena_index(c->index[0], &index);

	if (err || c->index[1] >= CLASS_SMALL_LAST)
		return ENOENT;
	stats_bin(index, (unsigned int)c->index[1] + 1, b);
	return 0;
}

static int get_bin_blocks(const struct ctl_call *c, union ctl_value *v)
{
	struct bin_stats b;
	size_t outside;
	int err = find_bin(c, &b);

	if (err)
		return err;
	outside = stats_bin_outside(&b);
	put_number(c, v, c->row->arg == BIN_MADE ? b.taken :
			 c->row->arg == BIN_NOW ? outside :
			 b.taken > outside ? b.taken - outside : 0);
	return 0;
}

/* arg: offset of a size_t in struct bin_stats. */
static int get_bin_stat(const struct ctl_call *c, union ctl_value *v)
{
	struct bin_stats b;
	int err = find_bin(c, &b);

	if (!err)
		put_number(c, v, *(size_t *)((char *)&b + c->row->arg));
	return err;
}

static int get_lextent_stat(const struct ctl_call *c, union ctl_value *v)
{
	struct stats_large l;
	unsigned int index;
	int err = arena_index(c->index[0], &index);

	if (err || c->index[1] >= NLEXTENTS)
		return ENOENT;
	stats_large(index, CLASS_LARGE_FIRST + (unsigned int)c->index[1], &l);
	put_number(c, v, c->row->arg == BIN_MADE ? l.made :
			 c->row->arg == BIN_GONE ? l.gone : l.made - l.gone);
	return 0;
}

/* --- background thread --------------------------------------------------------------------- */

static int get_background(const struct ctl_call *c, union ctl_value *v)
{
	put_number(c, v, background_running());
	return 0;
}

static int set_background(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return background_set(v->b) ? 0 : EAGAIN;
}

/* One thread serves all arenas. */
static int set_max_background(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return v->z ? 0 : EINVAL;
}

/* --- where memory comes from ----------------------------------------------------------------- */

static int get_backend(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->str = stats_backend();
	return 0;
}

/* arg: offset of a size_t in struct stats. */
static int get_source(const struct ctl_call *c, union ctl_value *v)
{
	struct stats s;

	stats_collect(&s);
	v->z = *(size_t *)((char *)&s + c->row->arg);
	return 0;
}

/* text: "p" pages, shown as bytes; "e" extents, likewise; "" a number. */
static int get_node(const struct ctl_call *c, union ctl_value *v)
{
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		struct pageheap_stats s;

		if (ash_pageheaps[i]->node != c->index[0])
			continue;
		pageheap_stats(ash_pageheaps[i], &s);
		v->z = *(size_t *)((char *)&s + c->row->arg);
		v->z <<= *c->row->text == 'p' ? PAGE_SHIFT : *c->row->text == 'e' ? EXTENT_SHIFT : 0;
		return 0;
	}
	return ENOENT;
}

/* --- the table --------------------------------------------------------------------------------- */

#define RO(n, t, fn, ...)	{ .name = n, .type = CTL_##t, .get = fn, ##__VA_ARGS__ }
#define RW(n, t, g, s, ...)	{ .name = n, .type = CTL_##t, .get = g, .set = s, ##__VA_ARGS__ }
#define WO(n, t, s)		{ .name = n, .type = CTL_##t, .set = s }
#define ACT(n, s)		{ .name = n, .type = CTL_VOID, .set = s }
#define IS(n, t, value)		RO(n, t, get_number, .arg = (size_t)(value))
#define TEXT(n, value)		RO(n, STRING, get_text, .text = value)
#define TOTAL(field)		RO("stats." #field, SIZE, get_total, .arg = (size_t)((char *)&((__typeof__(now) *)0)->field))
#define ARENA(n, t, field)	RO("stats.arenas.#." n, t, get_arena_stat, .arg = offsetof(struct stats_arena, field))
#define ARENA_ZERO(n, t)	RO("stats.arenas.#." n, t, get_arena_zero)
#define BIN(n, t, field)	RO("stats.arenas.#.bins.#." n, t, get_bin_stat, .arg = offsetof(struct bin_stats, field))
#define BLOCKS(n, t, what)	RO("stats.arenas.#.bins.#." n, t, get_bin_blocks, .arg = what)
#define LEXTENT(n, t, what)	RO("stats.arenas.#.lextents.#." n, t, get_lextent_stat, .arg = what)
#define SOURCE(n, field)	RO("source." n, SIZE, get_source, .arg = offsetof(struct stats, field))
#define NODE(n, field, unit)	RO("node.#." n, SIZE, get_node, .arg = offsetof(struct pageheap_stats, field), .text = unit)

const struct ctl_row ctl_rows[] = {
	TEXT("version", ASHLAR_VERSION),
	RW("epoch", U64, get_epoch, set_epoch, .flags = CTL_SET_FIRST),
	RW("background_thread", BOOL, get_background, set_background),
	RW("max_background_threads", SIZE, get_number, set_max_background, .arg = 1),

	IS("config.cache_oblivious", BOOL, false),
	IS("config.debug", BOOL, ASHLAR_DEBUG),
	IS("config.fill", BOOL, false),
	IS("config.lazy_lock", BOOL, false),
	TEXT("config.malloc_conf", ""),
	IS("config.opt_safety_checks", BOOL, true),
	IS("config.prof", BOOL, false),
	IS("config.prof_libgcc", BOOL, false),
	IS("config.prof_libunwind", BOOL, false),
	IS("config.stats", BOOL, true),
	IS("config.utrace", BOOL, false),
	IS("config.xmalloc", BOOL, false),

	/* jemalloc's options that are no options here, as what they are; ours follow the table. */
	RO("opt.narenas", UNSIGNED, get_narenas_option),
	IS("opt.abort", BOOL, false),
	IS("opt.cache_oblivious", BOOL, false),
	IS("opt.trust_madvise", BOOL, true),
	IS("opt.retain", BOOL, true),
	IS("opt.hpa", BOOL, false),
	TEXT("opt.metadata_thp", "disabled"),
	TEXT("opt.dss", "disabled"),
	TEXT("opt.percpu_arena", "disabled"),
	IS("opt.oversize_threshold", SIZE, 0),
	IS("opt.max_background_threads", SIZE, 1),
	TEXT("opt.zero_realloc", "free"),
	TEXT("opt.stats_print_opts", ""),
	IS("opt.stats_interval", SSIZE, -1),
	TEXT("opt.stats_interval_opts", ""),
	IS("opt.tcache_max", SIZE, LARGE_MAX),

	RW("thread.arena", UNSIGNED, get_thread_arena, set_thread_arena),
	RO("thread.allocated", U64, get_thread_count, .arg = offsetof(struct tcache, allocated)),
	RO("thread.allocatedp", POINTER, get_thread_countp, .arg = offsetof(struct tcache, allocated)),
	RO("thread.deallocated", U64, get_thread_count, .arg = offsetof(struct tcache, deallocated)),
	RO("thread.deallocatedp", POINTER, get_thread_countp, .arg = offsetof(struct tcache, deallocated)),
	RW("thread.tcache.enabled", BOOL, get_tcache_enabled, set_tcache_enabled),
	ACT("thread.tcache.flush", tcache_flush),
	ACT("thread.idle", thread_idle),

	RO("tcache.create", UNSIGNED, get_tcache_create, .flags = CTL_ALWAYS),
	WO("tcache.flush", UNSIGNED, set_tcache_flush),
	WO("tcache.destroy", UNSIGNED, set_tcache_flush),

	RO("arena.#.initialized", BOOL, get_initialized),
	ACT("arena.#.decay", arena_decay),
	ACT("arena.#.purge", arena_purge),
	ACT("arena.#.reset", not_possible),
	ACT("arena.#.destroy", not_possible),
	RO("arena.#.dss", STRING, get_arena_text, .text = "disabled"),
	RW("arena.#.dirty_decay_ms", SSIZE, get_dirty_decay, set_dirty_decay),
	RW("arena.#.muzzy_decay_ms", SSIZE, get_muzzy_decay, set_muzzy_decay),

	RO("arenas.narenas", UNSIGNED, get_narenas),
	RW("arenas.dirty_decay_ms", SSIZE, get_decay_default, set_dirty_default,
	   .arg = offsetof(struct conf, dirty_decay_ms)),
	RW("arenas.muzzy_decay_ms", SSIZE, get_decay_default, set_muzzy_default,
	   .arg = offsetof(struct conf, muzzy_decay_ms)),
	IS("arenas.quantum", SIZE, 16),
	IS("arenas.page", SIZE, PAGE_SIZE),
	IS("arenas.hugepage", SIZE, EXTENT_SIZE),
	IS("arenas.tcache_max", SIZE, LARGE_MAX),
	IS("arenas.nbins", UNSIGNED, CLASS_SMALL_LAST),
	IS("arenas.nhbins", UNSIGNED, CLASS_LARGE_LAST),
	IS("arenas.nlextents", UNSIGNED, NLEXTENTS),
	RO("arenas.bin.#.size", SIZE, get_bin_constant, .arg = BIN_SIZE),
	RO("arenas.bin.#.nregs", UNSIGNED, get_bin_constant, .arg = BIN_NREGS),
	RO("arenas.bin.#.slab_size", SIZE, get_bin_constant, .arg = BIN_SLAB_SIZE),
	RO("arenas.bin.#.nshards", UNSIGNED, get_bin_one),
	RO("arenas.lextent.#.size", SIZE, get_lextent_size),
	RO("arenas.create", UNSIGNED, get_create, .flags = CTL_ALWAYS),
	RO("arenas.lookup", UNSIGNED, get_lookup, .flags = CTL_ASKS),

	TOTAL(allocated), TOTAL(active), TOTAL(metadata), TOTAL(resident), TOTAL(mapped),
	TOTAL(retained),
	IS("stats.metadata_thp", SIZE, 0),
	RO("stats.zero_reallocs", SIZE, get_zero_reallocs),
	RO("stats.background_thread.num_threads", SIZE, get_background),

	ARENA("nthreads", UNSIGNED, threads),
	RO("stats.arenas.#.dss", STRING, get_arena_text, .text = "disabled"),
	RO("stats.arenas.#.dirty_decay_ms", SSIZE, get_dirty_decay),
	RO("stats.arenas.#.muzzy_decay_ms", SSIZE, get_muzzy_decay),
	ARENA("pactive", SIZE, pactive),
	ARENA("pdirty", SIZE, pdirty),
	ARENA_ZERO("pmuzzy", SIZE),
	ARENA("mapped", SIZE, mapped),
	ARENA("retained", SIZE, retained),
	ARENA("resident", SIZE, resident),
	ARENA("base", SIZE, metadata),
	ARENA_ZERO("internal", SIZE),
	ARENA_ZERO("metadata_thp", SIZE),
	ARENA_ZERO("abandoned_vm", SIZE),
	ARENA("tcache_bytes", SIZE, cached),
	ARENA("dirty_npurge", U64, purges),
	ARENA("dirty_purged", U64, purged),
	ARENA_ZERO("muzzy_npurge", U64),
	ARENA_ZERO("muzzy_nmadvise", U64),
	ARENA_ZERO("muzzy_purged", U64),
	ARENA("small.allocated", SIZE, small),
	ARENA("small.nmalloc", U64, small_made),
	ARENA("small.ndalloc", U64, small_gone),
	ARENA("small.nrequests", U64, small_made),
	ARENA("small.nfills", U64, fills),
	ARENA("small.nflushes", U64, flushes),
	ARENA("large.allocated", SIZE, large),
	ARENA("large.nmalloc", U64, large_made),
	ARENA("large.ndalloc", U64, large_gone),
	ARENA("large.nrequests", U64, large_made),
	ARENA_ZERO("large.nfills", U64),
	ARENA_ZERO("large.nflushes", U64),

	/* Blocks are counted where they enter and leave thread caches. */
	BLOCKS("nmalloc", U64, BIN_MADE),
	BLOCKS("ndalloc", U64, BIN_GONE),
	BLOCKS("nrequests", U64, BIN_MADE),
	BLOCKS("curregs", SIZE, BIN_NOW),
	BIN("nfills", U64, fills),
	BIN("nflushes", U64, flushes),
	BIN("nslabs", U64, slabs_made),
	BIN("curslabs", SIZE, nslabs),
	BIN("nonfull_slabs", SIZE, nonfull),
	LEXTENT("nmalloc", U64, BIN_MADE),
	LEXTENT("ndalloc", U64, BIN_GONE),
	LEXTENT("nrequests", U64, BIN_MADE),
	LEXTENT("curlextents", SIZE, BIN_NOW),

	/* Our own. Nodes are the kernel's numbers; active, dirty and retained are bytes. */
	RO("source.backend", STRING, get_backend),
	SOURCE("extents", extents),
	SOURCE("huge", huge),
	SOURCE("device.extents", device),
	SOURCE("fallbacks", fallbacks),
	SOURCE("purge_calls", purge_calls),
	SOURCE("purged", purged),
	NODE("active", active, "p"),
	NODE("dirty", dirty, "p"),
	NODE("retained", retained, "e"),
	NODE("extents", extents, ""),
	NODE("huge", huge, ""),
	NODE("device", device, ""),
	NODE("fallbacks", fallbacks, ""),
};

const unsigned int ctl_nrows = ARRAY_SIZE(ctl_rows);

/* --- doors ------------------------------------------------------------------------------------------- */

EXPORT size_t ashlar_purge(void)
{
	struct tcache *t = thread_cache();

	if (!thread_ready())
		return 0;
	if (!t->disabled)
		tcache_flush_all(t);
	empty_depots(STATS_ALL);
	return purge_heaps(os_now_ms(), PURGE_ALL) << PAGE_SHIFT;
}

EXPORT void ashlar_stats_print(void (*write)(void *arg, const char *text), void *arg,
			       const char *opts)
{
	stats_print(write, arg, opts);
}
