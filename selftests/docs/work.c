// SPDX-License-Identifier: MIT
/*
 * Does on the device, again and again, what the tracepoints tell of: takes extents, touches
 * them, writes while a child lives, punches, mends, purges, gives back. Prints a line each
 * round. The suite docs runs it while a line of the page on tracing looks on.
 */
#include <ashlar.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N	8

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

/* A page of each extent is written while a child has them too. */
static void write_while_shared(char *p)
{
	int go[2];
	pid_t child;
	char c;

	must(pipe(go) == 0, "pipe");
	child = fork();
	must(child >= 0, "fork");
	if (child == 0) {
		close(go[1]);
		_exit(read(go[0], &c, 1) == 0 ? 0 : 1);
	}
	close(go[0]);
	for (size_t i = 0; i < N; i++)
		p[i * ASHLAR_EXTENT_BYTES] = 2;
	close(go[1]);
	must(waitpid(child, NULL, 0) == child, "waitpid");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned int round = 1;; round++) {
		struct ashlar_extents *x = ashlar_extents_open(N);
		char *p = x ? ashlar_extents_alloc(x, N, -1) : NULL;

		must(p != NULL, "extents");
		memset(p, 1, N * ASHLAR_EXTENT_BYTES);
		write_while_shared(p);
		/* Busy while the module still sorts out who shared them. */
		if (ashlar_extents_punch(x, p + 4096, 64 * 4096) == 0)
			must(ashlar_extents_mend(x, p, 1) == 0, "mend");
		must(ashlar_extents_purge(x, p, N / 2) == 0, "purge");
		must(ashlar_extents_free(x, p, N) == 0, "free");
		ashlar_extents_close(x);
		printf("round %u\n", round);
		usleep(100000);
	}
}
