// SPDX-License-Identifier: MIT
/* The kernel's clock, found without libc. */
#include <criterion/criterion.h>
#include <sys/auxv.h>

#include "vdso.h"

static double seconds(struct timespec t)
{
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

Test(vdso, tells_the_time_that_libc_tells)
{
	vdso_clock *clock = vdso_find_clock();
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE };

	/* Emulators and valgrind show none. */
	if (!getauxval(AT_SYSINFO_EHDR)) {
		cr_assert(!clock);
		return;
	}
	cr_assert(clock);
	for (unsigned int i = 0; i < 2; i++) {
		struct timespec before, now = { 0 }, after;

		clock_gettime(clocks[i], &before);
		cr_assert_eq(clock(clocks[i], &now), 0);
		clock_gettime(clocks[i], &after);
		cr_assert(seconds(before) <= seconds(now) && seconds(now) <= seconds(after),
			  "%f %f %f", seconds(before), seconds(now), seconds(after));
	}
}
