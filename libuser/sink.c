// SPDX-License-Identifier: MIT
#include "sink.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void sink_to_fd(void *arg, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = write((int)(intptr_t)arg, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

void sink_init(struct sink *s, void (*write)(void *arg, const char *text), void *arg)
{
	s->write = write ? write : sink_to_fd;
	s->arg = write ? arg : (void *)(intptr_t)STDERR_FILENO;
	s->len = 0;
	s->depth = 0;
	s->begun = s->arrays = 0;
}

void sink_flush(struct sink *s)
{
	s->buf[s->len] = '\0';
	if (s->len)
		s->write(s->arg, s->buf);
	s->len = 0;
}

static void put(struct sink *s, char c)
{
	if (s->len == sizeof(s->buf) - 1)
		sink_flush(s);
	s->buf[s->len++] = c;
}

void sink_text(struct sink *s, const char *text)
{
	for (; *text; text++)
		put(s, *text);
}

void sink_format(struct sink *s, const char *fmt, ...)
{
	char piece[256];
	va_list ap;

	va_start(ap, fmt);
	ash_vformat(piece, sizeof(piece), fmt, ap);
	va_end(ap);
	sink_text(s, piece);
}

/* --- JSON ----------------------------------------------------------------------------- */

static void quoted(struct sink *s, const char *text)
{
	put(s, '"');
	for (; *text; text++) {
		if ((unsigned char)*text < ' ') {
			sink_format(s, "\\u00%x%x", (unsigned char)*text >> 4, *text & 15);
			continue;
		}
		if (*text == '"' || *text == '\\')
			put(s, '\\');
		put(s, *text);
	}
	put(s, '"');
}

/* What goes before a value: a comma, its place on a line, its name. */
static void begin(struct sink *s, const char *name)
{
	uint32_t level = 1u << s->depth;

	if (s->begun & level)
		put(s, ',');
	s->begun |= level;
	if (s->depth) {
		put(s, '\n');
		for (unsigned int i = 0; i < s->depth; i++)
			put(s, ' ');
	}
	if (name) {
		quoted(s, name);
		put(s, ':');
	}
}

static void open_level(struct sink *s, const char *name, bool array)
{
	begin(s, name);
	put(s, array ? '[' : '{');
	s->depth++;
	s->begun &= ~(1u << s->depth);
	s->arrays &= ~(1u << s->depth);
	s->arrays |= (uint32_t)array << s->depth;
}

void json_object(struct sink *s, const char *name)
{
	open_level(s, name, false);
}

void json_array(struct sink *s, const char *name)
{
	open_level(s, name, true);
}

void json_close(struct sink *s)
{
	put(s, s->arrays >> s->depth & 1 ? ']' : '}');
	s->depth--;
	if (!s->depth)
		put(s, '\n');
}

void json_number(struct sink *s, const char *name, uint64_t value)
{
	begin(s, name);
	sink_format(s, "%lu", value);
}

void json_signed(struct sink *s, const char *name, int64_t value)
{
	begin(s, name);
	sink_format(s, "%ld", value);
}

void json_share(struct sink *s, const char *name, uint64_t part, uint64_t whole)
{
	uint64_t n = whole ? (uint64_t)((double)part / (double)whole * 10000 + 0.5) : 0;

	begin(s, name);
	sink_format(s, "%lu.%lu%lu%lu%lu", n / 10000, n / 1000 % 10, n / 100 % 10, n / 10 % 10,
		    n % 10);
}

void json_bool(struct sink *s, const char *name, bool value)
{
	begin(s, name);
	sink_text(s, value ? "true" : "false");
}

void json_string(struct sink *s, const char *name, const char *value)
{
	begin(s, name);
	quoted(s, value);
}
