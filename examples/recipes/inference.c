// SPDX-License-Identifier: MIT
/*
 * The memory side of an inference engine on a CPU: weights in large malloc'ed matrices,
 * a token's way through all layers (matrix times vector, twice a layer, in threads), a cache
 * of keys and values that grows with each token, and look-ups in a table of embeddings.
 * Weights are random, and the checksum is the same whatever the malloc.
 *
 *	gcc -O3 -march=native -pthread -o inference inference.c -lm
 *	inference [LAYERS [WIDTH [TOKENS [THREADS]]]]	defaults: 24 1024 128 2
 */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VOCABULARY	65536

static size_t layers = 24, width = 1024, tokens = 128, threads = 2;

struct layer {
	float *in, *out;	/* width x 2 width, 2 width x width */
	float *keys;		/* one of width for each token so far; grows by realloc */
};

static struct layer *model;
static float *embeddings, *state, *hidden;
static pthread_barrier_t barrier;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *get(size_t floats)
{
	void *p = malloc(floats * sizeof(float));

	if (!p) {
		fprintf(stderr, "inference: no memory for %zu MB\n", floats * sizeof(float) >> 20);
		exit(1);
	}
	return p;
}

static float *random_floats(size_t n, uint32_t seed)
{
	float *p = get(n);

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = ((float)(seed >> 8) / (1 << 24) - 0.5f) * 4 / sqrtf((float)width);
	}
	return p;
}

/* Rows [first, last) of out = matrix x in, squashed. */
static void multiply(float *out, const float *matrix, const float *in, size_t n, size_t first, size_t last)
{
	for (size_t r = first; r < last; r++) {
		const float *row = matrix + r * n;
		float sum[8] = { 0 }, s = 0;

		for (size_t i = 0; i < n; i += 8)
			for (size_t k = 0; k < 8; k++)
				sum[k] += row[i + k] * in[i + k];
		for (size_t k = 0; k < 8; k++)
			s += sum[k];
		out[r] = tanhf(s);
	}
}

/* Thread 0 alone: the next token's embedding goes in, the keys grow. */
static void next_token(size_t token)
{
	const float *e = embeddings + (token * 2654435761u + (uint32_t)(state[0] * 1e6f)) % VOCABULARY * width;

	for (size_t i = 0; i < width; i++)
		state[i] = state[i] * 0.5f + e[i];
	for (size_t l = 0; l < layers; l++) {
		model[l].keys = realloc(model[l].keys, (token + 1) * width * sizeof(float));
		if (!model[l].keys)
			exit(1);
		memcpy(model[l].keys + token * width, state, width * sizeof(float));
	}
}

static void *work(void *arg)
{
	size_t me = (size_t)arg;

	for (size_t t = 0; t < tokens; t++) {
		if (me == 0)
			next_token(t);
		pthread_barrier_wait(&barrier);
		for (size_t l = 0; l < layers; l++) {
			multiply(hidden, model[l].in, state, width, 2 * width * me / threads,
				 2 * width * (me + 1) / threads);
			pthread_barrier_wait(&barrier);
			multiply(state, model[l].out, hidden, 2 * width, width * me / threads,
				 width * (me + 1) / threads);
			pthread_barrier_wait(&barrier);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t *numbers[] = { &layers, &width, &tokens, &threads };
	pthread_t ids[64];
	double start = now(), loaded, sum = 0;

	for (int i = 1; i < argc && i <= 4; i++)
		*numbers[i - 1] = strtoul(argv[i], NULL, 10);
	if (!layers || !width || width % 8 || !tokens || !threads || threads > 64) {
		fprintf(stderr, "inference: LAYERS, WIDTH (a multiple of 8), TOKENS, THREADS (to 64)\n");
		return 2;
	}
	model = calloc(layers, sizeof(*model));
	if (!model)
		return 1;
	embeddings = random_floats((size_t)VOCABULARY * width, 1);
	for (size_t l = 0; l < layers; l++) {
		model[l].in = random_floats(2 * width * width, 2 * (uint32_t)l + 7);
		model[l].out = random_floats(2 * width * width, 2 * (uint32_t)l + 8);
	}
	state = random_floats(width, 3);
	hidden = get(2 * width);
	loaded = now();
	pthread_barrier_init(&barrier, NULL, (unsigned int)threads);
	for (size_t i = 1; i < threads; i++)
		if (pthread_create(&ids[i], NULL, work, (void *)i))
			return 1;
	work((void *)0);
	for (size_t i = 1; i < threads; i++)
		pthread_join(ids[i], NULL);
	for (size_t i = 0; i < width; i++)
		sum += state[i];
	fprintf(stderr, "%zu tokens of %zu MB: loaded in %.2f s, %.1f tokens a second\n", tokens,
		(layers * 4 * width * width + (size_t)VOCABULARY * width) * sizeof(float) >> 20,
		loaded - start, (double)tokens / (now() - loaded));
	printf("checksum %.4f\n", sum);
	return 0;
}
