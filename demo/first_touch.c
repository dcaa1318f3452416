// SPDX-License-Identifier: MIT
/*
 * What does the first touch of 2 MB cost? Three ways to get 2 MB of fresh, zero
 * memory and write one byte into each of its 4 KB pages:
 *
 *   device   commit an extent of /dev/ashlar, touch it
 *   thp      anonymous memory with transparent huge pages
 *   small    anonymous memory with 4 KB pages
 *
 * Prints "= touch NAME NANOSECONDS", the median of several runs. In a guest whose
 * clock counts instructions (selftests/guest/run --icount) these are
 * instructions, and the same on any machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ashlar.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RUNS 15
#define SIZE ASHLAR_EXTENT_SIZE

static int device = -1;

static void fail(const char *what)
{
	fprintf(stderr, "first_touch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void touch(volatile char *p)
{
	for (size_t i = 0; i < SIZE; i += 4096)
		p[i] = 1;
}

/* A 2 MB-aligned place inside @map, which is twice as long. */
static char *aligned(char *map)
{
	return (char *)(((uintptr_t)map + SIZE - 1) & ~(SIZE - 1));
}

static uint64_t touch_device(void)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	struct ashlar_range range = { .addr = (uintptr_t)p, .length = SIZE };
	struct ashlar_alloc alloc = {
		.size = sizeof(alloc),
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
		.node = ASHLAR_NODE_LOCAL,
	};
	uint64_t start, end;

	if (p == MAP_FAILED)
		fail("mmap of /dev/ashlar");
	start = now();
	if (ioctl(device, ASHLAR_IOC_ALLOC, &alloc))
		fail("ASHLAR_IOC_ALLOC");
	touch(p);
	end = now();
	munmap(p, SIZE);
	return end - start;
}

static uint64_t touch_anonymous(int advice)
{
	char *map = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start, end;

	if (map == MAP_FAILED)
		fail("mmap");
	if (madvise(map, 2 * SIZE, advice))
		fail("madvise");
	start = now();
	touch(aligned(map));
	end = now();
	munmap(map, 2 * SIZE);
	return end - start;
}

static uint64_t touch_thp(void)
{
	return touch_anonymous(MADV_HUGEPAGE);
}

static uint64_t touch_small(void)
{
	return touch_anonymous(MADV_NOHUGEPAGE);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *name, uint64_t (*once)(void))
{
	uint64_t took[RUNS];

	once();			/* the first run warms what all share */
	for (int i = 0; i < RUNS; i++)
		took[i] = once();
	qsort(took, RUNS, sizeof(took[0]), by_value);
	printf("= touch %s %llu\n", name, (unsigned long long)took[RUNS / 2]);
}

int main(void)
{
	device = open("/dev/ashlar", O_RDWR | O_CLOEXEC);
	if (device < 0)
		fail("/dev/ashlar");
	report("device", touch_device);
	report("thp", touch_thp);
	report("small", touch_small);
	return 0;
}
