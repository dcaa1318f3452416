// SPDX-License-Identifier: MIT
#include "tcache.h"

#include <errno.h>
#include <string.h>

#include "conf.h"
#include "large.h"
#include "os.h"
#include "purge.h"

/*
 * A stack begins with CAP_FIRST slots and doubles when it runs full or empty
 * for the second time between two GCs; a thread that frees ten blocks needs no more.
 */
#define CAP_FIRST	15u
#define CAP_LARGE	64u

/* Look at the clock for decay no more often than this. */
#define TICK_MS		50

/* A stack of capacity cap has cap + 1 slots: base[-1] never holds a block. */
static size_t stack_bytes(unsigned int cap)
{
	return (cap + 1) * sizeof(void *);
}

static bool stack_grow(struct tcache *t, unsigned int class, unsigned int cap)
{
	struct cbin *b = &t->bins[class];
	unsigned int n = tcache_cached(t, class);
	void **slots = meta_alloc(stack_bytes(cap));

	if (!slots)
		return false;
	if (b->cap) {
		memcpy(slots + 1, t->base_of[class], n * sizeof(void *));
		meta_free(t->base_of[class] - 1, stack_bytes(b->cap));
	}
	t->base_of[class] = slots + 1;
	t->top[class] = slots + 1 + n;
	t->end[class] = slots + 1 + cap;
	b->cap = (uint16_t)cap;
	return true;
}

static void stack_drop(struct tcache *t, unsigned int class)
{
	struct cbin *b = &t->bins[class];

	if (b->cap)
		meta_free(t->base_of[class] - 1, stack_bytes(b->cap));
	t->base_of[class] = t->top[class] = t->end[class] = NULL;
	b->cap = b->nlarge = 0;
}

/* A record of its own kind: meta_alloc() rounds up to the next power of two. */
_Static_assert(sizeof(struct tcache) <= PAGE_SIZE, "the near table is as long as there is room");

/* After a fill or flush: more room if the stack is in demand. */
static void stack_adapt(struct tcache *t, unsigned int class)
{
	struct cbin *b = &t->bins[class];

	b->use++;
	if (b->cap < b->cap_max && (!b->cap || b->use >= 2))
		stack_grow(t, class, min(max(b->cap * 2u + 1, CAP_FIRST), (unsigned int)b->cap_max));
}

/* Blocks in a stack of either kind. */
static unsigned int stack_count(const struct tcache *t, unsigned int class)
{
	return class <= CLASS_SMALL_LAST ? tcache_cached(t, class) : t->bins[class].nlarge;
}

void tcache_bind(struct tcache *t, struct arena *a)
{
	t->arena = a;
	t->home = a->heap->windows[0];
	t->base = (uintptr_t)t->home->base;
	t->limit = atomic_load_explicit(&t->home->grown, memory_order_relaxed);
	t->classes = window_classes(t->home);
	for (size_t size = 0, c = 1; size <= TCACHE_NEAR; size = sizeclasses[c++].size + 1)
		memset(t->near + size, (int)c, sizeclasses[c].size + 1 - size);
	t->countdown = TCACHE_EVENT_BYTES;
	t->large_max = (size_t)conf.large_bytes;
	for (unsigned int c = 1; c <= CLASS_LARGE_LAST; c++) {
		size_t size = sizeclasses[c].size, most;

		if (c <= CLASS_SMALL_LAST)
			most = min(max((size_t)conf.tcache_bytes / size, (size_t)4),
				   (size_t)conf.ncached_max);
		else
			most = CAP_LARGE;
		t->bins[c].cap_max = (uint16_t)most;
	}
}

/* --- GC ----------------------------------------------------------------------------- */

/* The oldest @n blocks of a small stack go to the arena. */
static void flush_oldest(struct tcache *t, unsigned int class, unsigned int n)
{
	void **base = t->base_of[class];
	size_t left = tcache_cached(t, class) - n;

	t->net -= n * (int64_t)sizeclasses[class].size;
	arena_flush(t->arena, class, base, n);
	memmove(base, base + n, left * sizeof(void *));
	t->top[class] = base + left;
}

/* The oldest @n blocks of a large stack are freed. */
static void free_oldest(struct tcache *t, unsigned int class, unsigned int n)
{
	struct cbin *b = &t->bins[class];
	void **base = t->base_of[class];

	for (unsigned int i = 0; i < n; i++)
		large_free_span(base[i], class);
	t->large_bytes -= n * (size_t)sizeclasses[class].size;
	t->net -= n * (int64_t)sizeclasses[class].size;
	b->nlarge = (uint16_t)(b->nlarge - n);
	memmove(base, base + n, b->nlarge * sizeof(void *));
}

static void flush_remote(struct tcache *t)
{
	unsigned int n = t->nremote;

	t->net -= (int64_t)t->remote_bytes;
	t->nremote = 0;
	t->remote_bytes = 0;
	/* By class; the arena sorts by owner. */
	for (unsigned int i = 0; i < n;) {
		unsigned int class = 0, from = i;

		for (unsigned int k = i; k < n; k++) {
			void *p = t->remote[k];
			struct window *w = window_of(p);
			unsigned int c = window_classes(w)[window_page(w, p)];

			if (k == from)
				class = c;
			if (c == class) {
				t->remote[k] = t->remote[i];
				t->remote[i++] = p;
			}
		}
		arena_flush(NULL, class, t->remote + from, i - from);
	}
}

/* Stacks unused since the last GC lose half of what they hold, then their room. */
static void age(struct tcache *t)
{
	for (unsigned int c = 1; c <= CLASS_LARGE_LAST; c++) {
		struct cbin *b = &t->bins[c];
		unsigned int n = stack_count(t, c);

		if (!b->cap)
			continue;
		if (b->use) {
			b->use = 0;
			continue;
		}
		if (!n)
			stack_drop(t, c);
		else if (c <= CLASS_SMALL_LAST)
			flush_oldest(t, c, (n + 1) / 2);
		else
			free_oldest(t, c, (n + 1) / 2);
	}
}

/* The thread may have moved to another node: allocate there from now on. */
static void follow_node(struct tcache *t)
{
	struct arena *old = t->arena, *a;
	unsigned int node;

	if (ash_npageheaps < 2)
		return;
	node = os_current_node();
	if (pageheap_of_node(node) == old->heap)
		return;
	a = arena_choose(node);
	if (!a)
		return;
	tcache_flush_all(t);
	atomic_fetch_sub_explicit(&old->nthreads, 1, memory_order_relaxed);
	tcache_bind(t, a);
}

static void gc(struct tcache *t)
{
	t->events = 0;
	age(t);
	if (t->nremote)
		flush_remote(t);
	arena_age_depots(t->arena, false);
	follow_node(t);
}

static void count_event(struct tcache *t)
{
	if (unlikely(++t->events >= (uint32_t)conf.gc_events))
		gc(t);
}

void tcache_count(struct tcache *t)
{
	size_t cached = tcache_bytes(t) + t->large_bytes;
	int64_t gone;

	t->allocated = t->bytes + (uint64_t)(TCACHE_EVENT_BYTES - t->countdown);
	gone = (int64_t)t->allocated - (t->net - (int64_t)cached);
	if (gone > (int64_t)t->deallocated)
		t->deallocated = (uint64_t)gone;
}

void tcache_event(struct tcache *t)
{
	int saved = errno;
	uint64_t now = os_now_ms();

	t->bytes += (uint64_t)(TCACHE_EVENT_BYTES - t->countdown);
	t->countdown = TCACHE_EVENT_BYTES;
	if (now < t->next_tick)
		return;
	t->next_tick = now + TICK_MS;
	tcache_count(t);
	purge_heap(t->arena->heap, now, PURGE_DECAY_BATCH);
	count_event(t);
	errno = saved;
}

/* --- small -------------------------------------------------------------------------- */

void *tcache_fill(struct tcache *t, unsigned int class)
{
	struct cbin *b = &t->bins[class];
	unsigned int got;
	void **base, *one;

	count_event(t);
	stack_adapt(t, class);
	if (unlikely(!b->cap)) {
		got = arena_fill(t->arena, class, &one + 1, 1);
		t->net += got * sizeclasses[class].size;
		return got ? one : NULL;
	}
	base = t->base_of[class];
	got = arena_fill(t->arena, class, base + (b->cap + 1) / 2, (b->cap + 1u) / 2);
	if (!got)
		return NULL;
	t->net += got * sizeclasses[class].size;
	/* They lie at the upper end of the range that was asked for. */
	if (got < (b->cap + 1u) / 2)
		memmove(base, base + (b->cap + 1) / 2 - got, got * sizeof(void *));
	t->limit = atomic_load_explicit(&t->home->grown, memory_order_relaxed);
	t->top[class] = base + got - 1;
	return base[got - 1];
}

void tcache_flush_push(struct tcache *t, unsigned int class, void *p)
{
	struct cbin *b = &t->bins[class];

	count_event(t);
	/* GC may have moved this thread to another node. */
	if (unlikely((uintptr_t)p - t->base >= t->home->size)) {
		tcache_push_remote(t, class, p);
		return;
	}
	stack_adapt(t, class);
	if (t->top[class] == t->end[class]) {
		if (unlikely(!b->cap)) {
			t->net -= sizeclasses[class].size;
			arena_flush(t->arena, class, &p, 1);
			return;
		}
		flush_oldest(t, class, (b->cap + 1u) / 2);
	}
	*t->top[class]++ = p;
}

void tcache_push_remote(struct tcache *t, unsigned int class, void *p)
{
	t->remote_bytes += sizeclasses[class].size;
	t->remote[t->nremote++] = p;
	if (t->nremote == REMOTE_MAX) {
		flush_remote(t);
		count_event(t);
	}
}

/* --- large -------------------------------------------------------------------------- */

bool tcache_grow_large(struct tcache *t, unsigned int class)
{
	struct cbin *b = &t->bins[class];
	unsigned int cap = b->cap ? CAP_LARGE - 1 : 7;
	void **slots;

	if (b->cap >= CAP_LARGE - 1)
		return false;
	slots = meta_alloc(stack_bytes(cap));
	if (!slots)
		return false;
	if (b->cap) {
		memcpy(slots + 1, t->base_of[class], b->nlarge * sizeof(void *));
		meta_free(t->base_of[class] - 1, stack_bytes(b->cap));
	}
	t->base_of[class] = slots + 1;
	b->cap = (uint16_t)cap;
	return true;
}

void tcache_freed_twice(const void *p)
{
	ash_fatal("free: block %p was freed twice", p);
}

/* --- all ------------------------------------------------------------------------------ */

void tcache_flush_all(struct tcache *t)
{
	for (unsigned int c = 1; c <= CLASS_LARGE_LAST; c++) {
		unsigned int n = stack_count(t, c);

		if (n && c <= CLASS_SMALL_LAST)
			flush_oldest(t, c, n);
		else if (n)
			free_oldest(t, c, n);
	}
	if (t->nremote)
		flush_remote(t);
}

void tcache_destroy(struct tcache *t)
{
	tcache_flush_all(t);
	for (unsigned int c = 1; c <= CLASS_LARGE_LAST; c++)
		stack_drop(t, c);
}

size_t tcache_bytes(const struct tcache *t)
{
	size_t bytes = t->remote_bytes;

	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		unsigned int n = tcache_cached(t, c);

		/* Its thread may be moving the stack: no number is better than a wild one. */
		if (n <= t->bins[c].cap_max)
			bytes += n * sizeclasses[c].size;
	}
	return bytes;
}
