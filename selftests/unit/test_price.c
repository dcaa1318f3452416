// SPDX-License-Identifier: MIT
/* What one call of malloc or free may cost in system calls and pages given back. */
#include <stdio.h>

#include "ashlar.h"
#include "fake.h"
#include "hollow.h"
#include "limit.h"

/* Since the last look, and the most of it. */
static struct price { size_t calls, ranges, bytes, copied; } dearest;
static size_t copied;

/* What stays of huge pages that are lost to holes, and all of those that are made whole again. */
static size_t pages_copied(void)
{
	struct pageheap_stats s;

	pageheap_stats(ash_pageheaps[0], &s);
	return ash_pageheaps[0]->copied + s.mended * EXTENT_PAGES;
}

static void look(struct fake *last)
{
#define SINCE(field)	(fake.field - last->field)
	struct price p = {
		.calls = SINCE(purges) + SINCE(lazy_purges) + SINCE(punches) + SINCE(mends),
		.ranges = SINCE(purged_ranges) + SINCE(lazy_ranges) + SINCE(tears),
		.bytes = SINCE(purged_bytes) + SINCE(lazy_bytes) + SINCE(punched_pages) * PAGE_SIZE,
		.copied = pages_copied() - copied,
	};

#undef SINCE
	*last = fake;
	copied += p.copied;
	dearest = (struct price){
		.calls = max(dearest.calls, p.calls), .ranges = max(dearest.ranges, p.ranges),
		.bytes = max(dearest.bytes, p.bytes), .copied = max(dearest.copied, p.copied),
	};
}

/*
 * Every malloc and every free of a program of bursts, while its clock leaps: the bounds that
 * limits.md tells of.
 */
static void bursts(const char *options, bool device)
{
	enum { BLOCKS = 4000, ROUNDS = 40 };
	static void *block[BLOCKS];
	struct fake last;

	fake_start(options);
	fake.device = device;
	fake_seed();
	dearest = (struct price){ 0 };
	copied = pages_copied();
	last = fake;
	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < BLOCKS; i++) {
			size_t size = (size_t)8 << fake_random() % 17;

			if (!block[i])
				block[i] = ashlar_malloc(size + fake_random() % size);
			cr_assert(block[i]);
			look(&last);
			fake.now += fake_random() % 3;
		}
		/* After a sleep all that was freed before is due at once. */
		fake.now += round % 4 ? 100 : 100000;
		for (unsigned int i = 0; i < BLOCKS; i++) {
			if (fake_random() % 8 == 0)
				continue;
			ashlar_free(block[i]);
			block[i] = NULL;
			look(&last);
			fake.now += fake_random() % 3;
		}
	}
	fprintf(stderr, "# %s: at most %zu calls, %zu ranges, %zu KB, %zu pages copied in one call\n",
		options, dearest.calls, dearest.ranges, dearest.bytes >> 10, dearest.copied);
	cr_assert_eq(device, dearest.copied > 0);
	cr_assert_gt(dearest.bytes, 0, "nothing was given back at all");
	/* Each batch may be one more: the first range of an extent that was told it is torn. */
	cr_assert_leq(dearest.ranges, (PURGE_BATCH + 1) * PURGE_BATCHES);
	cr_assert_leq(dearest.bytes, PURGE_BATCH * PURGE_BATCHES * EXTENT_SIZE);
	/* Less than two extents' worth of those that holes were made in, and one that was full again. */
	cr_assert_lt(dearest.copied, 3 * EXTENT_PAGES);
	/* Mending twice: an extent that was full again, and the one that is allocated. */
	cr_assert_leq(dearest.calls, PURGE_BATCHES + 2);
	cr_assert_eq(fake.wrong, 0);
}

Test(price, of_one_call)
{
	bursts("source:anon,dirty_decay_ms:6400", false);
}

Test(price, of_one_call_with_decay_0)
{
	bursts("source:anon,dirty_decay_ms:0", false);
}

Test(price, of_one_call_in_two_steps)
{
	bursts("source:anon,dirty_decay_ms:640,muzzy_decay_ms:640", false);
}

Test(price, of_one_call_on_the_device)
{
	bursts("source:auto,dirty_decay_ms:640", true);
}

/* Blocks of 32 MB come and go, while 4 s pass; twice. */
static size_t calls_of_bursts(void)
{
	enum { BLOCKS = 4000 };
	static void *block[BLOCKS];
	struct fake before = fake;

	for (int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < BLOCKS; i++) {
			block[i] = ashlar_malloc(8 * KB);
			cr_assert(block[i]);
		}
		for (unsigned int i = 0; i < BLOCKS; i++, fake.now++)
			ashlar_free(block[i]);
	}
	return fake.purges + fake.punches + fake.tears - before.purges - before.punches - before.tears;
}

static void attended(bool device)
{
	fake_start(device ? "source:auto,dirty_decay_ms:640" : "source:anon,thp:always,dirty_decay_ms:640");
	fake.device = device;
	cr_assert_gt(calls_of_bursts(), 0);
	/* A thread that is slow, or has much to do. */
	hollow_attend(1000000);
	cr_assert_eq(calls_of_bursts(), 0);
	/* An amount is no matter of time. */
	limit_set_dirty(4 * MB);
	cr_assert_gt(calls_of_bursts(), 0);
	limit_set_dirty(0);
	cr_assert_eq(calls_of_bursts(), 0);
	limit_set_soft(4 * MB);
	cr_assert_gt(calls_of_bursts(), 0);
	limit_set_soft(0);
	/* Of this heap alone memory goes back sooner than the thread looks. */
	pageheap_set_decay(ash_pageheaps[0], 320);
	cr_assert_gt(calls_of_bursts(), 0);
	pageheap_set_decay(ash_pageheaps[0], 640);
	cr_assert_eq(calls_of_bursts(), 0);
	/* It has not come back. */
	fake.now += 1000000;
	cr_assert_gt(calls_of_bursts(), 0);
	cr_assert_eq(fake.wrong, 0);
}

Test(price, of_time_is_paid_by_the_thread_that_attends)
{
	attended(false);
}

Test(price, of_time_is_paid_by_the_thread_that_attends_on_the_device)
{
	attended(true);
}
