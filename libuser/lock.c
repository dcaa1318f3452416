// SPDX-License-Identifier: MIT
#include "lock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * A few microseconds, as long as the longest section behind these locks: a batch of slots that go
 * home to slabs out of the cache. With a quarter of it, blocks freed by other threads than made
 * them cost 600 futex calls in 5 million frees; with this 50.
 */
#define SPINS	512

/*
 * Then the holder is not running, most likely, and whoever else wants a CPU goes first, it among
 * them. Who sleeps has to be woken, and so does the next one, since the word says "waited for"
 * once more: with threads that end and others that free, on two CPUs, it came to 450 to 1,500
 * futex calls in 10 million frees, and with this to 300 at most. Bounded: a real-time thread
 * yields to none below it, and one with a deadline gives up the rest of its period each time.
 */
#define YIELDS	8

void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
	errno = saved;
}

RARE void futex_wait_ms(_Atomic uint32_t *word, uint32_t value, int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &ts, NULL, 0);
	errno = saved;
}

RARE void futex_wake_all(_Atomic uint32_t *word)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	errno = saved;
}

void lock_init(struct lock *l, enum lock_rank rank)
{
	atomic_store_explicit(&l->state, 0, memory_order_relaxed);
#if ASHLAR_DEBUG
	l->rank = rank;
#else
	(void)rank;
#endif
}

/* By its number: a program's own sched_yield() might allocate. */
static void yield_cpu(void)
{
	int saved = errno;

	syscall(SYS_sched_yield);
	errno = saved;
}

/* It was held; where it is free by now, take it. */
static bool lock_retry(struct lock *l)
{
	uint32_t expected = 0;

	return !atomic_load_explicit(&l->state, memory_order_relaxed) &&
	       atomic_compare_exchange_strong_explicit(&l->state, &expected, 1,
			memory_order_seq_cst, memory_order_relaxed);
}

void lock_slow(struct lock *l)
{
	for (int i = 0; i < SPINS; i++) {
		if (lock_retry(l))
			return;
		cpu_relax();
	}
	for (int i = 0; i < YIELDS; i++) {
		yield_cpu();
		if (lock_retry(l))
			return;
	}
	while (atomic_exchange_explicit(&l->state, 2, memory_order_seq_cst))
		futex_wait(&l->state, 2);
}

void lock_wake(struct lock *l)
{
	int saved = errno;

	syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = saved;
}

#if ASHLAR_DEBUG
/* Ranks this thread holds, a bit each. */
static __thread uint32_t held __attribute__((tls_model("initial-exec")));

/* Set while this thread takes every lock there is. */
static __thread bool forking __attribute__((tls_model("initial-exec")));

/* In the child the locks are reset and not dropped: nothing is held at the end. */
void lock_check_fork(bool begins)
{
	forking = begins;
	if (!begins)
		held = 0;
}

void lock_check_take(struct lock *l)
{
	if (held >> l->rank && !forking)
		ash_fatal("lock order: taking rank %u while holding ranks 0x%x",
			  l->rank, held);
	held |= 1u << l->rank;
}

void lock_check_drop(struct lock *l)
{
	held &= ~(1u << l->rank);
}
#else
void lock_check_fork(bool begins)
{
	(void)begins;
}

void lock_check_take(struct lock *l)
{
	(void)l;
}

void lock_check_drop(struct lock *l)
{
	(void)l;
}
#endif
