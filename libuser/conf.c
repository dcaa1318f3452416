// SPDX-License-Identifier: MIT
#include "conf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

struct conf conf;

#define ROW(name, d, lo, hi, w, text)					\
	{ .key = #name, .help = text, .offset = offsetof(struct conf, name),	\
	  .def = (d), .least = (lo), .most = (hi), .words = (w) }
#define BOOL(name, d, text)	ROW(name, d, 0, 1, "false|true", text)
#define NUMBER(name, d, lo, hi, text) ROW(name, d, lo, hi, NULL, text)

const struct conf_row conf_rows[] = {
	ROW(source, SOURCE_AUTO, 0, 2, "auto|device|anon",
	    "Where extents come from; auto: /dev/ashlar if it opens, else anonymous memory."),
	ROW(thp, THP_AUTO, 0, 2, "auto|always|never",
	    "Huge pages for anonymous extents; auto: once the heap has passed 64 MB."),
	ROW(foreign, FOREIGN_ABORT, 0, 1, "abort|ignore",
	    "What a free of memory that is not ours does."),
	NUMBER(reserve, 0, 0, (int64_t)1 << 46,
	       "Bytes of address space to reserve; 0: the larger of 1 TB and 4 x RAM."),
	NUMBER(narenas, 0, 0, 4094, "Arenas at the most; 0: four per CPU this process may use."),
	BOOL(tcache, true, "Whether threads cache freed blocks."),
	NUMBER(ncached_max, 256, 8, 8191, "Blocks of one size class a thread caches at the most."),
	NUMBER(tcache_bytes, 64 * KB, 4 * KB, 16 * MB,
	       "Bytes of one small size class a thread caches at the most."),
	NUMBER(large_bytes, 2 * MB, 0, 512 * MB,
	       "Bytes of blocks of 16 KB and more a thread caches at the most."),
	NUMBER(gc_events, 512, 1, 1 << 20,
	       "Fills and flushes of a thread cache between two collections of it."),
	NUMBER(dirty_decay_ms, 10000, -1, INT64_MAX / 1000000,
	       "Milliseconds until free memory goes back; 0: at once, -1: never."),
	NUMBER(muzzy_decay_ms, 0, -1, INT64_MAX / 1000000,
	       "Milliseconds that memory stays lazily purged before it goes back by force; 0: no lazy step."),
	BOOL(background_thread, false, "Whether a thread of the library's own purges, so that idle processes give back."),
	BOOL(numa, true, "Whether each node has its own heap."),
	BOOL(page_aligned_anon, false,
	     "Whether requests aligned to pages stay on anonymous memory, for programs that call madvise on them."),
	BOOL(abort_conf, false, "Whether a wrong option ends the process."),
	BOOL(confirm_conf, false, "Whether the options in force are printed at start."),
	BOOL(stats_print, false, "Whether statistics are printed at exit."),
};

const unsigned int conf_nrows = ARRAY_SIZE(conf_rows);

static int64_t *row_value(const struct conf_row *row)
{
	return (int64_t *)((char *)&conf + row->offset);
}

/* Index of @text among "a|b|c", or -1. */
static int64_t parse_word(const char *words, const char *text, size_t len)
{
	for (int64_t i = 0;; i++) {
		const char *bar = strchr(words, '|');
		size_t n = bar ? (size_t)(bar - words) : strlen(words);

		if (n == len && !memcmp(words, text, n))
			return i;
		if (!bar)
			return -1;
		words = bar + 1;
	}
}

/* A whole number with an optional sign and an optional k, m, g or t (powers of 1024). */
static bool parse_number(const char *text, size_t len, int64_t *value)
{
	static const char suffixes[] = "kmgt";
	bool negative = len && *text == '-';
	size_t i = negative;
	uint64_t v = 0;

	if (i == len)
		return false;
	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		if (v > (uint64_t)INT64_MAX / 10 - 1)
			return false;
		v = v * 10 + (uint64_t)(text[i] - '0');
	}
	if (i == (size_t)negative)
		return false;
	if (i + 1 == len) {
		const char *s = strchr(suffixes, text[i] | 0x20);
		unsigned int shift;

		if (!s || !*s)
			return false;
		shift = 10 * (unsigned int)(s - suffixes + 1);
		if (v > (uint64_t)INT64_MAX >> shift)
			return false;
		v <<= shift;
		i++;
	}
	*value = negative ? -(int64_t)v : (int64_t)v;
	return i == len;
}

static const struct conf_row *row_find(const char *key, size_t len)
{
	for (unsigned int i = 0; i < conf_nrows; i++) {
		if (strlen(conf_rows[i].key) == len && !memcmp(conf_rows[i].key, key, len))
			return &conf_rows[i];
	}
	return NULL;
}

/* A NUL-terminated copy for messages, shortened if need be. */
static const char *copy(char *buf, size_t size, const char *s, size_t len)
{
	len = min(len, size - 1);
	memcpy(buf, s, len);
	buf[len] = '\0';
	return buf;
}

static bool set_pair(const char *pair, size_t len, const char *origin)
{
	const char *colon = memchr(pair, ':', len);
	const struct conf_row *row;
	char a[64], b[64];
	const char *value;
	size_t vlen;
	int64_t v;

	if (!colon) {
		ash_warn("%s: \"%s\" is not key:value", origin, copy(a, sizeof(a), pair, len));
		return false;
	}
	value = colon + 1;
	vlen = len - (size_t)(value - pair);
	copy(a, sizeof(a), pair, (size_t)(colon - pair));
	copy(b, sizeof(b), value, vlen);
	row = row_find(pair, (size_t)(colon - pair));
	if (!row) {
		ash_warn("%s: there is no option \"%s\"", origin, a);
		return false;
	}
	if (row->words) {
		v = parse_word(row->words, value, vlen);
		if (v < 0) {
			ash_warn("%s: option %s is one of %s, not \"%s\"", origin, a, row->words, b);
			return false;
		}
	} else if (!parse_number(value, vlen, &v)) {
		ash_warn("%s: option %s takes a whole number (k, m, g, t may follow), not \"%s\"",
			 origin, a, b);
		return false;
	} else if (v < row->least || v > row->most) {
		ash_warn("%s: option %s takes %ld to %ld, not %s", origin, a,
			 (long)row->least, (long)row->most, b);
		return false;
	}
	*row_value(row) = v;
	return true;
}

unsigned int conf_parse(const char *text, const char *origin)
{
	unsigned int refused = 0;

	while (*text) {
		const char *comma = strchr(text, ',');
		size_t len = comma ? (size_t)(comma - text) : strlen(text);

		if (len && !set_pair(text, len, origin))
			refused++;
		text += len + !!comma;
	}
	return refused;
}

/*
 * The variable's value, before libc has set environ too (an IFUNC resolver
 * of the program may be the first to call malloc).
 */
static const char *environment(const char *name, char *buf, size_t size)
{
	size_t n = strlen(name), len = 0;
	ssize_t got;
	int fd;

	if (environ)
		return getenv(name);
	fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	while (len < size - 1 && (got = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)got;
	close(fd);
	buf[len] = '\0';
	for (char *s = buf; s < buf + len; s += strlen(s) + 1) {
		if (!strncmp(s, name, n) && s[n] == '=')
			return s + n + 1;
	}
	return NULL;
}

static void confirm(void)
{
	for (unsigned int i = 0; i < conf_nrows; i++)
		ash_warn("%s:%ld", conf_rows[i].key, (long)*row_value(&conf_rows[i]));
}

void conf_init(void)
{
	static char buf[16 * 1024];
	unsigned int refused = 0;
	const char *text;

	for (unsigned int i = 0; i < conf_nrows; i++)
		*row_value(&conf_rows[i]) = conf_rows[i].def;
	if (conf_linked)
		conf_linked();
	/* A set-uid program takes nothing from whoever calls it. */
	if (getauxval(AT_SECURE))
		return;
	text = environment("ASHLAR_CONF", buf, sizeof(buf));
	if (text)
		refused = conf_parse(text, "ASHLAR_CONF");
	if (refused && conf.abort_conf)
		ash_fatal("ASHLAR_CONF: %u options refused and abort_conf is true", refused);
	if (conf.confirm_conf)
		confirm();
}
