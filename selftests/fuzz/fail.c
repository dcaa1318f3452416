// SPDX-License-Identifier: MIT
/* A failed assertion of fake.c, where there are no tests. */
#include <criterion/criterion.h>

void shim_fail(const char *file, int line, const char *what, const char *fmt, ...)
{
	(void)fmt;
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}
