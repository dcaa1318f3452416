// SPDX-License-Identifier: MIT
/*
 * Under vm.overcommit_memory = 2 the reservation costs nothing, what is used does: malloc
 * works, ends with ENOMEM at the limit and not with a kill, and works again.
 */
#include "check.h"

int main(void)
{
	FILE *f = fopen("/proc/sys/vm/overcommit_memory", "r");
	int mode = f ? fgetc(f) : 0;
	void **chain = NULL, **p;
	size_t total = 0;

	if (f)
		fclose(f);
	guard(120);
	CHECK(mode == '2', "vm.overcommit_memory is '%c'; `run` sets it in a guest", mode);
	exercise(1, 20);
	errno = 0;
	while (total < 64 * GB && (p = malloc(4 * MB))) {
		*p = chain;
		chain = p;
		total += 4 * MB;
	}
	printf("%zu MB before ENOMEM\n", total / MB);
	CHECK(total >= 64 * MB && total < 64 * GB && errno == ENOMEM);
	while (chain) {
		p = *chain;
		free(chain);
		chain = p;
	}
	exercise(2, 20);
	return 0;
}
