// SPDX-License-Identifier: MIT
/* Forks of forks, thirty deep: each sees what it was given, writes over it, and hands that on. */
#include <sys/wait.h>

#include "check.h"

enum { DEPTH = 30, BLOCKS = 500 };

static unsigned char *blocks[BLOCKS];
static size_t sizes[BLOCKS];

static void verify(int depth)
{
	for (int i = 0; i < BLOCKS; i++) {
		for (size_t k = 0; k < sizes[i]; k += 512)
			CHECK(blocks[i][k] == (unsigned char)(depth + i), "depth %d block %d", depth, i);
	}
}

static void renew(int depth)
{
	for (int i = depth % 3; i < BLOCKS; i += 3) {
		free(blocks[i]);
		sizes[i] = (size_t)(i * 131 + depth * 977) % 30000 + 1;
		blocks[i] = malloc(sizes[i]);
	}
	for (int i = 0; i < BLOCKS; i++)
		memset(blocks[i], depth + i, sizes[i]);
}

static int generation(int depth)
{
	int status;
	pid_t pid;

	verify(depth);
	if (depth == DEPTH)
		return 0;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		renew(depth + 1);
		return generation(depth + 1);
	}
	/* The parent's view stays its own, before and after the child's end. */
	verify(depth);
	CHECK(waitpid(pid, &status, 0) == pid && !status, "depth %d: 0x%x", depth + 1,
	      (unsigned int)status);
	verify(depth);
	exercise((unsigned int)depth, 1);
	return 0;
}

int main(void)
{
	guard(60);
	for (int i = 0; i < BLOCKS; i++) {
		sizes[i] = 1;
		blocks[i] = malloc(1);
	}
	renew(0);
	return generation(0);
}
