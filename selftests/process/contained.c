// SPDX-License-Identifier: MIT
/*
 * In a container, as its limits allow it.
 *
 *	contained cpus N	the library counts N CPUs, by quota or affinity
 *	contained full M [S]	malloc gives at least M MB, and then NULL with ENOMEM: no kill; as much
 *				again after frees. S: the bytes of a block
 *	contained pressed M	with M MB free and kept for ever: when the system says that it is short of
 *				memory, they go back
 *	contained noproc	without /proc
 */
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "check.h"

#define HOG	(24 * MB)

static void cpus(unsigned int want)
{
	unsigned int arenas, len_want = 4 * want;
	size_t len = sizeof(arenas);

	CHECK(!ashlar_ctl("opt.narenas", &arenas, &len, NULL, 0));
	printf("%u arenas at the most\n", arenas);
	CHECK(arenas == len_want, "four for each of %u CPUs", want);
}

/* Blocks written all over, until there are no more. */
static size_t take_all(size_t size)
{
	void **chain = NULL, **p;
	size_t total = 0;

	errno = 0;
	while ((p = malloc(size))) {
		memset(p, 1, size);
		*p = chain;
		chain = p;
		total += size;
	}
	CHECK(errno == ENOMEM);
	CHECK(!calloc(1, 512 * MB) && errno == ENOMEM);
	while (chain) {
		p = *chain;
		free(chain);
		chain = p;
	}
	return total;
}

static void full(size_t least, size_t size)
{
	size_t first = take_all(size), second = take_all(size), refused = figure("stats.heap.refused");

	printf("blocks of %zu: %zu MB, again %zu MB; %zu refused by the limit, %zu purges for it\n", size,
	       first / MB, second / MB, refused, figure("stats.heap.relieved"));
	CHECK(first >= least && second >= least);
	exercise(1, 4);
}

static void pressed(size_t bytes)
{
	enum { N = 32 };
	static char *p[N];
	long before, after = 0;
	void *hog;

	for (int i = 0; i < N; i++) {
		p[i] = malloc(bytes / N);
		CHECK(p[i]);
		memset(p[i], 1, bytes / N);
	}
	/* Pressure may come as soon as they are free. */
	before = proc_kb("/proc/self/status", "VmRSS");
	CHECK(before >= (long)(bytes / KB), "%ld KB", before);
	for (int i = 0; i < N; i++)
		free(p[i]);
	/* What takes the cgroup over memory.high is not ours. */
	for (int round = 0; round < 100; round++) {
		hog = mmap(NULL, HOG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(hog != MAP_FAILED);
		memset(hog, 1, HOG);
		usleep(100000);
		munmap(hog, HOG);
		after = proc_kb("/proc/self/status", "VmRSS");
		if (after < before - (long)(bytes / KB) / 2)
			break;
	}
	printf("%ld MB resident, %ld MB after; pressure seen %zu times, %zu MB given back\n", before / 1024,
	       after / 1024, figure("stats.pressure.events"), figure("stats.pressure.purged") / MB);
	CHECK(figure("stats.pressure.events") && after < before - (long)(bytes / KB) / 2);
}

static void noproc(char **argv)
{
	char *again[] = { argv[0], "noproc", "now", NULL };

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip("only root can take /proc away");
	CHECK(!umount2("/proc", MNT_DETACH), "%s", strerror(errno));
	execv(argv[0], again);
	fail("exec: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	guard(240);
	CHECK(argc > 1);
	if (!strcmp(argv[1], "cpus") && argc == 3) {
		cpus((unsigned int)atoi(argv[2]));
	} else if (!strcmp(argv[1], "full") && argc > 2) {
		full((size_t)atol(argv[2]) * MB, argc > 3 ? (size_t)atol(argv[3]) : 64 * KB);
	} else if (!strcmp(argv[1], "pressed") && argc == 3) {
		pressed((size_t)atol(argv[2]) * MB);
	} else if (!strcmp(argv[1], "noproc") && argc == 2) {
		noproc(argv);
	} else if (!strcmp(argv[1], "noproc")) {
		CHECK(access("/proc/self", F_OK), "it is still there");
		exercise(1, 50);
	} else {
		fail("contained: what is %s?", argv[1]);
	}
	return 0;
}
