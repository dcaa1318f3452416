// SPDX-License-Identifier: MIT
/*
 * Buffers: 50 to 1600 blocks of one size from 1 to 16 KB, taken, then freed in
 * order or in reverse. A slab of such sizes has few slots: what is measured is how
 * pages become slabs and are free again. A block above all others stays, or glibc would
 * give the end of its heap back each time, and measure the kernel.
 */
#include "pattern.h"

static void *block[1600], *above;

static uint64_t run(size_t size, int count, int reverse)
{
	uint64_t sum = 0;

	for (int i = 0; i < count; i++) {
		block[i] = malloc(size);
		mark(block[i], size, size + i);
	}
	if (!above)
		above = malloc(16);
	for (int i = 0; i < count; i++) {
		void *p = block[reverse ? count - 1 - i : i];

		sum += check(p, size);
		free(p);
	}
	return sum;
}

int main(int argc, char **argv)
{
	static const int counts[] = { 50, 200, 400, 1600 };
	static const size_t sizes[] = { 1024, 2048, 4096, 8192, 16000 };
	long rounds = work(argc, argv, 700);
	uint64_t sum = run(16000, 1600, 0);

	while (rounds--)
		for (int s = 0; s < 5; s++)
			for (int c = 0; c < 4; c++)
				for (int reverse = 0; reverse < 2; reverse++)
					sum += run(sizes[s], counts[c], reverse);
	print_sum(sum);
}
