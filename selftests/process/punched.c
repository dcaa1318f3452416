// SPDX-License-Identifier: MIT
/*
 * In a guest with the module loaded: a burst leaves a few blocks in each extent. The pages
 * between them go back, and when they are in use again the extents are huge again.
 */
#include "check.h"

#include <signal.h>

enum { BLOCKS = 2400, KEEP = 6 };

static unsigned char *block[BLOCKS];
static size_t bytes[BLOCKS];
static uint64_t state;

static uint64_t random_number(void)
{
	return random_next(&state);
}

/* Kilobytes of mappings of the device: resident, and of them on huge pages. */
static void device_kb(size_t *rss, size_t *huge)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	bool ours = false;

	CHECK(f);
	*rss = *huge = 0;
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			ours = strstr(line, "/dev/ashlar");
		else if (ours && !strncmp(line, "Rss:", 4))
			*rss += strtoul(line + 4, NULL, 10);
		else if (ours && !strncmp(line, "FilePmdMapped:", 14))
			*huge += strtoul(line + 14, NULL, 10);
	}
	fclose(f);
}

/* With what this thread had cached given back. */
static size_t settled(const char *name)
{
	CHECK(!ashlar_ctl("thread.tcache.flush", NULL, NULL, NULL, 0));
	return figure(name);
}

static void fill(int i, size_t size)
{
	block[i] = malloc(size);
	CHECK(block[i]);
	bytes[i] = malloc_usable_size(block[i]);
	memset(block[i], i + 1, bytes[i]);
}

/* Each byte of a block is its own still. */
static void check_blocks(void)
{
	for (int i = 0; i < BLOCKS; i++)
		for (size_t at = 0; block[i] && at < bytes[i]; at += 512)
			CHECK(block[i][at] == (unsigned char)(i + 1), "block %d at %zu", i, at);
}

static size_t live_kb(void)
{
	size_t sum = 0;

	for (int i = 0; i < BLOCKS; i++)
		sum += block[i] ? bytes[i] : 0;
	return sum >> 10;
}

/* Does it come true while decay goes on, by the background thread? */
#define EVENTUALLY(cond, ...)						\
	do {								\
		for (int tries = 0; !(cond) && tries < 600; tries++)	\
			usleep(100000);					\
		CHECK(cond, __VA_ARGS__);				\
	} while (0)

static size_t rss, huge;

/* Of what is in use all is mapped, so that none of it is missed. */
static bool small_enough(void)
{
	check_blocks();
	device_kb(&rss, &huge);
	return rss * 10 <= live_kb() * 13;
}

/* All is on huge pages, but for extents that are in pieces. */
static bool huge_again(void)
{
	size_t pieces = settled("source.punched") - settled("source.mended");

	check_blocks();
	device_kb(&rss, &huge);
	return huge * 100 >= (rss - pieces * 2 * KB) * 95;
}

int main(void)
{
	guard(240);
	CHECK(!access("/dev/ashlar", R_OK | W_OK), "no device here");
	state = random_seed();
	for (int i = 0; i < BLOCKS; i++)
		fill(i, KB + random_number() % (255 * KB));
	device_kb(&rss, &huge);
	printf("full: %zu KB live, %zu resident, %zu on huge pages\n", live_kb(), rss, huge);
	CHECK(huge * 100 >= rss * 95, "a heap of %zu KB has %zu on huge pages", rss, huge);
	for (int i = 0; i < BLOCKS; i++) {
		if (random_number() % KEEP) {
			free(block[i]);
			block[i] = NULL;
		}
	}
	EVENTUALLY(small_enough(), "%zu KB live, %zu resident; %zu extents, %zu in pieces, KB: %zu dirty, %zu pinned, %zu cached, %zu active",
		   live_kb(), rss, settled("source.device.extents"), settled("source.punched") - settled("source.mended"),
		   settled("stats.dirty") / KB, settled("stats.pinned") / KB, settled("stats.cached") / KB,
		   settled("stats.active") / KB);
	printf("after the burst: %zu KB live, %zu resident, %zu extents in pieces\n", live_kb(), rss,
	       settled("source.punched"));
	CHECK(settled("source.punched") > 0);
	/* In use all over again, what was in pieces is mended. */
	for (int i = 0; i < BLOCKS; i++)
		if (!block[i])
			fill(i, KB + random_number() % (255 * KB));
	EVENTUALLY(settled("source.mended") * 2 > settled("source.punched"), "of %zu only %zu were mended",
		   settled("source.punched"), settled("source.mended"));
	EVENTUALLY(huge_again(), "%zu KB of %zu on huge pages, %zu of %zu extents mended", huge, rss,
		   settled("source.mended"), settled("source.punched"));
	for (int i = 0; i < BLOCKS; i++)
		free(block[i]);
	printf("%zu extents punched, %zu mended\n", settled("source.punched"), settled("source.mended"));
	return 0;
}
