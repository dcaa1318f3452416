// SPDX-License-Identifier: MIT
/* jemalloc's names that are not functions of ours by another name. */
#include "conf.h"
#include "report.h"

/*
 * A program's own defaults, "key:value,…", if it defines this name; what
 * ashlar_conf, /etc/ashlar.conf and ASHLAR_CONF say goes before. Keys that only jemalloc
 * knows are passed over.
 */
EXPORT __attribute__((weak)) const char *malloc_conf;

AT_START void conf_linked(void)
{
	if (malloc_conf)
		conf_parse_jemalloc(malloc_conf, "malloc_conf");
}

/* Where text goes whose caller named no function; NULL: standard error. */
EXPORT void (*malloc_message)(void *arg, const char *text);

EXPORT void malloc_stats_print(void (*write)(void *arg, const char *text), void *arg,
			       const char *opts);

EXPORT void malloc_stats_print(void (*write)(void *arg, const char *text), void *arg,
			       const char *opts)
{
	report_print(write ? write : malloc_message, arg, opts);
}
