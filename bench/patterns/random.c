// SPDX-License-Identifier: MIT
/*
 * Blocks of random sizes replaced in random order, in a live set of some size:
 * what a program with a heap does all day. Variants: small (8 to 519 B), medium
 * (16 B to 4 KB), wide (16 B to 32 KB); the last two log-uniform.
 */
#include "pattern.h"

struct slot {
	char *p;
	size_t size;
};

int main(int argc, char **argv)
{
	const char *which = variant(argc, argv, "small");
	int small = !strcmp(which, "small"), wide = !strcmp(which, "wide");
	size_t live = small ? 8192 : wide ? 8192 : 65536;
	long n = work(argc, argv, small ? 50000000 : 9000000);
	struct slot *slot = calloc(live, sizeof(*slot));
	uint64_t seed = 1, sum = 0;

	while (n--) {
		struct slot *s = &slot[rng_next(&seed) & (live - 1)];

		if (s->p) {
			sum += check(s->p, s->size);
			free(s->p);
		}
		s->size = small ? rng_size(&seed, 8, 519) : rng_log(&seed, 16, wide ? 11 : 8);
		s->p = malloc(s->size);
		mark(s->p, s->size, n);
	}
	print_sum(sum);
}
