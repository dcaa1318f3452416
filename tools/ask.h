/* SPDX-License-Identifier: MIT */
/* Asking a running process, by the socket of libuser/serve.h. */
#ifndef ASHLARCTL_ASK_H
#define ASHLARCTL_ASK_H

#include "tool.h"

/*
 * The answer to @request without its "ok" line, NUL behind it, for free(); *@len (may be
 * NULL) is its length. NULL: @why (@size bytes) has one sentence.
 */
char *ask(pid_t pid, const char *request, size_t *len, char *why, size_t size);

/* The same, or fail() with the sentence; a process that has just started is waited for. */
char *ask_or_fail(pid_t pid, const char *request, size_t *len);

/* "name value" lines: the value of @name, 0 if there is none. */
int64_t answer_value(const char *answer, const char *name);

/* The answer to "totals" as an object; NULL if the process does not answer. */
struct json_object *totals_json(pid_t pid);

#endif /* ASHLARCTL_ASK_H */
