// SPDX-License-Identifier: MIT
/*
 * 256 MB of blocks, then nine of ten freed at random, three times over; the last
 * time the rest stays until the end. The variant is how many seconds the program
 * then idles: what is resident at exit is what the allocator did not give back.
 */
#include "pattern.h"

#define TOTAL	(256u << 20)

struct block {
	char *p;
	size_t size;
};

static size_t fill(struct block *b, size_t bytes, uint64_t *seed)
{
	size_t n = 0;

	for (size_t sum = 0; sum < bytes; n++) {
		b[n].size = rng_log(seed, 16, 8);
		b[n].p = malloc(b[n].size);
		mark(b[n].p, b[n].size, n);
		sum += b[n].size;
	}
	return n;
}

static uint64_t drop(struct block *b, size_t n, int one_in, uint64_t *seed)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (!b[i].p || (one_in && !(rng_next(seed) % one_in)))
			continue;
		sum += check(b[i].p, b[i].size);
		free(b[i].p);
		b[i].p = NULL;
	}
	return sum;
}

int main(int argc, char **argv)
{
	size_t bytes = work(argc, argv, TOTAL), n;
	struct block *b = calloc(bytes / 64 + 4096, sizeof(*b));
	uint64_t seed = 1, sum = 0;

	for (int round = 0; round < 3; round++) {
		n = fill(b, bytes, &seed);
		sum += drop(b, n, 10, &seed);
		if (round < 2)
			sum += drop(b, n, 0, &seed);
	}
	print_sum(sum);
	fflush(stdout);
	for (unsigned int left = atoi(variant(argc, argv, "0")); left;)
		left = sleep(left);
}
