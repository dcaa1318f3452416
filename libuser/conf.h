/* SPDX-License-Identifier: MIT */
/*
 * Options: one row each in conf.c, with default, range and one sentence.
 * Read once, before the heap exists, from the environment variable
 * ASHLAR_CONF ("key:value,key:value"); constant afterwards.
 */
#ifndef ASHLAR_CONF_H
#define ASHLAR_CONF_H

#include "util.h"

enum conf_source { SOURCE_AUTO, SOURCE_DEVICE, SOURCE_ANON };
enum conf_thp { THP_AUTO, THP_ALWAYS, THP_NEVER };
enum conf_foreign { FOREIGN_ABORT, FOREIGN_IGNORE };

struct conf {
	int64_t source;			/* enum conf_source */
	int64_t thp;			/* enum conf_thp */
	int64_t foreign;		/* enum conf_foreign */
	int64_t reserve;		/* bytes of address space, 0: by RAM */
	int64_t narenas;		/* 0: 4 x CPUs */
	int64_t tcache;			/* bool */
	int64_t ncached_max;		/* blocks of a class in a thread cache */
	int64_t tcache_bytes;		/* bytes of a class in a thread cache */
	int64_t large_bytes;		/* bytes of large blocks in a thread cache */
	int64_t gc_events;		/* fills and flushes between two GCs */
	int64_t dirty_decay_ms;		/* -1: never */
	int64_t muzzy_decay_ms;		/* -1: never */
	int64_t background_thread;	/* bool */
	int64_t numa;			/* bool */
	int64_t page_aligned_anon;	/* bool */
	int64_t abort_conf;		/* bool */
	int64_t confirm_conf;		/* bool */
	int64_t stats_print;		/* bool */
};

extern struct conf conf;

struct conf_row {
	const char *key;
	const char *help;	/* one sentence: meaning and unit */
	size_t offset;		/* of an int64_t in struct conf */
	int64_t def, least, most;
	const char *words;	/* "a|b|c" where the value is a word, else NULL */
};

extern const struct conf_row conf_rows[];
extern const unsigned int conf_nrows;

/* Defaults, then conf_linked(), then ASHLAR_CONF. Safe before libc's start-up. */
void conf_init(void);

/* Options that the program brought with it under another allocator's name, where we answer to it. */
void conf_linked(void) __attribute__((weak, visibility("hidden")));

/*
 * One "key:value,…" string over what is there. @origin names it in messages.
 * Returns the number of pairs refused, each with a line on standard error.
 */
unsigned int conf_parse(const char *text, const char *origin);

#endif /* ASHLAR_CONF_H */
