// SPDX-License-Identifier: MIT
/* ashlarctl stats, purge and profile: one question to a process, and its answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"

/* --- stats -------------------------------------------------------------------------- */

static bool openmetrics;

static error_t parse_stats(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	(void)state;
	if (key != 'm')
		return ARGP_ERR_UNKNOWN;
	openmetrics = true;
	return 0;
}

static int run_stats(void)
{
	pid_t pid = pid_argument(0);
	const char *request = openmetrics ? "stats openmetrics" : want_json ? "stats json" : "stats text";
	char *text = ask_or_fail(pid, request, NULL);

	fputs(text, stdout);
	free(text);
	return 0;
}

static const struct argp_option stats_options[] = {
	{ "openmetrics", 'm', NULL, 0, "As OpenMetrics text", 0 },
	{ 0 },
};

const struct command cmd_stats = {
	.name = "stats", .args = "PID", .least = 1, .most = 1, .run = run_stats,
	.options = stats_options, .parse = parse_stats,
	.text = "Ask a process for its allocator's statistics.",
};

/* --- purge ---------------------------------------------------------------------------- */

static int run_purge(void)
{
	pid_t pid = pid_argument(0);
	char *text = ask_or_fail(pid, "purge", NULL);
	int64_t bytes = answer_value(text, "purged");

	free(text);
	if (want_json) {
		struct json_object *object = json_object_new_object();

		json_number(object, "pid", pid);
		json_number(object, "purged", bytes);
		print_json(object);
	} else {
		printf("process %d gave back %s\n", (int)pid, human((uint64_t)bytes));
	}
	return 0;
}

const struct command cmd_purge = {
	.name = "purge", .args = "PID", .least = 1, .most = 1, .run = run_purge,
	.text = "Have a process give its free memory back now.",
};

/* --- profile ---------------------------------------------------------------------------- */

static const char *output;

static error_t parse_profile(int key, char *arg, struct argp_state *state)
{
	(void)state;
	if (key != 'o')
		return ARGP_ERR_UNKNOWN;
	output = arg;
	return 0;
}

static void write_all(int fd, const char *name, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			fail("cannot write %s: %s", name, strerror(errno));
		text += n;
		len -= (size_t)n;
	}
}

static int run_profile(void)
{
	pid_t pid = pid_argument(0);
	char name[64];
	size_t len;
	char *text;
	int fd;

	snprintf(name, sizeof(name), "ashlar.%d.heap", (int)pid);
	if (!output)
		output = name;
	text = ask_or_fail(pid, "profile", &len);
	fd = strcmp(output, "-") ? open(output, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) :
	     STDOUT_FILENO;
	if (fd < 0)
		fail("cannot make %s: %s", output, strerror(errno));
	write_all(fd, output, text, len);
	if (fd != STDOUT_FILENO && close(fd))
		fail("cannot write %s: %s", output, strerror(errno));
	free(text);
	if (fd == STDOUT_FILENO)
		return 0;
	if (want_json) {
		struct json_object *object = json_object_new_object();

		json_number(object, "pid", pid);
		json_text(object, "file", output);
		json_number(object, "bytes", (int64_t)len);
		print_json(object);
	} else {
		printf("%s: %zu bytes; jeprof, google-pprof and go tool pprof read it\n", output, len);
	}
	return 0;
}

static const struct argp_option profile_options[] = {
	{ "output", 'o', "FILE", 0, "Instead of ashlar.PID.heap; '-' is standard output. It must not exist.", 0 },
	{ 0 },
};

const struct command cmd_profile = {
	.name = "profile", .args = "PID", .least = 1, .most = 1, .run = run_profile,
	.options = profile_options, .parse = parse_profile,
	.text = "Ask a process (started with prof:true) for a heap profile.",
};
