// SPDX-License-Identifier: MIT
/*
 * Threads that wait for ever, and whose blocks others use up: in each turn a new owner fills
 * a set and goes to sleep, and a worker replaces the set's blocks at random until hardly
 * one is the owner's, and frees them all. What the owners' caches hold stays there.
 */
#include "pattern.h"

#define LIVE		4000
#define STEPS		40000

struct set {
	char *block[LIVE];
	size_t size[LIVE];
	uint64_t seed, sum;
	long turns;
	int filled[2], never[2];
};

static void *owner(void *arg)
{
	struct set *s = arg;
	char c;

	for (int i = 0; i < LIVE; i++) {
		s->size[i] = small_size(i * 7919);
		s->block[i] = malloc(s->size[i]);
		mark(s->block[i], s->size[i], i);
	}
	for (int i = 0; i < LIVE; i += 2) {
		free(s->block[i]);
		s->block[i] = malloc(s->size[i]);
		mark(s->block[i], s->size[i], i);
	}
	if (write(s->filled[1], "", 1) != 1)
		err(1, "write");
	if (read(s->never[0], &c, 1) >= 0)
		errx(1, "nothing was to be read");
	return NULL;
}

static void *worker(void *arg)
{
	struct set *s = arg;
	char c;

	while (s->turns--) {
		pthread_detach(start(owner, s));
		if (read(s->filled[0], &c, 1) != 1)
			err(1, "read");
		for (int k = 0; k < STEPS; k++) {
			uint64_t r = rng_next(&s->seed);
			int i = r % LIVE;

			s->sum += swap_block(&s->block[i], &s->size[i], r);
		}
		for (int i = 0; i < LIVE; i++) {
			s->sum += check(s->block[i], s->size[i]);
			free(s->block[i]);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int n = cpus();
	long turns = work(argc, argv, 200) / n + 1;
	struct set *set = calloc(n, sizeof(*set));
	pthread_t *thread = calloc(n, sizeof(*thread));
	uint64_t sum = 0;

	for (int t = 0; t < n; t++) {
		set[t].seed = t + 1;
		set[t].turns = turns;
		if (pipe(set[t].filled) || pipe(set[t].never))
			err(1, "pipe");
		thread[t] = start(worker, &set[t]);
	}
	for (int t = 0; t < n; t++) {
		pthread_join(thread[t], NULL);
		sum += set[t].sum;
	}
	print_sum(sum);
}
