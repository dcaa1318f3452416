// SPDX-License-Identifier: MIT
/*
 * A server's day, compressed: requests of a few dozen blocks that die together,
 * sessions that live for thousands of requests, a cache with random eviction,
 * and a table that only grows. Load rises and falls four times. "large" is a server with
 * four times as many sessions and as large a cache: some 300 MB.
 */
#include "pattern.h"

#define LARGE		4
#define SESSIONS	20000
#define CACHE		30000
#define OPEN		32

struct session {
	char *name, *state;
	size_t state_size;
};

static struct session session[LARGE * SESSIONS];
static struct { char *p; size_t size; } cache[LARGE * CACHE];
static struct entry { struct entry *next; uint64_t key; } *table;
static int sessions = SESSIONS, cached = CACHE;
static uint64_t seed = 1, sum;

static void renew(struct session *s)
{
	if (s->name) {
		sum += check(s->name, 40) + check(s->state, s->state_size);
		free(s->name);
		free(s->state);
	}
	s->name = malloc(40);
	mark(s->name, 40, seed);
	s->state_size = rng_log(&seed, 64, 5);
	s->state = malloc(s->state_size);
	mark(s->state, s->state_size, seed);
}

static void end(struct session *s)
{
	if (!s->name)
		return;
	sum += check(s->name, 40) + check(s->state, s->state_size);
	free(s->name);
	free(s->state);
	s->name = NULL;
}

static void replace(int i)
{
	if (cache[i].p) {
		sum += check(cache[i].p, cache[i].size);
		free(cache[i].p);
	}
	cache[i].size = rng_log(&seed, 128, 6);
	cache[i].p = malloc(cache[i].size);
	mark(cache[i].p, cache[i].size, seed);
}

static void request(int active)
{
	char *block[OPEN];
	size_t size[OPEN];
	int n = rng_size(&seed, 8, OPEN);

	for (int i = 0; i < n; i++) {
		size[i] = i ? rng_log(&seed, 16, 6) : 16384;
		block[i] = malloc(size[i]);
		mark(block[i], size[i], i);
	}
	if (!(rng_next(&seed) % 4))
		renew(&session[rng_next(&seed) % active]);
	if (!(rng_next(&seed) % 4))
		replace(rng_next(&seed) % cached);
	if (!(rng_next(&seed) % 16)) {
		struct entry *e = malloc(sizeof(*e));

		e->next = table;
		e->key = seed;
		table = e;
	}
	for (int i = 0; i < n; i++) {
		sum += check(block[i], size[i]);
		free(block[i]);
	}
}

int main(int argc, char **argv)
{
	long n = work(argc, argv, 1600000);

	if (argc > 2 && !strcmp(argv[2], "large")) {
		sessions *= LARGE;
		cached *= LARGE;
	}
	for (long k = 0; k < n; k++) {
		/* up to all sessions, down to a twentieth, four times */
		long phase = k * 8 % (2 * n);
		long load = phase < n ? phase : 2 * n - phase;
		int active = sessions / 20 + load * (sessions - sessions / 20) / n;

		request(active);
		if (phase >= n && active < sessions)
			end(&session[active + rng_next(&seed) % (sessions - active)]);
	}
	print_sum(sum);
}
