// SPDX-License-Identifier: MIT
/*
 * A program built with a sanitizer, linked with the library. The sanitizer's malloc is
 * what it uses, the library's own names work beside it, and mistakes are still found.
 *
 * Usage: sanitized [overflow|race]
 */
#include <pthread.h>

#include "check.h"

extern void ashlar_free(void *p) __attribute__((weak));

static int *shared;

static void *work(void *arg)
{
	for (size_t i = 0; i < 20000; i++) {
		char *p = seen(malloc(i % 5000 + 1));

		p[0] = 1;
		p = seen(realloc(p, i % 9000 + 1));
		CHECK(p[0] == 1);
		free(p);
		if (i % 10 == 0) {
			p = seen(ashlar_malloc(i % 3000 + 1));
			p[i % 3000] = 1;
			ashlar_free(p);
		}
	}
	return arg;
}

static void *race(void *arg)
{
	for (int i = 0; i < 1000; i++)
		++*shared;
	return arg;
}

static void in_threads(void *(*fn)(void *))
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, fn, NULL));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

int main(int argc, char **argv)
{
	char *p;

	guard(60);
	if (argc > 1 && !strcmp(argv[1], "overflow")) {
		p = seen(malloc(100));
		p[100] = 1;
		free(p);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "race")) {
		shared = calloc(1, sizeof(*shared));
		in_threads(race);
		free(shared);
		return 0;
	}
	in_threads(work);
	p = strdup("text");
	CHECK(!strcmp(p, "text"));
	free(p);
	puts("all is well");
	return 0;
}
