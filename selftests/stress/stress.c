// SPDX-License-Identifier: MIT
/*
 * Seeded stress of malloc with contents checked: each block is filled with a
 * pattern made of its own address, size and a serial number, and looked at again when it
 * is resized or freed, by whichever thread gets to it.
 *
 * Usage: stress [option=value]...
 *   threads=N     worker threads at a time			[4]
 *   rounds=N      times that all workers end and new ones come	[8]
 *   ops=N         operations per worker and round		[60000]
 *   slots=N       blocks a worker keeps at most		[600]
 *   shared=N      blocks handed from thread to thread		[400]
 *   max=BYTES     largest common size				[20000]
 *   huge=N        one block in N is huge, up to 8 MB; 0: none	[2000]
 *   forks=N       children made in each round			[2]
 *   seed=N        0: from the clock				[0]
 *   verbose=1     a line a round
 *
 * What workers leave in the shared table survives them and is freed by others.
 * Sizes are log-uniform: as many from 1 to 2 as from 1 KB to 2 KB.
 *
 * By hand, unbounded:  stress threads=16 rounds=100000
 * In check:            the defaults, some seconds
 *
 * Built with -DPREFIXED it calls ashlar_malloc() and so on, for builds of the
 * library that leave libc's names alone (sanitizers).
 *
 * Exit status: 0, or 1 after a line that names seed, thread and block.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef PREFIXED
#include "ashlar.h"
#define malloc		ashlar_malloc
#define calloc		ashlar_calloc
#define realloc		ashlar_realloc
#define free		ashlar_free
#define aligned_alloc	ashlar_aligned_alloc
#define malloc_usable_size ashlar_malloc_usable_size
#else
#include <malloc.h>
#endif

struct options {
	unsigned long threads, rounds, ops, slots, shared, max, huge, forks, seed, verbose;
};

static struct options opt = {
	.threads = 4, .rounds = 8, .ops = 60000, .slots = 600, .shared = 400,
	.max = 20000, .huge = 2000, .forks = 2,
};

struct item {
	unsigned char *p;
	size_t size;
	uint64_t tag;
};

/* Handed over by exchange of the pointer: whoever gets it owns it. */
static _Atomic(struct item *) *shared;
static _Atomic uint64_t operations;

struct worker {
	pthread_t thread;
	unsigned long number;
	uint64_t random;
	struct item *items;
};

static void fail(const struct worker *w, const struct item *it, const char *what)
{
	fprintf(stderr, "stress: seed=%lu worker %lu: block %p of %zu bytes: %s\n", opt.seed,
		w->number, (void *)it->p, it->size, what);
	_exit(1);
}

/* xorshift64*: one state a thread, so that a seed means one sequence a thread. */
static uint64_t rnd(struct worker *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 0x2545f4914f6cdd1dull;
}

static size_t random_size(struct worker *w)
{
	unsigned int bits = 0;
	size_t top;

	if (opt.huge && rnd(w) % opt.huge == 0)
		return rnd(w) % (8u << 20) + 1;
	for (size_t m = opt.max; m; m /= 2)
		bits++;
	top = (size_t)1 << rnd(w) % (bits + 1);
	top = rnd(w) % top + top / 2;
	return top > opt.max ? opt.max : top ? top : 1;
}

/* The byte a block must hold at @i. */
static unsigned char pattern(const struct item *it, size_t i)
{
	return (unsigned char)((it->tag >> i % 8 * 8) + i / 8);
}

/* Huge blocks are filled and checked at both ends and once a page. */
static size_t step(const struct item *it, size_t i)
{
	return it->size < 65536 || i < 256 || i + 256 >= it->size ? 1 :
	       it->size - i < 4096 + 256 ? it->size - 256 - i : 4096;
}

static void fill(struct item *it)
{
	for (size_t i = 0; i < it->size; i += step(it, i))
		it->p[i] = pattern(it, i);
}

static void check(const struct worker *w, const struct item *it, size_t upto)
{
	size_t n = upto < it->size ? upto : it->size;

	for (size_t i = 0; i < n; i += step(it, i)) {
		if (it->p[i] != pattern(it, i))
			fail(w, it, "contents changed");
	}
}

static void check_fresh(const struct worker *w, const struct item *it, size_t align)
{
	if (!it->p)
		fail(w, it, "no memory");
	if ((uintptr_t)it->p % align)
		fail(w, it, "misaligned");
	if (malloc_usable_size(it->p) < it->size)
		fail(w, it, "usable size below what was asked for");
}

static void item_new(struct worker *w, struct item *it)
{
	size_t align = it->size > 8 ? 16 : 8;

	it->size = random_size(w);
	it->tag = rnd(w);
	switch (rnd(w) % 8) {
	case 0:
		align = (size_t)16 << rnd(w) % 10;
		it->size = (it->size + align - 1) & -align;
		it->p = aligned_alloc(align, it->size);
		break;
	case 1:
		align = 8;
		it->p = calloc(1, it->size);
		for (size_t i = 0; it->p && i < it->size; i += step(it, i)) {
			if (it->p[i])
				fail(w, it, "calloc gave a byte that is not zero");
		}
		break;
	default:
		align = it->size > 8 ? 16 : 8;
		it->p = malloc(it->size);
		break;
	}
	check_fresh(w, it, align);
	fill(it);
}

static void item_drop(struct worker *w, struct item *it)
{
	check(w, it, it->size);
	free(it->p);
	it->p = NULL;
}

static void item_resize(struct worker *w, struct item *it)
{
	size_t old = it->size, size = random_size(w), tail;

	check(w, it, old);
	it->p = realloc(it->p, size);
	it->size = size;
	check_fresh(w, it, 8);
	/* What both sizes share must be there still; huge blocks by sample. */
	if (old < 65536 && size < 65536)
		check(w, it, old);
	tail = size;
	it->size = tail;
	fill(it);
}

/* Put one of ours on the table, take what lay there. */
static void hand_over(struct worker *w, struct item *it)
{
	_Atomic(struct item *) *slot = &shared[rnd(w) % opt.shared];
	struct item *mine = malloc(sizeof(*mine)), *theirs;

	if (!mine)
		fail(w, it, "no memory for its record");
	*mine = *it;
	theirs = atomic_exchange(slot, mine);
	it->p = NULL;
	if (theirs) {
		*it = *theirs;
		check(w, it, it->size);
		free(theirs);
	}
}

static void child(struct worker *w)
{
	alarm(120);
	for (unsigned long i = 0; i < opt.slots; i++) {
		struct item *it = &w->items[i];

		if (it->p)
			item_drop(w, it);
		item_new(w, it);
	}
	_exit(0);
}

static void make_child(struct worker *w)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		child(w);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "stress: seed=%lu worker %lu: child %d ended with 0x%x (%s)\n",
			opt.seed, w->number, (int)pid, pid < 0 ? 0u : (unsigned int)status,
			strerror(errno));
		_exit(1);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	w->items = calloc(opt.slots, sizeof(*w->items));
	if (!w->items)
		abort();
	for (unsigned long i = 0; i < opt.ops; i++) {
		struct item *it = &w->items[rnd(w) % opt.slots];

		if (!it->p)
			item_new(w, it);
		else if (rnd(w) % 8 == 0)
			item_resize(w, it);
		else if (rnd(w) % 8 == 0)
			hand_over(w, it);
		else
			item_drop(w, it);
	}
	if (w->number < opt.forks)
		make_child(w);
	for (unsigned long i = 0; i < opt.slots; i++) {
		/* A tenth outlives the thread. */
		if (w->items[i].p && rnd(w) % 10 == 0)
			hand_over(w, &w->items[i]);
		if (w->items[i].p)
			item_drop(w, &w->items[i]);
	}
	free(w->items);
	atomic_fetch_add(&operations, opt.ops);
	return NULL;
}

static void round_of_workers(unsigned long round)
{
	struct worker *workers = calloc(opt.threads, sizeof(*workers));

	if (!workers)
		abort();
	for (unsigned long i = 0; i < opt.threads; i++) {
		workers[i].number = i;
		workers[i].random = (opt.seed + 1) * 0x9e3779b97f4a7c15ull ^
				    (round * opt.threads + i + 1) * 0xd1342543de82ef95ull;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
			perror("stress: pthread_create");
			exit(1);
		}
	}
	for (unsigned long i = 0; i < opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
}

static void drain_shared(void)
{
	struct worker w = { .number = ~0ul, .random = 1 };

	for (unsigned long i = 0; i < opt.shared; i++) {
		struct item *it = atomic_exchange(&shared[i], NULL);

		if (it) {
			item_drop(&w, it);
			free(it);
		}
	}
}

static void parse(char *arg)
{
	static const struct {
		const char *name;
		unsigned long *value;
	} names[] = {
		{ "threads", &opt.threads }, { "rounds", &opt.rounds }, { "ops", &opt.ops },
		{ "slots", &opt.slots }, { "shared", &opt.shared }, { "max", &opt.max },
		{ "huge", &opt.huge }, { "forks", &opt.forks }, { "seed", &opt.seed },
		{ "verbose", &opt.verbose },
	};
	char *equals = strchr(arg, '='), *end;

	for (size_t i = 0; equals && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) == (size_t)(equals - arg) &&
		    !strncmp(names[i].name, arg, (size_t)(equals - arg))) {
			*names[i].value = strtoul(equals + 1, &end, 0);
			if (!*end && end != equals + 1)
				return;
		}
	}
	fprintf(stderr, "stress: \"%s\" is not option=number; the options are:", arg);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fprintf(stderr, " %s", names[i].name);
	fputc('\n', stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		parse(argv[i]);
	if (!opt.threads || !opt.slots || !opt.shared || !opt.max) {
		fprintf(stderr, "stress: threads, slots, shared and max are at least 1\n");
		return 2;
	}
	if (!opt.seed)
		opt.seed = (unsigned long)time(NULL) ^ (unsigned long)getpid() << 20;
	printf("# seed=%lu\n", opt.seed);
	fflush(stdout);
	shared = calloc(opt.shared, sizeof(*shared));
	if (!shared)
		abort();
	for (unsigned long r = 0; r < opt.rounds; r++) {
		round_of_workers(r);
		if (opt.verbose)
			printf("# round %lu: %lu operations\n", r, (unsigned long)operations);
	}
	drain_shared();
	printf("# %lu operations\n", (unsigned long)operations);
	return 0;
}
