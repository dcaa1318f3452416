// SPDX-License-Identifier: MIT
/*
 * The page heap: single promises, then random operations on both sources, with commits and
 * purges that fail, against a model that knows what each page must hold.
 */
#include "fake.h"

static struct pageheap *heap;

static void start_with(const char *options)
{
	fake_start(options);
	heap = ash_pageheaps[0];
	cr_assert(pageheap_ready(heap));
}

static void start(void)
{
	start_with("source:anon,dirty_decay_ms:-1");
}

TestSuite(pageheap, .init = start);

static struct pageheap_stats stats(void)
{
	struct pageheap_stats s;

	pageheap_stats(heap, &s);
	return s;
}

static size_t purge_everything(void)
{
	return purge_heap(heap, fake.now, PURGE_ALL);
}

Test(pageheap, freed_pages_are_dirty_and_used_again)
{
	bool zeroed;
	char *p = pageheap_alloc(heap, 10, 1, &zeroed), *q;

	cr_assert(p && zeroed);
	cr_assert(stats().active == 10 && stats().dirty == 0);
	memset(p, 1, 10 * PAGE_SIZE);
	pageheap_free(p, 10);
	cr_assert(stats().active == 0 && stats().dirty == 10);
	q = pageheap_alloc(heap, 10, 1, &zeroed);
	cr_assert_eq(q, p);
	cr_assert(!zeroed, "dirty pages do not read as zero");
	cr_assert(pageheap_consistent(heap));
}

Test(pageheap, tightest_extent_first)
{
	/* Two extents in use, with 100 and 50 pages free: 40 pages go where 50 are. */
	char *a = pageheap_alloc(heap, 412, 1, NULL), *b = pageheap_alloc(heap, 462, 1, NULL), *p;

	p = pageheap_alloc(heap, 40, 1, NULL);
	cr_assert(p > b && p < b + EXTENT_SIZE, "not in the tighter extent");
	p = pageheap_alloc(heap, 60, 1, NULL);
	cr_assert(p > a && p < a + EXTENT_SIZE);
	cr_assert(pageheap_consistent(heap));
}

Test(pageheap, alignment_in_an_extent)
{
	for (unsigned int align = 1; align <= EXTENT_PAGES; align *= 2) {
		for (unsigned int n = 1; n <= EXTENT_PAGES; n = n * 3 - n / 2) {
			char *p = pageheap_alloc(heap, n, align, NULL);

			cr_assert(p, "%u pages at %u", n, align);
			cr_assert_eq((uintptr_t)p % (align * PAGE_SIZE), 0, "%u pages at %u", n, align);
			cr_assert_eq((uintptr_t)p / EXTENT_SIZE,
				     ((uintptr_t)p + n * PAGE_SIZE - 1) / EXTENT_SIZE);
		}
	}
	cr_assert(pageheap_consistent(heap));
}

Test(pageheap, alignment_of_huge_blocks)
{
	for (size_t align = EXTENT_SIZE; align <= GB; align *= 2) {
		char *p = pageheap_alloc_huge(heap, 700, align, NULL);

		cr_assert(p && (uintptr_t)p % align == 0, "%zu: %p", align, (void *)p);
		memset(p, 1, 700 * PAGE_SIZE);
	}
	cr_assert(!pageheap_alloc_huge(heap, 700, PAGEHEAP_ALIGN_MAX * 2, NULL));
	cr_assert(pageheap_consistent(heap));
}

Test(pageheap, rest_of_a_huge_block_serves_others)
{
	char *h = pageheap_alloc_huge(heap, EXTENT_PAGES + 100, EXTENT_SIZE, NULL);
	char *p = pageheap_alloc(heap, 300, 1, NULL);

	cr_assert(p >= h + (EXTENT_PAGES + 100) * PAGE_SIZE && p < h + 2 * EXTENT_SIZE);
	pageheap_free(h, EXTENT_PAGES + 100);
	cr_assert(stats().active == 300 && stats().dirty == EXTENT_PAGES + 100);
	cr_assert(pageheap_consistent(heap));
}

Test(pageheap, purged_pages_read_as_zero)
{
	char *keep = pageheap_alloc(heap, 1, 1, NULL), *p = pageheap_alloc(heap, 200, 1, NULL);
	bool zeroed;

	memset(p, 0xaa, 200 * PAGE_SIZE);
	*keep = 'k';
	pageheap_free(p, 200);
	cr_assert_eq(purge_everything(), 200);
	cr_assert_eq(stats().dirty, 0);
	cr_assert_eq(pageheap_alloc(heap, 200, 1, &zeroed), p);
	cr_assert(zeroed);
	for (size_t i = 0; i < 200 * PAGE_SIZE; i++)
		cr_assert_eq(p[i], 0);
	cr_assert_eq(*keep, 'k');
}

Test(pageheap, whole_extents_are_retained)
{
	char *p = pageheap_alloc_huge(heap, 4 * EXTENT_PAGES, EXTENT_SIZE, NULL);
	bool zeroed;

	cr_assert_eq(stats().extents, 4);
	memset(p, 1, 4 * EXTENT_SIZE);
	pageheap_free(p, 4 * EXTENT_PAGES);
	purge_everything();
	cr_assert(stats().extents == 0 && stats().retained == 4 && stats().dirty == 0);
	cr_assert_eq(pageheap_alloc_huge(heap, 4 * EXTENT_PAGES, EXTENT_SIZE, &zeroed), p);
	cr_assert(zeroed && stats().extents == 4 && stats().retained == 0);
	cr_assert(pageheap_consistent(heap));
}

Test(pageheap, purge_that_fails_changes_nothing)
{
	char *p = pageheap_alloc(heap, 30, 1, NULL);
	bool zeroed;

	memset(p, 1, 30 * PAGE_SIZE);
	pageheap_free(p, 30);
	fake.purge_fails = true;
	cr_assert_eq(purge_everything(), 0);
	cr_assert(stats().dirty == 30 && pageheap_consistent(heap));
	cr_assert_eq(pageheap_alloc(heap, 30, 1, &zeroed), p);
	cr_assert(!zeroed);
}

Test(pageheap, extend_in_place)
{
	char *p = pageheap_alloc(heap, 10, 1, NULL), *q;
	bool zeroed;

	cr_assert(pageheap_extend(p, 10, 20, &zeroed) && zeroed);
	memset(p, 1, 30 * PAGE_SIZE);
	q = pageheap_alloc(heap, 5, 1, NULL);
	cr_assert_eq(q, p + 30 * PAGE_SIZE);
	cr_assert(!pageheap_extend(p, 30, 1, &zeroed), "there is a block behind");
	memset(q, 1, 5 * PAGE_SIZE);
	pageheap_free(q, 5);
	cr_assert(pageheap_extend(p, 30, 6, &zeroed) && !zeroed);
	cr_assert(stats().active == 36 && pageheap_consistent(heap));
}

Test(pageheap, extend_over_the_end_of_what_has_memory)
{
	char *p = pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL);
	bool zeroed;

	cr_assert(pageheap_extend(p, EXTENT_PAGES, 5 * EXTENT_PAGES + 7, &zeroed) && zeroed);
	memset(p, 1, 6 * EXTENT_SIZE + 7 * PAGE_SIZE);
	cr_assert(stats().extents == 7 && pageheap_consistent(heap));
	pageheap_free(p, 6 * EXTENT_PAGES + 7);
	cr_assert(stats().active == 0 && pageheap_consistent(heap));
}

Test(pageheap, no_memory_and_then_some)
{
	fake.anon_left = 3;
	cr_assert(pageheap_alloc_huge(heap, 2 * EXTENT_PAGES, EXTENT_SIZE, NULL));
	cr_assert(!pageheap_alloc_huge(heap, 2 * EXTENT_PAGES, EXTENT_SIZE, NULL));
	cr_assert(pageheap_consistent(heap));
	/* The one extent that was left is not lost by the failure. */
	cr_assert(pageheap_alloc_huge(heap, EXTENT_PAGES, EXTENT_SIZE, NULL));
	cr_assert(!pageheap_alloc(heap, 1, 1, NULL));
	cr_assert(pageheap_consistent(heap));
	fake.anon_left = SIZE_MAX;
	cr_assert(pageheap_alloc(heap, 1, 1, NULL));
	cr_assert_eq(fake.wrong, 0);
}

Test(pageheap, no_memory_for_maps)
{
	cr_assert(pageheap_alloc(heap, EXTENT_PAGES, 1, NULL));
	fake.os_fails = true;
	cr_assert(!pageheap_alloc_huge(heap, 4096 * EXTENT_PAGES, EXTENT_SIZE, NULL));
	fake.os_fails = false;
	cr_assert(pageheap_consistent(heap));
	cr_assert(pageheap_alloc(heap, EXTENT_PAGES, 1, NULL));
}

Test(pageheap, impossible_sizes)
{
	cr_assert(!pageheap_alloc_huge(heap, SIZE_MAX >> PAGE_SHIFT, EXTENT_SIZE, NULL));
	cr_assert(!pageheap_alloc_huge(heap, ((size_t)1 << 46) >> PAGE_SHIFT, EXTENT_SIZE, NULL));
	cr_assert(pageheap_consistent(heap));
}

/* --- both sources -------------------------------------------------------------------- */

static void start_device(void)
{
	fake.device = true;
	start_with("source:auto,dirty_decay_ms:-1");
}

TestSuite(pageheap_device, .init = start_device);

Test(pageheap_device, small_start_then_device)
{
	cr_assert(pageheap_alloc(heap, 1, 1, NULL));
	cr_assert(stats().extents == 1 && stats().device == 0, "the first 2 MB are ordinary memory");
	cr_assert(pageheap_alloc(heap, EXTENT_PAGES, 1, NULL));
	cr_assert(stats().extents == 2 && stats().device == 1);
	cr_assert_eq(fake.wrong, 0);
}

Test(pageheap_device, first_block_is_huge)
{
	cr_assert(pageheap_alloc_huge(heap, 10 * EXTENT_PAGES, EXTENT_SIZE, NULL));
	cr_assert(stats().extents == 10 && stats().device == 9);
	cr_assert(pageheap_consistent(heap));
}

Test(pageheap_device, falls_back_in_the_middle)
{
	char *p;

	fake.device_left = 3;
	p = pageheap_alloc_huge(heap, 10 * EXTENT_PAGES, EXTENT_SIZE, NULL);
	cr_assert(p);
	memset(p, 1, 10 * EXTENT_SIZE);
	cr_assert(stats().extents == 10 && stats().device == 3 && stats().fallbacks == 6);
	pageheap_free(p, 10 * EXTENT_PAGES);
	purge_everything();
	cr_assert(stats().extents == 0 && stats().retained == 10 && stats().device == 0);
	cr_assert(pageheap_consistent(heap));
	/* Again: what the device gave was given back. */
	cr_assert_eq(fake.device_left, 3);
	p = pageheap_alloc_huge(heap, 10 * EXTENT_PAGES, EXTENT_SIZE, NULL);
	cr_assert(p);
	memset(p, 1, 10 * EXTENT_SIZE);
	cr_assert(pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

Test(pageheap_device, purged_extents_are_committed_before_use)
{
	char *p;
	bool zeroed;

	cr_assert(pageheap_alloc(heap, EXTENT_PAGES, 1, NULL));
	p = pageheap_alloc(heap, EXTENT_PAGES, 1, NULL);
	memset(p, 1, EXTENT_SIZE);
	pageheap_free(p, EXTENT_PAGES);
	cr_assert_eq(purge_everything(), EXTENT_PAGES);
	cr_assert_eq(stats().device, 0);
	cr_assert_eq(pageheap_alloc(heap, 5, 1, &zeroed), p);
	cr_assert(zeroed && stats().device == 1);
	for (size_t i = 0; i < 5 * PAGE_SIZE; i++)
		cr_assert_eq(p[i], 0);
	cr_assert_eq(fake.wrong, 0);
}

Test(pageheap_device, few_pages_in_used_extents_stay)
{
	char *a, *b;

	cr_assert(pageheap_alloc(heap, EXTENT_PAGES, 1, NULL));
	a = pageheap_alloc(heap, 10, 1, NULL);
	b = pageheap_alloc(heap, EXTENT_PAGES - 10, 1, NULL);
	memset(a, 1, 10 * PAGE_SIZE);
	*b = 1;
	pageheap_free(a, 10);
	/* Not worth a huge page (test_punch.c): these pages wait for the others. */
	cr_assert_eq(purge_everything(), 0);
	cr_assert_eq(stats().dirty, 10);
	pageheap_free(b, EXTENT_PAGES - 10);
	purge_everything();
	cr_assert(stats().dirty == 0 && stats().device == 0);
	cr_assert(pageheap_consistent(heap));
	cr_assert_eq(fake.wrong, 0);
}

/* --- against a model ------------------------------------------------------------------- */

enum { SPANS = 120 };

/* Every page of a span begins with its tag, so that two spans cannot share one unseen. */
static struct model {
	char *p;
	size_t pages;
	uint64_t tag;
} spans[SPANS];

static void write_tags(struct model *m, size_t from)
{
	for (size_t i = from; i < m->pages; i++)
		*(uint64_t *)(m->p + i * PAGE_SIZE) = m->tag + i;
}

static void check_tags(const struct model *m)
{
	for (size_t i = 0; i < m->pages; i++)
		cr_assert_eq(*(uint64_t *)(m->p + i * PAGE_SIZE), m->tag + i, "page %zu of %zu at %p",
			     i, m->pages, (void *)m->p);
}

static void check_zero(const char *p, size_t pages)
{
	for (size_t i = 0; i < pages * PAGE_SIZE; i += 8)
		cr_assert_eq(*(const uint64_t *)(p + i), 0, "not zero at page %zu of %zu", i >> PAGE_SHIFT,
			     pages);
}

static void model_new(struct model *m)
{
	bool zeroed, huge = fake_random() % 10 == 0;
	size_t align;

	m->tag = fake_random();
	if (huge) {
		m->pages = fake_random() % (4 * EXTENT_PAGES) + 1;
		align = EXTENT_SIZE << fake_random() % 3;
		m->p = pageheap_alloc_huge(heap, m->pages, align, &zeroed);
	} else {
		m->pages = fake_random() % (fake_random() % 8 ? 30 : EXTENT_PAGES) + 1;
		align = PAGE_SIZE << (fake_random() % 4 ? 0 : fake_random() % 10);
		m->p = pageheap_alloc(heap, (unsigned int)m->pages, (unsigned int)(align >> PAGE_SHIFT),
				      &zeroed);
	}
	if (!m->p)
		return;
	cr_assert_eq((uintptr_t)m->p % align, 0);
	if (zeroed)
		check_zero(m->p, m->pages);
	/* Its edges overlap nobody. */
	for (int i = 0; i < SPANS; i++) {
		if (&spans[i] != m && spans[i].p)
			cr_assert(m->p + m->pages * PAGE_SIZE <= spans[i].p ||
				  spans[i].p + spans[i].pages * PAGE_SIZE <= m->p);
	}
	write_tags(m, 0);
}

static void model_resize(struct model *m)
{
	size_t off = (uintptr_t)m->p % EXTENT_SIZE >> PAGE_SHIFT, more, less;
	bool zeroed;

	if (fake_random() % 2) {
		more = fake_random() % 50 + 1;
		if (off && off + m->pages + more > EXTENT_PAGES)
			return;
		if (pageheap_extend(m->p, m->pages, more, &zeroed)) {
			if (zeroed)
				check_zero(m->p + m->pages * PAGE_SIZE, more);
			m->pages += more;
			write_tags(m, m->pages - more);
		}
	} else if (m->pages > 1) {
		less = fake_random() % (m->pages - 1) + 1;
		m->pages -= less;
		pageheap_free(m->p + m->pages * PAGE_SIZE, less);
	}
}

static void model_run(unsigned int ops)
{
	size_t used;

	fake_seed();
	for (unsigned int i = 0; i < ops; i++) {
		struct model *m = &spans[fake_random() % SPANS];

		switch (fake_random() % 64) {
		case 0:
			fake.purge_fails = fake_random() % 4 == 0;
			purge_everything();
			break;
		case 1:
			fake.now += fake_random() % 2000;
			purge_heap(heap, fake.now, fake_random() % 2 ? PURGE_DECAY : PURGE_DECAY_BATCH);
			break;
		case 2:
			fake.anon_left = fake_random() % 4 ? SIZE_MAX : fake_random() % 4;
			break;
		case 3:
			fake.device_left = fake_random() % 4 ? SIZE_MAX : fake_random() % 4;
			fake.device = fake_random() % 4 != 0;
			break;
		default:
			if (!m->p)
				model_new(m);
			else if (fake_random() % 4 == 0)
				model_resize(m);
			else {
				check_tags(m);
				pageheap_free(m->p, m->pages);
				m->p = NULL;
			}
		}
		cr_assert(pageheap_consistent(heap), "after operation %u", i);
		cr_assert_eq(fake.wrong, 0, "after operation %u", i);
	}
	used = 0;
	for (int i = 0; i < SPANS; i++) {
		if (!spans[i].p)
			continue;
		check_tags(&spans[i]);
		used += spans[i].pages;
	}
	cr_assert_eq(stats().active, used);
	for (int i = 0; i < SPANS; i++) {
		if (spans[i].p)
			pageheap_free(spans[i].p, spans[i].pages);
	}
	fake.purge_fails = false;
	purge_everything();
	cr_assert(pageheap_consistent(heap));
	cr_assert(stats().active == 0 && stats().dirty == 0);
	cr_assert_eq(fake.wrong, 0);
}

Test(pageheap_model, anon)
{
	start_with("source:anon,dirty_decay_ms:1000");
	model_run(6000);
	cr_assert_eq(stats().device, 0);
}

Test(pageheap_model, device)
{
	fake.device = true;
	start_with("source:auto,dirty_decay_ms:1000");
	model_run(6000);
	cr_assert_eq(stats().device, 0);
}
