// SPDX-License-Identifier: MIT
/*
 * Memory of a thread that only frees goes back, and of one that then sleeps, as the options say.
 *
 * Usage: given_back LEAST MOST WHEN: resident at most MOST MB and at least LEAST MB of 96 that
 * were freed, "now" with the last free, "idle" some time after it without a call of malloc, or
 * "trim" after malloc_trim.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include "check.h"

#define ALL	(96 * MB)
#define SLACK	(14 * MB)	/* caches, depots, and what a tick may come too early for */

static long resident(void)
{
	static char text[100];
	int fd = open("/proc/self/statm", O_RDONLY);
	long pages = -1;

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	CHECK(sscanf(text, "%*d %ld", &pages) == 1);
	return pages * (long)getpagesize();
}

static bool within(long start, long least, long most)
{
	long more = resident() - start;

	return more >= least && more <= most + (long)SLACK;
}

static void check(size_t size, long least, long most, const char *when)
{
	size_t n = ALL / size;
	/* The table is not the heap's. */
	char **block = mmap(NULL, n * sizeof(*block), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	long start = resident();

	CHECK(block != MAP_FAILED);
	for (size_t i = 0; i < n; i++) {
		block[i] = malloc(size);
		CHECK(block[i]);
		memset(block[i], 1, size);
	}
	CHECK(resident() - start >= (long)ALL * 9 / 10);
	for (size_t i = 0; i < n; i++)
		free(block[i]);
	if (!strcmp(when, "trim"))
		CHECK(malloc_trim(0) == 1);
	for (int tries = 0; !strcmp(when, "idle") && tries < 600 && !within(start, least, most); tries++)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	CHECK(within(start, least, most), "blocks of %zu bytes: %ld KB of %zu are resident", size,
	      (resident() - start) >> 10, ALL >> 10);
	munmap(block, n * sizeof(*block));
	malloc_trim(0);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 64, 2000, 100000, 3000000 };

	guard(120);
	CHECK(argc == 4, "given_back LEAST MOST now|idle|trim");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		check(sizes[i], atol(argv[1]) * (long)MB, atol(argv[2]) * (long)MB, argv[3]);
	return 0;
}
