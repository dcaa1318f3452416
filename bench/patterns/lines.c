// SPDX-License-Identifier: MIT
/*
 * Small objects that threads write all the time: the first thread allocates one
 * for each, hands it over, and each goes on with objects of its own. Who packs
 * blocks of two threads into one cache line makes both wait.
 */
#include "pattern.h"

static long rounds;

static void *worker(void *arg)
{
	char *p = arg;
	uintptr_t sum = 0;

	for (long n = rounds; n--;) {
		volatile char *v = p;

		for (int i = 0; i < 40000; i++)
			v[i & 7]++;
		sum += (unsigned char)v[0];
		free(p);
		p = calloc(1, 8);
	}
	free(p);
	return (void *)sum;
}

int main(int argc, char **argv)
{
	int n = cpus();
	pthread_t t[16];
	uint64_t sum = 0;
	void *part;

	rounds = work(argc, argv, 40000) / n;
	for (int i = 0; i < n; i++)
		t[i] = start(worker, calloc(1, 8));
	for (int i = 0; i < n; i++) {
		pthread_join(t[i], &part);
		sum += (uintptr_t)part;
	}
	print_sum(sum);
}
