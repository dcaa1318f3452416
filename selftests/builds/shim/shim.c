// SPDX-License-Identifier: MIT
/*
 * Runs the tests of a program one by one, each in a child, and prints TAP.
 *
 * Usage: PROGRAM [PATTERN]	as of fnmatch(3), of "suite/test"
 */
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "criterion/criterion.h"

#define TIMEOUT	240

static struct shim_test *tests;

void shim_add(struct shim_test *t)
{
	t->next = tests;
	tests = t;
}

void shim_fail(const char *file, int line, const char *what, const char *fmt, ...)
{
	va_list ap;

	printf("# %s:%d: %s:", file, line, what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

static const struct shim_options *suite_of(const struct shim_test *t)
{
	static const struct shim_options none;

	for (const struct shim_test *s = tests; s; s = s->next) {
		if (!s->name && !strcmp(s->suite, t->suite))
			return &s->options;
	}
	return &none;
}

static bool chosen(const struct shim_test *t, const char *pattern)
{
	char name[256];

	snprintf(name, sizeof(name), "%s/%s", t->suite, t->name);
	return t->name && (!pattern || !fnmatch(pattern, name, 0));
}

static bool passes(const struct shim_test *t)
{
	const struct shim_options *suite = suite_of(t);
	int wanted = t->options.signal ? t->options.signal : suite->signal, status;
	void (*init)(void) = t->options.init ? t->options.init : suite->init;
	void (*fini)(void) = t->options.fini ? t->options.fini : suite->fini;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		alarm(TIMEOUT);
		/* What a test says on the way is of interest if it fails, and not a result. */
		dup2(STDOUT_FILENO, STDERR_FILENO);
		if (init)
			init();
		t->run();
		if (fini)
			fini();
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (wanted ? WIFSIGNALED(status) && WTERMSIG(status) == wanted : !status)
		return true;
	printf("# %s/%s ended with 0x%x\n", t->suite, t->name, (unsigned int)status);
	return false;
}

int main(int argc, char **argv)
{
	const char *pattern = argc > 1 ? argv[1] : NULL;
	unsigned int n = 0, failed = 0;

	for (struct shim_test *t = tests; t; t = t->next)
		n += chosen(t, pattern);
	if (!n) {
		printf("Bail out! no test matches\n");
		return 1;
	}
	printf("1..%u\n", n);
	n = 0;
	for (struct shim_test *t = tests; t; t = t->next) {
		bool ok;

		if (!chosen(t, pattern))
			continue;
		ok = passes(t);
		printf("%sok %u - %s/%s\n", ok ? "" : "not ", ++n, t->suite, t->name);
		failed += !ok;
	}
	return failed != 0;
}
