// SPDX-License-Identifier: MIT
/* Blocks of 64 bytes, as many as the first argument says, from a stack of known depth. */
#include <stdlib.h>

#define KEEP(p)	__asm__ volatile("" : "+r"(p) : : "memory")

__attribute__((noinline)) static void *make(void)
{
	void *p = malloc(64);

	KEEP(p);
	return p;
}

__attribute__((noinline)) static void *deep(int levels)
{
	void *p = levels ? deep(levels - 1) : make();

	KEEP(p);
	return p;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0;

	/* With make(), main() and what is before it: eight frames. */
	while (n-- > 0)
		deep(4);
	return 0;
}
