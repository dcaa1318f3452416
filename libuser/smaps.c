// SPDX-License-Identifier: MIT
#include "smaps.h"

#include <string.h>

#include "lines.h"
#include "window.h"

/* The hexadecimal number at *@s; *@s moves behind it. */
static bool hex(const char **s, uintptr_t *value)
{
	const char *p = *s;

	*value = 0;
	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			*value = *value << 4 | (uintptr_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*value = *value << 4 | (uintptr_t)(*p - 'a' + 10);
		else
			break;
	}
	if (p == *s)
		return false;
	*s = p;
	return true;
}

/* Is [from, to) the heap of a window, in whole or in part? */
static bool ours(uintptr_t from, uintptr_t to)
{
	unsigned int n = atomic_load_explicit(&ash_nwindows, memory_order_acquire);

	for (unsigned int i = 0; i < n; i++) {
		uintptr_t base = (uintptr_t)ash_windows[i].base;

		if (from < base + ash_windows[i].size && to > base)
			return true;
	}
	return false;
}

/* "Name:   123 kB" */
static void add(const char *line, const char *name, size_t *sum)
{
	size_t len = strlen(name), kb = 0;

	if (strncmp(line, name, len) || line[len] != ':')
		return;
	for (line += len + 1; *line == ' '; line++)
		;
	for (; *line >= '0' && *line <= '9'; line++)
		kb = kb * 10 + (size_t)(*line - '0');
	*sum += kb * KB;
}

bool smaps_read(struct smaps *out)
{
	struct lines l;
	bool in = false;
	char line[128];

	memset(out, 0, sizeof(*out));
	lines_open(&l, "/proc/self/smaps");
	if (l.fd < 0)
		return false;
	while (lines_next(&l, line, sizeof(line))) {
		const char *s = line;
		uintptr_t from, to;

		if (hex(&s, &from) && *s++ == '-' && hex(&s, &to)) {
			in = ours(from, to);
			continue;
		}
		if (!in)
			continue;
		add(line, "Rss", &out->resident);
		add(line, "AnonHugePages", &out->huge);
		add(line, "ShmemPmdMapped", &out->huge);
		add(line, "FilePmdMapped", &out->huge);
		add(line, "LazyFree", &out->lazy_free);
		add(line, "Swap", &out->swapped);
	}
	lines_close(&l);
	return true;
}
