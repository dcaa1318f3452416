// SPDX-License-Identifier: MIT
/*
 * Statistics as samples for Prometheus, in its own text format or in OpenMetrics, which
 * differ in three things: how a counter's family is named, UNIT lines, and the end.
 */
#include "ashlar.h"
#include "report_parts.h"

struct metrics {
	struct sink *out;
	bool open;
};

enum kind { GAUGE, COUNTER };

/* The head of a family; its samples follow. A name in bytes ends in _bytes. */
static void family(struct metrics *m, enum kind kind, const char *name, const char *help)
{
	const char *total = kind == COUNTER && !m->open ? "_total" : "";
	size_t len = strlen(name);

	sink_format(m->out, "# HELP ashlar_%s%s %s\n", name, total, help);
	sink_format(m->out, "# TYPE ashlar_%s%s %s\n", name, total,
		    kind == COUNTER ? "counter" : "gauge");
	if (m->open && len > 6 && !strcmp(name + len - 6, "_bytes"))
		sink_format(m->out, "# UNIT ashlar_%s bytes\n", name);
}

static void sample(struct metrics *m, enum kind kind, const char *name, size_t value)
{
	sink_format(m->out, "ashlar_%s%s %zu\n", name, kind == COUNTER ? "_total" : "", value);
}

static void labelled(struct metrics *m, enum kind kind, const char *name, const char *label,
		     size_t key, size_t value)
{
	sink_format(m->out, "ashlar_%s%s{%s=\"%zu\"} %zu\n", name, kind == COUNTER ? "_total" : "",
		    label, key, value);
}

static void totals(struct metrics *m, const char *opts)
{
	struct report_totals t;

	report_totals(&t, opts);
#define ONE(kind, name, value, help) do {				\
		family(m, kind, name, help);				\
		sample(m, kind, name, value);				\
	} while (0)
	ONE(GAUGE, "allocated_bytes", t.s.allocated, "Bytes in live blocks.");
	ONE(GAUGE, "cached_bytes", t.s.cached, "Bytes free in thread caches and depots.");
	ONE(GAUGE, "active_bytes", t.s.active, "Bytes in pages in use.");
	ONE(GAUGE, "hollow_bytes", t.s.hollow, "Of active_bytes, in pages of slabs that have no used slot, and whose memory was given back.");
	ONE(GAUGE, "dirty_bytes", t.s.dirty, "Bytes in free pages that decay will give back.");
	ONE(GAUGE, "muzzy_bytes", t.s.muzzy, "Bytes in free pages that the kernel may take.");
	ONE(GAUGE, "lazy_bytes", t.s.lazy, "Bytes of the device purged lazily and not yet taken.");
	ONE(GAUGE, "pinned_bytes", t.occupancy.pinned, "Dirty bytes in extents of which less than a fifth is free: decay leaves them.");
	ONE(GAUGE, "metadata_bytes", t.s.metadata, "Bytes of the allocator's own records.");
	ONE(GAUGE, "resident_bytes", t.s.resident, "Bytes of the heap and its records in RAM.");
	ONE(GAUGE, "mapped_bytes", t.s.mapped, "Bytes in extents with memory.");
	ONE(GAUGE, "retained_bytes", t.s.retained, "Bytes of address space kept without memory.");
	ONE(GAUGE, "extents", t.s.extents, "Extents with memory.");
	ONE(GAUGE, "huge_extents", t.s.huge, "Extents on huge pages, or meant to be.");
	ONE(GAUGE, "device_extents", t.s.device, "Extents from the device.");
	ONE(GAUGE, "threads", t.s.threads, "Threads with a cache.");
	ONE(GAUGE, "arenas", t.s.arenas, "Arenas made so far.");
	ONE(COUNTER, "fallback_extents", t.s.fallbacks, "Extents that the device did not have.");
	ONE(COUNTER, "purges", t.s.purges, "Runs of purging.");
	ONE(COUNTER, "purge_calls", t.s.purge_calls, "System calls to purge.");
	ONE(COUNTER, "purged_bytes", t.s.purged, "Bytes given back.");
	ONE(COUNTER, "lazily_purged_bytes", t.s.lazily_purged, "Bytes made muzzy.");
	ONE(COUNTER, "punched_extents", t.s.punched, "Extents of the device that gave single pages back.");
	ONE(COUNTER, "mended_extents", t.s.mended, "Of them, extents made whole again.");
	ONE(COUNTER, "moved_extents", t.s.moved, "Extents whose memory realloc moved without a copy.");
	ONE(COUNTER, "cache_fills", t.s.fills, "Fills of thread caches.");
	ONE(COUNTER, "cache_flushes", t.s.flushes, "Flushes of thread caches.");
	if (t.has_smaps) {
		ONE(GAUGE, "kernel_resident_bytes", t.smaps.resident, "Bytes of the heap in RAM, as smaps says.");
		ONE(GAUGE, "kernel_huge_bytes", t.smaps.huge, "Of them, bytes mapped by huge pages.");
	}
#undef ONE
	family(m, GAUGE, "extents_by_use", "Extents with memory, by how many percent are used at most.");
	for (unsigned int i = 0; i <= 10; i++)
		labelled(m, GAUGE, "extents_by_use", "percent", i * 10, t.occupancy.extents[i]);
}

static void nodes(struct metrics *m)
{
	static const struct {
		const char *name, *help;
		size_t offset;
		unsigned int shift;
		enum kind kind;
	} figures[] = {
#define FIGURE(n, field, s, k, text) { n, text, offsetof(struct pageheap_stats, field), s, k }
		FIGURE("node_active_bytes", active, PAGE_SHIFT, GAUGE, "Bytes in pages in use on a node."),
		FIGURE("node_dirty_bytes", dirty, PAGE_SHIFT, GAUGE, "Bytes in dirty pages on a node."),
		FIGURE("node_muzzy_bytes", muzzy, PAGE_SHIFT, GAUGE, "Bytes in muzzy pages on a node."),
		FIGURE("node_extents", extents, 0, GAUGE, "Extents with memory on a node."),
		FIGURE("node_huge_extents", huge, 0, GAUGE, "Extents on huge pages on a node."),
		FIGURE("node_device_extents", device, 0, GAUGE, "Extents from the device on a node."),
		FIGURE("node_fallback_extents", fallbacks, 0, COUNTER,
		       "Extents that the device did not have, by node."),
		FIGURE("node_purged_bytes", purged, PAGE_SHIFT, COUNTER, "Bytes given back, by node."),
#undef FIGURE
	};

	for (unsigned int f = 0; f < ARRAY_SIZE(figures); f++) {
		family(m, figures[f].kind, figures[f].name, figures[f].help);
		for (unsigned int i = 0; i < ash_npageheaps; i++) {
			struct pageheap_stats h;

			pageheap_stats(ash_pageheaps[i], &h);
			labelled(m, figures[f].kind, figures[f].name, "node", ash_pageheaps[i]->node,
				 *(size_t *)((char *)&h + figures[f].offset) << figures[f].shift);
		}
	}
}

/* Classes that were ever used: a sample that never moves is noise. */
static void bins(struct metrics *m)
{
	static const struct {
		const char *name, *help;
		enum kind kind;
	} figures[] = {
		{ "bin_outside", "Blocks of a small class that are live or in thread caches.", GAUGE },
		{ "bin_bytes", "Bytes in slabs of a small class.", GAUGE },
		{ "bin_fills", "Fills of thread caches with a small class.", COUNTER },
	};

	for (unsigned int f = 0; f < ARRAY_SIZE(figures); f++) {
		family(m, figures[f].kind, figures[f].name, figures[f].help);
		for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
			struct bin_stats b;

			stats_bin(STATS_ALL, c, &b);
			if (b.fills || b.flushes)
				labelled(m, figures[f].kind, figures[f].name, "size", sizeclasses[c].size,
					 f == 0 ? stats_bin_outside(&b) :
					 f == 1 ? b.pages << PAGE_SHIFT : b.fills);
		}
	}
}

void report_metrics(struct sink *out, const char *opts, bool open)
{
	struct metrics m = { .out = out, .open = open };

	family(&m, GAUGE, "build_version", "Always 1; the label tells the library's version.");
	sink_text(out, "ashlar_build_version{version=\"" ASHLAR_VERSION "\"} 1\n");
	if (!asked(opts, 'g'))
		totals(&m, opts);
	if (!asked(opts, 'n'))
		nodes(&m);
	if (!asked(opts, 'b'))
		bins(&m);
	if (open)
		sink_text(out, "# EOF\n");
}
