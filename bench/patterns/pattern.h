/* SPDX-License-Identifier: MIT */
/*
 * What the patterns share: a random generator, marks in blocks that are checked
 * before the block goes, and a sum that is printed. The work is fixed, not the
 * time; the first argument, a percentage, makes less of it.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline uint64_t rng_next(uint64_t *s)
{
	*s += 0x9e3779b97f4a7c15u;
	uint64_t z = *s;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Uniform in [lo, hi]. */
static inline size_t rng_size(uint64_t *s, size_t lo, size_t hi)
{
	return lo + ((rng_next(s) >> 32) * (hi - lo + 1) >> 32);
}

/* Log-uniform from lo to lo << doublings: each doubling is as likely. */
static inline size_t rng_log(uint64_t *s, size_t lo, unsigned int doublings)
{
	size_t base = lo << rng_size(s, 0, doublings - 1);

	return rng_size(s, base, 2 * base);
}

/*
 * The first eight bytes hold the mark, a byte in each page and the last one its
 * lowest byte: enough to find blocks that overlap, little enough that the
 * allocator's time shows. size >= 8.
 */
static inline void mark(void *p, size_t size, uint64_t value)
{
	if (!p)
		errx(1, "no memory for %zu bytes", size);
	memcpy(p, &value, sizeof(value));
	for (size_t i = 4096; i < size; i += 4096)
		((char *)p)[i] = (char)value;
	if (size > 8)
		((char *)p)[size - 1] = (char)value;
}

static inline uint64_t check(const void *p, size_t size)
{
	uint64_t value;
	char bad = 0;

	memcpy(&value, p, sizeof(value));
	for (size_t i = 4096; i < size; i += 4096)
		bad |= ((const char *)p)[i] ^ (char)value;
	if (size > 8)
		bad |= ((const char *)p)[size - 1] ^ (char)value;
	if (bad)
		errx(1, "a block of %zu bytes lost its contents", size);
	return value;
}

/* 16 to 512 bytes. */
static inline size_t small_size(uint64_t random)
{
	return 16 + random % 497;
}

/* A block of so many bytes takes the place of one that is checked and freed; returns what that held. */
static inline uint64_t swap_block(char **block, size_t *size, uint64_t random)
{
	uint64_t held = check(*block, *size);

	free(*block);
	*size = small_size(random >> 32);
	*block = malloc(*size);
	mark(*block, *size, random);
	return held;
}

/* n, or the percentage of it that the command line asks for. */
static inline long work(int argc, char **argv, long n)
{
	long percent = argc > 1 ? atol(argv[1]) : 100;

	if (percent < 1 || percent > 1000)
		errx(2, "usage: %s [PERCENT [VARIANT]]; PERCENT is 1 to 1000", argv[0]);
	n = n * percent / 100;
	return n > 0 ? n : 1;
}

static inline const char *variant(int argc, char **argv, const char *usual)
{
	return argc > 2 ? argv[2] : usual;
}

/* CPUs that this process may use, and two at least: threads must meet. */
static inline int cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 2 : CPU_COUNT(&set);

	return n < 2 ? 2 : n > 16 ? 16 : n;
}

static inline pthread_t start(void *(*run)(void *), void *arg)
{
	pthread_t t;
	int e = pthread_create(&t, NULL, run, arg);

	if (e)
		errx(1, "pthread_create: %s", strerror(e));
	return t;
}

static inline void print_sum(uint64_t sum)
{
	printf("%016llx\n", (unsigned long long)sum);
}

#endif
