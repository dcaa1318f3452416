// SPDX-License-Identifier: MIT
/*
 * Runs of one size: 25 to 1600 blocks taken, then freed in order or in reverse,
 * as a benchmark of glibc does. Nothing else is alive.
 *
 * In the variant "buffers" sizes are 1 to 16 KB: of those a slab has few slots, and what
 * is measured is how pages become slabs and are free again. A block above all others
 * stays, or glibc would give the end of its heap back each time, and measure the kernel.
 */
#include "pattern.h"

#define SIZES	6

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

static void put_one_above(void)
{
	for (int i = 0; i < 1600; i++)
		block[i] = malloc(16000);
	mark(malloc(16), 16, 0);
	for (int i = 0; i < 1600; i++)
		free(block[i]);
}

int main(int argc, char **argv)
{
	static const int counts[] = { 25, 100, 400, 1600 };
	static const size_t small[SIZES] = { 8, 16, 32, 64, 128, 256 };
	static const size_t large[SIZES] = { 1024, 2048, 3000, 4096, 8192, 16000 };
	int buffers = !strcmp(variant(argc, argv, "small"), "buffers");
	const size_t *sizes = buffers ? large : small;
	long rounds = work(argc, argv, buffers ? 600 : 2800);
	uint64_t sum = 0;

	if (buffers)
		put_one_above();
	while (rounds--)
		for (int c = 0; c < 4; c++)
			for (int s = 0; s < SIZES; s++)
				for (int reverse = 0; reverse < 2; reverse++)
					sum += run(sizes[s], counts[c], reverse);
	print_sum(sum);
}
