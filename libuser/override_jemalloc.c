// SPDX-License-Identifier: MIT
/* jemalloc's names that are not functions of ours by another name. */
#include <string.h>

#include "conf.h"
#include "stats.h"

/*
 * A program's own defaults, "key:value,…", if it defines this name; what
 * ASHLAR_CONF says goes before. Keys that only jemalloc knows are passed over.
 */
EXPORT __attribute__((weak)) const char *malloc_conf;

/* Options that mean the same to both. */
static bool shared(const char *pair)
{
	static const char *const keys[] = {
		"abort_conf:", "background_thread:", "confirm_conf:", "dirty_decay_ms:",
		"muzzy_decay_ms:", "narenas:", "stats_print:", "tcache:",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!strncmp(pair, keys[i], strlen(keys[i])))
			return true;
	}
	return false;
}

void conf_linked(void)
{
	size_t len;

	for (const char *pair = malloc_conf; pair && *pair; pair += len + !!pair[len]) {
		char one[64];

		len = strcspn(pair, ",");
		if (len >= sizeof(one) || !shared(pair))
			continue;
		memcpy(one, pair, len);
		one[len] = '\0';
		conf_parse(one, "malloc_conf");
	}
}

/* Where text goes whose caller named no function; NULL: standard error. */
EXPORT void (*malloc_message)(void *arg, const char *text);

EXPORT void malloc_stats_print(void (*write)(void *arg, const char *text), void *arg,
			       const char *opts);

EXPORT void malloc_stats_print(void (*write)(void *arg, const char *text), void *arg,
			       const char *opts)
{
	stats_print(write ? write : malloc_message, arg, opts);
}
