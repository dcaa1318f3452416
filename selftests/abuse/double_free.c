// SPDX-License-Identifier: MIT
/*
 * The same block freed twice: at once, or with others in between, in which case it is
 * found when the block goes home from the caches; ashlar_purge() empties them.
 */
#include <pthread.h>

#include "crime.h"

#define TWICE	"free: .*0x[0-9a-f]+.*(was freed twice|freed twice, or inside one)"

static void twice(size_t size)
{
	void *p = hide(ashlar_malloc(size));

	ashlar_free(p);
	ashlar_free(hide(p));
}

/* The cache takes both; it goes to the arena when the thread ends. */
static void *twice_with_others_between(void *arg)
{
	void *p[10];

	for (int i = 0; i < 10; i++)
		p[i] = hide(ashlar_malloc(*(size_t *)arg));
	for (int i = 0; i < 10; i++)
		ashlar_free(p[i]);
	ashlar_free(hide(p[4]));
	return NULL;
}

static void in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	cr_assert(!pthread_create(&t, NULL, fn, arg));
	pthread_join(t, NULL);
}

static void later(size_t size)
{
	in_thread(twice_with_others_between, &size);
	ashlar_purge();
}

static void small_at_once(void) { twice(100); }
Test(double_free, small_at_once) { expect_abort(small_at_once, TWICE); }

static void least_at_once(void) { twice(0); }
Test(double_free, least_at_once) { expect_abort(least_at_once, TWICE); }

static void last_small_at_once(void) { twice(14336); }
Test(double_free, last_small_at_once) { expect_abort(last_small_at_once, TWICE); }

static void large_at_once(void) { twice(100 * KB); }
Test(double_free, large_at_once) { expect_abort(large_at_once, TWICE); }

static void huge_at_once(void) { twice(9 * MB); }
Test(double_free, huge_at_once) { expect_abort(huge_at_once, TWICE); }

static void small_later(void) { later(100); }
Test(double_free, small_later) { expect_abort(small_later, TWICE); }

static void last_small_later(void) { later(14000); }
Test(double_free, last_small_later) { expect_abort(last_small_later, TWICE); }

static void large_later(void) { later(20 * KB); }
Test(double_free, large_later) { expect_abort(large_later, TWICE); }

static void huge_later(void) { later(3 * MB); }
Test(double_free, huge_later) { expect_abort(huge_later, TWICE); }

/* A thread frees what another has freed already; both end. */
static void *free_it(void *p)
{
	ashlar_free(hide(p));
	return NULL;
}

static void across(size_t size)
{
	void *p = hide(ashlar_malloc(size));

	in_thread(free_it, p);
	in_thread(free_it, p);
	ashlar_purge();
}

static void small_across_threads(void) { across(100); }
Test(double_free, small_across_threads) { expect_abort(small_across_threads, TWICE); }

static void large_across_threads(void) { across(50 * KB); }
Test(double_free, large_across_threads) { expect_abort(large_across_threads, TWICE); }

static void *free_it_twice(void *p)
{
	ashlar_free(p);
	ashlar_free(hide(p));
	return NULL;
}

/* Of a small block the first free sends it home. */
static void twice_in_another(size_t size)
{
	in_thread(free_it_twice, hide(ashlar_malloc(size)));
}

static void small_twice_in_another_thread(void) { twice_in_another(100); }
Test(double_free, small_twice_in_another_thread) { expect_abort(small_twice_in_another_thread, TWICE); }

static void medium_twice_in_another_thread(void) { twice_in_another(1000); }
Test(double_free, medium_twice_in_another_thread) { expect_abort(medium_twice_in_another_thread, TWICE); }

/* So many frees in between that the stack was flushed to the arena. */
static void *twice_far_apart(void *arg)
{
	enum { N = 20000 };
	static void *p[N];

	for (int i = 0; i < N; i++)
		p[i] = hide(ashlar_malloc(64));
	for (int i = 0; i < N; i++)
		ashlar_free(p[i]);
	for (int i = 0; i < N; i += 2)
		ashlar_free(hide(p[i]));
	return arg;
}

static void far_apart(void) { in_thread(twice_far_apart, NULL); }
Test(double_free, far_apart) { expect_abort(far_apart, TWICE); }

/* A row of neighbours, one of which went home long ago. */
static void *twice_in_a_row(void *arg)
{
	enum { N = 2000 };
	static void *p[N];

	for (int i = 0; i < N; i++)
		p[i] = hide(ashlar_malloc(64));
	ashlar_free(p[600]);
	ashlar_purge();
	for (int i = 500; i < 700; i++)
		ashlar_free(hide(p[i]));
	ashlar_purge();
	return arg;
}

static void in_a_row(void) { in_thread(twice_in_a_row, NULL); }
Test(double_free, in_a_row) { expect_abort(in_a_row, TWICE); }

static void sized(void)
{
	void *p = hide(ashlar_malloc(48));

	ashlar_free_sized(p, 48);
	ashlar_free_sized(hide(p), 48);
}
Test(double_free, sized) { expect_abort(sized, TWICE); }

/* Without caches every second free is found at once; `run` sets tcache:false. */
static void small_inside(void) { ashlar_free((char *)hide(ashlar_malloc(100)) + 16); }
static void with_others_between(void)
{
	size_t size = 100;

	twice_with_others_between(&size);
}
Test(uncached, small) { expect_abort(with_others_between, TWICE); }
Test(uncached, large) { expect_abort(large_at_once, TWICE); }
Test(uncached, huge) { expect_abort(huge_later, TWICE); }
Test(uncached, small_inside)
{
	expect_abort(small_inside, "free: 0x[0-9a-f]+ points inside a block");
}

/* What is no crime: the same address again, from malloc in between. */
static void reused(void)
{
	void *p = hide(ashlar_malloc(100)), *q;

	ashlar_free(p);
	q = hide(ashlar_malloc(100));
	ashlar_free(q);
	ashlar_free(NULL);
	ashlar_free(NULL);
}
Test(double_free, no_crime) { expect_nothing(reused); }
