// SPDX-License-Identifier: MIT
/*
 * Sixteen threads to a CPU, each with its own live set and now and then a block
 * of a neighbour's: a thread is often not running while others want its memory.
 */
#include "pattern.h"

#define LIVE	512
#define SHARED	256

static struct {
	pthread_mutex_t lock;
	char *p;
	size_t size;
} shared[SHARED];

static long steps;

static void exchange(int i, char **p, size_t *size)
{
	char *other;
	size_t other_size;

	pthread_mutex_lock(&shared[i].lock);
	other = shared[i].p;
	other_size = shared[i].size;
	shared[i].p = *p;
	shared[i].size = *size;
	pthread_mutex_unlock(&shared[i].lock);
	*p = other;
	*size = other_size;
}

static void *worker(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	char **block = calloc(LIVE, sizeof(*block));
	size_t *size = calloc(LIVE, sizeof(*size));
	uintptr_t sum = 0;

	for (long k = 0; k < steps; k++) {
		uint64_t r = rng_next(&seed);
		int i = r % LIVE;

		if (block[i] && !(r >> 60))
			exchange((r >> 40) % SHARED, &block[i], &size[i]);
		if (block[i]) {
			check(block[i], size[i]);
			free(block[i]);
		}
		size[i] = 16 + (r >> 16) % 1009;
		block[i] = malloc(size[i]);
		mark(block[i], size[i], r);
		sum += size[i];
	}
	for (int i = 0; i < LIVE; i++)
		free(block[i]);
	free(block);
	free(size);
	return (void *)sum;
}

int main(int argc, char **argv)
{
	int n = 16 * cpus();
	pthread_t *t = calloc(n, sizeof(*t));
	uint64_t sum = 0;
	void *part;

	steps = work(argc, argv, 30000000) / n;
	for (int i = 0; i < SHARED; i++)
		pthread_mutex_init(&shared[i].lock, NULL);
	for (int i = 0; i < n; i++)
		t[i] = start(worker, (void *)(uintptr_t)i);
	for (int i = 0; i < n; i++) {
		pthread_join(t[i], &part);
		sum += (uintptr_t)part;
	}
	print_sum(sum);
}
