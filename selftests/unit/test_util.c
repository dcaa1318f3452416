// SPDX-License-Identifier: MIT
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

/* What libc's printf says to the same words. */
#define SAME(...)							\
	do {								\
		char ours[300], theirs[300];				\
		size_t n = ash_format(ours, sizeof(ours), __VA_ARGS__);	\
									\
		snprintf(theirs, sizeof(theirs), __VA_ARGS__);		\
		cr_assert_str_eq(ours, theirs);				\
		cr_assert_eq(n, strlen(theirs));			\
	} while (0)

Test(util, format)
{
	SAME("plain");
	SAME("%s and %s", "one", "");
	SAME("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
	SAME("%u %u", 0u, UINT_MAX);
	SAME("%lu %zu %ld", ULONG_MAX, SIZE_MAX, LONG_MIN);
	SAME("%x %lx", 0xabcu, 0xffffffffffffffff);
	SAME("%c%c%%", 'a', 'z');
	SAME("%p", (void *)0x1234);
}

Test(util, format_cuts_off)
{
	char buf[8];

	memset(buf, 'x', sizeof(buf));
	cr_assert_eq(ash_format(buf, 5, "%s", "abcdefgh"), 4);
	cr_assert_str_eq(buf, "abcd");
	cr_assert_eq(buf[5], 'x');
	cr_assert_eq(ash_format(buf, 1, "%d", 12345), 0);
	cr_assert_str_eq(buf, "");
}

Test(util, rounding)
{
	cr_assert_eq(round_up((size_t)1, 4096), 4096);
	cr_assert_eq(round_up((size_t)4096, 4096), 4096);
	cr_assert_eq(round_down((size_t)8191, 4096), 4096);
	cr_assert(is_pow2(1) && is_pow2((size_t)1 << 63) && !is_pow2(0) && !is_pow2(3));
	for (unsigned int i = 0; i < 63; i++) {
		cr_assert_eq(log2_floor((size_t)1 << i), i);
		cr_assert_eq(log2_floor(((size_t)2 << i) - 1), i);
	}
}

static void fatal(void)
{
	ash_fatal("broken: %d", 7);
}

Test(util, fatal_says_one_line_and_aborts)
{
	char said[200] = "";
	int fds[2], status;
	pid_t pid;

	cr_assert(!pipe(fds));
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		fatal();
	}
	cr_assert(read(fds[0], said, sizeof(said) - 1) > 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	/* An emulator has a word to say, too. */
	if (strstr(said, "qemu:"))
		*strstr(said, "qemu:") = '\0';
	cr_assert_str_eq(said, "ashlar: broken: 7\n");
}
