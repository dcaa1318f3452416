// SPDX-License-Identifier: MIT
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "lock.h"

static struct lock lock = LOCK_INIT(RANK_META);
static unsigned long counter;

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200000; i++) {
		lock_take(&lock);
		counter++;
		lock_drop(&lock);
	}
	return NULL;
}

Test(lock, excludes)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		cr_assert(!pthread_create(&t[i], NULL, count, NULL));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	cr_assert_eq(counter, 800000);
	cr_assert(!lock_held(&lock));
}

static void *take_and_drop(void *arg)
{
	lock_take(arg);
	lock_drop(arg);
	return NULL;
}

Test(lock, waits_and_is_woken, .timeout = 30)
{
	pthread_t t;

	lock_take(&lock);
	cr_assert(!pthread_create(&t, NULL, take_and_drop, &lock));
	/* Until the other thread says that it sleeps. */
	while (atomic_load(&lock.state) != 2)
		cpu_relax();
	lock_drop(&lock);
	pthread_join(t, NULL);
}

Test(lock, try)
{
	cr_assert(lock_try(&lock));
	cr_assert(lock_held(&lock));
	cr_assert(!lock_try(&lock));
	lock_drop(&lock);
	cr_assert(!lock_held(&lock));
}

Test(lock, errno_is_kept)
{
	_Atomic uint32_t word = 1;

	errno = 55;
	futex_wait(&word, 0);
	futex_wait_ms(&word, 1, 1);
	futex_wake_all(&word);
	lock_wake(&lock);
	cr_assert_eq(errno, 55);
}

Test(lock, order_is_checked, .signal = SIGABRT)
{
	struct lock source = LOCK_INIT(RANK_SOURCE), bin = LOCK_INIT(RANK_BIN);

	lock_take(&source);
	lock_take(&bin);
}

Test(lock, equal_ranks_are_checked, .signal = SIGABRT)
{
	struct lock a = LOCK_INIT(RANK_BIN), b = LOCK_INIT(RANK_BIN);

	lock_take(&a);
	lock_take(&b);
}

Test(lock, rising_ranks_pass)
{
	struct lock a = LOCK_INIT(RANK_BIN), b = LOCK_INIT(RANK_PAGEHEAP), c = LOCK_INIT(RANK_META);

	lock_take(&a);
	lock_take(&b);
	lock_take(&c);
	lock_drop(&b);
	lock_drop(&a);
	lock_drop(&c);
	lock_take(&a);
	lock_drop(&a);
}
