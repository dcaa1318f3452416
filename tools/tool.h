/* SPDX-License-Identifier: MIT */
/* What all commands of ashlarctl share: how they are called, how they speak. */
#ifndef ASHLARCTL_TOOL_H
#define ASHLARCTL_TOOL_H

#include <argp.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define EXTENT_BYTES	((uint64_t)1 << 21)
#define NODES_MAX	64

/* Exit statuses: 0 done, 1 it could not be done, 2 it was asked wrongly. */
#define EXIT_USAGE	2

/*
 * A command, a row of the table in ashlarctl.c: the help, the manual page and the
 * shells' completions are made of it.
 */
struct command {
	const char *name;
	const char *args;	/* "PID", as argp wants them; words in capitals are variable */
	const char *text;	/* one sentence */
	const struct argp_option *options;	/* its own; NULL: none */
	/* argp's parser for them; state->input is NULL. */
	error_t (*parse)(int key, char *arg, struct argp_state *state);
	int (*run)(void);	/* the exit status */
	unsigned int most;	/* arguments that are no options, at the most */
	unsigned int least;
};

extern const struct command cmd_status, cmd_top, cmd_ps, cmd_stats, cmd_map, cmd_options,
	cmd_purge, cmd_profile, cmd_pool, cmd_metrics, cmd_bench, cmd_run, cmd_completion;
extern const struct command *const commands[];
extern const unsigned int ncommands;

/* Set before a command runs. */
extern bool want_json;
extern char **arguments;		/* those that are no options */
extern unsigned int narguments;

/* "ashlarctl: " and one sentence on standard error, then exit. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* argument @i as the id of a process. */
pid_t pid_argument(unsigned int i);

/* A whole number from @least to @most, or an error that names @what. */
long number(const char *what, const char *text, long least, long most);

/* The object, on standard output; it is freed. */
void print_json(struct json_object *object);

/* Escape sequences on a terminal, else "". */
const char *sgr(const char *codes);
bool colourful(void);

/* Bytes as people read them, "281.5 MB"; one of eight static buffers. */
const char *human(uint64_t bytes);

/* @text into JSON by a key. */
void json_text(struct json_object *object, const char *key, const char *text);
void json_number(struct json_object *object, const char *key, int64_t value);
void json_real(struct json_object *object, const char *key, double value);
void json_flag(struct json_object *object, const char *key, bool value);

#endif /* ASHLARCTL_TOOL_H */
