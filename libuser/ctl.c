// SPDX-License-Identifier: MIT
#include "ctl.h"

#include <errno.h>
#include <string.h>

#include "alias.h"
#include "ashlar.h"
#include "stats.h"
#include "thread.h"

static ctl_table *const tables[] = { ctl_options, ctl_thread, ctl_arenas, ctl_stats, ctl_prof, ctl_conf };

/* Row @i of all into *@row; false: there are no more. */
static bool row_at(unsigned int i, struct ctl_row *row)
{
	for (unsigned int k = 0; k < ARRAY_SIZE(tables); k++) {
		unsigned int n = tables[k](i, row);

		if (i < n)
			return true;
		i -= n;
	}
	return false;
}

/* --- names ------------------------------------------------------------------------- */

/* The number that *@s begins with, which ends at a dot or the end; *@s moves on. */
static bool parse_index(const char **s, size_t *value)
{
	const char *p = *s;
	size_t v = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > UINT32_MAX)
			return false;
		v = v * 10 + (size_t)(*p - '0');
	}
	*s = p;
	*value = v;
	return *p == '.' || !*p;
}

/* Does @name fit @pattern? Its MIB, but for the first element, goes to @mib; depth, or 0. */
static size_t match(const char *pattern, const char *name, size_t *mib)
{
	size_t depth = 1;

	mib[0] = 0;
	for (; *pattern; pattern++) {
		if (*pattern == '#') {
			if (!parse_index(&name, &mib[depth - 1]))
				return 0;
			continue;
		}
		if (*pattern != *name++)
			return 0;
		if (*pattern == '.')
			mib[depth++] = 0;
	}
	return *name ? 0 : depth;
}

static size_t find(const char *name, size_t *mib)
{
	struct ctl_row row;

	for (unsigned int i = 0; row_at(i, &row); i++) {
		size_t depth = match(row.name, name, mib);

		if (depth) {
			mib[0] = i;
			return depth;
		}
	}
	return 0;
}

/* The indices of @mib, if it is one of @row's. */
static bool indices(const struct ctl_row *row, const size_t *mib, size_t depth, size_t *index)
{
	const char *s = row->name;
	size_t at = 1, n = 0;

	for (; *s; s++) {
		if (*s != '.')
			continue;
		if (at == depth)
			return false;
		if (s[1] == '#')
			index[n++] = mib[at];
		else if (mib[at])
			return false;
		at++;
	}
	return at == depth;
}

/* --- values ------------------------------------------------------------------------- */

static size_t size_of(enum ctl_type type)
{
	static const uint8_t sizes[] = {
		[CTL_BOOL] = sizeof(bool), [CTL_UNSIGNED] = sizeof(unsigned int),
		[CTL_SIZE] = sizeof(size_t), [CTL_SSIZE] = sizeof(ssize_t),
		[CTL_U64] = sizeof(uint64_t), [CTL_STRING] = sizeof(char *),
		[CTL_POINTER] = sizeof(void *),
		[CTL_WRITER] = sizeof(((union ctl_value *)0)->writer),
	};

	return sizes[type];
}

/* jemalloc's rule: a wrong size gets what fits, and an error. */
static int give(enum ctl_type type, const union ctl_value *v, void *old, size_t *oldlen)
{
	size_t size = size_of(type), len;

	if (!old || !oldlen)
		return 0;
	len = min(*oldlen, size);
	memcpy(old, v, len);
	if (*oldlen == size)
		return 0;
	*oldlen = len;
	return EINVAL;
}

static int write_value(const struct ctl_call *c, const void *new, size_t newlen)
{
	union ctl_value v = { 0 };

	if (!new)
		return 0;
	if (newlen != size_of(c->row->type))
		return EINVAL;
	memcpy(&v, new, newlen);
	return c->row->set(c, &v);
}

static int read_value(const struct ctl_call *c, void *old, size_t *oldlen)
{
	union ctl_value v = { 0 };
	int err = 0;

	if ((old && oldlen) || (c->row->flags & CTL_ALWAYS))
		err = c->row->get(c, &v);
	return err ? err : give(c->row->type, &v, old, oldlen);
}

static int ask(const struct ctl_call *c, void *old, size_t *oldlen, const void *new,
	       size_t newlen)
{
	union ctl_value v = { 0 };
	int err;

	if (!new || newlen != sizeof(v.p))
		return EINVAL;
	memcpy(&v.p, new, sizeof(v.p));
	err = c->row->get(c, &v);
	return err ? err : give(c->row->type, &v, old, oldlen);
}

static int call(const struct ctl_call *c, void *old, size_t *oldlen, const void *new,
		size_t newlen)
{
	const struct ctl_row *row = c->row;
	int err;

	if (row->flags & CTL_ASKS)
		return ask(c, old, oldlen, new, newlen);
	if (row->type == CTL_VOID)
		return old || oldlen || new || newlen ? EPERM : row->set(c, NULL);
	if ((!row->set && (new || newlen)) || (!row->get && (old || oldlen)))
		return EPERM;
	if (!row->get && !new && (row->flags & CTL_OPTIONAL))
		return row->set(c, NULL);
	if (!row->get)
		return new ? write_value(c, new, newlen) : EINVAL;
	if (!row->set)
		return read_value(c, old, oldlen);
	if (row->flags & CTL_SET_FIRST) {
		err = write_value(c, new, newlen);
		return err ? err : read_value(c, old, oldlen);
	}
	err = read_value(c, old, oldlen);
	return err ? err : write_value(c, new, newlen);
}

/* --- for the tables --------------------------------------------------------------------- */

void ctl_put(const struct ctl_call *c, union ctl_value *v, size_t n)
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

int ctl_get_number(const struct ctl_call *c, union ctl_value *v)
{
	ctl_put(c, v, c->row->arg);
	return 0;
}

int ctl_get_text(const struct ctl_call *c, union ctl_value *v)
{
	v->str = c->row->text;
	return 0;
}

int ctl_arena_index(size_t i, unsigned int *index)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_acquire);

	*index = i == CTL_ARENAS_ALL || i == n ? STATS_ALL : (unsigned int)i;
	return (i < n && !ash_arenas[i]->destroyed) || *index == STATS_ALL ? 0 : ENOENT;
}

/* --- doors ---------------------------------------------------------------------------- */

EXPORT int ashlar_ctlbymib(const size_t *mib, size_t miblen, void *old, size_t *oldlen,
			   void *new, size_t newlen)
{
	struct ctl_row row;
	struct ctl_call c = { .row = &row };
	int saved = errno, err;

	if (!thread_ready())
		return EAGAIN;
	thread_cache();
	if (!mib || !miblen || mib[0] > UINT32_MAX)
		return ENOENT;
	if (!row_at((unsigned int)mib[0], &row) || !indices(&row, mib, miblen, c.index))
		return ENOENT;
	err = call(&c, old, oldlen, new, newlen);
	errno = saved;
	return err;
}

EXPORT int ashlar_ctlnametomib(const char *name, size_t *mib, size_t *miblen)
{
	size_t whole[CTL_DEPTH], depth;

	if (!thread_ready())
		return EAGAIN;
	depth = find(name, whole);
	if (!depth)
		return ENOENT;
	*miblen = min(*miblen, depth);
	memcpy(mib, whole, *miblen * sizeof(*mib));
	return 0;
}

EXPORT int ashlar_ctl(const char *name, void *old, size_t *oldlen, void *new, size_t newlen)
{
	size_t mib[CTL_DEPTH], depth;

	if (!thread_ready())
		return EAGAIN;
	depth = find(name, mib);
	return depth ? ashlar_ctlbymib(mib, depth, old, oldlen, new, newlen) : ENOENT;
}

ALIAS(int, mallctl, (const char *, void *, size_t *, void *, size_t), ashlar_ctl);
ALIAS(int, mallctlnametomib, (const char *, size_t *, size_t *), ashlar_ctlnametomib);
ALIAS(int, mallctlbymib, (const size_t *, size_t, void *, size_t *, void *, size_t),
      ashlar_ctlbymib);
