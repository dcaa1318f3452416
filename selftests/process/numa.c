// SPDX-License-Identifier: MIT
/*
 * In a guest of several nodes: the pages that a thread allocates are on its node, by the kernel's
 * own word: move_pages, which asks and moves nothing, and numa_maps.
 *
 *	numa pinned		a thread on each CPU, that free each other's blocks; 100 %
 *	numa moved		a thread that changes its node; 99 % of what it gets from 4 MB on
 *	numa full		the node is full: others serve, and statistics say so
 *	numa policy P N		under a policy P of nodes N (bits), as numactl sets it, or the cpuset's if P is 0
 *	numa memoryless		on a node that has CPUs and no memory, the nearest serves, it alone
 */
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

#define BLOCKS	3000
#define NODES	16

static unsigned int pin(int cpu)
{
	cpu_set_t set;
	unsigned int node;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set), "CPU %d: %s", cpu, strerror(errno));
	CHECK(!getcpu(NULL, &node));
	return node;
}

/* A CPU of another node than @node. */
static int cpu_elsewhere(unsigned int node)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

	for (int cpu = 0; cpu < cpus; cpu++) {
		if (pin(cpu) != node)
			return cpu;
	}
	skip("there is one node only");
}

static bool has_memory(unsigned int node)
{
	unsigned long mask[1024 / 64] = { 0 };

	return !syscall(SYS_get_mempolicy, NULL, mask, 1024UL, NULL, MPOL_F_MEMS_ALLOWED) &&
	       mask[0] >> node & 1;
}

static size_t ctl(const char *format, unsigned int node)
{
	char name[64];

	snprintf(name, sizeof(name), format, node);
	return figure(name);
}

/* --- blocks --------------------------------------------------------------------------- */

struct set {
	char *p[BLOCKS];
	size_t size[BLOCKS];
	unsigned int n;
};

/* Of all sizes, as many as have @bytes; written all over. */
static void fill(struct set *s, size_t bytes, unsigned int *seed)
{
	size_t have = 0;

	for (s->n = 0; s->n < BLOCKS && have < bytes; s->n++) {
		unsigned int r = rand_r(seed);
		size_t size = ((size_t)16 << r % 17) + rand_r(seed) % 1000;

		s->size[s->n] = size;
		s->p[s->n] = malloc(size);
		CHECK(s->p[s->n]);
		memset(s->p[s->n], (int)s->n, size);
		have += size;
	}
}

static void drop(struct set *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		free(s->p[i]);
	s->n = 0;
}

/*
 * Which nodes @n pages are on. What decay moves while it gives back the pages beside it is mapped
 * when it is next touched.
 */
static void ask(void **pages, int *nodes, unsigned int n)
{
	unsigned int missing = 1;

	for (int tries = 0; missing && tries < 100; tries++) {
		missing = 0;
		for (unsigned int k = 0; k < n; k++)
			(void)*(volatile char *)pages[k];
		CHECK(!syscall(SYS_move_pages, 0, (unsigned long)n, pages, NULL, nodes, 0));
		for (unsigned int k = 0; k < n; k++)
			missing += nodes[k] == -ENOENT;
	}
}

/* Pages of the blocks, by node. */
static size_t count(const struct set *s, size_t on[NODES])
{
	static __thread void *pages[512];
	static __thread int nodes[512];
	unsigned int n = 0;
	size_t total = 0;

	memset(on, 0, NODES * sizeof(on[0]));
	for (unsigned int i = 0; i <= s->n; i++) {
		char *at = i < s->n ? s->p[i] - (uintptr_t)s->p[i] % 4096 : NULL;
		char *end = i < s->n ? s->p[i] + s->size[i] : NULL;

		do {
			if (n == 512 || (i == s->n && n)) {
				ask(pages, nodes, n);
				for (unsigned int k = 0; k < n; k++) {
					CHECK(nodes[k] >= 0 && nodes[k] < NODES, "page %p: %d", pages[k],
					      nodes[k]);
					on[nodes[k]]++;
					total++;
				}
				n = 0;
			}
			if (i < s->n)
				pages[n++] = at;
			at += 4096;
		} while (i < s->n && at < end);
	}
	return total;
}

/* The same by /proc/self/numa_maps: of the mappings that have blocks of the set, all pages. */
static void count_mappings(const struct set *s, size_t on[NODES])
{
	char *start = NULL, line[512];
	FILE *f = fopen("/proc/self/numa_maps", "r");
	size_t in[NODES] = { 0 };
	bool more = true;

	CHECK(f, "numa_maps: %s", strerror(errno));
	memset(on, 0, NODES * sizeof(on[0]));
	/* A line says where its mapping begins, the next one where it must have ended. */
	while (more) {
		char *next, *at;
		bool ours = false;

		more = fgets(line, sizeof(line), f);
		next = more ? (char *)strtoul(line, NULL, 16) : (char *)-1;
		for (unsigned int i = 0; start && !ours && i < s->n; i++)
			ours = s->p[i] >= start && s->p[i] < next;
		for (unsigned int i = 0; i < NODES; i++) {
			on[i] += ours ? in[i] : 0;
			in[i] = 0;
		}
		start = next;
		for (at = line; more && (at = strstr(at, " N")); at += 2) {
			unsigned int node;
			size_t pages;

			if (sscanf(at, " N%u=%zu", &node, &pages) == 2 && node < NODES)
				in[node] += pages;
		}
	}
	fclose(f);
}

/* --- pinned ------------------------------------------------------------------------------ */

enum { THREADS = 16, ROUNDS = 5 };
static struct set sets[THREADS];
static int nthreads;
static pthread_barrier_t barrier;

static void *pinned_thread(void *arg)
{
	int me = (int)(intptr_t)arg;
	unsigned int node = pin(me), seed = (unsigned int)me + 1;
	size_t on[NODES], total, all = 0;

	for (int round = 0; round < ROUNDS && has_memory(node); round++) {
		fill(&sets[me], 8 * MB, &seed);
		total = count(&sets[me], on);
		CHECK(on[node] == total, "CPU %d of node %u, round %d: %zu of %zu pages are there", me, node,
		      round, on[node], total);
		all += total;
		count_mappings(&sets[me], on);
		for (unsigned int i = 0; i < NODES; i++)
			CHECK(i == node || !on[i], "CPU %d of node %u, round %d: numa_maps has %zu pages on %u",
			      me, node, round, on[i], i);
		CHECK(on[node] >= 8 * MB / 4096, "numa_maps has %zu pages", on[node]);
		pthread_barrier_wait(&barrier);
		/* Those of a thread of another node, mostly: 0 frees what n / 2 has. */
		drop(&sets[(me + nthreads / 2) % nthreads]);
		pthread_barrier_wait(&barrier);
	}
	return (void *)all;
}

static void pinned(void)
{
	pthread_t t[THREADS];
	size_t all = 0;

	nthreads = (int)sysconf(_SC_NPROCESSORS_ONLN);
	CHECK(nthreads <= THREADS);
	/* CPUs of a node without memory come last, and take no part. */
	while (nthreads && !has_memory(pin(nthreads - 1)))
		nthreads--;
	pthread_barrier_init(&barrier, NULL, (unsigned int)nthreads);
	for (int i = 0; i < nthreads; i++)
		CHECK(!pthread_create(&t[i], NULL, pinned_thread, (void *)(intptr_t)i));
	for (int i = 0; i < nthreads; i++) {
		void *pages;

		pthread_join(t[i], &pages);
		all += (size_t)pages;
	}
	printf("%d threads, %zu pages: all on the thread's node\n", nthreads, all);
}

/* --- moved ---------------------------------------------------------------------------------- */

static void *moved_thread(void *arg)
{
	unsigned int from = pin(0), to, seed = 7;
	struct set *old = &sets[0], *new = &sets[1];
	size_t on[NODES], total, before, after, none = ctl("node.%u.active", from);
	int there = cpu_elsewhere(from);

	for (int round = 0; round < 6; round++) {
		CHECK(pin(0) == from);
		fill(old, 16 * MB, &seed);
		for (unsigned int i = 0; i < old->n; i += 2) {
			free(old->p[i]);
			old->p[i] = old->p[--old->n];
			old->size[i] = old->size[old->n];
		}
		before = ctl("node.%u.active", from);
		to = pin(there);
		/* What the cache still has of large blocks is used up first, 2 MB at the most. */
		fill(new, 4 * MB, &seed);
		total = count(new, on);
		fprintf(stderr, "round %d: %zu of the first %zu pages on the new node", round, on[to], total);
		drop(new);
		fill(new, 32 * MB, &seed);
		total = count(new, on);
		fprintf(stderr, ", then %zu of %zu\n", on[to], total);
		CHECK(on[to] >= total - total / 100);
		/* Home: the other node's heap has it again. */
		drop(old);
		CHECK(!ashlar_ctl("thread.tcache.flush", NULL, NULL, NULL, 0));
		after = ctl("node.%u.active", from);
		CHECK(after < none + 2 * MB && after < before,
		      "node %u: %zu KB in use before, %zu after, %zu at the start", from, before / KB,
		      after / KB, none / KB);
		/* And a page of its new node is the new node's again. */
		drop(new);
		fill(new, 4 * MB, &seed);
		total = count(new, on);
		CHECK(on[to] == total);
		drop(new);
		/* Long enough there to be believed when it moves again. */
		for (int i = 0; i < 100; i++) {
			free(seen(malloc(3 * MB)));
			free(seen(malloc(3 * MB)));
		}
	}
	return arg;
}

static void moved(void)
{
	pthread_t t;

	CHECK(!pthread_create(&t, NULL, moved_thread, NULL));
	pthread_join(t, NULL);
}

/* --- full -------------------------------------------------------------------------------------- */

static long free_kb(unsigned int node)
{
	char path[80], line[128];
	long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		char *at = strstr(line, "MemFree:");

		if (at)
			kb = atol(at + 8);
	}
	fclose(f);
	return kb;
}

static void full(void)
{
	unsigned int node = pin(0), seed = 3;
	unsigned long mask = 1ul << node;
	size_t on[NODES], total, elsewhere;

	cpu_elsewhere(node);
	pin(0);
	CHECK(ctl("node.%u.elsewhere", node) == 0);
	/*
	 * Others fill the node, until no more of theirs comes to lie there, though the kernel has had
	 * time to make room: the module's ready extents go back then.
	 */
	for (int refused = 0; refused < 4;) {
		long before = free_kb(node);
		char *p = mmap(NULL, 8 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED);
		CHECK(!syscall(SYS_mbind, p, 8 * MB, MPOL_PREFERRED, &mask, 64ul, 0ul));
		madvise(p, 8 * MB, MADV_HUGEPAGE);
		memset(p, 1, 8 * MB);
		if (free_kb(node) <= before - 4 * 1024) {
			refused = 0;
			continue;
		}
		refused++;
		usleep(200000);
	}
	for (int i = 0; i < 4; i++)
		fill(&sets[i], 32 * MB, &seed);
	total = count(&sets[3], on);
	elsewhere = ctl("node.%u.elsewhere", node);
	printf("%zu of the last %zu pages are on the full node; elsewhere: %zu MB\n", on[node], total,
	       elsewhere / MB);
	CHECK(on[node] < total && elsewhere > 8 * MB);
}

/* --- policies -------------------------------------------------------------------------------------- */

static void policy(char **argv)
{
	int mode = atoi(argv[2]);
	unsigned long nodes = strtoul(argv[3], NULL, 0);
	char *again[] = { argv[0], "under", argv[2], argv[3], NULL };

	if (mode && syscall(SYS_set_mempolicy, mode, &nodes, 64ul))
		fail("set_mempolicy: %s", strerror(errno));
	execv("/proc/self/exe", again);
	fail("exec: %s", strerror(errno));
}

static void under_policy(int mode, unsigned long nodes)
{
	size_t on[NODES], total, within = 0;
	unsigned int seed = 5;

	pin(0);
	fill(&sets[0], 64 * MB, &seed);
	total = count(&sets[0], on);
	for (unsigned int i = 0; i < NODES; i++) {
		if (on[i])
			printf("node %u: %zu of %zu pages\n", i, on[i], total);
		within += nodes >> i & 1 ? on[i] : 0;
		if (mode == MPOL_INTERLEAVE && nodes >> i & 1)
			CHECK(on[i] > total / (size_t)__builtin_popcountl(nodes) / 2, "interleaved?");
	}
	CHECK(within == total, "%zu pages are on other nodes", total - within);
}

/* --- no memory here ------------------------------------------------------------------------------------ */

static void *memoryless_thread(void *arg)
{
	unsigned int node = pin((int)sysconf(_SC_NPROCESSORS_ONLN) - 1), seed = 9;
	size_t on[NODES], total;
	unsigned int from = 0;

	if (has_memory(node))
		skip("every node has memory");
	fill(&sets[0], 8 * MB, &seed);
	total = count(&sets[0], on);
	while (from < NODES && !on[from])
		from++;
	CHECK(on[from] == total, "%zu of %zu pages are on node %u", on[from], total, from);
	drop(&sets[0]);
	printf("CPU of node %u: all %zu pages are on node %u\n", node, total, from);
	return arg;
}

static void memoryless(void)
{
	pthread_t t;

	CHECK(!pthread_create(&t, NULL, memoryless_thread, NULL));
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	guard(240);
	CHECK(argc > 1);
	if (!strcmp(argv[1], "pinned"))
		pinned();
	else if (!strcmp(argv[1], "moved"))
		moved();
	else if (!strcmp(argv[1], "full"))
		full();
	else if (!strcmp(argv[1], "policy") && argc == 4)
		policy(argv);
	else if (!strcmp(argv[1], "under") && argc == 4)
		under_policy(atoi(argv[2]), strtoul(argv[3], NULL, 0));
	else if (!strcmp(argv[1], "memoryless"))
		memoryless();
	else
		fail("numa: what is %s?", argv[1]);
	return 0;
}
