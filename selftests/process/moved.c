// SPDX-License-Identifier: MIT
/*
 * Vectors of several threads that grow with something behind them: contents arrive, by
 * mappings where memory is anonymous, and nothing that was given away is resident twice.
 */
#include <pthread.h>
#include <sys/wait.h>
#include "check.h"

#define THREADS	3
#define LAST	(48 * MB)
#define STEP	512		/* each such word holds its own number */

static void fill(uint64_t *v, size_t from, size_t to, uint64_t mark)
{
	for (size_t i = from / 8; i < to / 8; i++)
		if (i % (STEP / 8) == 0)
			v[i] = mark + i;
}

static void check(const uint64_t *v, size_t size, uint64_t mark)
{
	for (size_t i = 0; i < size / 8; i += STEP / 8)
		CHECK(v[i] == mark + i, "word %zu of %zu bytes", i, size);
}

static void *grow(void *arg)
{
	uint64_t mark = (uintptr_t)arg << 40, *v = NULL;
	char *wall[32] = { NULL };
	size_t size = 0, next, n = 0;

	for (next = 100 * KB; next <= LAST; next += next / 2) {
		/* A block behind it, so that it cannot grow where it is. */
		wall[n] = malloc(3 * MB);
		CHECK(wall[n++]);
		v = realloc(v, next);
		CHECK(v);
		fill(v, (size + STEP - 1) / STEP * STEP, next, mark);
		size = next / STEP * STEP;
		check(v, size, mark);
	}
	/* A child sees what is there, and its writes are its own. */
	if (arg == (void *)1) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			v = realloc(v, size * 2);
			CHECK(v);
			check(v, size, mark);
			memset(v, 0, size);
			_exit(0);
		}
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status, "child: %#x", status);
	}
	/* Smaller again, and back. */
	v = realloc(v, 5 * MB);
	CHECK(v);
	check(v, 5 * MB, mark);
	v = realloc(v, 20 * MB);
	CHECK(v);
	check(v, 5 * MB, mark);
	free(v);
	while (n)
		free(wall[--n]);
	return NULL;
}

int main(void)
{
	pthread_t thread[THREADS];
	size_t moved;

	guard(120);
	for (long i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, grow, (void *)(i + 1)));
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	moved = figure("source.moved");
	printf("%zu extents moved\n", moved);
	if (figure("source.device.extents"))
		return 0;	/* the device's are copied */
	/* The last steps of each alone are about 14 and 21 MB, less what grew in place. */
	CHECK(moved >= 8, "%zu", moved);
	return 0;
}
