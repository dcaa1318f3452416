// SPDX-License-Identifier: MIT
/*
 * A C program that calls operator new by its mangled name, as a plugin in C might: without
 * a C++ runtime a failure cannot be thrown, and ends the process with a sentence.
 */
#include <stdio.h>
#include <stddef.h>

extern void *_Znwm(size_t size);
extern void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow);
extern void _ZdlPv(void *p);

int main(void)
{
	volatile size_t huge = (size_t)1 << 62;
	char *p = _Znwm(10);

	p[9] = 1;
	_ZdlPv(p);
	if (_ZnwmRKSt9nothrow_t(huge, NULL))
		return 1;
	puts("so far");
	fflush(stdout);
	return !_Znwm(huge);
}
