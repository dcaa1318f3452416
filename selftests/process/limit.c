// SPDX-License-Identifier: MIT
/*
 * Under a limit of address space (the caller's ulimit -v): malloc works, uses a
 * fair part of what there is, ends with NULL and ENOMEM, and after frees works again.
 * Usage: limit PERCENT: how much of the limit malloc must be able to give.
 */
#include <pthread.h>
#include <sys/resource.h>

#include "check.h"

static size_t fill(size_t size)
{
	size_t total = 0;
	void **chain = NULL, **p;

	errno = 0;
	while ((p = malloc(size))) {
		*p = chain;
		chain = p;
		total += size;
	}
	CHECK(errno == ENOMEM, "size %zu: errno is %d", size, errno);
	CHECK(!calloc(1, size) && errno == ENOMEM, "size %zu", size);
	while (chain) {
		p = *chain;
		free(chain);
		chain = p;
	}
	return total;
}

static void *in_thread(void *arg)
{
	exercise((unsigned int)(size_t)arg, 4);
	return NULL;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 100, 5000, 100000, 3 * MB, 32 };
	struct rlimit rl;
	pthread_t t;

	guard(120);
	CHECK(argc == 2 && !getrlimit(RLIMIT_AS, &rl) && rl.rlim_cur != RLIM_INFINITY);
	exercise(1, 4);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t got = fill(sizes[i]);

		printf("blocks of %zu: %zu of %zu MB\n", sizes[i], got / MB, (size_t)rl.rlim_cur / MB);
		CHECK(got >= rl.rlim_cur / 100 * (size_t)atol(argv[1]), "too little");
		exercise(2, 4);
	}
	CHECK(!malloc(rl.rlim_cur) && errno == ENOMEM);
	exercise(3, 4);
	if (!pthread_create(&t, NULL, in_thread, NULL))
		pthread_join(t, NULL);
	return 0;
}
