// SPDX-License-Identifier: MIT
/* Values of ctl about this thread and its cache. */
#include "ctl.h"

#include <errno.h>
#include <stdatomic.h>

#include "arenas.h"
#include "block.h"
#include "conf.h"
#include "hollow.h"
#include "os.h"

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

	if (t->enabled)
		tcache_count(t);
	v->q = *(uint64_t *)((char *)t + c->row->arg);
	return 0;
}

static int get_thread_countp(const struct ctl_call *c, union ctl_value *v)
{
	struct tcache *t = thread_cache();

	if (t->enabled)
		tcache_count(t);
	v->p = (char *)t + c->row->arg;
	return 0;
}

static int get_tcache_enabled(const struct ctl_call *c, union ctl_value *v)
{
	(void)c;
	v->b = thread_cache()->enabled;
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
	if (!t->enabled)
		return EFAULT;
	tcache_flush_all(t);
	return 0;
}

static int thread_idle(const struct ctl_call *c, const union ctl_value *v)
{
	tcache_flush(c, v);
	hollow_purge_all(os_now_ms(), PURGE_DECAY);
	return 0;
}

/* The question is a size, the answer how many blocks of its class may be cached. */
static int get_ncached_max(const struct ctl_call *c, union ctl_value *v)
{
	struct tcache *t = thread_cache();

	(void)c;
	if (v->z > LARGE_MAX)
		return EINVAL;
	v->z = t->enabled ? t->bins[sizeclass_of(v->z)].cap_max : 0;
	return 0;
}

/* Decimal digits at *@s; *@s moves behind them. */
static bool digits(const char **s, size_t *value)
{
	const char *p = *s;

	for (*value = 0; *p >= '0' && *p <= '9' && *value < SIZE_LIMIT / 10; p++)
		*value = *value * 10 + (size_t)(*p - '0');
	if (p == *s)
		return false;
	*s = p;
	return true;
}

/* jemalloc's "from-to:blocks|from-to:blocks", sizes in bytes; all or nothing. */
static bool each_range(const char *s, void (*fn)(struct tcache *t, size_t from, size_t to, size_t n))
{
	size_t from, to, n;

	for (;; s++) {
		if (!digits(&s, &from) || *s++ != '-' || !digits(&s, &to) || *s++ != ':' ||
		    !digits(&s, &n) || (*s && *s != '|') || from > to)
			return false;
		if (fn)
			fn(thread_cache(), from, min(to, LARGE_MAX), n);
		if (!*s)
			return true;
	}
}

static void bound_range(struct tcache *t, size_t from, size_t to, size_t n)
{
	for (unsigned int k = 1; k <= CLASS_LARGE_LAST; k++) {
		size_t size = sizeclasses[k].size;

		if (sizeclass_round(from) <= size && size <= sizeclass_round(to))
			t->bins[k].cap_max = (uint16_t)min(n, k <= CLASS_SMALL_LAST ? (size_t)8191 : tcache_large_cap(k));
	}
}

static int set_ncached_max(const struct ctl_call *c, const union ctl_value *v)
{
	struct tcache *t = thread_cache();

	(void)c;
	if (!t->enabled || !v->str || !each_range(v->str, NULL))
		return EINVAL;
	/* The stacks grow anew, to their new bounds. */
	tcache_destroy(t);
	each_range(v->str, bound_range);
	return 0;
}

static int get_tcache_max(const struct ctl_call *c, union ctl_value *v)
{
	struct tcache *t = thread_cache();

	(void)c;
	v->z = 0;
	for (unsigned int k = 1; k <= CLASS_LARGE_LAST && t->enabled; k++) {
		if (t->bins[k].cap_max)
			v->z = sizeclasses[k].size;
	}
	return 0;
}

static int set_tcache_max(const struct ctl_call *c, const union ctl_value *v)
{
	struct tcache *t = thread_cache();

	(void)c;
	if (!t->enabled || v->z > LARGE_MAX)
		return EINVAL;
	tcache_destroy(t);
	tcache_bind(t, t->arena);
	for (unsigned int k = 1; k <= CLASS_LARGE_LAST; k++) {
		if (sizeclasses[k].size > v->z)
			t->bins[k].cap_max = 0;
	}
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

/* --- the names --------------------------------------------------------------------------- */

CTL_TABLE_BEGIN(ctl_thread)
	CTL_RW("thread.arena", UNSIGNED, get_thread_arena, set_thread_arena)
	CTL_RO("thread.allocated", U64, get_thread_count, .arg = offsetof(struct tcache, allocated))
	CTL_RO("thread.allocatedp", POINTER, get_thread_countp, .arg = offsetof(struct tcache, allocated))
	CTL_RO("thread.deallocated", U64, get_thread_count, .arg = offsetof(struct tcache, deallocated))
	CTL_RO("thread.deallocatedp", POINTER, get_thread_countp, .arg = offsetof(struct tcache, deallocated))
	CTL_RW("thread.tcache.enabled", BOOL, get_tcache_enabled, set_tcache_enabled)
	CTL_ACT("thread.tcache.flush", tcache_flush)
	CTL_RW("thread.tcache.max", SIZE, get_tcache_max, set_tcache_max)
	CTL_RO("thread.tcache.ncached_max.read_sizeclass", SIZE, get_ncached_max, .flags = CTL_ASKS)
	CTL_WO("thread.tcache.ncached_max.write", STRING, set_ncached_max)
	CTL_ACT("thread.idle", thread_idle)

	CTL_RO("tcache.create", UNSIGNED, get_tcache_create, .flags = CTL_ALWAYS)
	CTL_WO("tcache.flush", UNSIGNED, set_tcache_flush)
	CTL_WO("tcache.destroy", UNSIGNED, set_tcache_flush)
CTL_TABLE_END
