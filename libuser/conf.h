/* SPDX-License-Identifier: MIT */
/*
 * Options: one row each in options.h, with default, range and one sentence.
 * Read once, before the heap exists; constant afterwards. A later one of these
 * overrides an earlier one, option by option:
 *
 *	default			the row's
 *	build			"key:value,…" given to make as CONF_DEFAULT
 *	malloc_conf		string of a program written for jemalloc; only keys that mean
 *				the same to both count
 *	ashlar_conf		string of the program or of a library it is linked to
 *	/etc/ashlar.conf	lines of key:value, "#" begins a comment
 *	ASHLAR_CONF		environment variable
 *
 * Where the program runs with more rights than its caller (AT_SECURE: set-uid, file
 * capabilities) the variable is not read, and options that write files, open sockets or
 * install signal handlers (CONF_UNSAFE) keep their default whoever sets them.
 */
#ifndef ASHLAR_CONF_H
#define ASHLAR_CONF_H

#include "util.h"

enum conf_source { SOURCE_AUTO, SOURCE_DEVICE, SOURCE_ANON };
enum conf_thp { THP_AUTO, THP_ALWAYS, THP_NEVER };
enum conf_unwind { UNWIND_AUTO, UNWIND_FRAMES, UNWIND_LIBRARY };
enum conf_format { FORMAT_HEAP_V2, FORMAT_PPROF };
enum conf_junk { JUNK_NONE, JUNK_BOTH, JUNK_ALLOC, JUNK_FREE };
enum conf_zero_realloc { ZERO_REALLOC_FREE, ZERO_REALLOC_ALLOC, ZERO_REALLOC_ABORT };
enum conf_foreign { FOREIGN_ABORT, FOREIGN_IGNORE };

/* Room of an option that is text, its NUL included. */
#define CONF_TEXT_MAX	256

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
	int64_t dirty_max;		/* bytes, 0: no such limit */
	int64_t heap_soft_limit, heap_hard_limit;	/* bytes, 0: none */
	int64_t heap_soft_limit_percent, heap_hard_limit_percent;	/* of the cgroup's memory.max */
	int64_t pressure;		/* bool */
	int64_t numa;			/* bool */
	int64_t page_aligned_anon;	/* bool */
	int64_t abort_conf;		/* bool */
	int64_t confirm_conf;		/* bool */
	int64_t stats_print;		/* bool */
	int64_t tcache_max;		/* bytes of the largest block a thread caches */
	int64_t ctl_socket;		/* bool */
	char stats_print_opts[CONF_TEXT_MAX];
	int64_t zero;			/* bool */
	int64_t junk;			/* enum conf_junk */
	int64_t redzone;		/* bool */
	int64_t xmalloc;		/* bool */
	int64_t zero_realloc;		/* enum conf_zero_realloc */
	/* Heap profiles and guarded blocks: see prof.h and guard.h. */
	int64_t prof, prof_active, prof_thread_active_init;	/* bool */
	int64_t lg_prof_sample;		/* log2 of mean bytes between samples */
	int64_t prof_unwind;		/* enum conf_unwind */
	int64_t prof_format;		/* enum conf_format */
	int64_t lg_prof_interval;	/* log2 of bytes between dumps, -1: none */
	int64_t prof_gdump, prof_final, prof_leak, prof_leak_error;	/* bool */
	int64_t prof_signal;		/* number of the signal that asks for a dump, 0: none */
	int64_t prof_recent_alloc_max;	/* records */
	int64_t prof_seed;		/* 0: a different one each time */
	int64_t guard_sample;		/* mean bytes between guarded blocks, 0: none */
	int64_t guard_max;		/* blocks guarded at a time, freed ones included */
	char prof_prefix[CONF_TEXT_MAX];	/* how names of dumps begin */
};

extern struct conf conf;

/* conf_row.flags */
#define CONF_UNSAFE	1u	/* writes files, opens sockets or installs signal handlers */
#define CONF_JEMALLOC	2u	/* means the same to jemalloc */
#define CONF_TEXT	4u	/* a char [CONF_TEXT_MAX], its default in words */

/* Are blocks filled when they are made or freed? Then no thread has a cache. */
static inline bool conf_fills(void)
{
	return conf.zero || conf.junk || conf.redzone;
}

/* No pointers: a page of them would be written in every process as it is linked. */
struct conf_row {
	char key[28];
	unsigned int flags;
	size_t offset;		/* in struct conf, of an int64_t but for CONF_TEXT */
	int64_t def, least, most;
	char words[24];		/* "a|b|c" where the value is a word, else "" */
	char help[160];		/* one sentence: meaning and unit */
};

extern const struct conf_row conf_rows[];
extern const unsigned int conf_nrows;

/* All sources of options, in the order above, over the defaults: once. Safe before libc's start-up. */
void conf_init(void);

/* Options that the program brought with it under another allocator's name, where we answer to it. */
void conf_linked(void) __attribute__((weak, visibility("hidden")));

/* Ends the process where our malloc has taken the place of one that the program needs. */
void conf_rival(void) __attribute__((weak, visibility("hidden")));

/*
 * "key:value" pairs, separated by commas or ends of lines, over what is there. @origin, a
 * string that stays, names it in messages. Returns the number of pairs refused, each with
 * a line on standard error.
 */
unsigned int conf_parse(const char *text, const char *origin);

/* The same for jemalloc's own: passes over what it alone knows. */
unsigned int conf_parse_jemalloc(const char *text, const char *origin);

/* The same for a file; one that is not there is no mistake. */
unsigned int conf_read_file(const char *path);

/* The value of @row as one writes it. Returns the length. */
size_t conf_show(const struct conf_row *row, char *buf, size_t size);
/* Its default, likewise. */
size_t conf_show_default(const struct conf_row *row, char *buf, size_t size);

/* Who set @row: "default", "build", or a name from the list above. */
const char *conf_origin(const struct conf_row *row);

/* CONF_DEFAULT of the build, "" if it had none. */
extern const char conf_build[];

#endif /* ASHLAR_CONF_H */
