// SPDX-License-Identifier: MIT
/* Buffers of 16 to 272 KB, 64 alive, replaced in random order and touched. */
#include "pattern.h"

#define LIVE	64

int main(int argc, char **argv)
{
	static struct { char *p; size_t size; } slot[LIVE];
	long n = work(argc, argv, 1000000);
	uint64_t seed = 1, sum = 0;

	while (n--) {
		int i = rng_next(&seed) % LIVE;

		if (slot[i].p) {
			sum += check(slot[i].p, slot[i].size);
			free(slot[i].p);
		}
		slot[i].size = rng_size(&seed, 16 << 10, 272 << 10);
		slot[i].p = malloc(slot[i].size);
		mark(slot[i].p, slot[i].size, n);
	}
	print_sum(sum);
}
