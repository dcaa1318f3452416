// SPDX-License-Identifier: MIT
/* Statistics for people. */
#include "conf.h"
#include "report_parts.h"
#include "thread.h"

#define COLUMN	12	/* characters of a number in a table */

/* Text right-aligned in @width columns; left-aligned if that is negative. */
static void column(struct sink *out, int width, const char *text)
{
	int len = (int)strlen(text);

	for (int pad = width - len; pad > 0; pad--)
		sink_text(out, " ");
	sink_text(out, text);
	for (int pad = -width - len; pad > 0; pad--)
		sink_text(out, " ");
}

static void number(struct sink *out, int width, size_t value)
{
	char digits[24];

	ash_format(digits, sizeof(digits), "%zu", value);
	column(out, width, digits);
}

static void headings(struct sink *out, const char *title, const char *const *names, unsigned int n)
{
	sink_format(out, "\n%s\n", title);
	for (unsigned int i = 0; i < n; i++)
		column(out, COLUMN, names[i]);
	sink_text(out, "\n");
}

static void numbers(struct sink *out, const size_t *values, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		number(out, COLUMN, values[i]);
	sink_text(out, "\n");
}

static void total(struct sink *out, const char *name, size_t value, const char *meaning)
{
	column(out, -14, name);
	number(out, 18, value);
	sink_format(out, "  %s\n", meaning);
}

static void share(struct sink *out, const char *name, size_t part, size_t whole, const char *meaning)
{
	size_t tenths = whole ? (size_t)((double)part * 1000 / (double)whole + 0.5) : 0;
	char text[24];

	ash_format(text, sizeof(text), "%zu.%zu %%", tenths / 10, tenths % 10);
	column(out, -14, name);
	column(out, 18, text);
	sink_format(out, "  %s\n", meaning);
}

static void print_totals(struct sink *out, const char *opts)
{
	struct report_totals t;
	const struct stats *s = &t.s;

	report_totals(&t, opts);
	total(out, "allocated", s->allocated, "bytes in live blocks");
	total(out, "  small", s->small, "in slots of slabs");
	total(out, "  large", s->large, "in pages of their own");
	total(out, "cached", s->cached, "bytes free in thread caches and depots");
	total(out, "active", s->active, "bytes in pages in use");
	total(out, "  hollow", s->hollow, "of slabs, without a used slot and without memory");
	total(out, "dirty", s->dirty, "bytes in free pages that decay will give back");
	total(out, "  pinned", t.occupancy.pinned, "in extents too full to lose their huge page for it");
	total(out, "muzzy", s->muzzy, "bytes in free pages that the kernel may take");
	total(out, "  lazy", s->lazy, "of the device, and not yet taken");
	total(out, "metadata", s->metadata, "bytes of our own records");
	total(out, "resident", s->resident, "bytes in RAM");
	share(out, "overhead", s->resident > s->allocated ? s->resident - s->allocated : 0, s->resident,
	      "of resident that is not allocated");
	total(out, "mapped", s->mapped, "bytes in extents with memory");
	total(out, "  device", s->device << EXTENT_SHIFT, "from /dev/ashlar");
	total(out, "  huge", s->huge << EXTENT_SHIFT, "on huge pages, or meant to be");
	total(out, "retained", s->retained, "bytes of address space kept without memory");
	total(out, "fallbacks", s->fallbacks, "extents that the device did not have");
	total(out, "purges", s->purges, "runs of purging");
	total(out, "  calls", s->purge_calls, "system calls for them");
	total(out, "  purged", s->purged, "bytes given back");
	total(out, "  lazily", s->lazily_purged, "bytes made muzzy");
	total(out, "punched", s->punched, "extents of the device that gave single pages back");
	total(out, "  mended", s->mended, "of them, made whole again");
	total(out, "moved", s->moved, "extents whose memory realloc moved without a copy");
	total(out, "arenas", s->arenas, "made so far");
	total(out, "threads", s->threads, "with a cache");
	if (t.has_smaps) {
		sink_text(out, "\nWhat the kernel says of the heap's addresses\n");
		total(out, "resident", t.smaps.resident, "bytes in RAM");
		share(out, "huge", t.smaps.huge, t.smaps.resident, "of them on huge pages");
		total(out, "lazy free", t.smaps.lazy_free, "bytes that it may take");
		total(out, "swapped", t.smaps.swapped, "bytes in swap");
	}
	sink_text(out, "\nExtents with memory, by how much of them is used (at most, percent)\n");
	for (unsigned int i = 0; i <= 10; i++)
		number(out, 7, i * 10);
	sink_text(out, "\n");
	for (unsigned int i = 0; i <= 10; i++)
		number(out, 7, t.occupancy.extents[i]);
	sink_text(out, "\n");
}

static void print_nodes(struct sink *out, const char *opts)
{
	static const char *const names[] = { "node", "active", "dirty", "muzzy", "retained",
					     "extents", "huge", "device", "fallbacks" };

	(void)opts;
	headings(out, "Nodes (bytes; extents in numbers)", names, ARRAY_SIZE(names));
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		struct pageheap_stats h;

		pageheap_stats(ash_pageheaps[i], &h);
		numbers(out, (size_t[]){ ash_pageheaps[i]->node, h.active << PAGE_SHIFT,
			h.dirty << PAGE_SHIFT, h.muzzy << PAGE_SHIFT, h.retained << EXTENT_SHIFT,
			h.extents, h.huge, h.device, h.fallbacks }, ARRAY_SIZE(names));
	}
}

static void print_arenas(struct sink *out, const char *opts)
{
	static const char *const names[] = { "arena", "node", "threads", "small", "large",
					     "cached", "fills", "flushes" };
	unsigned int n = atomic_load(&ash_narenas);

	(void)opts;
	headings(out, "Arenas (bytes; what belongs to a node is with its first arena)", names,
		 ARRAY_SIZE(names));
	for (unsigned int i = 0; i < n; i++) {
		struct stats_arena a;

		stats_arena(i, &a);
		numbers(out, (size_t[]){ i, ash_arenas[i]->heap->node, a.threads, a.small, a.large,
			a.cached, a.fills, a.flushes }, ARRAY_SIZE(names));
	}
}

static void print_bins(struct sink *out, const char *opts)
{
	static const char *const names[] = { "size", "outside", "depots", "slabs", "not full",
					     "bytes", "used %", "fills", "flushes" };

	(void)opts;
	headings(out, "Bins (outside: blocks that are live or in thread caches)", names,
		 ARRAY_SIZE(names));
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		size_t size = sizeclasses[c].size, bytes;
		struct bin_stats b;

		stats_bin(STATS_ALL, c, &b);
		if (!b.fills && !b.flushes && !b.depot)
			continue;
		bytes = b.pages << PAGE_SHIFT;
		numbers(out, (size_t[]){ size, stats_bin_outside(&b), b.depot, b.nslabs, b.nonfull,
			bytes, stats_bin_outside(&b) * size * 100 / max(bytes, (size_t)1), b.fills,
			b.flushes }, ARRAY_SIZE(names));
	}
}

static void print_large(struct sink *out, const char *opts)
{
	static const char *const names[] = { "size", "now", "made" };

	(void)opts;
	headings(out, "Large blocks (now: live or in thread caches; size 0: huge ones)", names,
		 ARRAY_SIZE(names));
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_HUGE; c++) {
		struct stats_large l;

		stats_large(STATS_ALL, c, &l);
		if (l.made)
			numbers(out, (size_t[]){ c < CLASS_HUGE ? sizeclasses[c].size : 0,
				l.made > l.gone ? l.made - l.gone : 0, l.made }, ARRAY_SIZE(names));
	}
}

static void print_extent(const struct stats_extent *e, void *arg)
{
	struct sink *out = arg;
	char addr[24];

	ash_format(addr, sizeof(addr), "%p", (void *)e->addr);
	column(out, 18, addr);
	number(out, 6, e->node);
	column(out, 10, report_state(e->state));
	column(out, 8, e->source ? e->source->name : "none");
	column(out, 6, e->huge ? "huge" : "small");
	number(out, 6, e->used);
	number(out, 6, e->dirty);
	number(out, 6, e->muzzy);
	sink_text(out, "\n");
}

static void print_extents(struct sink *out)
{
	sink_text(out, "\nExtents (pages used, dirty, muzzy)\n"
		  "           address  node     state  source pages  used dirty muzzy\n");
	stats_for_extents(print_extent, out);
}

void report_text(struct sink *out, const char *opts)
{
	static const struct {
		char letter;
		void (*print)(struct sink *out, const char *opts);
	} parts[] = {
		{ 'g', print_totals }, { 'n', print_nodes }, { 'a', print_arenas },
		{ 'b', print_bins }, { 'l', print_large },
	};

	sink_text(out, "___ Begin Ashlar statistics ___\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!asked(opts, parts[i].letter))
			parts[i].print(out, opts);
	}
	if (asked(opts, 'E'))
		print_extents(out);
	sink_text(out, "--- End Ashlar statistics ---\n");
}

void report_options_text(struct sink *out)
{
	for (unsigned int i = 0; i < conf_nrows; i++) {
		char value[CONF_TEXT_MAX];

		conf_show(&conf_rows[i], value, sizeof(value));
		sink_format(out, "%s:", conf_rows[i].key);
		sink_text(out, value);
		sink_format(out, " (%s)\n", conf_origin(&conf_rows[i]));
	}
}
