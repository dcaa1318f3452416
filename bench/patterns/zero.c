// SPDX-License-Identifier: MIT
/* calloc of records and tables, 100 B to 64 KB, that must come as zeroes. */
#include "pattern.h"

#define LIVE	2048

int main(int argc, char **argv)
{
	static struct { char *p; size_t size; } slot[LIVE];
	long n = work(argc, argv, 10000000);
	uint64_t seed = 1, sum = 0;

	while (n--) {
		int i = rng_next(&seed) % LIVE;

		if (slot[i].p) {
			sum += check(slot[i].p, slot[i].size);
			free(slot[i].p);
		}
		slot[i].size = n % 16 ? rng_size(&seed, 16, 300) : rng_log(&seed, 256, 8);
		slot[i].p = calloc(1, slot[i].size);
		if (!slot[i].p)
			errx(1, "no memory for %zu bytes", slot[i].size);
		for (size_t k = 0; k < slot[i].size; k += 64)
			if (slot[i].p[k])
				errx(1, "calloc(%zu) is not zero at %zu", slot[i].size, k);
		mark(slot[i].p, slot[i].size, n);
	}
	print_sum(sum);
}
