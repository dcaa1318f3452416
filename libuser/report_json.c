// SPDX-License-Identifier: MIT
/* Statistics as JSON; Documentation/stats.schema.json is its description. */
#include <unistd.h>

#include "ashlar.h"
#include "conf.h"
#include "report_parts.h"
#include "thread.h"

#define SCHEMA	1

static void totals(struct sink *out, const struct report_totals *t)
{
	const struct stats *s = &t->s;

	json_object(out, "totals");
	json_number(out, "allocated", s->allocated);
	json_number(out, "small", s->small);
	json_number(out, "large", s->large);
	json_number(out, "cached", s->cached);
	json_number(out, "active", s->active);
	json_number(out, "dirty", s->dirty);
	json_number(out, "muzzy", s->muzzy);
	json_number(out, "hollow", s->hollow);
	json_number(out, "lazy", s->lazy);
	json_number(out, "pinned", t->occupancy.pinned);
	json_number(out, "metadata", s->metadata);
	json_number(out, "resident", s->resident);
	json_number(out, "mapped", s->mapped);
	json_number(out, "retained", s->retained);
	json_number(out, "threads", s->threads);
	json_number(out, "arenas", s->arenas);
	json_number(out, "fills", s->fills);
	json_number(out, "flushes", s->flushes);
	json_share(out, "fragmentation", s->resident > s->allocated ? s->resident - s->allocated : 0,
		   s->resident);
	json_close(out);
}

static void smaps(struct sink *out, const struct smaps *m)
{
	json_object(out, "smaps");
	json_number(out, "resident", m->resident);
	json_number(out, "huge", m->huge);
	json_number(out, "lazy_free", m->lazy_free);
	json_number(out, "swapped", m->swapped);
	json_share(out, "huge_share", m->huge, m->resident);
	json_close(out);
}

static void source(struct sink *out, const struct stats *s)
{
	json_object(out, "source");
	json_string(out, "backend", stats_backend());
	json_number(out, "extents", s->extents);
	json_number(out, "huge_extents", s->huge);
	json_number(out, "device_extents", s->device);
	json_share(out, "huge_share", s->huge, s->extents);
	json_number(out, "fallbacks", s->fallbacks);
	json_number(out, "purges", s->purges);
	json_number(out, "purge_calls", s->purge_calls);
	json_number(out, "purged", s->purged);
	json_number(out, "lazily_purged", s->lazily_purged);
	json_number(out, "punched_extents", s->punched);
	json_number(out, "mended_extents", s->mended);
	json_number(out, "moved_extents", s->moved);
	json_close(out);
}

static void occupancy(struct sink *out, const struct stats_occupancy *o)
{
	json_array(out, "occupancy");
	for (unsigned int i = 0; i < ARRAY_SIZE(o->extents); i++)
		json_number(out, NULL, o->extents[i]);
	json_close(out);
}

static void nodes(struct sink *out)
{
	json_array(out, "nodes");
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		struct pageheap *heap = ash_pageheaps[i];
		struct stats_occupancy o;
		struct pageheap_stats h;

		pageheap_stats(heap, &h);
		stats_occupancy(heap->node, &o);
		json_object(out, NULL);
		json_number(out, "node", heap->node);
		json_number(out, "active", h.active << PAGE_SHIFT);
		json_number(out, "dirty", h.dirty << PAGE_SHIFT);
		json_number(out, "muzzy", h.muzzy << PAGE_SHIFT);
		json_number(out, "hollow", h.hollow << PAGE_SHIFT);
		json_number(out, "pinned", o.pinned);
		json_number(out, "retained", h.retained << EXTENT_SHIFT);
		json_number(out, "extents", h.extents);
		json_number(out, "huge_extents", h.huge);
		json_number(out, "device_extents", h.device);
		json_number(out, "fallbacks", h.fallbacks);
		json_number(out, "purges", h.purges);
		json_number(out, "purged", h.purged << PAGE_SHIFT);
		json_signed(out, "dirty_decay_ms", heap->decay.ms);
		json_signed(out, "muzzy_decay_ms", heap->muzzy.ms);
		occupancy(out, &o);
		json_close(out);
	}
	json_close(out);
}

static void arenas(struct sink *out)
{
	unsigned int n = atomic_load(&ash_narenas);

	json_array(out, "arenas");
	for (unsigned int i = 0; i < n; i++) {
		struct stats_arena a;

		stats_arena(i, &a);
		json_object(out, NULL);
		json_number(out, "arena", i);
		json_number(out, "node", ash_arenas[i]->heap->node);
		json_number(out, "threads", a.threads);
		json_number(out, "small", a.small);
		json_number(out, "large", a.large);
		json_number(out, "cached", a.cached);
		json_number(out, "fills", a.fills);
		json_number(out, "flushes", a.flushes);
		json_close(out);
	}
	json_close(out);
}

static void bins(struct sink *out)
{
	json_array(out, "bins");
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		size_t size = sizeclasses[c].size;
		struct bin_stats b;

		stats_bin(STATS_ALL, c, &b);
		json_object(out, NULL);
		json_number(out, "size", size);
		json_number(out, "outside", stats_bin_outside(&b));
		json_number(out, "depots", b.depot);
		json_number(out, "slabs", b.nslabs);
		json_number(out, "nonfull_slabs", b.nonfull);
		json_number(out, "bytes", b.pages << PAGE_SHIFT);
		json_share(out, "used", stats_bin_outside(&b) * size, b.pages << PAGE_SHIFT);
		json_number(out, "fills", b.fills);
		json_number(out, "flushes", b.flushes);
		json_number(out, "taken", b.taken);
		json_close(out);
	}
	json_close(out);
}

static void large(struct sink *out)
{
	json_array(out, "large");
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_HUGE; c++) {
		struct stats_large l;

		stats_large(STATS_ALL, c, &l);
		json_object(out, NULL);
		json_number(out, "size", c < CLASS_HUGE ? sizeclasses[c].size : 0);
		json_number(out, "now", l.made > l.gone ? l.made - l.gone : 0);
		json_number(out, "made", l.made);
		json_close(out);
	}
	json_close(out);
}

static void extent(const struct stats_extent *e, void *arg)
{
	struct sink *out = arg;
	char addr[24];

	ash_format(addr, sizeof(addr), "%p", (void *)e->addr);
	json_object(out, NULL);
	json_string(out, "address", addr);
	json_number(out, "node", e->node);
	json_string(out, "state", report_state(e->state));
	json_string(out, "source", e->source ? e->source->name : "none");
	json_bool(out, "huge", e->huge);
	json_number(out, "used", e->used);
	json_number(out, "dirty", e->dirty);
	json_number(out, "muzzy", e->muzzy);
	json_close(out);
}

static void extents(struct sink *out)
{
	json_array(out, "extents");
	stats_for_extents(extent, out);
	json_close(out);
}

static void options(struct sink *out)
{
	json_array(out, "options");
	for (unsigned int i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];
		char value[CONF_TEXT_MAX];

		json_object(out, NULL);
		json_string(out, "key", row->key);
		conf_show(row, value, sizeof(value));
		json_string(out, "value", value);
		json_string(out, "origin", conf_origin(row));
		conf_show_default(row, value, sizeof(value));
		json_string(out, "default", value);
		if (row->words[0] && !(row->flags & CONF_TEXT)) {
			json_string(out, "words", row->words);
		} else {
			json_signed(out, "least", row->least);
			json_signed(out, "most", row->most);
		}
		json_bool(out, "unsafe", row->flags & CONF_UNSAFE);
		json_bool(out, "jemalloc", row->flags & CONF_JEMALLOC);
		json_string(out, "help", row->help);
		json_close(out);
	}
	json_close(out);
}

static void begin(struct sink *out)
{
	json_object(out, NULL);
	json_object(out, "ashlar");
	json_number(out, "schema", SCHEMA);
	json_string(out, "version", ASHLAR_VERSION);
	json_number(out, "pid", (uint64_t)getpid());
}

static void end(struct sink *out)
{
	json_close(out);
	json_close(out);
}

void report_json(struct sink *out, const char *opts)
{
	struct report_totals t;

	begin(out);
	report_totals(&t, opts);
	if (!asked(opts, 'g')) {
		totals(out, &t);
		source(out, &t.s);
		occupancy(out, &t.occupancy);
	}
	if (t.has_smaps)
		smaps(out, &t.smaps);
	if (!asked(opts, 'n'))
		nodes(out);
	if (!asked(opts, 'a'))
		arenas(out);
	if (!asked(opts, 'b'))
		bins(out);
	if (!asked(opts, 'l'))
		large(out);
	if (asked(opts, 'E'))
		extents(out);
	if (!asked(opts, 'o'))
		options(out);
	end(out);
}

void report_options_json(struct sink *out)
{
	begin(out);
	options(out);
	end(out);
}
