// SPDX-License-Identifier: MIT
/* ashlarctl run: a program with the library preloaded, and able to answer. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "tool.h"

static const char *library;
static char options_text[4096];
static bool no_socket;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	size_t len = strlen(options_text);

	(void)state;
	switch (key) {
	case 'o':
		if (conf_parse(arg, "--option"))
			exit(EXIT_USAGE);
		if ((size_t)snprintf(options_text + len, sizeof(options_text) - len, "%s%s",
				     len ? "," : "", arg) >= sizeof(options_text) - len)
			usage_error("--option: more than %zu bytes of options", sizeof(options_text));
		return 0;
	case 'l':
		library = arg;
		return 0;
	case 'S':
		no_socket = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Beside this program (a build tree), or in the library directory of its prefix. */
static const char *find_library(void)
{
	static const char *const places[] = { "%s/libashlar.so", "%s/../lib/libashlar.so.0" };
	static char path[PATH_MAX + 32];
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len > 0) {
		self[len] = '\0';
		*strrchr(self, '/') = '\0';
		for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
			snprintf(path, sizeof(path), places[i], self);
			if (access(path, R_OK) == 0)
				return path;
		}
	}
	/* The loader's own search; it says so itself where there is none. */
	return "libashlar.so.0";
}

/* Where execvp() would find it; set-uid programs ignore LD_PRELOAD without a word. */
static void warn_if_secure(const char *program)
{
	const char *list = getenv("PATH"), *dir;
	char path[PATH_MAX];
	struct stat st;

	if (strchr(program, '/')) {
		snprintf(path, sizeof(path), "%s", program);
	} else {
		for (dir = list; dir && *dir; dir += strcspn(dir, ":"), dir += *dir == ':') {
			snprintf(path, sizeof(path), "%.*s/%s", (int)strcspn(dir, ":"), dir, program);
			if (access(path, X_OK) == 0)
				break;
		}
		if (!dir || !*dir)
			return;
	}
	if (stat(path, &st) == 0 &&
	    (((st.st_mode & S_ISUID) && st.st_uid != geteuid()) || ((st.st_mode & S_ISGID) && st.st_gid != getegid())))
		fail("%s is set-uid or set-gid: the loader preloads nothing into it", path);
}

static void put(const char *name, const char *first, char separator, const char *second)
{
	char *text;

	if (asprintf(&text, "%s%c%s", first, separator, second) < 0)
		fail("no memory");
	setenv(name, *second ? text : first, 1);
	free(text);
}

static int run(void)
{
	const char *preload = getenv("LD_PRELOAD"), *conf_text = getenv("ASHLAR_CONF");
	char ours[sizeof(options_text) + 32];

	if (!library)
		library = find_library();
	else if (access(library, R_OK))
		fail("--library %s: %s", library, strerror(errno));
	warn_if_secure(arguments[0]);
	snprintf(ours, sizeof(ours), "%s%s%s", no_socket ? "" : "ctl_socket:true",
		 !no_socket && *options_text ? "," : "", options_text);
	put("LD_PRELOAD", library, ':', preload ? preload : "");
	/* The last one counts: what was said here goes behind what was there. */
	if (conf_text && *conf_text)
		put("ASHLAR_CONF", conf_text, ',', ours);
	else if (*ours)
		setenv("ASHLAR_CONF", ours, 1);
	execvp(arguments[0], arguments);
	fail("cannot run %s: %s", arguments[0], strerror(errno));
}

static const struct argp_option options[] = {
	{ "option", 'o', "KEY:VALUE,...", 0, "Options of the library, as in ASHLAR_CONF; 'ashlarctl options' lists them", 0 },
	{ "library", 'l', "FILE", 0, "Another libashlar.so than the one installed with this program", 0 },
	{ "no-socket", 'S', NULL, 0, "The process need not answer 'ashlarctl stats' and its like", 0 },
	{ 0 },
};

const struct command cmd_run = {
	.name = "run", .args = "-- PROGRAM [ARGUMENT...]", .least = 1, .most = (unsigned int)-1,
	.run = run, .options = options, .parse = parse,
	.text = "Run a program on the library, so that ashlarctl can ask it.",
};
