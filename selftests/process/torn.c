// SPDX-License-Identifier: MIT
/*
 * In a guest whose khugepaged hurries (`each` sees to that): a burst on huge pages of anonymous memory leaves
 * a few blocks in each extent, and what was given back between them stays given back. khugepaged
 * makes a huge page of one resident page and 511 holes where nobody tells it not to: a mapping of
 * this program's own shows that it came by.
 */
#include "check.h"

#include <sys/mman.h>

#define KNOBS	"/sys/kernel/mm/transparent_hugepage/khugepaged/"

enum { BLOCKS = 24000, SIZE = 4096, KEEP = 10 };

static unsigned char *block[BLOCKS];

static size_t count(const char *knob)
{
	char path[128];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), KNOBS "%s", knob);
	f = fopen(path, "r");
	CHECK(f && fscanf(f, "%zu", &n) == 1, "%s", path);
	fclose(f);
	return n;
}

static size_t resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t pages;

	CHECK(f && fscanf(f, "%*u %zu", &pages) == 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE) / KB;
}

static size_t on_huge_kb(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	size_t kb = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "AnonHugePages:", 14))
			kb = strtoul(line + 14, NULL, 10);
	fclose(f);
	return kb;
}

/* Eight extents with one page each, for khugepaged to fill, and a few rounds through all memory. */
enum { LURES = 8, ROUNDS = 4 };

static void khugepaged_comes_by(void)
{
	size_t len = (LURES + 1) * 2 * MB, before = count("pages_collapsed"), rounds;
	char *lure = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *first = (char *)(((uintptr_t)lure + 2 * MB - 1) & ~(2 * MB - 1));

	CHECK(lure != MAP_FAILED);
	/* Not at once, by the fault. */
	CHECK(!madvise(lure, len, MADV_NOHUGEPAGE));
	for (int i = 0; i < LURES; i++)
		first[(size_t)i * 2 * MB] = 1;
	CHECK(!madvise(lure, len, MADV_HUGEPAGE));
	rounds = count("full_scans");
	for (int tries = 0; tries < 1200 && (count("pages_collapsed") < before + LURES ||
					     count("full_scans") < rounds + ROUNDS); tries++)
		usleep(100000);
	CHECK(count("pages_collapsed") >= before + LURES, "khugepaged collapsed %zu extents of %d",
	      count("pages_collapsed") - before, LURES);
	CHECK(count("full_scans") >= rounds + ROUNDS, "khugepaged made %zu rounds of %d",
	      count("full_scans") - rounds, ROUNDS);
	CHECK(!munmap(lure, len));
}

int main(void)
{
	size_t full, left, later;

	guard(240);
	for (int i = 0; i < BLOCKS; i++) {
		block[i] = malloc(SIZE);
		CHECK(block[i]);
		memset(block[i], i + 1, SIZE);
	}
	full = resident_kb();
	CHECK(on_huge_kb() > full / 10 * 9, "%zu KB of %zu are on huge pages", on_huge_kb(), full);
	for (int i = 0; i < BLOCKS; i++) {
		if (i % KEEP) {
			free(block[i]);
			block[i] = NULL;
		}
	}
	malloc_trim(0);
	left = resident_kb();
	printf("full: %zu KB, after the burst: %zu KB\n", full, left);
	CHECK(left < full / 2, "%zu KB of %zu were not given back", left, full);
	khugepaged_comes_by();
	later = resident_kb();
	printf("after khugepaged came by: %zu KB, %zu of them on huge pages\n", later,
	       on_huge_kb());
	CHECK(later < left + 4 * KB, "%zu KB were %zu before khugepaged came by", later, left);
	for (int i = 0; i < BLOCKS; i += KEEP)
		CHECK(block[i][SIZE - 1] == (unsigned char)(i + 1), "block %d", i);
	return 0;
}
