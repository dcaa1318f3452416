// SPDX-License-Identifier: MIT
/*
 * A process that has no transparent huge pages, and knows: nothing counts as huge, and what little is free in
 * each extent goes back when decay says so.
 *
 *	no_thp			the system's setting says never
 *	no_thp disabled		it tells itself, when it has started, as Redis does
 */
#include "check.h"

#include <sys/prctl.h>

enum { BLOCKS = 12000, SIZE = 16384, KEPT = 9 };	/* 188 MB, of which a tenth is freed */

static unsigned char *block[BLOCKS];

int main(int argc, char **argv)
{
	long before;

	guard(60);
	if (argc > 1 && !strcmp(argv[1], "disabled"))
		CHECK(!prctl(PR_SET_THP_DISABLE, 1L, 0L, 0L, 0L));
	for (int i = 0; i < BLOCKS; i++) {
		block[i] = malloc(SIZE);
		CHECK(block[i]);
		memset(block[i], i + 1, SIZE);
	}
	CHECK(figure("source.extents") > 40 && figure("source.device.extents") == 0);
	CHECK(figure("source.huge") == 0, "%zu extents are said to be huge", figure("source.huge"));
	CHECK(proc_kb("/proc/self/smaps_rollup", "AnonHugePages") == 0);
	before = proc_kb("/proc/self/status", "VmRSS");
	for (int i = 0; i < BLOCKS; i += KEPT + 1) {
		free(block[i]);
		block[i] = NULL;
	}
	/* dirty_decay_ms:0, but for some 4 MB that looks leave to a thread that may want them again. */
	for (int tries = 0; tries < 300 && proc_kb("/proc/self/status", "VmRSS") > before - 10 * 1024; tries++) {
		for (int i = 0; i < 64; i++)
			free(seen(malloc(65536)));
		usleep(10000);
	}
	printf("KB in memory: %ld, then %ld; pinned: %zu\n", before, proc_kb("/proc/self/status", "VmRSS"),
	       figure("stats.pinned") / KB);
	CHECK(proc_kb("/proc/self/status", "VmRSS") <= before - 10 * 1024, "%zu KB dirty, %zu cached",
	      figure("stats.dirty") / KB, figure("stats.cached") / KB);
	CHECK(figure("stats.pinned") == 0);
	for (int i = 0; i < BLOCKS; i++)
		CHECK(!block[i] || block[i][SIZE - 1] == (unsigned char)(i + 1), "block %d", i);
	return 0;
}
