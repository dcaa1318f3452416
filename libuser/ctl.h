/* SPDX-License-Identifier: MIT */
/*
 * Values by name, as jemalloc's mallctl names them. ctl.c holds the mechanism
 * (names, indices, sizes, who may read and write), ctl_options.c, ctl_thread.c, ctl_arenas.c and
 * ctl_stats.c the values.
 *
 * A row's name may have '#' for components that are indices:
 * "arenas.bin.#.size". A MIB is as long as its name has components:
 *
 *	mib[0]	number of the row, counted through all tables
 *	mib[k]	the index where the name has one, else 0
 *
 * Totals below stats. are those of the last write to "epoch"; all others are as
 * of the call.
 */
#ifndef ASHLAR_CTL_H
#define ASHLAR_CTL_H

#include <sys/types.h>

#include "util.h"

#define CTL_INDICES	2	/* at the most in a name */
#define CTL_DEPTH	6	/* components, likewise */

enum ctl_type {
	CTL_VOID,		/* an action: neither read nor written */
	CTL_BOOL,
	CTL_UNSIGNED,
	CTL_SIZE,
	CTL_SSIZE,
	CTL_U64,
	CTL_STRING,
	CTL_POINTER,
	CTL_WRITER,		/* a function that takes text, and its argument */
};

union ctl_value {
	bool b;
	unsigned int u;
	size_t z;
	ssize_t s;
	uint64_t q;
	const char *str;
	void *p;
	struct {
		void (*write)(void *arg, const char *text);
		void *arg;
	} writer;
};

/* ctl_row.flags */
#define CTL_OPTIONAL	8u	/* set() may be called without a value, and gets NULL then */
#define CTL_SET_FIRST	1u	/* what is read is what came of the write */
#define CTL_ALWAYS	2u	/* get() does something: call it though nobody reads */
#define CTL_ASKS	4u	/* the new value, a pointer, is the question that get() answers */

struct ctl_row;

/* What a handler is called for. */
struct ctl_call {
	const struct ctl_row *row;
	size_t index[CTL_INDICES];
};

struct ctl_row {
	const char *name;
	enum ctl_type type;
	unsigned int flags;
	/* 0 or an errno; NULL: cannot be read, cannot be written. An action is a set() of NULL. */
	int (*get)(const struct ctl_call *c, union ctl_value *v);
	int (*set)(const struct ctl_call *c, const union ctl_value *v);
	size_t arg;		/* for the handlers */
	const char *text;	/* likewise */
};

/*
 * A table is a function: number @i of its rows goes into *@row, if there are so many; returns
 * how many there are. An array of them would be 10 KB of pointers, which each process that
 * starts would get pages of its own for, as it is linked, and hardly one read.
 */
typedef unsigned int ctl_table(unsigned int i, struct ctl_row *row);

ctl_table ctl_options, ctl_thread, ctl_arenas, ctl_stats, ctl_prof;

/* "opt." rows of conf_rows, behind all tables: likewise; the name is made on the way. */
ctl_table ctl_conf;

/* Rows between BEGIN and END are numbered as they come. */
#define CTL_TABLE_BEGIN(table)	\
	RARE unsigned int table(unsigned int i, struct ctl_row *row)	\
	{	\
		enum { first = __COUNTER__ + 1 };	\
		switch (i) {
#define CTL_TABLE_END	\
		}	\
		return __COUNTER__ - first;	\
	}
#define CTL_ROW(...)	\
	case __COUNTER__ - first: *row = (struct ctl_row){ __VA_ARGS__ }; break;

/* To read, to read and write, to write, to do; constants. */
#define CTL_RO(n, t, fn, ...)	CTL_ROW(.name = n, .type = CTL_##t, .get = fn, ##__VA_ARGS__)
#define CTL_RW(n, t, g, s, ...)	CTL_ROW(.name = n, .type = CTL_##t, .get = g, .set = s, ##__VA_ARGS__)
#define CTL_WO(n, t, s)		CTL_ROW(.name = n, .type = CTL_##t, .set = s)
#define CTL_ACT(n, s)		CTL_ROW(.name = n, .type = CTL_VOID, .set = s)
#define CTL_IS(n, t, value)	CTL_RO(n, t, ctl_get_number, .arg = (size_t)(value))
#define CTL_TEXT(n, value)	CTL_RO(n, STRING, ctl_get_text, .text = value)

/* Handlers that several tables use: the row's arg, the row's text, decay times of an arena. */
int ctl_get_number(const struct ctl_call *c, union ctl_value *v);
int ctl_get_text(const struct ctl_call *c, union ctl_value *v);
int ctl_get_dirty_decay(const struct ctl_call *c, union ctl_value *v);
int ctl_get_muzzy_decay(const struct ctl_call *c, union ctl_value *v);

/* @n as the row's type. */
void ctl_put(const struct ctl_call *c, union ctl_value *v, size_t n);

/* jemalloc's MALLCTL_ARENAS_ALL; it also takes the number of arenas for the same. */
#define CTL_ARENAS_ALL		4096u

/* @i as STATS_ALL or the index of an arena that exists; else ENOENT. */
int ctl_arena_index(size_t i, unsigned int *index);

#define NLEXTENTS		(CLASS_LARGE_LAST - CLASS_LARGE_FIRST + 1)

#endif /* ASHLAR_CTL_H */
