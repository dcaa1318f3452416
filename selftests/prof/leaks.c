// SPDX-License-Identifier: MIT
/*
 * Leaks by known functions, known numbers of blocks of known sizes: what each function
 * keeps and what it allocated in all is printed for the driver, as "name kept made size".
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP(p)	__asm__ volatile("" : "+r"(p) : : "memory")

#define LEAKER(name, call)				\
	__attribute__((noinline)) void *name(void)	\
	{						\
		void *p = call;				\
							\
		KEEP(p);				\
		return p;				\
	}

static char text[500];

LEAKER(leak_small, malloc(100))
LEAKER(leak_calloc, calloc(10, 100))
LEAKER(leak_middle, malloc(5000))
LEAKER(leak_large, malloc(100000))
LEAKER(leak_huge, malloc(3 << 20))
LEAKER(leak_aligned, aligned_alloc(256, 2560))
LEAKER(leak_strdup, strdup(text))

__attribute__((noinline)) void *churn(void)
{
	void *p = malloc(3000);

	KEEP(p);
	free(p);
	return NULL;
}

/* One block, four times its first size at the end. */
__attribute__((noinline)) void *leak_realloc(void)
{
	void *p = malloc(20480);

	KEEP(p);
	p = realloc(p, 81920);
	KEEP(p);
	return p;
}

__attribute__((noinline)) static void repeat(const char *name, void *(*fn)(void), int n, int kept,
					     size_t size)
{
	for (int i = 0; i < n; i++) {
		fn();
		__asm__ volatile("" : : : "memory");
	}
	printf("%s %d %d %zu\n", name, kept, n, size);
}

static void *in_thread(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "leaker");
	repeat("leak_middle", leak_middle, 8000, 8000, 5000);
	return NULL;
}

int main(void)
{
	pthread_t t;

	memset(text, 'x', sizeof(text) - 1);
	repeat("leak_small", leak_small, 200000, 200000, 100);
	repeat("leak_calloc", leak_calloc, 40000, 40000, 1000);
	repeat("leak_large", leak_large, 500, 500, 100000);
	repeat("leak_huge", leak_huge, 10, 10, 3 << 20);
	repeat("leak_aligned", leak_aligned, 15000, 15000, 2560);
	repeat("leak_strdup", leak_strdup, 60000, 60000, 500);
	repeat("leak_realloc", leak_realloc, 400, 400, 81920);
	repeat("churn", churn, 20000, 0, 3000);
	if (pthread_create(&t, NULL, in_thread, NULL))
		return 1;
	pthread_join(t, NULL);
	return 0;
}
