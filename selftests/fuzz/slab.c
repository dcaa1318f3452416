// SPDX-License-Identifier: MIT
/* Slots of slabs of all classes against arrays of bools; wrong pointers must be refused. */
#include "fuzz.h"

#include "fake.h"
#include "slab.h"

enum { SLABS = 4 };

static struct pageheap *heap;
static struct {
	struct slab *s;
	bool used[BITS_COUNT];
	unsigned int nused;
} model[SLABS];

static void setup(void)
{
	if (heap)
		return;
	fake_start("source:anon,dirty_decay_ms:-1");
	heap = ash_pageheaps[0];
	AGREE(pageheap_ready(heap));
}

static void create(unsigned int i, unsigned int class)
{
	unsigned int least = sizeclasses[class].pages_min, most = sizeclasses[class].pages_max;

	model[i].s = slab_create(heap, 3, class, least + (class * 7 + i) % (most - least + 1));
	memset(model[i].used, 0, sizeof(model[i].used));
	model[i].nused = 0;
	AGREE(model[i].s && model[i].s->nfree == model[i].s->nslots);
}

static void take(unsigned int i, unsigned int n)
{
	struct slab *s = model[i].s;
	size_t bytes = sizeclasses[s->class].size;
	unsigned int room = s->nslots - model[i].nused, got;
	static void *out[BITS_COUNT];

	got = slab_take(s, out + BITS_COUNT, n);
	AGREE(got == (n < room ? n : room));
	for (unsigned int k = 1; k <= got; k++) {
		size_t offset = (size_t)((char *)out[BITS_COUNT - k] - slab_addr(s));
		unsigned int slot = (unsigned int)(offset / bytes);

		AGREE(offset % bytes == 0 && slot < s->nslots && !model[i].used[slot]);
		AGREE(slab_of(&ash_windows[s->window], out[BITS_COUNT - k]) == s);
		model[i].used[slot] = true;
		memset(out[BITS_COUNT - k], (int)slot, bytes);
	}
	model[i].nused += got;
}

static void put(unsigned int i, size_t offset)
{
	struct slab *s = model[i].s;
	size_t bytes = sizeclasses[s->class].size;
	bool right = offset % bytes == 0 && offset / bytes < s->nslots && model[i].used[offset / bytes];

	AGREE(slab_put(s, slab_addr(s) + offset) == right);
	if (right) {
		model[i].used[offset / bytes] = false;
		model[i].nused--;
	}
	AGREE(slab_is_slot(s, slab_addr(s) + offset) ==
	      (offset % bytes == 0 && offset / bytes < s->nslots));
}

/* A row of slots, up or down, that ends where one is free or the slab does. */
static void put_row(unsigned int i, unsigned int first, unsigned int n, bool down)
{
	struct slab *s = model[i].s;
	size_t bytes = sizeclasses[s->class].size;
	static void *row[BITS_COUNT];
	unsigned int within = 0;
	bool right = true;

	for (unsigned int k = 0; k < n; k++) {
		unsigned int slot = down ? first - k : first + k;

		row[k] = slab_addr(s) + (ptrdiff_t)(int)slot * (ptrdiff_t)bytes;
		if (slot < s->nslots && within == k) {
			within++;
			right &= model[i].used[slot];
		}
	}
	AGREE(slab_put_neighbours(s, row, n) == (right ? within : 0));
	for (unsigned int k = 0; right && k < within; k++)
		model[i].used[down ? first - k : first + k] = false;
	model[i].nused -= right ? within : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };

	setup();
	while (more(&in)) {
		unsigned int op = byte(&in), i = op / 8 % SLABS, n = word(&in);
		struct slab *s = model[i].s;

		if (!s)
			create(i, n % CLASS_SMALL_LAST + 1);
		else if (op % 8 < 3)
			take(i, n % (BITS_COUNT + 1));
		else if (op % 8 < 6)
			put(i, n % (s->nslots + 1u) * (size_t)sizeclasses[s->class].size %
				(s->npages * PAGE_SIZE));
		else if (op % 8 < 7 && n % 2)
			put(i, n / 2 % (s->npages * PAGE_SIZE));
		else if (op % 8 < 7)
			put_row(i, n / 4 % s->nslots, byte(&in) % 16 + 1, n / 2 % 2);
		else if (!model[i].nused)
			slab_destroy(s), model[i].s = NULL;
		if (model[i].s)
			AGREE(slab_consistent(model[i].s) &&
			      model[i].s->nfree + model[i].nused == model[i].s->nslots);
	}
	for (unsigned int i = 0; i < SLABS; i++) {
		struct slab *s = model[i].s;

		for (unsigned int k = 0; s && k < s->nslots; k++) {
			char *slot = slab_addr(s) + k * (size_t)sizeclasses[s->class].size;

			if (!model[i].used[k])
				continue;
			AGREE((unsigned char)slot[sizeclasses[s->class].size - 1] == (unsigned char)k);
			put(i, (size_t)(slot - slab_addr(s)));
		}
		if (s)
			slab_destroy(s);
		model[i].s = NULL;
	}
	AGREE(pageheap_consistent(heap));
	return 0;
}
