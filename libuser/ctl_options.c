// SPDX-License-Identifier: MIT
/* Values of ctl that are settings: what was built, options, the background thread. */
#include "ctl.h"

#include <errno.h>
#include <string.h>

#include "ashlar.h"
#include "arenas.h"
#include "background.h"
#include "conf.h"
#include "limit.h"
#include "pressure.h"
#include "serve.h"

/* --- constants and options ---------------------------------------------------------- */

static int64_t *conf_value(const struct conf_row *row)
{
	return (int64_t *)((char *)&conf + row->offset);
}

/* In a place of its own for each option: it never changes. */
static const char *conf_word(const struct conf_row *row)
{
	BULK static char words[64][16];

	if (row->flags & CONF_TEXT)
		return (const char *)&conf + row->offset;
	conf_show(row, words[row - conf_rows], sizeof(words[0]));
	return words[row - conf_rows];
}

static int get_option(const struct ctl_call *c, union ctl_value *v)
{
	const struct conf_row *row = &conf_rows[c->row->arg];

	if (c->row->type == CTL_STRING)
		v->str = conf_word(row);
	else
		ctl_put(c, v, (size_t)*conf_value(row));
	return 0;
}

/* The most arenas made by themselves: 0 means "by CPUs" where it is set, not where it is read. */
static int get_narenas_option(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->u = arena_limit();
	return 0;
}

unsigned int ctl_conf(unsigned int i, struct ctl_row *row)
{
	BULK static char names[64][32];
	unsigned int n = min(conf_nrows, (unsigned int)ARRAY_SIZE(names));
	const struct conf_row *option;

	if (i >= n)
		return n;
	option = &conf_rows[i];
	ash_format(names[i], sizeof(names[i]), "opt.%s", option->key);
	*row = (struct ctl_row){ .name = names[i], .type = CTL_SIZE, .get = get_option, .arg = i };
	if (option->words[0])
		row->type = strcmp(option->words, "false|true") ? CTL_STRING : CTL_BOOL;
	else if (option->least < 0)
		row->type = CTL_SSIZE;
	return n;
}

/* --- background thread --------------------------------------------------------------------- */

static int get_background(const struct ctl_call *c, union ctl_value *v)
{
	ctl_put(c, v, background_running());
	return 0;
}

static int set_background(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return background_set(v->b) ? 0 : EAGAIN;
}

static int get_ctl_socket(const struct ctl_call *c, union ctl_value *v)
{
	ctl_put(c, v, serve_running());
	return 0;
}

static int set_ctl_socket(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return serve_set(v->b) ? 0 : EAGAIN;
}

/* One thread serves all arenas. */
static int set_max_background(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return v->z ? 0 : EINVAL;
}

/* --- limits and pressure ------------------------------------------------------------------------ */

/* As they are in force, pages back in bytes; 0: none. */
static int get_limit(const struct ctl_call *c, union ctl_value *v)
{
	size_t pages = atomic_load(c->row->arg ? &ash_limit.hard : &ash_limit.soft);

	v->z = pages == SIZE_MAX ? 0 : pages << PAGE_SHIFT;
	return 0;
}

static int set_limit(const struct ctl_call *c, const union ctl_value *v)
{
	if (v->z && v->z < PAGE_SIZE)
		return EINVAL;
	(c->row->arg ? pressure_set_hard : pressure_set_soft)(v->z);
	return 0;
}

static int get_dirty_max(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->z = limit_dirty_max();
	return 0;
}

static int set_dirty_max(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	limit_set_dirty(v->z);
	return 0;
}

static int get_heap_size(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->z = pressure_heap_size();
	return 0;
}

/* arg: which one. */
static int get_counter(const struct ctl_call *c, union ctl_value *v)
{
	const _Atomic size_t *counters[] = { &ash_limit.refused, &ash_limit.relieved,
					     &pressure_events, &pressure_bytes };

	v->z = atomic_load_explicit(counters[c->row->arg], memory_order_relaxed);
	return 0;
}

static int get_pressure(const struct ctl_call *c, union ctl_value *v)
{
	ctl_put(c, v, (size_t)conf.pressure);
	return 0;
}

static int set_pressure(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return background_set_pressure(v->b) ? 0 : EAGAIN;
}

/* --- the names --------------------------------------------------------------------------- */

CTL_TABLE_BEGIN(ctl_options)
	CTL_TEXT("version", ASHLAR_VERSION)
	CTL_RW("background_thread", BOOL, get_background, set_background)
	/* Limits in bytes, 0: none; what they have refused, and how often something was purged for them. */
	CTL_RW("heap.soft_limit", SIZE, get_limit, set_limit, .arg = 0)
	CTL_RW("heap.hard_limit", SIZE, get_limit, set_limit, .arg = 1)
	CTL_RW("heap.dirty_max", SIZE, get_dirty_max, set_dirty_max)
	CTL_RO("heap.size", SIZE, get_heap_size)
	CTL_RO("stats.heap.refused", SIZE, get_counter, .arg = 0)
	CTL_RO("stats.heap.relieved", SIZE, get_counter, .arg = 1)
	/* Times that memory was short, and bytes given back then. */
	CTL_RW("pressure", BOOL, get_pressure, set_pressure)
	CTL_RO("stats.pressure.events", SIZE, get_counter, .arg = 2)
	CTL_RO("stats.pressure.purged", SIZE, get_counter, .arg = 3)
	CTL_RW("ctl_socket", BOOL, get_ctl_socket, set_ctl_socket)
	CTL_RO("stats.background_thread.num_threads", SIZE, get_background)
	CTL_RW("max_background_threads", SIZE, ctl_get_number, set_max_background, .arg = 1)

	CTL_IS("config.cache_oblivious", BOOL, false)
	CTL_IS("config.debug", BOOL, ASHLAR_DEBUG)
	CTL_IS("config.fill", BOOL, true)
	CTL_IS("config.lazy_lock", BOOL, false)
	CTL_TEXT("config.malloc_conf", conf_build)
	CTL_IS("config.opt_safety_checks", BOOL, true)
	CTL_IS("config.prof", BOOL, true)
	CTL_IS("config.prof_libgcc", BOOL, false)
	CTL_IS("config.prof_libunwind", BOOL, false)
	CTL_IS("config.stats", BOOL, true)
	CTL_IS("config.utrace", BOOL, false)
	CTL_IS("config.xmalloc", BOOL, true)

	/* jemalloc's options that are no options here, as what they are; ours follow the table. */
	CTL_RO("opt.narenas", UNSIGNED, get_narenas_option)
	CTL_IS("opt.abort", BOOL, false)
	CTL_IS("opt.cache_oblivious", BOOL, false)
	CTL_IS("opt.trust_madvise", BOOL, true)
	CTL_IS("opt.retain", BOOL, true)
	CTL_IS("opt.hpa", BOOL, false)
	CTL_TEXT("opt.metadata_thp", "disabled")
	CTL_TEXT("opt.dss", "disabled")
	CTL_TEXT("opt.percpu_arena", "disabled")
	CTL_IS("opt.oversize_threshold", SIZE, 0)
	CTL_IS("opt.max_background_threads", SIZE, 1)
	CTL_IS("opt.stats_interval", SSIZE, -1)
	CTL_TEXT("opt.stats_interval_opts", "")
CTL_TABLE_END
