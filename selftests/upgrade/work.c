// SPDX-License-Identifier: MIT
/*
 * A program that cares about its memory: large and small blocks, on the device if
 * there is one, over a fork after which both sides write. Prints where its heap is;
 * fails when a byte is not what it should be.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS	48
#define BLOCK	((size_t)1 << 20)
#define SMALL	20000

static unsigned char *blocks[BLOCKS];
static unsigned int *small[SMALL];

static void must(int ok, const char *what)
{
	if (!ok) {
		printf("wrong: %s\n", what);
		exit(1);
	}
}

static void check(unsigned int first, unsigned char value)
{
	for (unsigned int i = first; i < BLOCKS; i++) {
		for (size_t at = 0; at < BLOCK; at += 511)
			must(blocks[i][at] == (unsigned char)(value + i), "a block's contents");
	}
	for (unsigned int i = 0; i < SMALL; i++)
		must(small[i][0] == i && small[i][5] == ~i, "a small block's contents");
}

static const char *where(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	const char *found = "anonymous";
	char line[512];

	must(maps != NULL, "/proc/self/maps");
	while (fgets(line, sizeof(line), maps)) {
		if (strstr(line, " /dev/ashlar"))
			found = "device";
	}
	fclose(maps);
	return found;
}

int main(void)
{
	int status;
	pid_t pid;

	for (unsigned int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(BLOCK);
		must(blocks[i] != NULL, "malloc of 1 MB");
		memset(blocks[i], (int)(3 + i), BLOCK);
	}
	for (unsigned int i = 0; i < SMALL; i++) {
		small[i] = malloc(24);
		must(small[i] != NULL, "malloc of 24 bytes");
		small[i][0] = i;
		small[i][5] = ~i;
	}
	puts(where());
	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		check(0, 3);
		for (unsigned int i = 0; i < BLOCKS; i += 2)
			memset(blocks[i], 0xee, BLOCK);
		for (unsigned int i = 0; i < BLOCKS; i++)
			free(blocks[i]);
		malloc_trim(0);
		_exit(0);
	}
	for (unsigned int i = 0; i < BLOCKS; i++)
		memset(blocks[i], (int)(9 + i), BLOCK);
	must(waitpid(pid, &status, 0) == pid && status == 0, "the child");
	check(0, 9);
	/* Purged and used again: zero or ours, never another's. */
	for (unsigned int i = 0; i < BLOCKS / 2; i++)
		free(blocks[i]);
	malloc_trim(0);
	for (unsigned int i = 0; i < BLOCKS / 2; i++) {
		blocks[i] = calloc(1, BLOCK);
		must(blocks[i] && !blocks[i][0] && !blocks[i][BLOCK - 1], "calloc after a purge");
		memset(blocks[i], (int)(9 + i), BLOCK);
	}
	check(0, 9);
	puts("whole");
	return 0;
}
