// SPDX-License-Identifier: MIT
/* What a program does with malloc, in standard C and POSIX: any libc, any processor. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void *ashlar_malloc(size_t size) __attribute__((weak));
size_t malloc_usable_size(void *p);

#define CHECK(cond)								\
	do {									\
		if (!(cond)) {							\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			_exit(1);						\
		}								\
	} while (0)

static unsigned int next(unsigned int *seed)
{
	return (*seed = *seed * 1664525 + 1013904223) >> 8;
}

static void *work(void *arg)
{
	enum { N = 200 };
	unsigned char *p[N] = { NULL };
	size_t size[N] = { 0 };
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (int i = 0; i < 20000; i++) {
		unsigned int k = next(&seed) % N, how = next(&seed) % 4;
		size_t n = next(&seed) % (i % 50 ? 2000 : 300000) + 1;

		for (size_t at = 0; at < size[k]; at += size[k] / 4 + 1)
			CHECK(p[k][at] == (unsigned char)k);
		if (how == 0 && p[k]) {
			p[k] = realloc(p[k], n);
			CHECK(p[k] && p[k][0] == (unsigned char)k);
		} else {
			free(p[k]);
			p[k] = how == 1 ? calloc(1, n) : malloc(n);
			CHECK(p[k] && (how != 1 || (!p[k][0] && !p[k][n - 1])));
			if (how == 2) {
				free(p[k]);
				CHECK(!posix_memalign((void **)&p[k], 256, n) && (uintptr_t)p[k] % 256 == 0);
			}
		}
		CHECK(malloc_usable_size(p[k]) >= n);
		memset(p[k], (int)k, n);
		size[k] = n;
	}
	for (int k = 0; k < N; k++)
		free(p[k]);
	return NULL;
}

int main(void)
{
	pthread_t t[4];
	volatile size_t much = SIZE_MAX / 2;
	int status;
	pid_t pid;

	CHECK(ashlar_malloc);
	alarm(300);
	for (uintptr_t round = 0; round < 3; round++) {
		for (uintptr_t i = 0; i < 4; i++)
			CHECK(!pthread_create(&t[i], NULL, work, (void *)(round * 4 + i + 1)));
		pid = fork();
		if (!pid) {
			work((void *)99);
			_exit(0);
		}
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
	errno = 0;
	CHECK(!malloc(much) && errno == ENOMEM);
	puts("all is well");
	return 0;
}
