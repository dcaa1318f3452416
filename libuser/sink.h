/* SPDX-License-Identifier: MIT */
/*
 * Where a report goes: pieces of text, collected and handed on in lots. And JSON
 * into it, whose commas and nesting nobody has to think of. Nothing here allocates.
 */
#ifndef ASHLAR_SINK_H
#define ASHLAR_SINK_H

#include "util.h"

struct sink {
	void (*write)(void *arg, const char *text);
	void *arg;
	size_t len;		/* < sizeof(buf): the NUL follows when it is handed on */
	char buf[1024];
	/* JSON: levels open now, those that hold something already, and what closes each. */
	unsigned int depth;
	uint32_t begun, arrays;
};

/* @write NULL: standard error. */
void sink_init(struct sink *s, void (*write)(void *arg, const char *text), void *arg);

/* Hand on what is left. */
void sink_flush(struct sink *s);

void sink_text(struct sink *s, const char *text);
void sink_format(struct sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* For sink_init(): @arg is a descriptor as a pointer; what cannot be written is lost. */
void sink_to_fd(void *arg, const char *text);

/* @name NULL: an element of an array. */
void json_object(struct sink *s, const char *name);
void json_array(struct sink *s, const char *name);
/* The innermost one is complete. */
void json_close(struct sink *s);
void json_number(struct sink *s, const char *name, uint64_t value);
void json_signed(struct sink *s, const char *name, int64_t value);
/* part / whole to four digits; 0 where @whole is. */
void json_share(struct sink *s, const char *name, uint64_t part, uint64_t whole);
void json_bool(struct sink *s, const char *name, bool value);
/* UTF-8 without control characters but for those that JSON can name. */
void json_string(struct sink *s, const char *name, const char *value);

#endif /* ASHLAR_SINK_H */
