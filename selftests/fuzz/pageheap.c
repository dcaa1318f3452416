// SPDX-License-Identifier: MIT
/*
 * Spans, kept spans and huge blocks of a page heap on both sources, with sources that
 * run dry and purges that fail, against a list of who has what. Contents say whether two
 * have the same page, and whether what is called zeroed is.
 */
#include "fuzz.h"

#include "fake.h"
#include "kept.h"

enum { SPANS = 48 };

static struct pageheap *heap;
static struct {
	char *p;
	size_t pages;
	unsigned int class;	/* of a large block that may be kept; else 0 */
	unsigned char mark;
} model[SPANS];
static unsigned char marks;

static void setup(void)
{
	if (heap)
		return;
	fake_start("source:auto,dirty_decay_ms:10000,muzzy_decay_ms:2000");
	heap = ash_pageheaps[0];
	AGREE(pageheap_ready(heap));
}

/* One byte at each end of each page. */
static void mark(unsigned int i, size_t from, bool zeroed)
{
	for (size_t k = from; k < model[i].pages; k++) {
		char *page = model[i].p + k * PAGE_SIZE;

		AGREE(!zeroed || (!page[0] && !page[PAGE_SIZE - 1] && !page[PAGE_SIZE / 2]));
		page[0] = page[PAGE_SIZE - 1] = (char)model[i].mark;
		page[PAGE_SIZE / 2] = 1;
	}
}

static void check(unsigned int i)
{
	for (size_t k = 0; k < model[i].pages; k++) {
		char *page = model[i].p + k * PAGE_SIZE;

		AGREE(page[0] == (char)model[i].mark && page[PAGE_SIZE - 1] == (char)model[i].mark);
	}
}

static void take(unsigned int i, struct input *in)
{
	unsigned int how = byte(in) % 4, n = word(in);
	bool zeroed = false;

	model[i].class = 0;
	model[i].mark = ++marks ? marks : ++marks;
	if (how == 0) {
		unsigned int align = 1u << n / 8192 % 4;

		model[i].pages = n % EXTENT_PAGES + 1;
		model[i].p = pageheap_alloc(heap, (unsigned int)model[i].pages, align, &zeroed);
		AGREE((uintptr_t)model[i].p % (align * PAGE_SIZE) == 0);
	} else if (how == 1) {
		model[i].pages = n % (3 * EXTENT_PAGES) + 1;
		model[i].p = pageheap_alloc_huge(heap, model[i].pages, EXTENT_SIZE << n / 16384 % 2, &zeroed);
	} else {
		unsigned int class = CLASS_LARGE_FIRST + n % (CLASS_LARGE_LAST - CLASS_LARGE_FIRST + 1);

		model[i].p = pageheap_alloc_large(heap, class, &zeroed);
		if (model[i].p) {
			struct window *w = window_of(model[i].p);

			model[i].class = window_classes(w)[window_page(w, model[i].p)];
			AGREE(model[i].class >= class && model[i].class <= class + KEPT_ABOVE);
			model[i].pages = sizeclasses[model[i].class].pages_max;
		}
	}
	if (model[i].p)
		mark(i, 0, zeroed);
}

static void give(unsigned int i)
{
	check(i);
	if (model[i].class) {
		struct window *w = window_of(model[i].p);

		lock_take(&heap->lock);
		kept_free(heap, w, window_page(w, model[i].p), model[i].class);
		lock_drop(&heap->lock);
	} else {
		pageheap_free(model[i].p, model[i].pages);
	}
	model[i].p = NULL;
}

static void extend(unsigned int i, unsigned int by)
{
	size_t old = model[i].pages;
	bool zeroed;

	if (!model[i].class && pageheap_extend(model[i].p, old, by, &zeroed)) {
		model[i].pages += by;
		mark(i, old, zeroed);
	}
}

/* What the world does: it runs dry, fails, recovers, and time goes by. */
static void weather(unsigned int n)
{
	fake.device = n & 1;
	fake.device_left = n & 2 ? n / 64 % 8 : SIZE_MAX;
	fake.purge_fails = (n & 12) == 12;
	fake.lazy_fails = (n & 48) == 48;
	fake.now += n / 64;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct pageheap_stats s;

	setup();
	while (more(&in)) {
		unsigned int op = byte(&in) % 16, i = byte(&in) % SPANS;

		if (op == 0)
			weather(word(&in));
		else if (op == 1)
			purge_heap(heap, fake.now, (enum purge_scope)(word(&in) % 3));
		else if (!model[i].p)
			take(i, &in);
		else if (op < 5)
			extend(i, below(&in, 600) + 1);
		else
			give(i);
	}
	AGREE(pageheap_consistent(heap));
	for (unsigned int i = 0; i < SPANS; i++) {
		if (model[i].p)
			give(i);
	}
	fake.purge_fails = fake.lazy_fails = false;
	fake.device_left = SIZE_MAX;
	purge_heap(heap, fake.now, PURGE_ALL);
	pageheap_stats(heap, &s);
	AGREE(!s.active && !s.dirty && !heap->kept_pages && pageheap_consistent(heap) && !fake.wrong);
	return 0;
}
