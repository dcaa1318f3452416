// SPDX-License-Identifier: MIT
/*
 * Vectors that grow by half with realloc, many at once, to random lengths; some
 * shrink to fit. Sixteen at a time become long.
 */
#include "pattern.h"

#define VECTORS	256

struct vector {
	uint64_t *v;
	size_t used, room, end;
};

static uint64_t finish(struct vector *x)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < x->used; i += 61)
		sum += x->v[i];
	free(x->v);
	memset(x, 0, sizeof(*x));
	return sum;
}

static void append(struct vector *x, uint64_t value)
{
	if (x->used == x->room) {
		x->room = x->room ? x->room + x->room / 2 : 4;
		x->v = realloc(x->v, x->room * sizeof(*x->v));
		if (!x->v)
			errx(1, "no memory for %zu words", x->room);
	}
	x->v[x->used++] = value;
}

int main(int argc, char **argv)
{
	static struct vector vector[VECTORS];
	long n = work(argc, argv, 14000000);
	uint64_t seed = 1, sum = 0;

	while (n--) {
		struct vector *x = &vector[rng_next(&seed) % VECTORS];

		if (!x->end)
			x->end = rng_log(&seed, 4, x < vector + 16 ? 16 : 10);
		for (int i = 0; i < 24 && x->used < x->end; i++)
			append(x, n + i);
		if (x->used == x->end) {
			if (n & 1)
				x->v = realloc(x->v, x->used * sizeof(*x->v));
			sum += finish(x);
		}
	}
	print_sum(sum);
}
