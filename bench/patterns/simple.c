// SPDX-License-Identifier: MIT
/*
 * Runs of one size: 25 to 1600 blocks taken, then freed in order or in reverse,
 * as a benchmark of glibc does. Nothing else is alive.
 */
#include "pattern.h"

static void *block[1600];

static uint64_t run(size_t size, int count, int reverse)
{
	uint64_t sum = 0;

	for (int i = 0; i < count; i++) {
		block[i] = malloc(size);
		mark(block[i], size, size + i);
	}
	for (int i = 0; i < count; i++) {
		void *p = block[reverse ? count - 1 - i : i];

		sum += check(p, size);
		free(p);
	}
	return sum;
}

int main(int argc, char **argv)
{
	static const int counts[] = { 25, 100, 400, 1600 };
	static const size_t sizes[] = { 8, 16, 32, 64, 128, 256 };
	long rounds = work(argc, argv, 2800);
	uint64_t sum = 0;

	while (rounds--)
		for (int c = 0; c < 4; c++)
			for (int s = 0; s < 6; s++)
				for (int reverse = 0; reverse < 2; reverse++)
					sum += run(sizes[s], counts[c], reverse);
	print_sum(sum);
}
