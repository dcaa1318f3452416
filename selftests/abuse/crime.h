/* SPDX-License-Identifier: MIT */
/*
 * One crime a test. It runs in a child: a clean end is the failure, and so is any
 * other death than abort() after the one sentence that is expected.
 */
#ifndef CRIME_H
#define CRIME_H

#include <criterion/criterion.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar.h"

#define KB	((size_t)1 << 10)
#define MB	((size_t)1 << 20)

struct verdict {
	int status;		/* as of waitpid() */
	char said[2048];	/* on standard error */
};

/* Hides a pointer from the compiler, which would refuse to help. */
static inline void *hide(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

static inline void run_crime(void (*crime)(void), struct verdict *v)
{
	size_t len = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	cr_assert(!pipe(fds));
	fflush(NULL);
	pid = fork();
	cr_assert(pid >= 0);
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		alarm(30);
		crime();
		_exit(0);
	}
	close(fds[1]);
	while (len < sizeof(v->said) - 1 &&
	       (n = read(fds[0], v->said + len, sizeof(v->said) - 1 - len)) > 0)
		len += (size_t)n;
	v->said[len] = '\0';
	close(fds[0]);
	cr_assert_eq(waitpid(pid, &v->status, 0), pid);
}

static inline void expect_abort(void (*crime)(void), const char *sentence)
{
	struct verdict v;
	regex_t re;

	run_crime(crime, &v);
	cr_assert(WIFSIGNALED(v.status) && WTERMSIG(v.status) == SIGABRT,
		  "ended with status 0x%x and said: %s", v.status, v.said);
	cr_assert(!regcomp(&re, sentence, REG_EXTENDED | REG_NOSUB));
	cr_assert(!regexec(&re, v.said, 0, NULL, 0), "said: %sexpected: %s", v.said, sentence);
	regfree(&re);
	/* One sentence: one line, which begins with our name. */
	cr_assert(!strncmp(v.said, "ashlar: ", 8), "said: %s", v.said);
	cr_assert_eq(strchr(v.said, '\n'), v.said + strlen(v.said) - 1, "said: %s", v.said);
}

static inline void expect_nothing(void (*deed)(void))
{
	struct verdict v;

	run_crime(deed, &v);
	cr_assert_eq(v.status, 0, "ended with status 0x%x and said: %s", v.status, v.said);
	cr_assert_str_empty(v.said);
}

#endif /* CRIME_H */
