/* SPDX-License-Identifier: MIT */
/*
 * What the units stand on instead of the world: two sources of extents that check what
 * is asked of them and fail on command, and a clock that stands still. They take
 * the places of source_anon.c, source_dev.c and os_now_ms() when the tests are linked.
 */
#ifndef FAKE_H
#define FAKE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include "conf.h"
#include "consistent.h"
#include "os.h"
#include "pageheap.h"
#include "purge.h"
#include "source.h"

struct fake {
	/* Set by tests. */
	bool device;		/* does the device source offer extents? */
	size_t device_left;	/* extents it can give; SIZE_MAX at first */
	size_t anon_left;	/* the same of the anonymous source */
	bool purge_fails;
	bool lazy_fails;	/* the kernel has no lazy purge */
	char *shared;		/* an extent that the device neither punches nor mends */
	size_t move_most;	/* extents that one move may bring; SIZE_MAX at first */
	size_t lazy_every;	/* every so manieth lazy extent of the device is taken */
	bool thp_never;		/* the system's setting; set before fake_start() */
	bool thp_disabled;	/* the process's */
	bool os_fails;		/* os_commit(): no memory for maps and records */
	uint64_t now;		/* ms */
	uint32_t cpu;		/* that the thread runs on */
	/* Called while pages are on their way back: no lock is held then. */
	void (*during_purge)(const struct source_range *ranges, unsigned int n);
	void (*during_punch)(char *extent, const struct bits *pages);
	void (*during_mend)(char *extent);
	/* Counted, by several threads. */
	_Atomic size_t punches, punched_pages, mends, tears;
	_Atomic size_t commits, purges, purged_ranges, purged_bytes;
	_Atomic size_t lazy_purges, lazy_ranges, lazy_bytes;	/* purged lazily */
	_Atomic size_t taken_back;	/* extents of the device asked for again */
	_Atomic size_t wrong;		/* requests that no caller may make; 0 */
};

extern struct fake fake;

/* A process for one test: options as written, heaps made. */
void fake_start(const char *options);

/* A page heap more, as if of another node. */
struct pageheap *fake_node(void);

/* xorshift; the seed is printed by fake_seed() and taken from SEED. */
uint64_t fake_random(void);
void fake_seed(void);

#endif /* FAKE_H */
