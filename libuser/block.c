// SPDX-License-Identifier: MIT
#include "block.h"

#include <errno.h>
#include <string.h>

#include "conf.h"
#include "fill.h"
#include "guard.h"
#include "large_way.h"
#include "prof.h"
#include "redzone.h"

/* --- looking up -------------------------------------------------------------------- */

bool block_find(const void *p, struct block *b)
{
	struct window *w = window_of(p);
	size_t offset;

	if (!w)
		return false;
	offset = (uintptr_t)p - (uintptr_t)w->base;
	if (offset >= atomic_load_explicit(&w->grown, memory_order_acquire))
		return false;
	b->w = w;
	b->class = window_classes(w)[offset >> PAGE_SHIFT];
	if (b->class == CLASS_NONE)
		return false;
	if (b->class <= CLASS_SMALL_LAST) {
		b->size = sizeclasses[b->class].size;
		return true;
	}
	if (likely(b->class < CLASS_HUGE))
		b->size = sizeclasses[b->class].size;
	else if (likely(b->class == CLASS_HUGE))
		b->size = huge_size(w, p);
	else
		return prof_find(w, p, &b->size);
	return (offset & (PAGE_SIZE - 1)) == 0;
}

void block_foreign(const char *call, const void *p)
{
	if (conf.foreign == FOREIGN_IGNORE)
		return;
	guard_wrong_free(call, p);
	if (window_of(p))
		ash_fatal("%s: %p is not the start of a live block (freed twice, or inside one)",
			  call, p);
	ash_fatal("%s: %p was not allocated here (option foreign:ignore lets such calls pass)",
		  call, p);
}

void block_no_memory(size_t size)
{
	if (conf.xmalloc)
		ash_fatal("option xmalloc: there is no memory for %zu bytes", size);
}

bool block_live(const char *call, const void *p, struct block *b)
{
	if (unlikely(!block_find(p, b))) {
		block_foreign(call, p);
		return false;
	}
	if (likely(!conf.redzone))
		return true;
	redzone_check(call, b->w, p, b->size);
	if (redzone_size(b->w, p, b->size, &b->size))
		return true;
	block_foreign(call, p);
	return false;
}

/* --- allocation --------------------------------------------------------------------- */

/* Options zero and junk: all of the new block @p, which may be NULL. */
static void filled(void *p, bool *zeroed)
{
	struct block b;

	if (p && conf_fills() && block_find(p, &b))
		fill_new(p, 0, b.size, zeroed);
}

static void set_redzone(void *p, size_t size)
{
	struct block b;

	if (p && conf.redzone && block_find(p, &b))
		redzone_set(b.w, p, b.size, size);
}

static void *small_direct(struct arena *a, unsigned int class)
{
	void *p;

	return arena_fill(a, class, &p + 1, 1) ? p : NULL;
}

/*
 * The countdown is over: decay's tick, and a sample if this block's turn has come. NULL: it
 * has not. @frame: of a function whose caller is the program's, or one of ours with a
 * frame pointer; what lies between here and there leaves the frame pointer alone.
 */
static noinline void *event(struct tcache *t, size_t align, size_t size, bool *zeroed,
			    void **frame)
{
	unsigned int due = tcache_event(t);

	prof_tick(t);
	return due ? prof_alloc(t, due, align, size, zeroed, frame) : NULL;
}

/* No span is kept for the large @size, which is counted again; @l, if any, is held. */
static noinline void *large_none(size_t size, struct tcache *t, struct lock *l)
{
	if (l)
		lock_drop(l);
	t->countdown += (int64_t)size;
	return slow_malloc(size);
}

/* Who waits for @l, which was let go, is woken. */
static noinline void *wake(void *p, struct lock *l)
{
	lock_wake(l);
	return p;
}

/* No stack has a block for the large @size of @class, which is counted: a kept span, or the long way. */
static noinline void *large_kept(size_t size, struct tcache *t, size_t class)
{
	struct pageheap *h = t->arena->heap;
	size_t bytes;
	void *p;

	/* A thread that moved has its new node's, by way of large_fresh(). */
	if (unlikely(!t->large_max || *t->cpu_word != t->cpu || !lock_try(&h->lock)))
		return large_none(size, t, NULL);
	p = large_take_kept(h, class, &bytes);
	if (unlikely(!p))
		return large_none(size, t, &h->lock);
	t->net += (int64_t)bytes;
	return lock_let_go(&h->lock) ? wake(p, &h->lock) : p;
}

/* The stack of large @class is of no use: one of the next, or what lies behind them. */
static noinline void *large_above(size_t size, struct tcache *t, size_t class)
{
	void *p = large_pop(t, class + 1);

	if (likely(p))
		return p;
	p = large_pop(t, class + 2);
	_Static_assert(LARGE_ABOVE == 2, "these are all");
	return likely(p) ? p : large_kept(size, t, class);
}

void *mid_malloc(size_t size, struct tcache *t)
{
	size_t class;
	void *p;

	if (likely(size <= SMALL_MAX)) {
		p = fast_pop(t, sizeclass_small(size), size);
		return likely(p) ? p : slow_malloc(size);
	}
	if (unlikely(size > LARGE_MAX))
		return slow_malloc(size);
	class = sizeclass_large(size);
	t->countdown -= (int64_t)size;
	if (unlikely(t->countdown < 0))
		return slow_malloc(size);
	p = large_pop(t, class);
	return likely(p) ? p : large_above(size, t, class);
}

/* All of a thread without a cache. */
static noinline void *alloc_uncached(struct tcache *t, size_t align, size_t size, bool zero)
{
	struct arena *a = thread_arena(t);

	/* Shared by all such threads, whose fast paths take from it and find nothing; it shall never wrap. */
	if (unlikely(__atomic_load_n(&t->countdown, __ATOMIC_RELAXED) < INT64_MIN / 2))
		__atomic_store_n(&t->countdown, 0, __ATOMIC_RELAXED);
	return a ? block_alloc_from(a, align, size, zero) : NULL;
}

static inline __attribute__((always_inline)) void *block_alloc_framed(size_t size, void **frame)
{
	struct tcache *t = thread_cache_quick();
	unsigned int class;
	void *p;

	if (unlikely(!t->enabled))
		return alloc_uncached(t, 1, size, false);
	if (unlikely(tcache_countdown(t, size))) {
		p = event(t, 1, size, NULL, frame);
		if (p)
			return p;
	}
	if (size > SMALL_MAX)
		return large(t, size, NULL);
	class = sizeclass_small(size);
	if (tcache_cached(t, class))
		return *--t->top[class];
	return tcache_fill(t, class);
}

void *block_alloc(size_t size)
{
	return block_alloc_framed(size, FRAME);
}

/* Jumped to from malloc: the caller of its frame is malloc's. */
noinline void *slow_malloc(size_t size)
{
	int saved = errno;
	void *p = block_alloc_framed(size, FRAME);

	if (unlikely(!p)) {
		block_no_memory(size);
		saved = ENOMEM;
	}
	errno = saved;
	return p;
}

/* The size whose class is aligned to @align <= PAGE_SIZE by itself; may exceed SMALL_MAX. */
static size_t size_for_align(size_t align, size_t size)
{
	size = round_up(max(size, (size_t)1), align);
	while (size <= SMALL_MAX) {
		size_t got = sizeclasses[sizeclass_small(size)].size;

		if (!(got & (align - 1)))
			return size;
		size = round_up(got + 1, align);
	}
	return size;
}

void *block_alloc_aligned(size_t align, size_t size)
{
	struct tcache *t = thread_cache_quick();
	void *p = NULL;

	if (size > SIZE_LIMIT)
		return NULL;
	if (unlikely(!t->enabled))
		return alloc_uncached(t, align, size, false);
	if (align <= PAGE_SIZE)
		return block_alloc(size_for_align(align, size));
	if (tcache_countdown(t, size))
		p = event(t, align, size, NULL, FRAME);
	return p ? p : large_fresh(t, max(size, LARGE_MIN), align, NULL);
}

/* Fresh pages read as zero: only what was used before is cleared. */
void *block_alloc_zeroed(size_t size)
{
	struct tcache *t = thread_cache_quick();
	bool zeroed = false;
	void *p = NULL;

	if (unlikely(!t->enabled))
		return alloc_uncached(t, 1, size, true);
	if (size <= SMALL_MAX)
		p = block_alloc(size);
	else if (tcache_countdown(t, size))
		p = event(t, 1, size, &zeroed, FRAME);
	if (!p && size > SMALL_MAX)
		p = large(t, size, &zeroed);
	if (p && !zeroed)
		memset(p, 0, size);
	return p;
}

RARE void *block_alloc_from(struct arena *a, size_t align, size_t size, bool zero)
{
	struct tcache *t = ash_tls;
	size_t asked = size;
	bool zeroed = false;
	void *p = NULL;

	if (size > SIZE_LIMIT)
		return NULL;
	size = redzone_with(size);
	if (align <= PAGE_SIZE)
		size = size_for_align(max(align, (size_t)1), size);
	if (size > SIZE_LIMIT)
		return NULL;
	if (tcache_countdown(t, size))
		p = event(t, max(align, (size_t)1), size, &zeroed, FRAME);
	if (p)
		;	/* from this thread's arena: a sample's place says nothing */
	else if (size <= SMALL_MAX && align <= PAGE_SIZE)
		p = small_direct(a, sizeclass_small(size));
	else
		p = large_from(a, max(size, LARGE_MIN), max(align, PAGE_SIZE), &zeroed);
	filled(p, &zeroed);
	if (p && zero && !zeroed)
		memset(p, 0, size);
	set_redzone(p, asked);
	return p;
}

RARE size_t block_good_size(size_t align, size_t size)
{
	if (size > SIZE_LIMIT || align > SIZE_LIMIT)
		return 0;
	if (unlikely(conf.redzone))
		return sizeclass_round(redzone_with(size)) ? max(size, (size_t)1) : 0;
	if (align <= PAGE_SIZE)
		return sizeclass_round(size_for_align(max(align, (size_t)1), size));
	return sizeclass_round(max(size, LARGE_MIN));
}

/* --- free ----------------------------------------------------------------------------- */

static void free_span(struct tcache *t, void *p, const struct block *b)
{
	if (b->class != CLASS_HUGE && t->enabled && b->w == t->home &&
	    tcache_push_large(t, b->class, p))
		return;
	if (t->enabled)
		t->net -= (int64_t)b->size;
	else
		fill_freed(p, b->w, b->size);
	if (b->class == CLASS_HUGE)
		huge_free(p);
	else
		large_free_span(p, b->class);
	if (t->enabled)
		tcache_watch_net(t);
}

static void free_small(struct tcache *t, void *p, const struct block *b)
{
	if (unlikely(!t->enabled)) {
		fill_freed(p, b->w, b->size);
		arena_flush(NULL, b->class, &p, 1);
		return;
	}
	if (b->w != t->home) {
		tcache_push_remote(t, b->class, p);
		return;
	}
	if (t->bins[b->class].cap && t->top[b->class][-1] == p) {
		if (tcache_cached(t, b->class))
			ash_fatal("free: block %p of %zu bytes was freed twice", p, b->size);
		/* It went home, and has been somebody's since, or is freed twice. */
		tcache_send_home(t, b->class, p);
		return;
	}
	tcache_flush_push(t, b->class, p);
}

/* Jumped to from free. */
static noinline void free_sampled(void *p)
{
	prof_free(ash_tls, p, FRAME);
	KEEP_FRAME();
}

/* GC or decay is due, or the heap's lock is taken: the long way counts the block itself, and looks at decay. */
static noinline void large_gc(void *p, struct tcache *t, size_t class)
{
	t->net += sizeclass_bytes[class];
	if (t->events >= t->gc_events)
		tcache_gc(t);
	slow_free(p);
}

/* There is no room in the cache for the large block @p of @class, unless it is in there already. */
static noinline void large_full(void *p, struct tcache *t, size_t class)
{
	if (unlikely(t->large_top[class - CLASS_LARGE_FIRST][-1] == p ||
		     tcache_refused(t, t->large_cost[class - CLASS_LARGE_FIRST]) ||
		     !large_free_home(t->arena->heap, p, ((uintptr_t)p - t->base) >> PAGE_SHIFT, class)))
		large_gc(p, t, class);
}

/* The stack of @class is full, there are none yet, or it is no large class. */
static noinline void large_stack_full(void *p, struct tcache *t, size_t class)
{
	if (unlikely(class > CLASS_LARGE_LAST))
		slow_free(p);
	else if (likely(t->large_slots) || !tcache_push_large(t, class, p))
		large_full(p, t, class);
}

void full_free(void *p, struct tcache *t, size_t class)
{
	if (unlikely(class < CLASS_LARGE_FIRST))
		slow_free(p);
	else if (unlikely(!large_has_room(t, class)))
		large_full(p, t, class);
	else if (unlikely(!large_push(t, class, p)))
		large_stack_full(p, t, class);
}

void slow_free(void *p)
{
	struct tcache *t;
	struct block b;
	int saved;

	if (!p)
		return;
	saved = errno;
	t = thread_cache_quick();
	if (unlikely(!block_find(p, &b))) {
		block_foreign("free", p);
		goto out;
	}
	/* The window may have grown since this thread last looked. */
	if (b.w == t->home)
		t->limit = atomic_load_explicit(&b.w->grown, memory_order_relaxed);
	if (unlikely(b.class == CLASS_SAMPLED)) {
		errno = saved;
		free_sampled(p);
		return;
	}
	if (b.class <= CLASS_SMALL_LAST)
		free_small(t, p, &b);
	else
		free_span(t, p, &b);
out:
	errno = saved;
}

/* Can a block of @b->size bytes be what a request of @size got? A cache may give a larger one. */
static bool size_possible(const void *p, const struct block *b, size_t align, size_t size)
{
	size_t asked;

	if (unlikely(conf.redzone && redzone_size(b->w, p, b->size, &asked)))
		return max(size, (size_t)1) == max(asked, (size_t)1);
	return size <= b->size && block_good_size(align, size) >= b->size / 2;
}

static size_t usable(const void *p, const struct block *b)
{
	size_t size;

	return conf.redzone && redzone_size(b->w, p, b->size, &size) ? size : b->size;
}

/* fast_free_sized(), for the small sizes that a thread's own table does not have. */
static bool mid_free_sized(void *p, size_t size)
{
	struct tcache *t = ash_tls;
	size_t offset = (uintptr_t)p - t->base, class;

	if (unlikely(offset >= t->limit || size > SMALL_MAX))
		return false;
	class = sizeclass_small(size);
	return t->classes[offset >> PAGE_SHIFT] == class && fast_push(t, &class, p, true);
}

RARE void slow_free_sized(const char *call, void *p, size_t align, size_t size)
{
	struct block b;

	if (mid_free_sized(p, size))
		return;
	ASSERT(!p || !block_find(p, &b) || size_possible(p, &b, align, size),
	       "%s: block %p has %zu bytes, not the %zu it is freed with", call, p,
	       usable(p, &b), size);
	fast_free(p);
}

void block_free_direct(void *p)
{
	struct block b;

	if (!block_find(p, &b))
		block_foreign("free", p);
	else if (b.class == CLASS_SAMPLED)
		free_sampled(p);
	else
		b.class <= CLASS_SMALL_LAST ? free_small(&ash_dead, p, &b) :
					      free_span(&ash_dead, p, &b);
}
