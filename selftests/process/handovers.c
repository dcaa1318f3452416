// SPDX-License-Identifier: MIT
/*
 * Ten million blocks that die in another thread than the one that made them. Every pair
 * keeps a set of live blocks: the maker replaces one at random and hands the old one over
 * a ring without locks, so that whatever waits for a futex is the library.
 *
 *	both	the taker allocates too, and keeps blocks of its own
 *	only	the taker does nothing but free
 *	ended	makers hand over in turns: each ends, and others free what it made
 *	blocked	makers stop for ever with all their blocks made, others free them
 *
 * Afterwards, at most 1.5 times what lives may be resident, and 2 MB for each thread.
 *
 * Usage: handovers both|only|ended|blocked [HANDOVERS]
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "check.h"

enum { PAIRS = 4, LIVE = 20000, RING = 1024, TURN = 50000 };

struct pair {
	_Atomic size_t head, tail;	/* made, taken */
	void *ring[RING];
	void *live[LIVE];
	size_t bytes[LIVE], total;	/* of live[], and their sum; the maker's */
	size_t left;			/* handovers to come */
	unsigned int seed;
	_Atomic int done;
};

static struct pair pairs[PAIRS];
static bool taker_allocates;
static long before_kb;

static unsigned int next(unsigned int *seed)
{
	return (*seed = *seed * 1664525 + 1013904223) >> 8;
}

static void put(struct pair *p, void *block)
{
	size_t head = atomic_load_explicit(&p->head, memory_order_relaxed);

	while (head - atomic_load_explicit(&p->tail, memory_order_acquire) == RING)
		sched_yield();
	p->ring[head % RING] = block;
	atomic_store_explicit(&p->head, head + 1, memory_order_release);
}

static void make(struct pair *p, unsigned int i)
{
	p->bytes[i] = 16 + next(&p->seed) % 497;
	p->live[i] = malloc(p->bytes[i]);
	CHECK(p->live[i], "no memory");
	memset(p->live[i], (int)i, p->bytes[i]);
	p->total += p->bytes[i];
}

/* @n blocks of the set are replaced. */
static void turn(struct pair *p, size_t n)
{
	while (n--) {
		unsigned int i = next(&p->seed) % LIVE;

		CHECK(*(unsigned char *)p->live[i] == (unsigned char)i, "a block lost its contents");
		p->total -= p->bytes[i];
		put(p, p->live[i]);
		make(p, i);
	}
}

static void *maker(void *arg)
{
	struct pair *p = arg;

	turn(p, p->left);
	atomic_store(&p->done, 1);
	return NULL;
}

static void *one_turn(void *arg)
{
	turn(arg, TURN);
	return NULL;
}

/* A thread for each turn: owners are gone when their blocks are freed. */
static _Atomic unsigned int joins;

static void *succession(void *arg)
{
	struct pair *p = arg;
	pthread_t t;

	for (; p->left >= TURN; p->left -= TURN) {
		CHECK(!pthread_create(&t, NULL, one_turn, p));
		pthread_join(t, NULL);
		joins++;
	}
	atomic_store(&p->done, 1);
	return NULL;
}

static void *taker(void *arg)
{
	static __thread void *own[64];
	struct pair *p = arg;
	size_t tail = 0;

	for (;;) {
		int done = atomic_load(&p->done);

		if (tail == atomic_load_explicit(&p->head, memory_order_acquire)) {
			if (done)
				break;
			sched_yield();
			continue;
		}
		free(p->ring[tail % RING]);
		if (taker_allocates) {
			free(own[tail % 64]);
			own[tail % 64] = malloc(16 + tail % 497);
		}
		atomic_store_explicit(&p->tail, ++tail, memory_order_release);
	}
	for (int i = 0; i < 64; i++)
		free(own[i]);
	return NULL;
}

static void bounded(const char *when, unsigned int threads)
{
	size_t live = 0, bound;
	long kb = proc_kb("/proc/self/smaps_rollup", "Rss") - before_kb;

	for (int i = 0; i < PAIRS; i++)
		live += pairs[i].total;
	bound = live * 3 / 2 + threads * 2 * MB;
	printf("%s: %zu KB live, %ld KB resident, bound %zu KB\n", when, live / KB, kb, bound / KB);
	CHECK(kb >= 0 && (size_t)kb <= bound / KB, "%ld KB resident, %zu KB live", kb, live / KB);
}

static void run_pairs(void *(*make_thread)(void *), size_t handovers)
{
	pthread_t makers[PAIRS], takers[PAIRS];

	for (int i = 0; i < PAIRS; i++) {
		pairs[i].left = handovers / PAIRS;
		CHECK(!pthread_create(&makers[i], NULL, make_thread, &pairs[i]));
		CHECK(!pthread_create(&takers[i], NULL, taker, &pairs[i]));
	}
	for (int i = 0; i < PAIRS; i++) {
		pthread_join(makers[i], NULL);
		pthread_join(takers[i], NULL);
	}
	/* Each may be a futex call of the program's own. */
	printf("%u threads took turns\n", joins);
	bounded("after the last one", 2 * PAIRS);
}

/* --- owners that block ---------------------------------------------------------------- */

enum { BLOCKED = 8 };

static void **made[BLOCKED];
static size_t each;
static _Atomic int ready;

static void *make_and_block(void *arg)
{
	size_t k = (size_t)arg;
	unsigned int seed = (unsigned int)k + 1;

	made[k] = malloc(each * sizeof(void *));
	CHECK(made[k], "no memory");
	for (size_t i = 0; i < each; i++) {
		size_t n = 16 + next(&seed) % 497;

		made[k][i] = malloc(n);
		memset(made[k][i], 1, n);
	}
	atomic_fetch_add(&ready, 1);
	for (;;)
		pause();
}

/* Each round replaces all blocks whose owners never run again: what those threads held must serve. */
static void run_blocked(size_t handovers)
{
	unsigned int seed = 7;
	pthread_t t;

	each = 50000;
	for (size_t k = 0; k < BLOCKED; k++)
		CHECK(!pthread_create(&t, NULL, make_and_block, (void *)k));
	while (atomic_load(&ready) < BLOCKED)
		sched_yield();
	for (size_t k = 0; k < BLOCKED; k++)
		pairs[0].total += each * sizeof(void *);
	for (size_t n = 0; n < handovers; n++) {
		void **p = &made[n % BLOCKED][next(&seed) % each];
		size_t size = 16 + next(&seed) % 497;

		free(*p);
		*p = malloc(size);
		memset(*p, 1, size);
	}
	for (size_t k = 0; k < BLOCKED; k++) {
		for (size_t i = 0; i < each; i++)
			pairs[0].total += malloc_usable_size(made[k][i]);
	}
	bounded("owners blocked", BLOCKED + 1);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "both";
	size_t handovers = argc > 2 ? strtoull(argv[2], NULL, 0) : 10000000;

	guard(900);
	setvbuf(stdout, NULL, _IONBF, 0);
	memset(pairs, 0, sizeof(pairs));
	before_kb = proc_kb("/proc/self/smaps_rollup", "Rss");
	if (!strcmp(how, "blocked")) {
		run_blocked(handovers);
		return 0;
	}
	for (int i = 0; i < PAIRS; i++) {
		pairs[i].seed = (unsigned int)i + 1;
		for (unsigned int k = 0; k < LIVE; k++)
			make(&pairs[i], k);
	}
	taker_allocates = !strcmp(how, "both");
	run_pairs(!strcmp(how, "ended") ? succession : maker, handovers);
	return 0;
}
