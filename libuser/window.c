// SPDX-License-Identifier: MIT
#include "window.h"

#include "conf.h"
#include "os.h"
#include "sizeclass.h"

BULK struct window ash_windows[WINDOWS_MAX];
_Atomic unsigned int ash_nwindows;

/*
 * Maps first, then a gap without access, then the heap: neither end of the
 * heap touches a map.
 */
struct layout {
	size_t classes, spans, extents, free, idle, room, slabs, slacks, heap, total;
};

static size_t place(size_t *at, size_t bytes)
{
	size_t here = *at;

	*at += round_up(bytes, PAGE_SIZE) + PAGE_SIZE;
	return here;
}

/* A word for 16 bytes. */
static size_t slack_bytes(size_t size)
{
	return size / 16 * sizeof(uint32_t);
}

static struct layout layout_of(size_t size)
{
	size_t pages = size >> PAGE_SHIFT, extents = size >> EXTENT_SHIFT, at = 0;
	size_t groups = pages / (RECORD_GROUP - 1) + 1;
	struct layout l;

	l.classes = place(&at, pages);
	l.spans = place(&at, pages * sizeof(uint32_t));
	l.extents = place(&at, extents * sizeof(struct extent));
	l.free = place(&at, extents / 8 + 8);
	l.idle = place(&at, extents / 8 + 8);
	l.room = place(&at, groups / 8 + 8);
	l.slabs = place(&at, groups * RECORD_GROUP * SLAB_RECORD_BYTES);
	l.slacks = place(&at, conf.redzone ? slack_bytes(size) : 0);
	l.heap = round_up(at, EXTENT_SIZE) + EXTENT_SIZE;
	l.total = l.heap + size;
	return l;
}

static struct growing map_at(char *base, size_t from, size_t to)
{
	return (struct growing){ .base = base + from, .size = to - from - PAGE_SIZE };
}

struct window *window_open(unsigned int node, unsigned int heap, size_t size, size_t least)
{
	unsigned int n = atomic_load_explicit(&ash_nwindows, memory_order_relaxed);
	struct window *w = &ash_windows[n];
	struct layout l;
	char *base;

	if (n == WINDOWS_MAX)
		return NULL;
	for (;; size = round_down(size / 2, EXTENT_SIZE)) {
		if (size < least)
			return NULL;
		l = layout_of(size);
		base = os_reserve(l.total);
		if (base)
			break;
	}
	w->base = base + l.heap;
	w->size = size;
	w->node = node;
	w->heap = heap;
	w->classes = map_at(base, l.classes, l.spans);
	w->spans = map_at(base, l.spans, l.extents);
	w->extents = map_at(base, l.extents, l.free);
	w->free = map_at(base, l.free, l.idle);
	w->idle = map_at(base, l.idle, l.room);
	w->room = map_at(base, l.room, l.slabs);
	w->slabs = map_at(base, l.slabs, l.slacks);
	w->slacks = map_at(base, l.slacks, l.heap);
	lock_init(&w->slab_lock, RANK_META);
	atomic_store_explicit(&ash_nwindows, n + 1, memory_order_release);
	return w;
}

bool window_map(struct window *w, size_t bytes)
{
	size_t pages = bytes >> PAGE_SHIFT, extents = bytes >> EXTENT_SHIFT;

	if (bytes > w->size ||
	    !growing_need(&w->classes, pages) ||
	    !growing_need(&w->spans, pages * sizeof(uint32_t)) ||
	    !growing_need(&w->extents, extents * sizeof(struct extent)) ||
	    !growing_need(&w->free, extents / 8 + 8) ||
	    !growing_need(&w->idle, extents / 8 + 8) ||
	    (conf.redzone && !growing_need(&w->slacks, slack_bytes(bytes))))
		return false;
	w->mapped = bytes;
	return true;
}
