// SPDX-License-Identifier: MIT
/* Records of slabs: which is next, and what memory a heap that shrank keeps for them. */
#include <sys/mman.h>

#include "fake.h"
#include "meta.h"
#include "record.h"

#define GROUP_PAGES	(RECORD_GROUP * SLAB_RECORD_BYTES / PAGE_SIZE)
#define MANY		(20 * (RECORD_GROUP - 1))
#define STAY		(RECORD_SPARES + 2)	/* the first, which is used, the last, and the spares */

static struct window *w;

static void start(void)
{
	w = window_open(0, 0, GB, GB);
	cr_assert(w);
}

TestSuite(record, .init = start);

static char *record_bytes(uint32_t index)
{
	return w->slabs.base + (size_t)index * SLAB_RECORD_BYTES;
}

/* As a slab would use it. */
static uint32_t take(void)
{
	uint32_t index = record_take(w);

	cr_assert_neq(index, RECORD_NONE);
	cr_assert(record_readable(w, index));
	memset(record_bytes(index), 0x5a, SLAB_RECORD_BYTES);
	return index;
}

static unsigned int resident(void)
{
	unsigned char in[4096];
	unsigned int n = 0, pages = (unsigned int)(w->slabs.committed >> PAGE_SHIFT);

	cr_assert_leq(pages, sizeof(in));
	cr_assert_eq(mincore(w->slabs.base, w->slabs.committed, in), 0);
	for (unsigned int i = 0; i < pages; i++)
		n += in[i] & 1;
	return n;
}

Test(record, all_are_different_and_lie_close)
{
	for (uint32_t i = 0; i < MANY; i++) {
		/* One place of each group is its own. */
		cr_assert_eq(take(), i + i / (RECORD_GROUP - 1) + 1);
	}
	cr_assert_eq(w->ngroups, 20);
}

Test(record, the_lowest_is_next)
{
	uint32_t at[MANY];

	for (unsigned int i = 0; i < MANY; i++)
		at[i] = take();
	for (unsigned int i = 0; i < MANY; i += 3)
		record_put(w, at[MANY - 1 - i]);
	for (unsigned int i = 0, last = 0; i < MANY / 3; i++) {
		uint32_t index = take();

		/* The last group comes last of all. */
		cr_assert_gt(index, last);
		last = index;
	}
	cr_assert_eq(w->nroom, 0);
}

Test(record, a_heap_that_shrank_gives_them_back)
{
	uint32_t at[MANY];
	size_t before, most;

	at[0] = take();
	before = meta_bytes();
	for (unsigned int i = 1; i < MANY; i++)
		at[i] = take();
	most = meta_bytes();
	cr_assert_eq(resident(), 20 * GROUP_PAGES);
	for (unsigned int i = 1; i < MANY; i++)
		record_put(w, at[i]);
	/* Of the others at most a group's own place was looked at. */
	cr_assert_leq(resident(), STAY * GROUP_PAGES + 20 - STAY);
	cr_assert_eq(most - meta_bytes(), (20 - STAY) * GROUP_PAGES * PAGE_SIZE);
	/* They come again, and their memory counts again. */
	for (unsigned int i = 1; i < MANY; i++)
		take();
	cr_assert_eq(meta_bytes(), most);
	cr_assert_geq(most, before);
	cr_assert_eq(w->ngroups, 20);
}

Test(record, a_group_that_empties_and_fills_stays)
{
	uint32_t at[3 * RECORD_GROUP];
	size_t before;

	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++)
		at[i] = take();
	/* The second group empties and begins again, many times; the first is full. */
	for (unsigned int i = RECORD_GROUP - 1; i < 2 * (RECORD_GROUP - 1); i++)
		record_put(w, at[i]);
	before = meta_bytes();
	for (unsigned int i = 0; i < 100; i++) {
		uint32_t index = take();

		cr_assert_eq(index / RECORD_GROUP, 1);
		record_put(w, index);
		cr_assert_eq(meta_bytes(), before);
		cr_assert_eq(w->spare[0], 2);
	}
}

/* Those that the next records come from. */
Test(record, the_lowest_groups_are_spares)
{
	uint32_t at[MANY];
	bool spare[20] = { false };

	for (unsigned int i = 0; i < MANY; i++)
		at[i] = take();
	for (unsigned int i = 0; i < MANY; i++)
		record_put(w, at[MANY - 1 - i]);
	for (unsigned int i = 0; i < RECORD_SPARES; i++) {
		cr_assert(w->spare[i] && w->spare[i] <= RECORD_SPARES);
		spare[w->spare[i]] = true;
	}
	for (unsigned int g = 1; g <= RECORD_SPARES; g++)
		cr_assert(spare[g]);
}

/* Against a model: a bit for each record. */
Test(record, random_use)
{
	enum { MOST = 4000 };
	static uint32_t live[MOST];
	static uint8_t used[2 * MOST];
	unsigned int n = 0;

	fake_seed();
	for (unsigned int round = 0; round < 200000; round++) {
		/* Waves: mostly takes, then mostly puts. */
		bool takes = fake_random() % 100 < (round / 5000 % 2 ? 30 : 70);

		if (takes && n < MOST) {
			uint32_t index = take();

			cr_assert(index % RECORD_GROUP && index < 2 * MOST && !used[index]);
			used[index] = 1;
			live[n++] = index;
		} else if (!takes && n) {
			unsigned int k = (unsigned int)(fake_random() % n);

			used[live[k]] = 0;
			cr_assert_eq(record_bytes(live[k])[SLAB_RECORD_BYTES - 1], 0x5a);
			record_put(w, live[k]);
			live[k] = live[--n];
		}
	}
	for (unsigned int i = 0; i < n; i++)
		cr_assert_eq(record_bytes(live[i])[0], 0x5a);
	while (n)
		record_put(w, live[--n]);
	cr_assert_leq(resident(), (RECORD_SPARES + 1) * GROUP_PAGES + w->ngroups);
}
