// SPDX-License-Identifier: MIT
/*
 * A set-uid program ignores ASHLAR_CONF. `run` links this statically with the
 * library (the loader of a set-uid program ignores LD_PRELOAD), makes it another
 * user's and set-uid, and compares what it prints with what it prints otherwise.
 */
#include <sys/auxv.h>

#include "check.h"

int main(void)
{
	guard(30);
	exercise(1, 2);
	printf("secure: %d\n", getauxval(AT_SECURE) != 0);
	return 0;
}
