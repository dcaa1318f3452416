// SPDX-License-Identifier: MIT
#include "resize.h"

#include <string.h>

#include "conf.h"
#include "fill.h"
#include "large.h"
#include "prof.h"
#include "redzone.h"

_Atomic size_t block_zero_reallocs;

/* @found: what @p is. */
static size_t resize(void *p, const struct block *found, size_t size, size_t extra, bool zero)
{
	struct block b = *found;
	size_t want = size > SIZE_LIMIT - extra ? SIZE_LIMIT : size + extra;
	bool zeroed;

	if (b.class <= CLASS_SMALL_LAST || b.class == CLASS_SAMPLED)
		return b.size;
	if (!large_resize(p, b.class, want, &zeroed) &&
	    (!extra || b.size >= size || !large_resize(p, b.class, size, &zeroed)))
		return b.size;
	size = b.size;
	block_find(p, &b);
	if (ash_tls->enabled)
		ash_tls->net += (int64_t)b.size - (int64_t)size;
	if (conf_fills() && b.size > size)
		fill_new(p, size, b.size, &zeroed);
	if (zero && !zeroed && b.size > size)
		memset((char *)p + size, 0, b.size - size);
	return b.size;
}

/* Under option redzone; @had: the usable bytes so far. */
RARE static noinline size_t resize_guarded(void *p, size_t had, size_t size, size_t extra, bool zero)
{
	bool zeroed = false;
	size_t room, now;
	struct block b;

	block_find(p, &b);
	room = resize(p, &b, redzone_with(size), extra, false);
	if (room < redzone_with(size))
		return had;
	now = min(size + extra, room - REDZONE);
	if (now > had) {
		fill_new(p, had, now, &zeroed);
		if (zero && !zeroed)
			memset((char *)p + had, 0, now - had);
	}
	/* It is of another size since. */
	block_find(p, &b);
	redzone_set(b.w, p, b.size, now);
	return now;
}

size_t block_resize(void *p, size_t size, size_t extra, bool zero)
{
	struct block b;

	if (!block_live("realloc", p, &b))
		return 0;
	if (unlikely(conf.redzone))
		return resize_guarded(p, b.size, size, extra, zero);
	return resize(p, &b, size, extra, zero);
}

/* Would @size fit in a block of @have bytes without wasting half of it? */
static bool fits(size_t size, size_t have)
{
	return size <= have && size >= have / 2;
}

/* To a profile a block that changed its size in place is a new one. */
static noinline void resized(void *p, size_t size)
{
	struct tcache *t = ash_tls;

	if (tcache_countdown(t, size) && tcache_event(t))
		prof_adopt(t, p, size, FRAME);
	KEEP_FRAME();
}

void block_move(void *to, void *from, size_t size)
{
	size_t moved = large_move(to, from, size);

	memcpy((char *)to + moved, (char *)from + moved, size - moved);
}

/* A new block of @size bytes for what @p has of its @had; without memory, @p if that is enough. */
static inline void *elsewhere(void *p, size_t had, size_t size)
{
	void *q = fast_malloc(size);

	if (!q)
		return size <= had ? p : NULL;
	block_move(q, p, min(size, had));
	fast_free(p);
	return q;
}

/* Under option redzone: where it lies if the room is neither too small nor twice too large. */
RARE static noinline void *realloc_guarded(void *p, size_t size)
{
	struct block live, b;

	if (!block_live("realloc", p, &live) || !block_find(p, &b))
		return NULL;
	if (b.class > CLASS_SMALL_LAST)
		b.size = resize(p, &b, redzone_with(size), 0, false);
	if (fits(redzone_with(size), b.size)) {
		resize_guarded(p, live.size, size, 0, false);
		return p;
	}
	return elsewhere(p, live.size, size);
}

void *block_realloc(void *p, size_t size)
{
	struct block b;

	if (unlikely(conf.redzone))
		return realloc_guarded(p, size);
	if (unlikely(!block_find(p, &b))) {
		block_foreign("realloc", p);
		return NULL;
	}
	if (b.class <= CLASS_SMALL_LAST || b.class == CLASS_SAMPLED) {
		if (fits(size, b.size))
			return p;
	} else if (sizeclass_round(size) == b.size || (b.size <= LARGE_MAX && b.class == CLASS_HUGE &&
						       fits(size, b.size))) {
		return p;
	} else if (resize(p, &b, size, 0, false) != b.size) {
		if (unlikely(prof_sampling()))
			resized(p, size);
		return p;
	}
	return elsewhere(p, b.size, size);
}
