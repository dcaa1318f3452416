// SPDX-License-Identifier: MIT
/*
 * Batches of mixed small sizes, large ones rarer, some freed at once, the rest
 * in an order of their own later (the shape of sh6bench); in the variant "pass"
 * the rest is freed by the next thread in a ring (sh8bench).
 */
#include "pattern.h"

#define KEPT	4096

static struct part {
	char *block[KEPT];
	size_t size[KEPT];
	uint64_t seed, sum;
	int next;
} *part;

static pthread_barrier_t together;
static long rounds;
static int threads, pass;

static size_t size_of(uint64_t r)
{
	unsigned int k = r % 100;

	return k < 60 ? 8 + r / 100 % 64 : k < 90 ? 64 + r / 100 % 200 : 256 + r / 100 % 800;
}

static void make(struct part *x)
{
	for (int i = 0; i < KEPT; i++) {
		for (int k = 0; k < 3; k++) {
			size_t size = size_of(rng_next(&x->seed) >> 16);
			char *p = malloc(size);

			mark(p, size, i);
			x->sum += check(p, size);
			free(p);
		}
		x->size[i] = size_of(rng_next(&x->seed) >> 16);
		x->block[i] = malloc(x->size[i]);
		mark(x->block[i], x->size[i], i);
	}
}

/* 1 + 1365 k visits all, far apart: 1365 and 4096 have no common divisor. */
static void drop(struct part *x, struct part *who)
{
	for (int i = 0; i < KEPT; i++) {
		int k = (1 + 1365 * i) % KEPT;

		who->sum += check(x->block[k], x->size[k]);
		free(x->block[k]);
	}
}

static void *worker(void *arg)
{
	struct part *x = arg;

	for (long n = rounds; n--;) {
		make(x);
		if (pass)
			pthread_barrier_wait(&together);
		drop(pass ? &part[x->next] : x, x);
		if (pass)
			pthread_barrier_wait(&together);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t sum = 0;
	pthread_t t[16];

	threads = cpus();
	pass = !strcmp(variant(argc, argv, "own"), "pass");
	rounds = work(argc, argv, 2000) / threads + 1;
	part = calloc(threads, sizeof(*part));
	pthread_barrier_init(&together, NULL, threads);
	for (int i = 0; i < threads; i++) {
		part[i].seed = i;
		part[i].next = (i + 1) % threads;
		t[i] = start(worker, &part[i]);
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(t[i], NULL);
		sum += part[i].sum;
	}
	print_sum(sum);
}
