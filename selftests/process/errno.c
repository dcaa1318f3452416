// SPDX-License-Identifier: MIT
/* free keeps errno, whatever it has to do; so does an allocation that succeeds. */
#include <pthread.h>

#include "check.h"

static void *free_all(void *arg)
{
	void **blocks = arg;

	for (int i = 0; i < 3000; i++) {
		errno = 1234;
		free(blocks[i]);
		CHECK(errno == 1234, "block %d: errno is %d", i, errno);
	}
	return NULL;
}

int main(void)
{
	/* The last two are rare: on the device they are memory, touched or not. */
	static const size_t sizes[] = { 0, 1, 100, 5000, 14336, 20000, 1 * MB, 5 * MB };
	static void *blocks[3000];
	pthread_t t;
	void *p;

	guard(60);
	for (int r = 0; r < 2; r++) {
		for (int i = 0; i < 3000; i++) {
			size_t size = sizes[i % 50 ? i % 6 : 6 + i / 50 % 2];

			errno = 77;
			blocks[i] = malloc(size);
			CHECK(blocks[i] && errno == 77, "size %zu: errno is %d", size, errno);
		}
		if (r) {
			free_all(blocks);
		} else {
			CHECK(!pthread_create(&t, NULL, free_all, blocks));
			pthread_join(t, NULL);
		}
	}
	errno = 5;
	free(NULL);
	CHECK(errno == 5);
	CHECK(!posix_memalign(&p, 4096, 100000) && errno == 5);
	free(p);
	p = NULL;
	CHECK(posix_memalign(&p, 4096, SIZE_MAX / 2 + 1) == ENOMEM && errno == 5 && !p);
	CHECK(posix_memalign(&p, 24, 100) == EINVAL && errno == 5 && !p);
	CHECK(posix_memalign(&p, 4, 100) == EINVAL && !p);
	CHECK(posix_memalign(&p, 0, 100) == EINVAL && !p);
	return 0;
}
