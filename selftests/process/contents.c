// SPDX-License-Identifier: MIT
/*
 * Contents: calloc is zero though its memory was used before, realloc keeps what
 * both sizes share, on random walks of sizes. Usage: contents [SEED]
 */
#include <time.h>

#include "check.h"

static uint64_t state;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t size_of_class(int kind)
{
	switch (kind) {
	case 0: return rnd() % 200 + 1;
	case 1: return rnd() % 14336 + 1;
	case 2: return rnd() % (2 * MB) + 1;
	default: return rnd() % (12 * MB) + 1;
	}
}

static void zeroes(void)
{
	enum { N = 40 };
	unsigned char *p[N] = { NULL };

	for (int i = 0; i < 4000; i++) {
		int k = (int)(rnd() % N), kind = (int)(rnd() % 64);
		size_t n = size_of_class(kind < 30 ? 0 : kind < 58 ? 1 : kind < 63 ? 2 : 3);

		free(p[k]);
		if (rnd() % 2) {
			p[k] = malloc(n);
			CHECK(p[k]);
		} else {
			p[k] = calloc(n, 1);
			CHECK(p[k]);
			for (size_t b = 0; b < n; b++)
				CHECK(!p[k][b], "byte %zu of %zu from calloc is %#x", b, n, p[k][b]);
		}
		memset(p[k], 0xff, malloc_usable_size(p[k]));
		if (rnd() % 500 == 0)
			malloc_trim(0);
	}
	for (int k = 0; k < N; k++)
		free(p[k]);
}

static unsigned char expected(size_t i, unsigned char salt)
{
	return (unsigned char)(i * 31 + (i >> 8) * 7 + (i >> 16) + salt);
}

static void walks(void)
{
	for (int walk = 0; walk < 30; walk++) {
		unsigned char *p = NULL, salt = (unsigned char)rnd();
		size_t n = 0, next;

		for (int i = 0; i < 40; i++) {
			int kind = walk % 4;

			next = rnd() % 4 ? size_of_class(kind) : n + rnd() % (n / 2 + 100) + 1;
			if (rnd() % 5 == 0 && n > 4)
				next = n / 2;
			if (next > 20 * MB)
				next = 20 * MB;
			p = realloc(p, next);
			CHECK(p && malloc_usable_size(p) >= next, "%zu to %zu", n, next);
			for (size_t b = 0; b < (n < next ? n : next); b++)
				CHECK(p[b] == expected(b, salt), "byte %zu lost from %zu to %zu", b, n, next);
			for (size_t b = n; b < next; b++)
				p[b] = expected(b, salt);
			n = next;
			/* Something in the way now and then, so that it cannot always grow in place. */
			if (rnd() % 3 == 0)
				free(seen(malloc(n / 2 + 1)));
			if (i % 7 == 0)
				seen(malloc(rnd() % 30000));	/* stays */
		}
		free(p);
	}
}

int main(int argc, char **argv)
{
	state = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL) * 2654435761u | 1;
	printf("seed %llu\n", (unsigned long long)state);
	fflush(stdout);
	guard(120);
	zeroes();
	walks();
	zeroes();
	return 0;
}
