// SPDX-License-Identifier: MIT
/*
 * 4096 blocks of one small size at a time, freed in the order of their birth:
 * more than caches in front of an allocator like to hold.
 */
#include "pattern.h"

#define COUNT	4096

int main(int argc, char **argv)
{
	static void *block[COUNT];
	long rounds = work(argc, argv, 14000);
	uint64_t sum = 0;

	while (rounds--) {
		size_t size = 32 + (rounds & 3) * 32;

		for (int i = 0; i < COUNT; i++) {
			block[i] = malloc(size);
			mark(block[i], size, rounds + i);
		}
		for (int i = 0; i < COUNT; i++) {
			sum += check(block[i], size);
			free(block[i]);
		}
	}
	print_sum(sum);
}
