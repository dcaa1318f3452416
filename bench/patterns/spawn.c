// SPDX-License-Identifier: MIT
/* Thousands of threads that live for a thousand allocations each. */
#include "pattern.h"

static void *worker(void *arg)
{
	uint64_t seed = (uintptr_t)arg, sum = 0;
	char *block[64] = { NULL };
	size_t size[64];

	for (int k = 0; k < 1000; k++) {
		uint64_t r = rng_next(&seed);
		int i = r % 64;

		if (block[i]) {
			sum += check(block[i], size[i]);
			free(block[i]);
		}
		size[i] = 16 + (r >> 8) % 1000;
		block[i] = malloc(size[i]);
		mark(block[i], size[i], r);
	}
	for (int i = 0; i < 64; i++)
		free(block[i]);
	return (void *)(uintptr_t)sum;
}

int main(int argc, char **argv)
{
	long n = work(argc, argv, 12000);
	pthread_t t[16];
	uint64_t sum = 0;
	void *part;

	for (long i = 0; i < n; i += 16) {
		for (int k = 0; k < 16; k++)
			t[k] = start(worker, (void *)(uintptr_t)(i + k));
		for (int k = 0; k < 16; k++) {
			pthread_join(t[k], &part);
			sum += (uintptr_t)part;
		}
	}
	print_sum(sum);
}
