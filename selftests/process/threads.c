// SPDX-License-Identifier: MIT
/*
 * Threads that come and go: three thousand in batches of thirty, each leaving a
 * block behind that another frees. What the process holds afterwards must not
 * depend on how many there were.
 */
#include <pthread.h>

#include "check.h"

enum { BATCH = 30, BATCHES = 100 };

static void *left[BATCH];

static void *work(void *arg)
{
	size_t i = (size_t)arg;

	exercise((unsigned int)i + 1, 4);
	free(left[(i + 7) % BATCH]);
	left[(i + 7) % BATCH] = NULL;
	return malloc(1000 + i);
}

static void batch(void)
{
	void *mine[BATCH];
	pthread_t t[BATCH];

	for (size_t i = 0; i < BATCH; i++)
		CHECK(!pthread_create(&t[i], NULL, work, (void *)i), "thread %zu", i);
	for (size_t i = 0; i < BATCH; i++) {
		CHECK(!pthread_join(t[i], &mine[i]) && mine[i]);
	}
	/* Each of them has freed one of the batch before. */
	memcpy(left, mine, sizeof(left));
}

int main(void)
{
	long early, late;

	guard(120);
	for (int i = 0; i < 10; i++)
		batch();
	early = proc_kb("/proc/self/status", "VmRSS");
	for (int i = 10; i < BATCHES; i++)
		batch();
	late = proc_kb("/proc/self/status", "VmRSS");
	printf("resident after 300 threads: %ld KB, after 3000: %ld KB\n", early, late);
	CHECK(late < early * 3 / 2 + 8192, "memory grows with the number of threads that ever were");
	return 0;
}
