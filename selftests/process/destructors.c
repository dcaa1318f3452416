// SPDX-License-Identifier: MIT
/*
 * malloc and free in the destructors of thread keys, up to the last round that
 * there is, after the library's own destructor has run.
 */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

enum { KEYS = 40 };

static pthread_key_t keys[KEYS];
static atomic_int calls;

struct note {
	int round, key;
	char *text;
};

static void ended(void *arg)
{
	struct note *old = arg, *note;

	calls++;
	CHECK(!strcmp(old->text, "text"));
	note = malloc(sizeof(*note));
	*note = *old;
	note->text = strdup("text");
	free(old->text);
	free(old);
	exercise((unsigned int)note->key, 1);
	if (++note->round < PTHREAD_DESTRUCTOR_ITERATIONS) {
		pthread_setspecific(keys[note->key], note);
	} else {
		free(note->text);
		free(note);
	}
}

static void *work(void *arg)
{
	for (int i = 0; i < KEYS; i++) {
		struct note *note = malloc(sizeof(*note));

		note->round = 0;
		note->key = i;
		note->text = strdup("text");
		pthread_setspecific(keys[i], note);
	}
	exercise(1, 2);
	return arg;
}

int main(void)
{
	pthread_t t[8];

	guard(60);
	for (int i = 0; i < KEYS; i++)
		CHECK(!pthread_key_create(&keys[i], ended));
	for (int r = 0; r < 20; r++) {
		for (int i = 0; i < 8; i++)
			CHECK(!pthread_create(&t[i], NULL, work, NULL));
		for (int i = 0; i < 8; i++)
			pthread_join(t[i], NULL);
	}
	CHECK(calls == 20 * 8 * KEYS * PTHREAD_DESTRUCTOR_ITERATIONS, "%d calls", calls);
	/* The first thread has destructors as well, if it leaves like one. */
	work(NULL);
	pthread_exit(NULL);
}
