/* SPDX-License-Identifier: MIT */
/*
 * The counts of a profile at one moment, and the code that its addresses lie in: what
 * the formats and the leak report are made of. Nothing may clear the tables while it exists:
 * prof_dump_pause().
 */
#ifndef ASHLAR_PROF_SNAP_H
#define ASHLAR_PROF_SNAP_H

#include "prof_table.h"

#define PROF_BUILD_ID	20u	/* bytes of it that are kept */
#define PROF_MODULES	512u

/* Code from one file. */
struct prof_module {
	uintptr_t low, high;
	uint64_t offset;	/* in the file, of low */
	uintptr_t bias;		/* address less what the file says */
	unsigned int id_bytes;
	uint8_t id[PROF_BUILD_ID];
	char path[232];
};

/* A site of the table, copied. */
struct prof_snap_site {
	struct prof_count made, live;
	uint32_t stack, name;
};

struct prof_snap {
	uint32_t n;		/* sites, [0] included */
	uint32_t nmodules;
	uint32_t nstacks;
	int64_t mean;		/* bytes between samples */
	size_t size;		/* of this record's memory */
	struct prof_module *modules;
	struct prof_snap_site *sites;
};

/* NULL: no memory. Takes and drops prof_lock. */
struct prof_snap *prof_snap_take(void);
void prof_snap_free(struct prof_snap *s);

/* What lies at @pc; NULL if unknown. */
const struct prof_module *prof_snap_module(const struct prof_snap *s, uintptr_t pc);

/* Modules alone, into @m: how many. Takes the loader's lock. */
unsigned int prof_modules(struct prof_module *m, unsigned int max);

#endif /* ASHLAR_PROF_SNAP_H */
