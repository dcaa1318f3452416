// SPDX-License-Identifier: MIT
/* Three hundred threads at once on stacks of the least size, more than there are arenas. */
#include <limits.h>
#include <pthread.h>

#include "check.h"

enum { THREADS = 300 };

static pthread_barrier_t start, end;

static void *work(void *arg)
{
	void *mine;

	pthread_barrier_wait(&start);
	exercise((unsigned int)(size_t)arg, 3);
	mine = malloc(100);
	pthread_barrier_wait(&end);
	free(mine);
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];
	pthread_attr_t attr;

	guard(120);
	pthread_barrier_init(&start, NULL, THREADS);
	pthread_barrier_init(&end, NULL, THREADS);
	pthread_attr_init(&attr);
	CHECK(!pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN));
	for (size_t i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&t[i], &attr, work, (void *)(i + 1)), "thread %zu", i);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return 0;
}
