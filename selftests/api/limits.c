// SPDX-License-Identifier: MIT
/* The heap's limits, set while the program runs: what is read back, and what each one does. */
#include <unistd.h>

#include <ashlar.h>

#include "tap.h"

enum { BLOCKS = 64 };

static void *block[BLOCKS];

static size_t size_of(const char *name)
{
	uint64_t e = 1;
	size_t v = 0, len = sizeof(e);

	ashlar_ctl("epoch", NULL, NULL, &e, len);
	len = sizeof(v);
	return ashlar_ctl(name, &v, &len, NULL, 0) ? SIZE_MAX : v;
}

static bool set(const char *name, size_t v)
{
	return !ashlar_ctl(name, NULL, NULL, &v, sizeof(v)) && size_of(name) == v;
}

/* 64 MB that were used, of which nothing is in use any more. */
static void burst(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		block[i] = malloc(1 * MB);
		if (block[i])
			memset(block[i], 1, 1 * MB);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(block[i]);
}

/* A server at ease: decay looks every 50 ms. */
static void little_work(void)
{
	for (int i = 0; i < 50; i++) {
		for (int k = 0; k < 100; k++)
			free(HIDE(malloc(10000)));
		usleep(5000);
	}
}

static void hard(void)
{
	size_t refused = size_of("stats.heap.refused");
	void *p;

	OK(set("heap.hard_limit", size_of("heap.size") + 32 * MB), "a hard limit is set and read");
	errno = 0;
	p = malloc(64 * MB);
	OK(!p && errno == ENOMEM, "beyond it malloc fails with ENOMEM", "%p, errno %d", p, errno);
	OK(size_of("stats.heap.refused") > refused, "and that is counted");
	p = malloc(1 * MB);
	OK(p, "below it malloc works");
	free(p);
	OK(set("heap.hard_limit", 0), "0: none");
	p = malloc(64 * MB);
	OK(p, "and what was refused is granted");
	free(p);
}

static void amount(void)
{
	size_t before, after;

	burst();
	before = size_of("stats.dirty");
	OK(before > 32 * MB, "a burst's memory waits for decay", "%zu bytes are dirty", before);
	OK(set("heap.dirty_max", 8 * MB), "a bound of free memory is set and read");
	little_work();
	after = size_of("stats.dirty");
	OK(after <= 8 * MB, "a little work later no more than that is kept", "%zu bytes are dirty", after);
	OK(set("heap.dirty_max", 0), "0: no bound");
}

static void soft(void)
{
	size_t relieved = size_of("stats.heap.relieved"), limit, now;
	void *p;

	burst();
	limit = size_of("heap.size") - 16 * MB;
	OK(set("heap.soft_limit", limit), "a soft limit is set and read");
	/* More than is free in one piece: the heap has to grow for it. */
	p = malloc(96 * MB);
	OK(p, "beyond it malloc works");
	OK(size_of("stats.heap.relieved") > relieved, "and something goes back first");
	free(p);
	little_work();
	now = size_of("heap.size");
	OK(now <= limit, "a little work later the heap is below it", "%zu, not %zu", now, limit);
	OK(set("heap.soft_limit", 0), "0: none");
}

int main(void)
{
	OK(!size_of("heap.hard_limit") && !size_of("heap.soft_limit") && !size_of("heap.dirty_max"),
	   "a heap begins without limits");
	hard();
	amount();
	soft();
	return tap_end();
}
