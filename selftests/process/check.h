/* SPDX-License-Identifier: MIT */
/*
 * What the programs of this suite share. Each is a process of its own: it ends
 * with 0 if all is well, with 77 after "skip: reason", else it failed and has
 * said why. `run` decides how it meets the library: preloaded, linked, static.
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C"
#endif
void *ashlar_malloc(size_t size) __attribute__((weak));
#ifdef __cplusplus
extern "C"
#endif
int ashlar_ctl(const char *name, void *old, size_t *old_len, void *new_value, size_t new_len)
	__attribute__((weak));

#define KB	((size_t)1 << 10)
#define MB	((size_t)1 << 20)
#define GB	((size_t)1 << 30)

__attribute__((format(printf, 1, 2), noreturn, unused))
static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}

__attribute__((format(printf, 1, 2), noreturn, unused))
static void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("skip: ", stdout);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	_exit(77);
}

#define CHECK(cond, ...)						\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: %s:", __FILE__, __LINE__, #cond); \
			fail(" " __VA_ARGS__);				\
		}							\
	} while (0)

/* A hang is a failure too: SIGALRM ends the process. */
__attribute__((unused)) static void guard(unsigned int seconds)
{
	CHECK(ashlar_malloc, "the library is not in this process");
	alarm(seconds);
}

/* A number in kB from a file like /proc/self/smaps_rollup, or -1. */
__attribute__((unused)) static long proc_kb(const char *path, const char *key)
{
	FILE *f = fopen(path, "r");
	char line[256];
	long kb = -1;

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':') {
			kb = atol(line + strlen(key) + 1);
			break;
		}
	}
	if (f)
		fclose(f);
	return kb;
}

/* What the library says of itself, as it is now. */
__attribute__((unused)) static size_t figure(const char *name)
{
	size_t value = 0, len = sizeof(value);
	uint64_t now = 1;
	int err;

	CHECK(!ashlar_ctl("epoch", NULL, NULL, &now, sizeof(now)));
	err = ashlar_ctl(name, &value, &len, NULL, 0);
	CHECK(!err, "%s: %s", name, strerror(err));
	return value;
}

/* Of a random test: what it printed when it failed, or the process's own; never 0. */
__attribute__((unused)) static uint64_t random_seed(void)
{
	const char *seed = getenv("SEED");
	uint64_t state = seed ? strtoull(seed, NULL, 0) : (uint64_t)getpid() * 2654435761u;

	state |= !state;
	printf("SEED=%llu\n", (unsigned long long)state);
	return state;
}

/* xorshift64: Marsaglia, "Xorshift RNGs", 2003. */
__attribute__((unused)) static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Keeps a block from the optimiser, which may drop a malloc nobody looks at. */
__attribute__((unused)) static void *seen(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

/* Allocates, fills, checks and frees a little of everything. */
__attribute__((unused)) static void exercise(unsigned int seed, unsigned int rounds)
{
	enum { N = 64 };
	static const size_t sizes[] = { 1, 8, 24, 100, 500, 4000, 14336, 20000, 300000, 3000000 };
	unsigned char *p[N] = { NULL };
	size_t n[N] = { 0 };

	for (unsigned int i = 0; i < rounds * N; i++) {
		unsigned int k = (seed = seed * 1103515245 + 12345) / 65536 % N;

		if (p[k]) {
			CHECK(p[k][0] == (unsigned char)k && p[k][n[k] - 1] == (unsigned char)k,
			      "block %p of %zu bytes lost its contents", (void *)p[k], n[k]);
			free(p[k]);
		}
		/* The largest sizes are rarer: they cost page faults. */
		n[k] = sizes[seed / 7 % (seed % 16 ? 8 : 10)];
		p[k] = (unsigned char *)malloc(n[k]);
		CHECK(p[k], "no memory for %zu bytes", n[k]);
		p[k][0] = p[k][n[k] - 1] = (unsigned char)k;
	}
	for (unsigned int k = 0; k < N; k++)
		free(p[k]);
}

#endif /* CHECK_H */
