// SPDX-License-Identifier: MIT
/*
 * What one call of malloc or free pays for others' frees: bursts whose leftovers lie in every
 * other page, with pauses in which all of it becomes due, and after each call the system calls
 * that gave memory back are counted. The bound is Documentation/limits.md's.
 */
#include "check.h"

/* Four batches of 64 ranges and one more each; on the device mending, and what is handed out. */
enum { BLOCKS = 3000, ROUNDS = 3, BOUND = 4 * 65 + 2 };

static char *block[BLOCKS];
static size_t calls, dearest, total;

static void look(void)
{
	size_t now = figure("source.purge_calls"), price = now - calls;

	calls = now;
	total += price;
	if (price > dearest)
		dearest = price;
}

int main(void)
{
	uint64_t state = random_seed();

	guard(240);
	calls = figure("source.purge_calls");
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			if (block[i])
				continue;
			block[i] = malloc(4 * KB + random_next(&state) % (12 * KB));
			CHECK(block[i]);
			block[i][0] = 1;
			look();
		}
		/* All that was freed before is due. */
		usleep(400000);
		for (int i = 0; i < BLOCKS; i++) {
			if (!(random_next(&state) % 4))
				continue;
			free(block[i]);
			block[i] = NULL;
			look();
		}
		usleep(400000);
	}
	printf("at most %zu system calls in one call of malloc or free, %zu in all\n", dearest, total);
	CHECK(total > 0, "nothing was given back");
	CHECK(dearest <= BOUND, "one call made %zu system calls to give memory back", dearest);
	return 0;
}
