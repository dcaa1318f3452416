// SPDX-License-Identifier: MIT
/*
 * Threads that come and go: three thousand in batches of thirty, each leaving a
 * block behind that another frees. What the process holds afterwards must not
 * depend on how many there were.
 */
#include <limits.h>
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

/* Runs nr batches; the lowest and the highest resident KB seen after the first ten. */
static void batches(int nr, long *lowest, long *highest)
{
	*lowest = LONG_MAX;
	*highest = 0;
	for (int i = 0; i < nr; i++) {
		long now;

		batch();
		if (i < 10)
			continue;
		now = proc_kb("/proc/self/status", "VmRSS");
		*lowest = now < *lowest ? now : *lowest;
		*highest = now > *highest ? now : *highest;
	}
}

/*
 * One moment says little: which extents a batch happens to leave in use varies
 * by some of them. What every thread left behind would be in each sample, so the
 * least of the late ones is held against the most of the early ones. Without caches
 * it takes some four thousand threads until it stays where it is: half is for that,
 * and for whole extents, since the device gives no less.
 */
int main(void)
{
	long early, late, other;

	guard(120);
	batches(BATCHES / 4, &other, &early);
	batches(BATCHES * 3 / 4, &late, &other);
	printf("resident at most %ld KB early, at least %ld KB late\n", early, late);
	CHECK(late < early * 3 / 2 + 8192, "memory grows with the number of threads that ever were");
	return 0;
}
