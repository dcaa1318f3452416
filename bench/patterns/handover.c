// SPDX-License-Identifier: MIT
/*
 * A server whose workers pass their open blocks on: each thread replaces random
 * blocks of a set for a while, then starts its successor with the set and ends
 * (the shape of Larson and Krishnan's benchmark). Blocks are freed by threads
 * that did not allocate them, after their owners are gone.
 */
#include "pattern.h"

#define LIVE		1000
#define STEPS		50000

struct set {
	char *block[LIVE];
	size_t size[LIVE];
	uint64_t seed, sum;
	long turns;
	int done[2];
};

static void *worker(void *arg)
{
	struct set *s = arg;

	for (int k = 0; k < STEPS; k++) {
		uint64_t r = rng_next(&s->seed);
		int i = r % LIVE;

		s->sum += swap_block(&s->block[i], &s->size[i], r);
	}
	if (--s->turns)
		pthread_detach(start(worker, s));
	else if (write(s->done[1], "", 1) != 1)
		err(1, "write");
	return NULL;
}

int main(int argc, char **argv)
{
	int n = cpus();
	long turns = work(argc, argv, 1000) / n + 1;
	struct set *set = calloc(n, sizeof(*set));
	uint64_t sum = 0;
	char c;

	for (int t = 0; t < n; t++) {
		set[t].seed = t + 1;
		set[t].turns = turns;
		for (int i = 0; i < LIVE; i++) {
			set[t].size[i] = small_size(i);
			set[t].block[i] = malloc(set[t].size[i]);
			mark(set[t].block[i], set[t].size[i], i);
		}
		if (pipe(set[t].done))
			err(1, "pipe");
	}
	for (int t = 0; t < n; t++)
		pthread_detach(start(worker, &set[t]));
	for (int t = 0; t < n; t++) {
		if (read(set[t].done[0], &c, 1) != 1)
			err(1, "read");
		sum += set[t].sum;
	}
	print_sum(sum);
}
