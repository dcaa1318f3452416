// SPDX-License-Identifier: MIT
/*
 * A program that uses 100 KB of memory and ends, eight hundred times over: what an
 * allocator costs those who hardly need it. Peak memory is that of the largest.
 */
#include <spawn.h>
#include <sys/wait.h>
#include "pattern.h"

extern char **environ;

static void live(void)
{
	char *block[900];
	size_t size[900];
	uint64_t seed = 1, sum = 0;

	for (int i = 0; i < 900; i++) {
		size[i] = rng_log(&seed, 16, 4);
		block[i] = malloc(size[i]);
		mark(block[i], size[i], i);
	}
	for (int i = 0; i < 900; i++) {
		sum += check(block[i], size[i]);
		free(block[i]);
	}
	print_sum(sum);
}

int main(int argc, char **argv)
{
	char *again[] = { argv[0], "100", "child", NULL };
	long n = work(argc, argv, 800);
	int status;
	pid_t pid;

	if (!strcmp(variant(argc, argv, ""), "child")) {
		live();
		return 0;
	}
	while (n--) {
		int e = posix_spawn(&pid, argv[0], NULL, NULL, again, environ);

		if (e)
			errx(1, "posix_spawn: %s", strerror(e));
		if (waitpid(pid, &status, 0) != pid || status)
			errx(1, "a child ended with %d", status);
	}
}
