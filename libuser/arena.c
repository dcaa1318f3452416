// SPDX-License-Identifier: MIT
#include "arena.h"

#include <string.h>

#include "cgroup.h"
#include "conf.h"

/*
 * A depot's bound: of one bin, and of an arena's bins together. The latter is 1/16
 * of a small heap, 1/32 of a large one, and a megabyte in between, where each arena counts
 * for an equal part of the heap.
 */
#define DEPOT_LEAST		(256 * KB)
#define DEPOT_BIN_BYTES		(256 * KB)
#define DEPOT_ARENA_BYTES	(1 * MB)
#define DEPOT_HEAP_SHARE	32
#define DEPOT_MAX_SLOTS		(META_MAX / sizeof(void *))

#define ARENAS_PER_CPU		4	/* option narenas: 0 */

/* A bin's first slabs are small; with this many it is worth larger ones. */
#define SMALL_SLABS		2

_Atomic(struct arena *) ash_arenas[ARENAS_MAX];
_Atomic unsigned int ash_narenas;

static struct lock arenas_lock = LOCK_INIT(RANK_ARENAS);

/* --- a bin's lock, and fork's gate ------------------------------------------------ */

static void bin_lock(struct arena *a, struct bin *b)
{
	for (;;) {
		lock_take(&b->lock);
		/* Pairs with arenas_prefork(), which stores the gate, then looks at the locks. */
		if (likely(!atomic_load_explicit(&a->gate, memory_order_seq_cst)))
			return;
		lock_drop(&b->lock);
		futex_wait(&a->gate, 1);
	}
}

static void bin_unlock(struct bin *b)
{
	lock_drop(&b->lock);
}

void arenas_prefork(void)
{
	unsigned int n;

	lock_take(&arenas_lock);
	n = atomic_load(&ash_narenas);
	for (unsigned int i = 0; i < n; i++)
		atomic_store(&ash_arenas[i]->gate, 1);
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
			while (lock_held(&ash_arenas[i]->bins[c].lock))
				cpu_relax();
		}
	}
}

void arenas_postfork(bool child)
{
	unsigned int n = atomic_load(&ash_narenas);

	for (unsigned int i = 0; i < n; i++) {
		struct arena *a = ash_arenas[i];

		for (unsigned int c = 1; child && c <= CLASS_SMALL_LAST; c++)
			lock_init(&a->bins[c].lock, RANK_BIN);
		atomic_store(&a->gate, 0);
		if (!child)
			futex_wake_all(&a->gate);
	}
	if (child)
		lock_init(&arenas_lock, RANK_ARENAS);
	else
		lock_drop(&arenas_lock);
}

/* --- a bin's slabs ----------------------------------------------------------------- */

static unsigned int list_of(const struct slab *s)
{
	return min((unsigned int)s->nfree * BIN_LISTS / (s->nslots + 1u), BIN_LISTS - 1u);
}

static void slab_link(struct bin *b, struct slab *s)
{
	s->list = (uint8_t)list_of(s);
	s->prev = NULL;
	s->next = b->lists[s->list];
	if (s->next)
		s->next->prev = s;
	b->lists[s->list] = s;
}

static void slab_unlink(struct bin *b, struct slab *s)
{
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		b->lists[s->list] = s->next;
}

static struct slab *bin_slab(struct bin *b)
{
	for (unsigned int i = 0; i < BIN_LISTS; i++) {
		if (b->lists[i])
			return b->lists[i];
	}
	return NULL;
}

static struct slab *bin_new_slab(struct arena *a, struct bin *b, unsigned int class)
{
	const struct sizeclass *sc = &sizeclasses[class];
	unsigned int pages = b->nslabs < SMALL_SLABS ? sc->pages_min : sc->pages_max;
	struct slab *s = slab_create(a->heap, a->index, class, pages);

	if (!s)
		return NULL;
	slab_link(b, s);
	b->nslabs++;
	b->slabs_made++;
	b->pages += pages;
	return s;
}

/* --- the depot ---------------------------------------------------------------------- */

static bool depot_grow(struct bin *b)
{
	uint32_t cap = max(b->depot_cap * 2, 64u);
	void **slots;

	if (cap > DEPOT_MAX_SLOTS)
		return false;
	slots = meta_alloc(cap * sizeof(void *));
	if (!slots)
		return false;
	if (b->ndepot)
		memcpy(slots, b->depot, b->ndepot * sizeof(void *));
	meta_free(b->depot, b->depot_cap * sizeof(void *));
	b->depot = slots;
	b->depot_cap = cap;
	return true;
}

static size_t depot_bound(const struct arena *a)
{
	/* A look without the lock: a bound need not be exact. */
	size_t heap = atomic_load_explicit(&a->heap->active_seen, memory_order_relaxed) << PAGE_SHIFT;

	size_t part = heap / max(atomic_load_explicit(&ash_narenas, memory_order_relaxed), 1u);

	return max(part / DEPOT_HEAP_SHARE, min(max(part / 16, DEPOT_LEAST), DEPOT_ARENA_BYTES));
}

/*
 * How many of @n slots the depot takes: none where nobody ever takes one. A thread that only
 * frees would keep, for nothing, blocks from all over other threads' slabs, none of which
 * could become empty.
 */
static unsigned int depot_put(struct arena *a, struct bin *b, unsigned int class, void **blocks,
			      unsigned int n)
{
	size_t size = sizeclasses[class].size;
	size_t room = DEPOT_BIN_BYTES / size;

	if (b->depot_closed)
		return 0;
	room = room > b->ndepot ? room - b->ndepot : 0;
	if (atomic_load_explicit(&a->depot_bytes, memory_order_relaxed) + n * size > depot_bound(a))
		return 0;
	n = (unsigned int)min((size_t)n, room);
	while (b->ndepot + n > b->depot_cap) {
		if (!depot_grow(b)) {
			n = b->depot_cap - b->ndepot;
			break;
		}
	}
	if (!n)
		return 0;
	memcpy(b->depot + b->ndepot, blocks, n * sizeof(void *));
	b->ndepot += n;
	atomic_fetch_add_explicit(&a->depot_bytes, n * size, memory_order_relaxed);
	return n;
}

static unsigned int depot_get(struct arena *a, struct bin *b, unsigned int class, void **top,
			      unsigned int n)
{
	n = min(n, b->ndepot);
	if (!n)
		return 0;
	b->ndepot -= n;
	b->depot_low = min(b->depot_low, b->ndepot);
	memcpy(top - n, b->depot + b->ndepot, n * sizeof(void *));
	atomic_fetch_sub_explicit(&a->depot_bytes, n * sizeclasses[class].size,
				  memory_order_relaxed);
	return n;
}

/* --- fill and flush ------------------------------------------------------------------ */

unsigned int arena_fill(struct arena *a, unsigned int class, void **top, unsigned int n)
{
	struct bin *b = &a->bins[class];
	unsigned int got;

	bin_lock(a, b);
	b->fills++;
	b->depot_closed = false;
	got = depot_get(a, b, class, top, n);
	while (got < n) {
		struct slab *s = bin_slab(b);
		unsigned int k;

		/* A new slab only for a thread that would else go empty-handed. */
		if (!s && !got)
			s = bin_new_slab(a, b, class);
		if (!s)
			break;
		slab_unlink(b, s);
		k = slab_take(s, top - got, n - got);
		if (s->nfree)
			slab_link(b, s);
		got += k;
		b->out += k;
	}
	b->taken += got;
	bin_unlock(b);
	return got;
}

static void misuse(const void *p, unsigned int class)
{
	struct window *w = window_of(p);
	const struct slab *s = slab_of(w, p);

	if (!slab_is_slot(s, p))
		ash_fatal("free: %p points inside a block of %u bytes, not at its start", p,
			  sizeclasses[class].size);
	ash_fatal("free: block %p of %u bytes was freed twice", p, sizeclasses[class].size);
}

/* @s got slots back; it was @full before. Empty slabs are chained for the caller to destroy. */
static void slab_returned(struct bin *b, struct slab *s, bool full, struct slab **empty)
{
	if (s->nfree == s->nslots) {
		if (!full)
			slab_unlink(b, s);
		b->nslabs--;
		b->pages -= s->npages;
		s->next = *empty;
		*empty = s;
	} else if (full) {
		slab_link(b, s);
	} else if (s->list != list_of(s)) {
		slab_unlink(b, s);
		slab_link(b, s);
	}
}

/*
 * One owner's share of @blocks goes home under one lock, neighbours in a slab
 * together; the others' are moved to the front. Returns how many are left.
 */
static unsigned int flush_one_owner(unsigned int class, void **blocks, unsigned int n)
{
	struct window *w = window_of(blocks[0]);
	unsigned int owner = slab_of(w, blocks[0])->arena, left = 0, put;
	struct arena *a = ash_arenas[owner];
	struct bin *b = &a->bins[class];
	struct slab *empty = NULL;

	bin_lock(a, b);
	b->flushes++;
	for (unsigned int i = 0; i < n; i += put) {
		void *p = blocks[i];
		struct slab *s;
		bool full;

		put = 1;
		if (unlikely((uintptr_t)p - (uintptr_t)w->base >= w->size)) {
			blocks[left++] = p;
			continue;
		}
		s = slab_of(w, p);
		if (s->arena != owner) {
			blocks[left++] = p;
			continue;
		}
		full = !s->nfree;
		put = slab_put_run(s, blocks + i, n - i);
		if (unlikely(!put))
			misuse(p, class);
		b->out -= put;
		slab_returned(b, s, full, &empty);
	}
	bin_unlock(b);
	while (empty) {
		struct slab *s = empty;

		empty = s->next;
		slab_destroy(s);
	}
	return left;
}

void arena_flush(struct arena *a, unsigned int class, void **blocks, unsigned int n)
{
	if (a) {
		struct bin *b = &a->bins[class];
		unsigned int kept;

		bin_lock(a, b);
		kept = depot_put(a, b, class, blocks, n);
		bin_unlock(b);
		blocks += kept;
		n -= kept;
	}
	while (n)
		n = flush_one_owner(class, blocks, n);
}

void arena_age_depots(struct arena *a, bool all)
{
	void *blocks[256];

	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		struct bin *b = &a->bins[c];
		unsigned int n, want;

		bin_lock(a, b);
		b->depot_closed = b->fills == b->fills_aged;
		b->fills_aged = b->fills;
		want = all || b->depot_closed ? b->ndepot : (b->depot_low + 1) / 2;
		b->depot_low = b->ndepot;
		while (want) {
			n = depot_get(a, b, c, blocks + ARRAY_SIZE(blocks),
				      min(want, (unsigned int)ARRAY_SIZE(blocks)));
			bin_unlock(b);
			arena_flush(NULL, c, blocks + ARRAY_SIZE(blocks) - n, n);
			want = n ? want - n : 0;
			bin_lock(a, b);
		}
		bin_unlock(b);
	}
}

void arena_age_abandoned(void)
{
	static _Atomic unsigned int turn;
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_acquire);
	struct arena *a = ash_arenas[atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) % n];

	if (!atomic_load_explicit(&a->nthreads, memory_order_relaxed) &&
	    atomic_load_explicit(&a->depot_bytes, memory_order_relaxed))
		arena_age_depots(a, false);
}

void arena_bin_stats(struct arena *a, unsigned int class, struct bin_stats *out)
{
	struct bin *b = &a->bins[class];

	bin_lock(a, b);
	*out = (struct bin_stats){
		.nslabs = b->nslabs, .pages = b->pages, .out = b->out, .depot = b->ndepot,
		.taken = b->taken, .slabs_made = b->slabs_made,
		.fills = b->fills, .flushes = b->flushes,
	};
	for (unsigned int i = 0; i < BIN_LISTS; i++) {
		for (const struct slab *s = b->lists[i]; s; s = s->next)
			out->nonfull++;
	}
	bin_unlock(b);
}

void arena_discard(struct arena *a, struct slab *s)
{
	struct bin *b = &a->bins[s->class];

	bin_lock(a, b);
	if (s->nfree)
		slab_unlink(b, s);
	b->out -= (size_t)(s->nslots - s->nfree);
	b->nslabs--;
	b->pages -= s->npages;
	bits_set_range(&s->free, 0, s->nslots);
	s->nfree = s->nslots;
	bin_unlock(b);
	slab_destroy(s);
}

/* --- arenas ---------------------------------------------------------------------------- */

unsigned int arena_limit(void)
{
	static _Atomic unsigned int limit;
	unsigned int n = atomic_load_explicit(&limit, memory_order_relaxed);

	if (!n) {
		n = conf.narenas ? (unsigned int)conf.narenas : ARENAS_PER_CPU * cgroup_cpus();
		n = min(max(n, 1u), ARENAS_MAX - 1u);
		atomic_store_explicit(&limit, n, memory_order_relaxed);
	}
	return n;
}

/*
 * May there be an arena of this index? The first four any number of CPUs allows: a process
 * of a few threads need not ask how many it has, which costs system calls.
 */
static bool within_limit(unsigned int index)
{
	return (!conf.narenas && index < ARENAS_PER_CPU) || index < arena_limit();
}

/* Under arenas_lock. */
static struct arena *create(unsigned int node, bool reserved)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_relaxed);
	struct arena *a;

	if (n == ARENAS_MAX)
		return NULL;
	a = meta_alloc(sizeof(*a));
	if (!a)
		return NULL;
	a->index = n;
	a->reserved = reserved;
	a->heap = pageheap_of_node(node);
	for (unsigned int c = 0; c <= CLASS_SMALL_LAST; c++) {
		lock_init(&a->bins[c].lock, RANK_BIN);
		a->bins[c].depot_closed = true;
	}
	if (!pageheap_ready(a->heap)) {
		meta_free(a, sizeof(*a));
		return NULL;
	}
	atomic_store_explicit(&ash_arenas[n], a, memory_order_release);
	atomic_store_explicit(&ash_narenas, n + 1, memory_order_release);
	return a;
}

/* A retired arena of @node, alive again. Under arenas_lock. */
static struct arena *revive(unsigned int node)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_relaxed);

	for (unsigned int i = 0; i < n; i++) {
		struct arena *a = ash_arenas[i];

		if (!a->retired || a->heap != pageheap_of_node(node))
			continue;
		a->retired = false;
		atomic_store(&a->destroyed, false);
		return a;
	}
	return NULL;
}

struct arena *arena_create(unsigned int node)
{
	struct arena *a;

	lock_take(&arenas_lock);
	a = revive(node);
	if (!a)
		a = create(node, true);
	lock_drop(&arenas_lock);
	return a;
}

void arena_retire(struct arena *a)
{
	lock_take(&arenas_lock);
	a->retired = true;
	lock_drop(&arenas_lock);
}

struct arena *arena_get(unsigned int index)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_acquire);

	if (unlikely(index >= n && index < arena_limit())) {
		lock_take(&arenas_lock);
		while ((n = atomic_load_explicit(&ash_narenas, memory_order_relaxed)) <= index &&
		       create(ash_pageheaps[n % ash_npageheaps]->node, false))
			;
		lock_drop(&arenas_lock);
	}
	return index < n && !ash_arenas[index]->destroyed ? ash_arenas[index] : NULL;
}

struct arena *arena_choose(unsigned int node)
{
	struct pageheap *heap = pageheap_of_node(node);
	struct arena *best = NULL;
	unsigned int n, local = 0;

	lock_take(&arenas_lock);
	n = atomic_load_explicit(&ash_narenas, memory_order_relaxed);
	for (unsigned int i = 0; i < n; i++) {
		struct arena *a = ash_arenas[i];

		if (a->heap != heap || a->reserved)
			continue;
		local++;
		if (!best || a->nthreads < best->nthreads)
			best = a;
	}
	/* Each node has its share of the limit: local < limit / ash_npageheaps. */
	if (!best || (best->nthreads && within_limit((local + 1) * ash_npageheaps - 1))) {
		struct arena *fresh = create(node, false);

		best = fresh ? fresh : best;
	}
	if (!best && n)
		best = ash_arenas[0];
	if (best)
		best->nthreads++;
	lock_drop(&arenas_lock);
	return best;
}
