// SPDX-License-Identifier: MIT
#include "bench.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/ashlar.h>

#include "pool.h"

const char *const kind_names[KINDS] = {
	[KIND_DEVICE] = "device", [KIND_THP] = "THP", [KIND_SMALL] = "4 KB pages",
};

double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int device(void)
{
	static int fd = -2;

	if (fd == -2)
		fd = open("/dev/ashlar", O_RDWR | O_CLOEXEC);
	return fd;
}

static bool thp_forbidden(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
	char text[64] = "[never]";

	if (f && !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	return strstr(text, "[never]") != NULL;
}

const char *kind_missing(enum kind kind)
{
	if (kind == KIND_DEVICE && device() < 0)
		return module_loaded() ? "/dev/ashlar is not for this user: join the group ashlar" :
		       "the module is not loaded";
	if (kind == KIND_THP && thp_forbidden())
		return "transparent huge pages are switched off on this machine";
	return NULL;
}

size_t ready_extents(void)
{
	unsigned int n;
	const struct pool *pools = pools_read(&n);

	return (size_t)pools_sum(pools, n, "ready");
}

static bool commit(char *addr, size_t n, int node)
{
	struct ashlar_range range = { .addr = (uintptr_t)addr, .length = n * EXTENT_BYTES };
	struct ashlar_alloc arg = {
		.size = sizeof(arg), .ranges = (uintptr_t)&range, .nr_ranges = 1,
		.node = node < 0 ? ASHLAR_NODE_LOCAL : node,
	};

	return ioctl(device(), ASHLAR_IOC_ALLOC, &arg) == 0 && arg.done == n;
}

/* Aligned to extents, as all three kinds are to be compared on equal ground. */
static char *reserve(size_t len)
{
	char *raw = mmap(NULL, len + EXTENT_BYTES, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t addr = ((uintptr_t)raw + EXTENT_BYTES - 1) & ~(EXTENT_BYTES - 1);

	if (raw == MAP_FAILED)
		return NULL;
	if (addr > (uintptr_t)raw)
		munmap(raw, addr - (uintptr_t)raw);
	munmap((char *)addr + len, (uintptr_t)raw + EXTENT_BYTES - addr);
	return (char *)addr;
}

char *kind_map(enum kind kind, size_t n, int node)
{
	size_t len = n * EXTENT_BYTES;
	char *addr = reserve(len);
	bool ok;

	if (!addr)
		return NULL;
	if (kind == KIND_DEVICE) {
		ok = mmap(addr, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, device(),
			  (off_t)(uintptr_t)addr) != MAP_FAILED && commit(addr, n, node);
	} else {
		ok = mprotect(addr, len, PROT_READ | PROT_WRITE) == 0;
		madvise(addr, len, kind == KIND_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		if (ok && node >= 0 && numa_available() >= 0)
			numa_tonode_memory(addr, len, node);
	}
	if (ok)
		return addr;
	kind_unmap(addr, n);
	return NULL;
}

void kind_unmap(char *addr, size_t n)
{
	munmap(addr, n * EXTENT_BYTES);
}

unsigned int huge_percent(const char *addr, size_t n)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	uintptr_t first = (uintptr_t)addr, last = first + n * EXTENT_BYTES;
	unsigned long low, high, kb, huge = 0;
	bool inside = false;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &low, &high) == 2 && !isupper((unsigned char)line[0]))
			inside = low >= first && high <= last;
		else if (inside && (sscanf(line, "AnonHugePages: %lu", &kb) == 1 ||
				    sscanf(line, "FilePmdMapped: %lu", &kb) == 1))
			huge += kb;
	}
	if (f)
		fclose(f);
	return (unsigned int)(huge * 100 / (n * (EXTENT_BYTES >> 10)));
}

/* One cycle through a line of each 4 KB page, in random order (Sattolo), a different line a page. */
static void link_pages(char *addr, size_t pages)
{
	uint64_t seed = 0x9e3779b97f4a7c15ULL;
	uint32_t *order = malloc(pages * sizeof(*order));

	if (!order)
		fail("no memory for an order of %zu pages", pages);
	for (size_t i = 0; i < pages; i++)
		order[i] = (uint32_t)i;
	for (size_t i = pages - 1; i > 0; i--) {
		size_t k;
		uint32_t swap;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		k = seed % i;
		swap = order[i];
		order[i] = order[k];
		order[k] = swap;
	}
	for (size_t i = 0; i < pages; i++) {
		size_t from = order[i], to = order[(i + 1) % pages];

		*(char **)(addr + from * 4096 + from % 64 * 64) = addr + to * 4096 + to % 64 * 64;
	}
	free(order);
}

double chase_ns(char *addr, size_t n, uint64_t steps)
{
	size_t pages = n * 512;
	char *volatile sink;
	double start;
	char *p = addr;

	link_pages(addr, pages);
	for (uint64_t i = 0; i < pages; i++)
		p = *(char **)p;
	start = now_ns();
	for (uint64_t i = 0; i < steps; i++)
		p = *(char **)p;
	sink = p;
	(void)sink;
	return (now_ns() - start) / (double)steps;
}
