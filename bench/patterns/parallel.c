// SPDX-License-Identifier: MIT
/* Threads that allocate for themselves alone: what sharing nothing costs. */
#include "pattern.h"

#define LIVE	1024

static long steps;

static void *worker(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	char *block[LIVE] = { NULL };
	size_t size[LIVE];
	uintptr_t sum = 0;

	for (long k = 0; k < steps; k++) {
		uint64_t r = rng_next(&seed);
		int i = r % LIVE;

		if (block[i]) {
			sum += check(block[i], size[i]);
			free(block[i]);
		}
		size[i] = r >> 59 ? 8 + (r >> 16) % 249 : 8 + (r >> 16) % 32000;
		block[i] = malloc(size[i]);
		mark(block[i], size[i], r);
	}
	for (int i = 0; i < LIVE; i++)
		free(block[i]);
	return (void *)sum;
}

int main(int argc, char **argv)
{
	int n = cpus();
	pthread_t t[16];
	uint64_t sum = 0;
	void *part;

	steps = work(argc, argv, 30000000) / n;
	for (int i = 0; i < n; i++)
		t[i] = start(worker, (void *)(uintptr_t)i);
	for (int i = 0; i < n; i++) {
		pthread_join(t[i], &part);
		sum += (uintptr_t)part;
	}
	print_sum(sum);
}
