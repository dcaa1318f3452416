/* SPDX-License-Identifier: MIT */
/*
 * Values by name, as jemalloc's mallctl names them. ctl.c holds the mechanism
 * (names, indices, sizes, who may read and write), ctl_table.c the values.
 *
 * A row's name may have '#' for components that are indices:
 * "arenas.bin.#.size". A MIB is as long as its name has components:
 *
 *	mib[0]	number of the row: those of ctl_rows, then one for each of conf_rows
 *	mib[k]	the index where the name has one, else 0
 *
 * Figures below stats. that have no index, and "arenas.narenas", are those of
 * the last write to "epoch"; all others are as of the call.
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
};

union ctl_value {
	bool b;
	unsigned int u;
	size_t z;
	ssize_t s;
	uint64_t q;
	const char *str;
	void *p;
};

/* ctl_row.flags */
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

extern const struct ctl_row ctl_rows[];
extern const unsigned int ctl_nrows;

/* Row @i of all, those of options included; *@scratch is used for them. */
const struct ctl_row *ctl_row(unsigned int i, struct ctl_row *scratch);

#endif /* ASHLAR_CTL_H */
