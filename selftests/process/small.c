// SPDX-License-Identifier: MIT
/*
 * A process that uses 100 KB: prints its private memory in KB. `run` runs it with and
 * without the library and compares.
 */
#include "check.h"

int main(void)
{
	static char *p[1000];
	size_t total = 0;
	long clean, dirty;

	for (size_t i = 0; i < 1000; i++) {
		size_t n = 10 + i * 37 % 190;

		p[i] = malloc(n);
		memset(p[i], 1, n);
		total += n;
	}
	for (size_t i = 0; i < 1000; i += 2) {
		free(p[i]);
		p[i] = NULL;
	}
	clean = proc_kb("/proc/self/smaps_rollup", "Private_Clean");
	dirty = proc_kb("/proc/self/smaps_rollup", "Private_Dirty");
	if (dirty < 0)
		skip("this kernel has no smaps_rollup");
	printf("%ld\n", clean + dirty);
	return total < 90 * KB || total > 130 * KB;
}
