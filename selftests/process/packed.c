// SPDX-License-Identifier: MIT
/*
 * A server's day, compressed: blocks of requests, of sessions that live for thousands of
 * them, a cache with random eviction, a table that only grows. Load rises and falls. At the end nearly
 * all of the heap is on huge pages, what was made before it was large too, and at no time was
 * more in memory than the live blocks explain.
 *
 * Usage: packed [REQUESTS]
 */
#include "check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>

#define PAGE	((uintptr_t)4096)
#define EXTENT	((uintptr_t)2 << 20)

enum { SESSIONS = 60000, CACHE = 60000, OPEN = 32, CYCLES = 7 };

struct block {
	unsigned char *p;
	size_t size;
};

static struct block session[SESSIONS], cache[CACHE];
static struct entry { struct entry *next; uint64_t key; } *table;
static uint64_t state;
static size_t live, live_most;

static uint64_t random_number(void)
{
	return random_next(&state);
}

/* As many of each doubling from @least on. */
static size_t random_size(size_t least, unsigned int doublings)
{
	size_t base = least << random_number() % doublings;

	return base + random_number() % base;
}

static unsigned char mark_of(const struct block *b)
{
	return (unsigned char)((uintptr_t)b / sizeof(*b) + b->size);
}

static void make(struct block *b, size_t size)
{
	b->size = size;
	b->p = malloc(size);
	CHECK(b->p, "no memory for %zu bytes", size);
	memset(b->p, mark_of(b), size);
	live += size;
	live_most = live > live_most ? live : live_most;
}

static void drop(struct block *b)
{
	if (!b->p)
		return;
	for (size_t i = 0; i < b->size; i += 64)
		CHECK(b->p[i] == mark_of(b), "block %p of %zu bytes lost byte %zu", (void *)b->p,
		      b->size, i);
	free(b->p);
	live -= b->size;
	b->p = NULL;
}

static void renew(struct block *b, size_t size)
{
	drop(b);
	make(b, size);
}

static void request(size_t active)
{
	struct block open[OPEN];
	size_t n = 8 + random_number() % (OPEN - 7);

	for (size_t i = 0; i < n; i++)
		make(&open[i], i ? random_size(16, 6) : 16384);
	if (!(random_number() % 2))
		renew(&session[random_number() % active], random_size(64, 5));
	if (!(random_number() % 2))
		renew(&cache[random_number() % CACHE], random_size(128, 6));
	if (!(random_number() % 16)) {
		struct entry *e = malloc(sizeof(*e));

		CHECK(e);
		*e = (struct entry){ table, state };
		table = e;
	}
	for (size_t i = 0; i < n; i++)
		drop(&open[i]);
}

/* It ends where load is highest, so that nothing is on its way back. */
static void day(long requests)
{
	long half = requests / CYCLES;

	for (long k = 0; k < half * CYCLES; k++) {
		bool rises = !(k / half % 2);
		size_t load = (size_t)(rises ? k % half : half - k % half);
		size_t active = SESSIONS / 20 + load * (SESSIONS - SESSIONS / 20) / (size_t)half;

		request(active);
		for (int i = 0; !rises && i < 2 && active < SESSIONS; i++)
			drop(&session[active + random_number() % (SESSIONS - active)]);
	}
}

/* --- what the kernel says ------------------------------------------------------------- */

/* Documentation/admin-guide/mm/pagemap.rst of the kernel. */
#define PRESENT	(1ull << 63)

/* Kilobytes. */
struct memory {
	size_t whole;	/* in extents that are in memory as a whole */
	size_t parts;	/* in others: they gave pages back, or were never full */
	size_t huge;	/* on huge pages */
};

static size_t resident_pages(int pagemap, uintptr_t extent)
{
	uint64_t page[EXTENT / PAGE];
	size_t n = 0;

	CHECK(pread(pagemap, page, sizeof(page), (off_t)(extent / PAGE * sizeof(*page))) ==
	      sizeof(page));
	for (size_t i = 0; i < EXTENT / PAGE; i++)
		n += !!(page[i] & PRESENT);
	return n;
}

static struct memory heap_memory(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	struct memory m = { 0 };
	uintptr_t from, to;
	bool ours = false;
	char line[512];

	CHECK(f && pagemap >= 0);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
			/* A mapping of whole extents that can be written to. */
			ours = strstr(line, " rw-") && !(from % EXTENT) && !(to % EXTENT);
			for (uintptr_t at = from; ours && at < to; at += EXTENT) {
				size_t kb = resident_pages(pagemap, at) * PAGE / KB;

				*(kb == EXTENT / KB ? &m.whole : &m.parts) += kb;
			}
		} else if (ours && (!strncmp(line, "AnonHugePages:", 14) ||
				    !strncmp(line, "FilePmdMapped:", 14))) {
			m.huge += strtoul(line + 14, NULL, 10);
		}
	}
	close(pagemap);
	fclose(f);
	return m;
}

static bool is_packed(const struct memory *m)
{
	return m->huge >= m->whole / 100 * 95;
}

int main(int argc, char **argv)
{
	long requests = argc > 1 ? atol(argv[1]) : 1000000;
	struct memory m;
	cpu_set_t here;
	size_t most;
	long before;

	guard(600);
	/* A thread that is moved to another node takes new memory there, and leaves old memory to decay. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	CHECK(!sched_setaffinity(0, sizeof(here), &here));
	state = random_seed();
	before = proc_kb("/proc/self/status", "VmRSS");
	day(requests);
	m = heap_memory();
	/* khugepaged's pace is its own: a machine may be done with its day before. */
	for (int i = 0; i < 20 && !is_packed(&m); i++) {
		for (int k = 0; k < 100000; k++)
			request(SESSIONS);
		m = heap_memory();
	}
	most = (size_t)(proc_kb("/proc/self/status", "VmHWM") - before);
	printf("KB: live %zu, %zu at most, in memory %zu at most; at the end whole extents %zu, parts of others %zu, on huge pages %zu\n",
	       live / KB, live_most / KB, most, m.whole, m.parts, m.huge);
	CHECK(live_most > 100 * MB && m.whole + m.parts > live / KB, "the heap is not where it was looked for");
	CHECK(is_packed(&m), "%zu KB of %zu are on huge pages", m.huge, m.whole);
	CHECK(m.parts <= (m.whole + m.parts) / 20, "%zu KB are in parts of extents", m.parts);
	/* jemalloc 5.3.1 has 1.18 times what is live at most under this very program. */
	CHECK(most <= live_most / KB * 6 / 5, "%zu KB in memory for %zu live", most, live_most / KB);
	for (size_t i = 0; i < SESSIONS; i++)
		drop(&session[i]);
	for (size_t i = 0; i < CACHE; i++)
		drop(&cache[i]);
	return 0;
}
