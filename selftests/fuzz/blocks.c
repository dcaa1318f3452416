// SPDX-License-Identifier: MIT
/*
 * malloc and all its relatives through the thread's cache, arenas, slabs and kept large
 * blocks, with GC, decay, purges and sources that run dry, against a list of blocks with
 * contents.
 */
#include "fuzz.h"

#include "ashlar.h"
#include "fake.h"
#include "tcache.h"
#include "thread.h"

enum { BLOCKS = 64 };

static struct {
	unsigned char *p;
	size_t size, align;	/* as asked for */
	unsigned char mark;
} model[BLOCKS];
static unsigned char marks;

/* Sizes of all kinds; a few are huge. */
static size_t size_of(struct input *in)
{
	unsigned int kind = byte(in), n = word(in);

	if (kind < 200)
		return n >> kind % 12;
	return kind < 250 ? (size_t)n * 8 : (size_t)n * 100;
}

static void fill(unsigned int i)
{
	size_t n = model[i].size;

	AGREE(ashlar_malloc_usable_size(model[i].p) >= n);
	AGREE((uintptr_t)model[i].p % (model[i].align ? model[i].align : 8) == 0);
	model[i].mark = ++marks;
	for (size_t k = 0; k < n; k += n > 8192 && k > 64 && k + 4096 < n ? 4096 : 1)
		model[i].p[k] = model[i].mark;
}

static void check(unsigned int i, size_t n)
{
	n = n < model[i].size ? n : model[i].size;
	for (size_t k = 0; k < n; k += model[i].size > 8192 && k > 64 && k + 4096 < model[i].size ? 4096 : 1)
		AGREE(model[i].p[k] == model[i].mark);
}

static void take(unsigned int i, struct input *in)
{
	unsigned int how = byte(in) % 8;
	size_t n = size_of(in), align = 0;
	unsigned char *p;

	if (how < 4) {
		p = ashlar_malloc(n);
	} else if (how < 6) {
		p = ashlar_calloc(1, n);
		for (size_t k = 0; p && k < n; k += n > 100000 ? 997 : 1)
			AGREE(!p[k]);
	} else {
		align = (size_t)8 << byte(in) % 15;
		p = ashlar_aligned_alloc(align, n);
	}
	model[i].p = p;
	model[i].size = n;
	model[i].align = align;
	if (p)
		fill(i);
}

static void give(unsigned int i, unsigned int how)
{
	check(i, SIZE_MAX);
	if (how % 4)
		ashlar_free(model[i].p);
	else if (model[i].align)
		ashlar_free_aligned_sized(model[i].p, model[i].align, model[i].size);
	else
		ashlar_free_sized(model[i].p, model[i].size);
	model[i].p = NULL;
}

static void resize(unsigned int i, struct input *in)
{
	size_t n = size_of(in) + 1;
	unsigned char *p = ashlar_realloc(model[i].p, n);

	if (!p) {
		check(i, SIZE_MAX);
		return;
	}
	model[i].p = p;
	model[i].align = 0;
	check(i, n);
	model[i].size = n;
	fill(i);
}

static void weather(unsigned int n)
{
	fake.device = n & 1;
	fake.device_left = n & 2 ? n / 64 % 8 : SIZE_MAX;
	fake.anon_left = (n & 12) == 12 ? n / 64 % 4 : SIZE_MAX;
	fake.now += n / 16;
	if (n & 16)
		tcache_flush_all(thread_cache());
	if (n & 32)
		ashlar_purge();
}

static void setup(void)
{
	static bool done;

	if (!done)
		fake_start("source:auto,gc_events:20");
	done = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct pageheap_stats s;

	setup();
	while (more(&in)) {
		unsigned int op = byte(&in), i = byte(&in) % BLOCKS;

		if (op < 8)
			weather(word(&in));
		else if (!model[i].p)
			take(i, &in);
		else if (op < 80)
			resize(i, &in);
		else
			give(i, op);
	}
	for (unsigned int i = 0; i < BLOCKS; i++) {
		if (model[i].p)
			give(i, i);
	}
	fake.anon_left = fake.device_left = SIZE_MAX;
	tcache_flush_all(thread_cache());
	ashlar_purge();
	pageheap_stats(ash_pageheaps[0], &s);
	AGREE(!s.active && pageheap_consistent(ash_pageheaps[0]) && !fake.wrong);
	return 0;
}
