// SPDX-License-Identifier: MIT
#include "heapmap.h"

#include "pageheap.h"

/* False: it has no memory, and no line. */
static bool describe(const struct window *w, struct extent *e, char *line, size_t size)
{
	const volatile struct extent *now = e;
	const struct source *source = now->source;

	if (now->state != EXTENT_LIVE || !source)
		return false;
	ash_format(line, size, "%lx %u %s %s %u %u %u\n", (unsigned long)(uintptr_t)extent_addr(e),
		   w->node, source->name, now->intact ? "huge" : now->huge ? "torn" : "small",
		   (unsigned int)now->nused, (unsigned int)now->ndirty,
		   (unsigned int)now->longest);
	return true;
}

void heapmap_print(void (*write)(void *arg, const char *text), void *arg)
{
	unsigned int n = atomic_load_explicit(&ash_nwindows, memory_order_acquire);
	char line[96];

	for (unsigned int i = 0; i < n; i++) {
		const struct window *w = &ash_windows[i];
		size_t extents = atomic_load_explicit(&w->grown, memory_order_acquire) >> EXTENT_SHIFT;

		for (size_t k = 0; k < extents; k++) {
			if (describe(w, window_extent(w, k), line, sizeof(line)))
				write(arg, line);
		}
	}
}
