// SPDX-License-Identifier: MIT
/*
 * A process that uses 100 KB: prints its anonymous memory in KB. `run` runs it with and
 * without the library and compares.
 */
#include "check.h"

int ashlar_ctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
	__attribute__((weak));

/* The device's pages are not anonymous: a heap as small as this has none. */
static size_t device_extents(void)
{
	size_t n = 0, len = sizeof(n);

	CHECK(!ashlar_ctl || !ashlar_ctl("source.device.extents", &n, &len, NULL, 0));
	return n;
}

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
	CHECK(device_extents() == 0, "%zu", device_extents());
	printf("%ld\n", kb);
	return total < 90 * KB || total > 130 * KB;
}
