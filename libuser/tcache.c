// SPDX-License-Identifier: MIT
#include "tcache.h"

#include <errno.h>
#include <string.h>

#include "arenas.h"
#include "conf.h"
#include "hollow.h"
#include "limit.h"
#include "nodes.h"
#include "os.h"

/*
 * A stack begins with CAP_FIRST slots and doubles when it runs full or empty
 * for the second time between two GCs; a thread that frees ten blocks needs no more.
 */
#define CAP_FIRST	15u
#define CAP_FIRST_BYTES	8192u

/* Look at the clock for decay no more often than this. */
#define TICK_MS		((int64_t)50)

/*
 * Where that left something to do, so many times in a tick: what a caller pays for at once is bounded, and
 * a large heap after a burst has more than that to give back.
 */
#define LOOKS			4u

/* Collect at least so often, while anything is allocated: few events are no reason to keep all. */
#define GC_MS		1000

/*
 * Events from one change of node to the next: a thread that is thrown to and fro does not
 * empty its cache each time; one that stayed for so long follows at once.
 */
#define FOLLOW_EVENTS	64u

/* Blocks below this size, two cache lines, mostly share a line with a neighbour. */
#define LINES_SHARED	((size_t)128)

/*
 * A stack of capacity cap has cap + 1 slots: base[-1] is never handed out. It may be what was freed last and
 * went home, so that who frees that again finds it on top of an empty stack.
 */
static size_t stack_bytes(unsigned int cap)
{
	return (cap + 1) * sizeof(void *);
}

static bool stack_resize(struct tcache *t, unsigned int class, unsigned int cap)
{
	struct cbin *b = &t->bins[class];
	unsigned int n = tcache_cached(t, class);
	void **slots = meta_alloc_as_is(stack_bytes(cap));

	if (!slots)
		return false;
	if (b->cap) {
		memcpy(slots + 1, t->base_of[class], n * sizeof(void *));
		meta_free(t->base_of[class] - 1, stack_bytes(b->cap));
	}
	slots[0] = NULL;
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
	b->cap = 0;
}

/* A record of its own kind: meta_alloc() rounds up to the next power of two. */
_Static_assert(sizeof(struct tcache) <= PAGE_SIZE, "the near table is as long as there is room");

/* Of large slots fewer: what a first fill takes is more than many a thread ever needs. */
static unsigned int cap_first(unsigned int class)
{
	return min(max(CAP_FIRST_BYTES / sizeclasses[class].size, 1u), CAP_FIRST);
}

/* After a fill or flush: more room if the stack is in demand. */
static void stack_adapt(struct tcache *t, unsigned int class)
{
	struct cbin *b = &t->bins[class];

	b->use++;
	if (b->cap < b->cap_max && (!b->cap || b->use >= 2))
		stack_resize(t, class, min(max(b->cap * 2u + 1, cap_first(class)), (unsigned int)b->cap_max));
}

/* No CPU's number. */
static const uint32_t no_cpu = UINT32_MAX;

/*
 * The word that tells the CPU; with one node one that never changes, without rseq one that always
 * did. cpu is wrong at first: the thread may have moved since its node was looked up.
 */
static void watch_cpu(struct tcache *t)
{
	t->cpu_word = ash_npageheaps > 1 ? numa_cpu_word() : &t->cpu;
	if (!t->cpu_word)
		t->cpu_word = &no_cpu;
	if (t->cpu_word != &t->cpu)
		t->cpu = ~*t->cpu_word;
}

void tcache_bind(struct tcache *t, struct arena *a)
{
	unsigned int due;

	t->arena = a;
	t->home = a->heap->windows[0];
	t->base = (uintptr_t)t->home->base;
	t->limit = atomic_load_explicit(&t->home->grown, memory_order_relaxed);
	t->classes = window_classes(t->home);
	watch_cpu(t);
	t->asked = atomic_load_explicit(&ash_limit.asked, memory_order_relaxed);
	for (size_t size = 0, c = 1; size <= TCACHE_NEAR; size = sizeclasses[c++].size + 1)
		memset(t->near + size, (int)c, sizeclasses[c].size + 1 - size);
	if (!t->sampling.wait)
		t->countdown = sample_next(&t->sampling, 0, t->pace = TCACHE_EVENT_BYTES, &due);
	t->gc_events = (uint32_t)conf.gc_events;
	t->net_due = t->net - TCACHE_EVENT_BYTES;
	for (unsigned int c = 1; c <= CLASS_LARGE_LAST; c++) {
		size_t size = sizeclasses[c].size, most;

		if (c <= CLASS_SMALL_LAST)
			most = min(max((size_t)conf.tcache_bytes / size, (size_t)4),
				   (size_t)conf.ncached_max);
		else
			most = tcache_large_cap(c);
		t->bins[c].cap_max = (uint16_t)(size > (size_t)conf.tcache_max ? 0 : most);
	}
	tcache_bind_large(t);
}

/* --- GC ----------------------------------------------------------------------------- */

/* The oldest @n blocks of a small stack go to @depot's arena, or, if that is NULL, home. */
static void flush_oldest(struct tcache *t, struct arena *depot, unsigned int class, unsigned int n)
{
	void **base = t->base_of[class];
	size_t left = tcache_cached(t, class) - n;

	t->net -= n * (int64_t)sizeclasses[class].size;
	arena_flush(depot, class, base, n);
	memmove(base, base + n, left * sizeof(void *));
	t->top[class] = base + left;
}

RARE static noinline void flush_remote(struct tcache *t)
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

/* Stacks unused since the last GC lose half of what they hold, which goes home, then their room; large ones half. */
static void age(struct tcache *t)
{
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		struct cbin *b = &t->bins[c];
		unsigned int n = tcache_cached(t, c);

		if (!b->cap)
			continue;
		if (b->use) {
			b->use = 0;
			continue;
		}
		if (n)
			flush_oldest(t, NULL, c, (n + 1) / 2);
		else
			stack_drop(t, c);
	}
	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++)
		tcache_free_oldest(t, c, (tcache_cached(t, c) + 1) / 2);
}

/* The thread may have moved to another node: allocate there from now on. */
RARE static void follow_node(struct tcache *t)
{
	struct arena *old = t->arena, *a;
	unsigned int node;

	if (ash_npageheaps < 2 || old->reserved)
		return;
	node = os_current_node();
	if (pageheap_of_node(node) == old->heap)
		return;
	a = arena_choose(node);
	if (!a)
		return;
	tcache_flush_all(t);
	arena_leave(old);
	tcache_bind(t, a);
	t->follow_wait = FOLLOW_EVENTS;
}

RARE void tcache_follow(struct tcache *t)
{
	if (t->follow_wait) {
		t->follow_wait--;
		return;
	}
	/* Where the word never agrees, there is no other way than to ask each time. */
	if (t->cpu_word != &no_cpu)
		t->cpu = *t->cpu_word;
	follow_node(t);
}

/* The system, or a limit, wants what threads keep. */
static void empty(struct tcache *t)
{
	t->asked = atomic_load_explicit(&ash_limit.asked, memory_order_relaxed);
	tcache_flush_all(t);
	arena_age_depots(t->arena, true);
}

void tcache_gc(struct tcache *t)
{
	t->events = 0;
	age(t);
	if (t->nremote)
		flush_remote(t);
	arena_age_depots(t->arena, false);
	arena_age_abandoned();
	follow_node(t);
}

/*
 * Events come every few MB, so that they cost nothing, unless that takes much longer than a
 * tick: then about as many bytes later as the thread asks for in one. A thread that is idle
 * but for a request now and then gives back on time as well.
 */
static noinline void set_pace(struct tcache *t, uint64_t now, int64_t passed)
{
	int64_t latest = atomic_load_explicit(&sample_latest, memory_order_relaxed);
	int64_t late = (int64_t)(now - t->next_tick);

	/* More bytes than at first only where they are a matter of moments: a look's batch is bounded. */
	int64_t most = late < TICK_MS / 4 - TICK_MS ? latest : min(latest, TCACHE_EVENT_BYTES);

	if (late < 0 && t->pace < most)
		t->pace = min(2 * t->pace, most);
	else if (t->next_tick && late > (t->pace > TCACHE_EVENT_BYTES ? TICK_MS / 4 : TICK_MS))
		t->pace = max(min(passed, t->pace) * TICK_MS / (late + TICK_MS), TCACHE_EVENT_LEAST);
	else
		t->pace = min(t->pace, latest);
}

/* So much became free that the next event had better be soon: who frees a lot may be done. */
static void hasten(struct tcache *t)
{
	int64_t less = t->countdown - TCACHE_EVENT_LEAST;

	t->pace = TCACHE_EVENT_LEAST;
	if (less > 0) {
		t->countdown -= less;
		t->sampling.wait -= less;
	}
}

void tcache_freed(struct tcache *t)
{
	struct pageheap *h = t->arena->heap;
	bool too_much = limit_dirty_passed(h);
	uint64_t now = os_now_ms();
	int saved = errno;

	/* Beyond the amount, what is late is the last of what was freed. */
	t->net_due = t->net - (too_much ? (int64_t)MB : TCACHE_EVENT_BYTES);
	hasten(t);
	/* Where memory goes back at once, or too much is free, there is nothing to wait for. */
	if (now < t->next_tick && __atomic_load_n(&h->decay.ms, __ATOMIC_RELAXED) && !too_much)
		return;
	t->next_tick = now + TICK_MS;
	tcache_count(t);
	if (!hollow_attended(h, now))
		hollow_purge(h, now, PURGE_DECAY_BATCH);
	errno = saved;
}

static void count_event(struct tcache *t)
{
	tcache_watch_net(t);
	tcache_watch(t);
	if (unlikely(t->asked != atomic_load_explicit(&ash_limit.asked, memory_order_relaxed)))
		empty(t);
	if (unlikely(++t->events >= t->gc_events))
		tcache_gc(t);
}

static void look(struct tcache *t, uint64_t now)
{
	struct pageheap *h = t->arena->heap;
	bool behind;

	if (now >= t->next_tick) {
		t->next_tick = now + TICK_MS;
		t->again = LOOKS;
	}
	if (hollow_attended(h, now)) {
		t->again = 0;
		return;
	}
	if (!hollow_look(h, now, &behind))
		hollow_another(h, now);
	/* Where memory goes back at once, a heap that breathes would fault it in again. */
	t->again = behind && __atomic_load_n(&h->decay.ms, __ATOMIC_RELAXED) ? t->again - 1 : 0;
	if (t->again)
		hasten(t);
}

unsigned int tcache_event(struct tcache *t)
{
	int64_t passed = t->sampling.wait - t->countdown;
	uint64_t now = os_now_ms();
	unsigned int due;
	int saved;

	t->bytes += (uint64_t)passed;
	if (unlikely(t->pace != atomic_load_explicit(&sample_latest, memory_order_relaxed) ||
		     now > t->next_tick + TICK_MS / 4))
		set_pace(t, now, passed);
	t->countdown = sample_next(&t->sampling, passed, t->pace, &due);
	/* By the bytes that were asked for, and not by the clock: counts repeat. */
	if (!due)
		tcache_rebound(t);
	t->net_due = t->net - TCACHE_EVENT_BYTES;
	if (now < t->next_tick && !t->again)
		return due;
	saved = errno;
	tcache_count(t);
	look(t, now);
	if (now >= t->next_gc) {
		t->next_gc = now + GC_MS;
		tcache_gc(t);
	} else {
		count_event(t);
	}
	errno = saved;
	return due;
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

/*
 * Who frees thousands of blocks in an order of his own ends with a full stack of those that were
 * freed last, one in each of as many slabs: they would all be free memory but for it. Then it is
 * emptied, and begins small again, since what is freed next is no better.
 */
static bool flush_sparse(struct tcache *t, unsigned int class)
{
	struct cbin *b = &t->bins[class];
	unsigned int n = tcache_cached(t, class);

	if (!n || t->top[class] != t->end[class] ||
	    !arena_is_sparse(t->arena, class, t->base_of[class], n))
		return false;
	b->use++;
	/* By halves, so that nobody waits longer for the bin's lock than for other flushes. */
	flush_oldest(t, NULL, class, (n + 1) / 2);
	flush_oldest(t, NULL, class, n / 2);
	if (b->cap > cap_first(class))
		stack_resize(t, class, cap_first(class));
	return true;
}

/*
 * Of a full stack. Neighbours freed in a row are as good as new, and wait in the depot to be taken
 * as they are. In any other order they would be handed out so again, and what a program makes
 * together would lie all over the heap.
 */
static void flush_older_half(struct tcache *t, unsigned int class)
{
	unsigned int n = (t->bins[class].cap + 1u) / 2;
	bool home = arena_sorts(t->arena, class, t->base_of[class], n);

	flush_oldest(t, home ? NULL : t->arena, class, n);
}

/*
 * The first block that a thread frees of a class, and another arena's: it was handed over, and if
 * this thread had it again with its next malloc it would go on beside a neighbour that the other thread
 * writes to. Later ones stay: to ask each time would cost all who take over blocks.
 */
static bool is_handed_over(struct tcache *t, unsigned int class, const void *p)
{
	return sizeclasses[class].size < LINES_SHARED && !arena_owns(t->arena, p);
}

void tcache_send_home(struct tcache *t, unsigned int class, void *p)
{
	t->net -= sizeclasses[class].size;
	arena_flush(NULL, class, &p, 1);
	t->base_of[class][-1] = p;
}

void tcache_flush_push(struct tcache *t, unsigned int class, void *p)
{
	struct cbin *b = &t->bins[class];
	bool first = !b->cap;

	count_event(t);
	/* GC may have moved this thread to another node. */
	if (unlikely((uintptr_t)p - t->base >= t->home->size)) {
		tcache_push_remote(t, class, p);
		return;
	}
	if (!flush_sparse(t, class))
		stack_adapt(t, class);
	if (unlikely(first && b->cap && is_handed_over(t, class, p))) {
		tcache_send_home(t, class, p);
		return;
	}
	if (t->top[class] == t->end[class]) {
		if (unlikely(!b->cap)) {
			t->net -= sizeclasses[class].size;
			arena_flush(t->arena, class, &p, 1);
			return;
		}
		flush_older_half(t, class);
	}
	*t->top[class]++ = p;
}

RARE void tcache_push_remote(struct tcache *t, unsigned int class, void *p)
{
	t->remote_bytes += sizeclasses[class].size;
	t->remote[t->nremote++] = p;
	if (t->nremote == REMOTE_MAX) {
		flush_remote(t);
		count_event(t);
	}
}

/* --- all ------------------------------------------------------------------------------ */

void tcache_flush_all(struct tcache *t)
{
	for (unsigned int c = 1; c <= CLASS_LARGE_LAST; c++) {
		unsigned int n = tcache_cached(t, c);

		if (n && c <= CLASS_SMALL_LAST)
			flush_oldest(t, t->arena, c, n);
		else if (n)
			tcache_free_oldest(t, c, n);
	}
	if (t->nremote)
		flush_remote(t);
}

void tcache_destroy(struct tcache *t)
{
	tcache_flush_all(t);
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++)
		stack_drop(t, c);
	tcache_drop_large(t);
}
