// SPDX-License-Identifier: MIT
/*
 * Producers allocate, consumers free: every block dies in a thread that never
 * allocated it. They meet at a queue of full batches, bounded, under one lock.
 */
#include "pattern.h"

#define BATCH	512
#define DEPTH	16

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void **batch[DEPTH];
	int head, count;
	long left;		/* batches of this pair */
	uint64_t sum, seed;
};

static size_t size_of(uint64_t tag)
{
	return tag % 16 ? 16 + tag % 113 : 16 + tag % 2000;
}

static void *producer(void *arg)
{
	struct queue *q = arg;

	for (long n = q->left; n--;) {
		void **batch = malloc(BATCH * sizeof(*batch));

		for (int i = 0; i < BATCH; i++) {
			uint64_t tag = rng_next(&q->seed) >> 8;

			batch[i] = malloc(size_of(tag));
			mark(batch[i], size_of(tag), tag);
		}
		pthread_mutex_lock(&q->lock);
		while (q->count == DEPTH)
			pthread_cond_wait(&q->changed, &q->lock);
		q->batch[(q->head + q->count++) % DEPTH] = batch;
		pthread_cond_signal(&q->changed);
		pthread_mutex_unlock(&q->lock);
	}
	return NULL;
}

static void *consumer(void *arg)
{
	struct queue *q = arg;

	for (long n = q->left; n--;) {
		uint64_t tag;

		pthread_mutex_lock(&q->lock);
		while (!q->count)
			pthread_cond_wait(&q->changed, &q->lock);
		void **batch = q->batch[q->head];

		q->head = (q->head + 1) % DEPTH;
		q->count--;
		pthread_cond_signal(&q->changed);
		pthread_mutex_unlock(&q->lock);
		for (int i = 0; i < BATCH; i++) {
			memcpy(&tag, batch[i], sizeof(tag));
			q->sum += check(batch[i], size_of(tag));
			free(batch[i]);
		}
		free(batch);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int pairs = cpus() / 2;
	long batches = work(argc, argv, 26000) / pairs;
	struct queue *q = calloc(pairs, sizeof(*q));
	pthread_t *t = calloc(2 * pairs, sizeof(*t));
	uint64_t sum = 0;

	for (int i = 0; i < pairs; i++) {
		pthread_mutex_init(&q[i].lock, NULL);
		pthread_cond_init(&q[i].changed, NULL);
		q[i].left = batches;
		q[i].seed = i;
		t[2 * i] = start(producer, &q[i]);
		t[2 * i + 1] = start(consumer, &q[i]);
	}
	for (int i = 0; i < 2 * pairs; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < pairs; i++)
		sum += q[i].sum;
	print_sum(sum);
}
