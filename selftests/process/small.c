// SPDX-License-Identifier: MIT
/*
 * A process that uses 100 KB: prints its anonymous memory in KB. `run` runs it with and
 * without the library and compares.
 */
#include "check.h"

int main(void)
{
	static char *p[1000];
	size_t total = 0;
	long kb;

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
	/* The library's own text is the page cache's, whoever else maps it. */
	kb = proc_kb("/proc/self/smaps_rollup", "Anonymous");
	if (kb < 0)
		skip("this kernel has no smaps_rollup");
	/* The device's pages are not anonymous: a heap as small as this has none. */
	CHECK(!ashlar_ctl || figure("source.device.extents") == 0);
	printf("%ld\n", kb);
	return total < 90 * KB || total > 130 * KB;
}
