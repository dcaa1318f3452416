// SPDX-License-Identifier: MIT
/* Values of ctl about heap profiles: jemalloc's names, and prof.recent and prof.lifetimes of our own. */
#include "ctl.h"

#include <errno.h>
#include <string.h>

#include "conf.h"
#include "prof.h"
#include "prof_dump.h"
#include "prof_out.h"
#include "prof_recent.h"
#include "prof_table.h"
#include "thread.h"

/* --- on and off ------------------------------------------------------------------------ */

static int get_active(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->b = prof_active();
	return conf.prof ? 0 : ENOENT;
}

static int set_active(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return prof_set_active(v->b);
}

static int get_thread_init(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->b = conf.prof_thread_active_init;
	return conf.prof ? 0 : ENOENT;
}

static int set_thread_init(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	if (!conf.prof)
		return ENOENT;
	conf.prof_thread_active_init = v->b;
	return 0;
}

static int get_thread_active(const struct ctl_call *c, union ctl_value *v)
{
	struct tcache *t = thread_cache();

	(void)c;
	v->b = t->enabled && !t->sampling.silent;
	return conf.prof ? 0 : ENOENT;
}

static int set_thread_active(const struct ctl_call *c, const union ctl_value *v)
{
	struct tcache *t = thread_cache();

	(void)c;
	if (!conf.prof)
		return ENOENT;
	if (!t->enabled)
		return EAGAIN;
	t->sampling.silent = !v->b;
	return 0;
}

static int get_thread_name(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->str = prof_thread_name(thread_cache());
	return conf.prof ? 0 : ENOENT;
}

static int set_thread_name(const struct ctl_call *c, const union ctl_value *v)
{
	struct tcache *t = thread_cache();

	(void)c;
	if (!conf.prof)
		return ENOENT;
	if (!v->str || !t->enabled)
		return EINVAL;
	for (const char *s = v->str; *s; s++) {
		if (*s < ' ' || *s == 0x7f)
			return EINVAL;
	}
	prof_set_thread_name(t, v->str);
	return 0;
}

/* --- the profile ------------------------------------------------------------------------- */

/* Without a name: the next one of its own. */
static int dump(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return conf.prof ? prof_dump(v ? v->str : NULL) : ENOENT;
}

static int reset(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	return prof_reset(v ? (unsigned int)min(v->z, (size_t)64) : prof_lg_sample());
}

static int get_gdump(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->b = prof_dump_gdump();
	return conf.prof ? 0 : ENOENT;
}

static int set_gdump(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	if (!conf.prof)
		return ENOENT;
	prof_dump_set_gdump(v->b);
	return 0;
}

static int set_prefix(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	if (!conf.prof)
		return ENOENT;
	return v->str && prof_dump_set_prefix(v->str) ? 0 : EINVAL;
}

static int get_lg_sample(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->z = prof_lg_sample();
	return conf.prof ? 0 : ENOENT;
}

static int get_interval(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->q = conf.lg_prof_interval < 0 ? 0 : (uint64_t)1 << conf.lg_prof_interval;
	return conf.prof ? 0 : ENOENT;
}

static int get_unwinder(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->str = prof_stack_library();
	return 0;
}

static int get_lost(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	lock_take(&prof_lock);
	v->z = prof_table_lost();
	lock_drop(&prof_lock);
	return conf.prof ? 0 : ENOENT;
}

/* --- single blocks ------------------------------------------------------------------------ */

static int get_recent_max(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->s = (ssize_t)prof_recent_max();
	return conf.prof ? 0 : ENOENT;
}

static int set_recent_max(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	if (!conf.prof)
		return ENOENT;
	if (v->s < 0 || v->s > (ssize_t)PROF_RECENT_MOST)
		return EINVAL;
	lock_take(&prof_lock);
	prof_recent_set_max((uint32_t)v->s);
	lock_drop(&prof_lock);
	return 0;
}

static int dump_recent(const struct ctl_call *c, const union ctl_value *v)
{
	(void)c;
	if (!conf.prof)
		return ENOENT;
	if (!v->writer.write)
		return EINVAL;
	prof_recent_write(v->writer.write, v->writer.arg);
	return 0;
}

/* The text of prof.recent stays until the next one is asked for. */
#define RECENT_BYTES	(16 * MB)

/* Both guarded by prof_dump_pause(). */
static char *recent_text;
static size_t recent_len;

static void append(void *arg, const char *text)
{
	size_t len = strlen(text);

	(void)arg;
	if (len < RECENT_BYTES - recent_len)
		memcpy(recent_text + recent_len, text, len);
	recent_len = min(recent_len + len, RECENT_BYTES - 1);
}

static int get_recent(const struct ctl_call *c, union ctl_value *v)
{
	int err = 0;

	(void)c;
	if (!conf.prof)
		return ENOENT;
	prof_dump_pause(true);
	/* Its pages are touched as far as the text goes. */
	if (!recent_text)
		recent_text = prof_scratch(RECENT_BYTES);
	recent_len = 0;
	if (recent_text) {
		prof_recent_write(append, NULL);
		recent_text[recent_len] = '\0';
		v->str = recent_text;
	} else {
		err = EAGAIN;
	}
	prof_dump_pause(false);
	return err;
}

enum { LIFETIME_BELOW, LIFETIME_OBJECTS, LIFETIME_BYTES };

static int get_lifetime(const struct ctl_call *c, union ctl_value *v)
{
	struct prof_lifetime l;

	if (!conf.prof || c->index[0] >= PROF_LIFETIMES)
		return ENOENT;
	lock_take(&prof_lock);
	prof_lifetime_get((unsigned int)c->index[0], &l);
	lock_drop(&prof_lock);
	v->q = c->row->arg == LIFETIME_BELOW ? (uint64_t)1 << c->index[0] :
	       (uint64_t)(c->row->arg == LIFETIME_OBJECTS ? l.blocks : l.bytes);
	return 0;
}

/* --- the names --------------------------------------------------------------------------- */

CTL_TABLE_BEGIN(ctl_prof)
	CTL_RW("prof.active", BOOL, get_active, set_active)
	CTL_RW("prof.thread_active_init", BOOL, get_thread_init, set_thread_init)
	CTL_RW("thread.prof.active", BOOL, get_thread_active, set_thread_active)
	CTL_RW("thread.prof.name", STRING, get_thread_name, set_thread_name)
	CTL_ROW(.name = "prof.dump", .type = CTL_STRING, .set = dump, .flags = CTL_OPTIONAL)
	CTL_ROW(.name = "prof.reset", .type = CTL_SIZE, .set = reset, .flags = CTL_OPTIONAL)
	CTL_RW("prof.gdump", BOOL, get_gdump, set_gdump)
	CTL_WO("prof.prefix", STRING, set_prefix)
	CTL_RO("prof.lg_sample", SIZE, get_lg_sample)
	CTL_RO("prof.interval", U64, get_interval)
	CTL_RO("prof.unwinder", STRING, get_unwinder)
	CTL_RO("prof.lost", SIZE, get_lost)
	CTL_RO("prof.recent", STRING, get_recent)
	CTL_IS("prof.lifetimes.nbuckets", UNSIGNED, PROF_LIFETIMES)
	CTL_RO("prof.lifetimes.#.below_us", U64, get_lifetime, .arg = LIFETIME_BELOW)
	CTL_RO("prof.lifetimes.#.objects", U64, get_lifetime, .arg = LIFETIME_OBJECTS)
	CTL_RO("prof.lifetimes.#.bytes", U64, get_lifetime, .arg = LIFETIME_BYTES)
	CTL_RW("experimental.prof_recent.alloc_max", SSIZE, get_recent_max, set_recent_max)
	CTL_WO("experimental.prof_recent.alloc_dump", WRITER, dump_recent)
CTL_TABLE_END
