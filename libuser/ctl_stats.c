// SPDX-License-Identifier: MIT
/* Values of ctl that are figures, and the door to the report. */
#include "ctl.h"

#include <errno.h>
#include <stdatomic.h>

#include "ashlar.h"
#include "filter.h"
#include "os.h"
#include "report.h"
#include "resize.h"
#include "smaps.h"
#include "stats.h"

/* --- the snapshot ------------------------------------------------------------------- */

/* Written at each "epoch", read at any time: single words, relaxed. */
static struct {
	_Atomic uint64_t epoch;
	_Atomic size_t allocated, active, metadata, resident, mapped, retained;
	_Atomic size_t dirty, muzzy, hollow, lazy, pinned, cached;
} now;

static int set_epoch(const struct ctl_call *c, const union ctl_value *v)
{
	struct stats_occupancy o;
	struct stats s;

	(void)c;
	(void)v;
	stats_collect(&s);
	stats_occupancy(STATS_ALL, &o);
	now.dirty = s.dirty;
	now.muzzy = s.muzzy;
	now.hollow = s.hollow;
	now.lazy = s.lazy;
	now.pinned = o.pinned;
	now.cached = s.cached;
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

/* --- statistics by arena ------------------------------------------------------------------- */

/* arg: offset of a size_t in struct stats_arena. */
static int get_arena_stat(const struct ctl_call *c, union ctl_value *v)
{
	struct stats_arena a;
	unsigned int index;
	int err = ctl_arena_index(c->index[0], &index);

	if (err)
		return err;
	stats_arena(index, &a);
	ctl_put(c, v, *(size_t *)((char *)&a + c->row->arg));
	return 0;
}

static int get_arena_zero(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int index;

	v->q = 0;
	return ctl_arena_index(c->index[0], &index);
}

static int get_arena_text(const struct ctl_call *c, union ctl_value *v)
{
	unsigned int index;

	v->str = c->row->text;
	return ctl_arena_index(c->index[0], &index);
}

enum { BIN_MADE, BIN_GONE, BIN_NOW };

static int find_bin(const struct ctl_call *c, struct bin_stats *b)
{
	unsigned int index;
	int err = ctl_arena_index(c->index[0], &index);

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
	ctl_put(c, v, c->row->arg == BIN_MADE ? b.taken :
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
		ctl_put(c, v, *(size_t *)((char *)&b + c->row->arg));
	return err;
}

static int get_lextent_stat(const struct ctl_call *c, union ctl_value *v)
{
	struct stats_large l;
	unsigned int index;
	int err = ctl_arena_index(c->index[0], &index);

	if (err || c->index[1] >= NLEXTENTS)
		return ENOENT;
	stats_large(index, CLASS_LARGE_FIRST + (unsigned int)c->index[1], &l);
	ctl_put(c, v, c->row->arg == BIN_MADE ? l.made :
			 c->row->arg == BIN_GONE ? l.gone : l.made - l.gone);
	return 0;
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

/* arg: offset of a size_t in struct smaps. */
static int get_smaps(const struct ctl_call *c, union ctl_value *v)
{
	struct smaps m;

	if (!smaps_read(&m))
		return EFAULT;
	v->z = *(size_t *)((char *)&m + c->row->arg);
	return 0;
}

static int get_pinned(const struct ctl_call *c, union ctl_value *v)
{
	struct stats_occupancy o;

	(void)c;
	stats_occupancy(STATS_ALL, &o);
	v->z = o.pinned;
	return 0;
}

/* The heap of the node that is meant; NULL: it has none. */
static struct pageheap *ctl_node(const struct ctl_call *c)
{
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		if (ash_pageheaps[i]->node == c->index[0])
			return ash_pageheaps[i];
	}
	return NULL;
}

static int get_node_pinned(const struct ctl_call *c, union ctl_value *v)
{
	struct stats_occupancy o;

	if (!ctl_node(c))
		return ENOENT;
	stats_occupancy((unsigned int)c->index[0], &o);
	v->z = o.pinned;
	return 0;
}

/*
 * Bytes of the node's heap that the kernel put on others: it is full, or was. Asked now, of
 * up to ELSEWHERE_PAGES pages that stand for all.
 */
#define ELSEWHERE_PAGES	65536
#define ELSEWHERE_BATCH	512u

struct elsewhere {
	void *pages[ELSEWHERE_BATCH];
	unsigned int n;
	unsigned int node;
	size_t stride, skip;	/* every stride-th page; how many to pass over yet */
	size_t away;		/* pages */
	bool failed;
};

static void ask(struct elsewhere *x)
{
	int nodes[ELSEWHERE_BATCH];

	x->failed = x->failed || (x->n && !os_pages_nodes(x->pages, x->n, nodes));
	for (unsigned int i = 0; i < x->n && !x->failed; i++)
		x->away += nodes[i] >= 0 && (unsigned int)nodes[i] != x->node;
	x->n = 0;
}

static void add_pages(const struct stats_extent *e, void *arg)
{
	struct elsewhere *x = arg;

	if (e->node != x->node || e->state != EXTENT_LIVE)
		return;
	for (; x->skip < EXTENT_PAGES; x->skip += x->stride) {
		x->pages[x->n++] = e->addr + (x->skip << PAGE_SHIFT);
		if (x->n == ELSEWHERE_BATCH)
			ask(x);
	}
	x->skip -= EXTENT_PAGES;
}

static int get_elsewhere(const struct ctl_call *c, union ctl_value *v)
{
	struct pageheap *h = ctl_node(c);
	struct pageheap_stats s;
	struct elsewhere x;

	if (!h)
		return ENOENT;
	pageheap_stats(h, &s);
	x = (struct elsewhere){ .node = h->node, .failed = filter_is_on() };
	x.stride = s.extents * EXTENT_PAGES / ELSEWHERE_PAGES + 1;
	stats_for_extents(add_pages, &x);
	ask(&x);
	v->z = x.away * x.stride << PAGE_SHIFT;
	return x.failed ? ENOSYS : 0;
}

/* Heaps are read without their locks. */
static int get_approximate(const struct ctl_call *c, union ctl_value *v)
{
	v->z = 0;
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		v->z += *(volatile size_t *)((char *)&ash_pageheaps[i]->stats + c->row->arg);
	v->z <<= *c->row->text == 'p' ? PAGE_SHIFT : EXTENT_SHIFT;
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

/* --- the names --------------------------------------------------------------------------- */

#define TOTAL(field)		CTL_RO("stats." #field, SIZE, get_total, .arg = offsetof(__typeof__(now), field))
#define ARENA(n, t, field)	CTL_RO("stats.arenas.#." n, t, get_arena_stat, .arg = offsetof(struct stats_arena, field))
#define ARENA_ZERO(n, t)	CTL_RO("stats.arenas.#." n, t, get_arena_zero)
#define BIN(n, t, field)	CTL_RO("stats.arenas.#.bins.#." n, t, get_bin_stat, .arg = offsetof(struct bin_stats, field))
#define BLOCKS(n, t, what)	CTL_RO("stats.arenas.#.bins.#." n, t, get_bin_blocks, .arg = what)
#define LEXTENT(n, t, what)	CTL_RO("stats.arenas.#.lextents.#." n, t, get_lextent_stat, .arg = what)
#define SOURCE(n, field)	CTL_RO("source." n, SIZE, get_source, .arg = offsetof(struct stats, field))
#define SMAPS(n, field)		CTL_RO("source.smaps." n, SIZE, get_smaps, .arg = offsetof(struct smaps, field))
#define APPROXIMATE(n, field, unit) CTL_RO("approximate_stats." n, SIZE, get_approximate, .arg = offsetof(struct pageheap_stats, field), .text = unit)
#define NODE(n, field, unit)	CTL_RO("node.#." n, SIZE, get_node, .arg = offsetof(struct pageheap_stats, field), .text = unit)

CTL_TABLE_BEGIN(ctl_stats)
	CTL_RW("epoch", U64, get_epoch, set_epoch, .flags = CTL_SET_FIRST)

	TOTAL(allocated) TOTAL(active) TOTAL(metadata) TOTAL(resident) TOTAL(mapped)
	TOTAL(retained)
	TOTAL(dirty) TOTAL(muzzy) TOTAL(hollow) TOTAL(lazy) TOTAL(pinned) TOTAL(cached)
	CTL_IS("stats.metadata_thp", SIZE, 0)
	/* At any time, without an epoch, a lock or a walk; of one moment each. */
	APPROXIMATE("active", active, "p") APPROXIMATE("dirty", dirty, "p")
	APPROXIMATE("muzzy", muzzy, "p") APPROXIMATE("mapped", extents, "e")
	APPROXIMATE("retained", retained, "e")
	CTL_RO("stats.zero_reallocs", SIZE, get_zero_reallocs)

	ARENA("nthreads", UNSIGNED, threads)
	CTL_RO("stats.arenas.#.dss", STRING, get_arena_text, .text = "disabled")
	CTL_RO("stats.arenas.#.dirty_decay_ms", SSIZE, ctl_get_dirty_decay)
	CTL_RO("stats.arenas.#.muzzy_decay_ms", SSIZE, ctl_get_muzzy_decay)
	ARENA("pactive", SIZE, pactive)
	ARENA("pdirty", SIZE, pdirty)
	ARENA("pmuzzy", SIZE, pmuzzy)
	ARENA("mapped", SIZE, mapped)
	ARENA("retained", SIZE, retained)
	ARENA("resident", SIZE, resident)
	ARENA("base", SIZE, metadata)
	ARENA_ZERO("internal", SIZE)
	ARENA_ZERO("metadata_thp", SIZE)
	ARENA_ZERO("abandoned_vm", SIZE)
	ARENA("tcache_bytes", SIZE, cached)
	ARENA("dirty_npurge", U64, purges)
	ARENA("dirty_purged", U64, purged)
	ARENA_ZERO("muzzy_npurge", U64)
	ARENA_ZERO("muzzy_nmadvise", U64)
	ARENA("muzzy_purged", U64, lazily)
	ARENA("small.allocated", SIZE, small)
	ARENA("small.nmalloc", U64, small_made)
	ARENA("small.ndalloc", U64, small_gone)
	ARENA("small.nrequests", U64, small_made)
	ARENA("small.nfills", U64, fills)
	ARENA("small.nflushes", U64, flushes)
	ARENA("large.allocated", SIZE, large)
	ARENA("large.nmalloc", U64, large_made)
	ARENA("large.ndalloc", U64, large_gone)
	ARENA("large.nrequests", U64, large_made)
	ARENA_ZERO("large.nfills", U64)
	ARENA_ZERO("large.nflushes", U64)

	/* Blocks are counted where they enter and leave thread caches. */
	BLOCKS("nmalloc", U64, BIN_MADE)
	BLOCKS("ndalloc", U64, BIN_GONE)
	BLOCKS("nrequests", U64, BIN_MADE)
	BLOCKS("curregs", SIZE, BIN_NOW)
	BIN("nfills", U64, fills)
	BIN("nflushes", U64, flushes)
	BIN("nslabs", U64, slabs_made)
	BIN("curslabs", SIZE, nslabs)
	BIN("nonfull_slabs", SIZE, nonfull)
	LEXTENT("nmalloc", U64, BIN_MADE)
	LEXTENT("ndalloc", U64, BIN_GONE)
	LEXTENT("nrequests", U64, BIN_MADE)
	LEXTENT("curlextents", SIZE, BIN_NOW)

	/* Our own. Nodes are the kernel's numbers; active, dirty and retained are bytes. */
	CTL_RO("source.backend", STRING, get_backend)
	SOURCE("extents", extents)
	SOURCE("huge", huge)
	SOURCE("device.extents", device)
	SOURCE("fallbacks", fallbacks)
	SOURCE("purge_calls", purge_calls)
	SOURCE("purged", purged)
	SOURCE("lazily_purged", lazily_purged)
	SOURCE("punched", punched)
	SOURCE("mended", mended)
	SOURCE("moved", moved)
	SOURCE("lazy", lazy)
	CTL_RO("source.pinned", SIZE, get_pinned)
	SMAPS("resident", resident) SMAPS("huge", huge) SMAPS("lazy_free", lazy_free)
	SMAPS("swapped", swapped)
	NODE("active", active, "p")
	NODE("dirty", dirty, "p")
	NODE("muzzy", muzzy, "p")
	NODE("hollow", hollow, "p")
	NODE("retained", retained, "e")
	CTL_RO("node.#.pinned", SIZE, get_node_pinned)
	NODE("purged", purged, "p")
	NODE("purges", purges, "")
	NODE("extents", extents, "")
	NODE("huge", huge, "")
	NODE("device", device, "")
	NODE("fallbacks", fallbacks, "")
	CTL_RO("node.#.elsewhere", SIZE, get_elsewhere)
CTL_TABLE_END

/* --- the report ------------------------------------------------------------------------------------------- */

EXPORT void ashlar_stats_print(void (*write)(void *arg, const char *text), void *arg,
			       const char *opts)
{
	report_print(write, arg, opts);
}
