/* SPDX-License-Identifier: MIT */
/*
 * When profiles are written, and into which files. One at a time; what is written is a
 * copy of the counts at one moment, and neither malloc nor a sample waits for the disk.
 *
 *	PREFIX.PID.SEQ.tN.heap	t: i interval, u new peak (gdump), m on demand or by signal, f at
 *				exit; N counts each kind, SEQ all of them
 *
 * Files are new ones (O_EXCL, no symbolic links followed), readable by their owner alone.
 * Under AT_SECURE nothing is written and no signal is taken.
 */
#ifndef ASHLAR_PROF_DUMP_H
#define ASHLAR_PROF_DUMP_H

#include <stdatomic.h>

#include "util.h"

/* Signal handler, threshold of the first interval. */
void prof_dump_start(void);

/* A profile to @name, or to the next name of its own if NULL. 0 or an errno. */
int prof_dump(const char *name);

/* Is there any reason to call the next function? */
extern _Atomic uint32_t prof_dump_reasons;

static inline bool prof_dump_may_be_due(void)
{
	return atomic_load_explicit(&prof_dump_reasons, memory_order_relaxed);
}

/* Dumps that are due, after @bytes more have been allocated. */
void prof_dump_tick(uint64_t bytes);

/* Dumps at each new peak, from now on. */
bool prof_dump_gdump(void);
void prof_dump_set_gdump(bool on);

/* What names begin with, until it is changed. False: too long. */
bool prof_dump_set_prefix(const char *prefix);

/* Wait until no dump is under way, and keep others from beginning. */
void prof_dump_pause(bool on);

/* The last one. At exit. */
void prof_dump_final(void);

/* Around fork. */
void prof_dump_prefork(void);
void prof_dump_postfork(bool child);

#endif /* ASHLAR_PROF_DUMP_H */
