// SPDX-License-Identifier: MIT
#include "conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "os.h"
#include "sizeclass.h"

#ifndef CONF_DEFAULT
#define CONF_DEFAULT ""
#endif
AT_HAND static const char conf_file[] = "/etc/ashlar.conf";

#define BOOL(name, d, text, ...) ROW(name, d, 0, 1, "false|true", text, ##__VA_ARGS__)
#define NUMBER(name, d, lo, hi, text, ...) ROW(name, d, lo, hi, "", text, ##__VA_ARGS__)

#define ROW(name, d, ...)	.name = (d),
#define TEXT(name, d, ...)	.name = d,
struct conf conf = {
#include "options.h"
};
#undef ROW
#undef TEXT

/* An array that its text fills would have no end. */
#define FITS(text, field) _Static_assert(sizeof(text) <= sizeof(((struct conf_row *)0)->field), text);
#define ROW(name, d, lo, hi, w, text, ...) FITS(#name, key) FITS(w, words) FITS(text, help)
#define TEXT(name, d, fl, text) FITS(#name, key) FITS(d, words) FITS(text, help)
#include "options.h"
#undef ROW
#undef TEXT

#define ROW(name, d, lo, hi, w, text, ...)	\
	{ .key = #name, .help = text, .offset = offsetof(struct conf, name),	\
	  .def = (d), .least = (lo), .most = (hi), .words = w, ##__VA_ARGS__ },
#define TEXT(name, d, fl, text)	\
	ROW(name, 0, 0, CONF_TEXT_MAX - 1, d, text, .flags = CONF_TEXT | (fl))
#define SAME		.flags = CONF_JEMALLOC
#define UNSAFE		.flags = CONF_JEMALLOC | CONF_UNSAFE
const struct conf_row conf_rows[] = {
#include "options.h"
};

AT_HAND const unsigned int conf_nrows = ARRAY_SIZE(conf_rows);

AT_HAND const char conf_build[] = CONF_DEFAULT;

/*
 * What a program may bring with it: "key:value,…". Its own definition of this
 * name takes this one's place.
 */
EXPORT __attribute__((weak)) const char *ashlar_conf;

/* Keys that jemalloc has and that have no meaning here, for a message that says so. */
static const char only_jemallocs[] =
	" abort cache_oblivious debug_double_free_max_scan disable_large_size_classes dss hpa "
	"hpa_sec_nshards lg_extent_max_active_fit lg_tcache_max lg_tcache_nslots_mul "
	"max_background_threads metadata_thp oversize_threshold percpu_arena bin_shards retain "
	"slab_sizes stats_interval stats_interval_opts tcache_gc_delay_bytes tcache_gc_incr_bytes "
	"tcache_nslots_large tcache_nslots_small_max tcache_nslots_small_min trust_madvise utrace ";

/* Who set each row; NULL: nobody. */
BULK static const char *origins[ARRAY_SIZE(conf_rows)];

/* Constant after conf_init(): the process has rights that its caller has not. */
static bool secure;

static int64_t *row_value(const struct conf_row *row)
{
	return (int64_t *)((char *)&conf + row->offset);
}

static char *row_text(const struct conf_row *row)
{
	return (char *)&conf + row->offset;
}

RARE const char *conf_origin(const struct conf_row *row)
{
	const char *origin = origins[row - conf_rows];

	return origin ? origin : "default";
}

/* @value as one writes it. */
RARE static noinline size_t show(const struct conf_row *row, int64_t value, char *buf, size_t size)
{
	const char *word = row->words;

	if (!*word)
		return ash_format(buf, size, "%ld", (long)value);
	for (; value > 0; value--)
		word = strchr(word, '|') + 1;
	return ash_format(buf, min(size, strcspn(word, "|") + 1), "%s", word);
}

RARE size_t conf_show(const struct conf_row *row, char *buf, size_t size)
{
	if (row->flags & CONF_TEXT)
		return ash_format(buf, size, "%s", row_text(row));
	return show(row, *row_value(row), buf, size);
}

RARE size_t conf_show_default(const struct conf_row *row, char *buf, size_t size)
{
	if (row->flags & CONF_TEXT)
		return ash_format(buf, size, "%s", row->words);
	return show(row, row->def, buf, size);
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

/* The value to its place, whatever its kind; false with a line if it cannot be. */
static bool set_row(const struct conf_row *row, const char *value, size_t len, const char *origin)
{
	char b[64];
	int64_t v;

	copy(b, sizeof(b), value, len);
	if (row->flags & CONF_TEXT) {
		if (len >= CONF_TEXT_MAX) {
			ash_warn("%s: option %s takes %u bytes, not the %zu of \"%s…\"", origin,
				 row->key, (unsigned int)CONF_TEXT_MAX - 1, len, b);
			return false;
		}
		copy(row_text(row), CONF_TEXT_MAX, value, len);
		return true;
	}
	if (row->words[0]) {
		v = parse_word(row->words, value, len);
		if (v < 0) {
			ash_warn("%s: option %s is one of %s, not \"%s\"", origin, row->key,
				 row->words, b);
			return false;
		}
	} else if (!parse_number(value, len, &v)) {
		ash_warn("%s: option %s takes a whole number (k, m, g, t may follow), not \"%s\"",
			 origin, row->key, b);
		return false;
	} else if (v < row->least || v > row->most) {
		ash_warn("%s: option %s takes %ld to %ld, not %s", origin, row->key,
			 (long)row->least, (long)row->most, b);
		return false;
	}
	*row_value(row) = v;
	return true;
}

static bool is_only_jemallocs(const char *key)
{
	char spaced[64 + 2];

	ash_format(spaced, sizeof(spaced), " %s ", key);
	return key[0] && strstr(only_jemallocs, spaced);
}

static bool set_pair(const char *pair, size_t len, const char *origin, bool jemallocs)
{
	const char *colon = memchr(pair, ':', len);
	const struct conf_row *row;
	char key[64];

	copy(key, sizeof(key), pair, colon ? (size_t)(colon - pair) : len);
	if (!colon && !jemallocs)
		ash_warn("%s: \"%s\" is not key:value", origin, key);
	if (!colon)
		return jemallocs;
	row = row_find(pair, (size_t)(colon - pair));
	if (jemallocs && (!row || !(row->flags & CONF_JEMALLOC)))
		return true;
	if (!row) {
		ash_warn(is_only_jemallocs(key) ?
			 "%s: option %s is jemalloc's and has no meaning here" :
			 "%s: there is no option \"%s\"", origin, key);
		return false;
	}
	if (secure && (row->flags & CONF_UNSAFE))
		return true;
	if (!set_row(row, colon + 1, len - (size_t)(colon + 1 - pair), origin))
		return false;
	origins[row - conf_rows] = origin;
	return true;
}

/* Length of the pair at @text; a '#' there or after a blank begins a comment. */
static size_t pair_length(const char *text)
{
	size_t n = strcspn(text, ",\n");

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '#' && (!i || strchr(" \t", text[i - 1])))
			return i;
	}
	return n;
}

RARE static unsigned int parse(const char *text, const char *origin, bool jemallocs)
{
	unsigned int refused = 0;

	while (*(text += strspn(text, ", \t\r\n"))) {
		size_t len = pair_length(text), n = len;

		while (n && strchr(" \t\r", text[n - 1]))
			n--;
		if (n && !set_pair(text, n, origin, jemallocs))
			refused++;
		text += len;
		if (*text == '#')
			text += strcspn(text, "\n");
	}
	return refused;
}

unsigned int conf_parse(const char *text, const char *origin)
{
	return *text ? parse(text, origin, false) : 0;
}

unsigned int conf_parse_jemalloc(const char *text, const char *origin)
{
	return *text ? parse(text, origin, true) : 0;
}

/* Holds the file, then the environment: never both. */
BULK static char buf[16 * 1024];

unsigned int conf_read_file(const char *path)
{
	ssize_t len = os_read_file(path, buf, sizeof(buf));

	if (len == -ENOENT || len == -ENOTDIR)
		return 0;
	if (len < 0) {
		ash_warn("%s cannot be read (errno %d)", path, (int)-len);
		return 1;
	}
	if ((size_t)len == sizeof(buf) - 1) {
		ash_warn("%s is longer than the %zu bytes that options may have", path,
			 sizeof(buf) - 2);
		return 1;
	}
	return conf_parse(buf, path);
}

/* What follows @s if it sets our variable, else NULL. Not libc's getenv: few small processes have its page. */
static const char *our_variable(const char *s)
{
	AT_HAND static const char name[] = "ASHLAR_CONF=";
	size_t i = 0;

	while (name[i] && s[i] == name[i])
		i++;
	return name[i] ? NULL : s + i;
}

/*
 * The variable's value, before libc has set environ too (an IFUNC resolver
 * of the program may be the first to call malloc).
 */
static const char *environment(void)
{
	const char *value = NULL;
	ssize_t len;

	for (char **e = environ; e && *e && !value; e++)
		value = our_variable(*e);
	if (environ)
		return value;
	len = os_read_file("/proc/self/environ", buf, sizeof(buf));
	for (char *s = buf; s < buf + len && !value; s += strlen(s) + 1)
		value = our_variable(s);
	return value;
}

static void confirm(void)
{
	for (unsigned int i = 0; i < conf_nrows; i++) {
		char value[CONF_TEXT_MAX];

		conf_show(&conf_rows[i], value, sizeof(value));
		ash_warn("%s:%s (%s)", conf_rows[i].key, value, conf_origin(&conf_rows[i]));
	}
}

void conf_init(void)
{
	unsigned int refused;
	const char *text;

	if (conf_rival)
		conf_rival();
	secure = getauxval(AT_SECURE);
	refused = conf_parse(conf_build, "build");
	if (conf_linked)
		conf_linked();
	if (ashlar_conf)
		refused += conf_parse(ashlar_conf, "ashlar_conf");
	refused += conf_read_file(conf_file);
	/* A set-uid program takes nothing from whoever calls it. */
	text = secure ? NULL : environment();
	if (text)
		refused += conf_parse(text, "ASHLAR_CONF");
	/* Every block passes the slow path, which fills. */
	if (conf_fills())
		conf.tcache = false;
	if (refused && conf.abort_conf)
		ash_fatal("%u options refused and abort_conf is true", refused);
	if (conf.confirm_conf)
		confirm();
}
