// SPDX-License-Identifier: MIT
/* ashlarctl: look at and control Ashlar. This file finds the command and its arguments. */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ashlar.h"

const struct command *const commands[] = {
	&cmd_status, &cmd_top, &cmd_ps, &cmd_stats, &cmd_map, &cmd_options, &cmd_purge,
	&cmd_profile, &cmd_pool, &cmd_metrics, &cmd_bench, &cmd_run, &cmd_completion,
};
const unsigned int ncommands = ARRAY_SIZE(commands);

bool want_json;
char **arguments;
unsigned int narguments;

static const struct command *command;	/* found by main() */
static enum { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER } colour;

/* --- how it speaks ------------------------------------------------------------------- */

static void say(const char *fmt, va_list ap)
{
	fflush(stdout);
	fputs("ashlarctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	exit(EXIT_FAILURE);
}

void usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	exit(EXIT_USAGE);
}

bool colourful(void)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	if (colour != COLOUR_AUTO)
		return colour == COLOUR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

const char *sgr(const char *codes)
{
	static char sequences[8][32];
	static unsigned int turn;
	char *out = sequences[turn++ % ARRAY_SIZE(sequences)];

	if (!colourful())
		return "";
	snprintf(out, sizeof(sequences[0]), "\033[%sm", codes);
	return out;
}

const char *human(uint64_t bytes)
{
	static const char units[] = " kMGTP";
	static char texts[8][24];
	static unsigned int turn;
	char *out = texts[turn++ % ARRAY_SIZE(texts)];
	double value = (double)bytes;
	unsigned int unit = 0;

	for (; value >= 999.5 && unit < sizeof(units) - 2; unit++)
		value /= 1024;
	if (unit == 0)
		snprintf(out, sizeof(texts[0]), "%u B", (unsigned int)bytes);
	else
		snprintf(out, sizeof(texts[0]), value < 9.95 ? "%.1f %cB" : "%.0f %cB", value,
			 units[unit]);
	return out;
}

void json_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text ? json_object_new_string(text) : NULL);
}

void json_number(struct json_object *object, const char *key, int64_t value)
{
	json_object_object_add(object, key, json_object_new_int64(value));
}

void json_real(struct json_object *object, const char *key, double value)
{
	json_object_object_add(object, key, json_object_new_double(value));
}

void json_flag(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

void print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(object);
}

/* --- arguments ----------------------------------------------------------------------- */

long number(const char *what, const char *text, long least, long most)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || *end || errno || value < least || value > most)
		usage_error("%s '%s': give a whole number from %ld to %ld", what, text, least, most);
	return value;
}

pid_t pid_argument(unsigned int i)
{
	return (pid_t)number("process id", arguments[i], 1, 1L << 30);
}

enum { KEY_COLOUR = 0x1001, KEY_VERSION };

static const struct argp_option common_options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 90 },
	{ "color", KEY_COLOUR, "WHEN", 0, "Colours: auto (on a terminal, the default), always, never", 90 },
	{ 0 },
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case 'j':
		want_json = true;
		return 0;
	case KEY_COLOUR:
		if (!strcmp(arg, "auto"))
			colour = COLOUR_AUTO;
		else if (!strcmp(arg, "always"))
			colour = COLOUR_ALWAYS;
		else if (!strcmp(arg, "never"))
			colour = COLOUR_NEVER;
		else
			usage_error("--color '%s': give auto, always or never", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp common_argp = { .options = common_options, .parser = parse_common };

static error_t parse_command(int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_ARGS) {
		arguments = state->argv + state->next;
		narguments = (unsigned int)(state->argc - state->next);
		return 0;
	}
	if (command->parse)
		return command->parse(key, arg, state);
	return ARGP_ERR_UNKNOWN;
}

/* argp leaves words that are no options for the end, but behind `run PROGRAM` all are the program's. */
static int run_command(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &common_argp }, { 0 } };
	static char name[64];
	char *text = NULL;
	struct argp argp = {
		.options = command->options, .parser = parse_command,
		.args_doc = command->args, .children = children,
	};

	if (asprintf(&text, "%s", command->text) < 0)
		fail("no memory");
	argp.doc = text;
	snprintf(name, sizeof(name), "ashlarctl %s", command->name);
	argv[0] = name;
	argp_parse(&argp, argc, argv, command == &cmd_run ? ARGP_IN_ORDER : 0, NULL, NULL);
	if (narguments < command->least)
		usage_error("%s: give %s; 'ashlarctl %s --help' tells more", command->name,
			    command->args, command->name);
	if (narguments > command->most)
		usage_error("%s: '%s' is one argument too many", command->name,
			    arguments[command->most]);
	return command->run();
}

static void help(void)
{
	puts("Usage: ashlarctl COMMAND [OPTION...] [ARGUMENT...]\n\n"
	     "Looks at and controls Ashlar, the allocator on kernel-backed huge pages.\n");
	for (unsigned int i = 0; i < ncommands; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", commands[i]->name, commands[i]->args);
		printf("  %-22s %s\n", left, commands[i]->text);
	}
	puts("\n  --json prints JSON, --color=WHEN (auto, always, never) colours; each command has --help.");
}

/* For who makes manual pages. */
static void help_json(void)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < ncommands; i++) {
		struct json_object *c = json_object_new_object(), *options = json_object_new_array();
		const struct argp_option *o = commands[i]->options;

		json_text(c, "name", commands[i]->name);
		json_text(c, "args", commands[i]->args);
		json_text(c, "text", commands[i]->text);
		for (; o && o->name; o++) {
			struct json_object *option = json_object_new_object();

			json_text(option, "name", o->name);
			json_text(option, "argument", o->arg);
			json_text(option, "help", o->doc);
			json_object_array_add(options, option);
		}
		json_object_object_add(c, "options", options);
		json_object_array_add(list, c);
	}
	print_json(list);
}

int main(int argc, char **argv)
{
	argp_err_exit_status = EXIT_USAGE;
	if (argc < 2) {
		help();
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		if (argc > 2 && !strcmp(argv[2], "--json"))
			help_json();
		else
			help();
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("ashlarctl " ASHLAR_VERSION);
		return 0;
	}
	/* Common options may stand before the command too: they move behind it. */
	for (int i = 1; i < argc && argv[i][0] == '-'; i++) {
		char *option = argv[i];

		if (strcmp(option, "--json") && strcmp(option, "-j") && strncmp(option, "--color=", 8))
			usage_error("'%s' is no option; 'ashlarctl --help' lists the commands", option);
		if (i + 1 < argc && argv[i + 1][0] != '-') {
			char *name = argv[i + 1];

			memmove(argv + 2, argv + 1, (size_t)i * sizeof(*argv));
			argv[1] = name;
			break;
		}
	}
	for (unsigned int i = 0; i < ncommands; i++) {
		if (!strcmp(commands[i]->name, argv[1])) {
			command = commands[i];
			return run_command(argc - 1, argv + 1);
		}
	}
	usage_error("there is no command '%s'; 'ashlarctl --help' lists them", argv[1]);
}
