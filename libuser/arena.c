// SPDX-License-Identifier: MIT
#include "arena.h"

#include <string.h>

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
/* An array's first slots, and those that an empty depot keeps. */
#define DEPOT_FIRST_SLOTS	64u
#define DEPOT_KEPT_SLOTS	256u

/* From so many bytes on it does not matter where a block's neighbours are: each has its own cache lines and most of a page. */
#define SORTED_BELOW		1024u

/* Blocks that go home behind one lock at a time. */
#define FLUSH_BATCH		256u

/* How many other arenas are asked for slots before a slab is made, and from what on they lend. */
#define LENDERS			4u
#define LENDERS_SEEN		64u	/* arenas looked at for them: the reserved, other nodes' too */
#define LEND_LEAST		(64 * KB)

/*
 * A bin of so many bytes is sparse when less than so much of it is used, few threads' caches hold
 * that, and nobody has filled for a while: an open depot is for those who fill and free by turns.
 */
#define SPARSE_LEAST		(128 * KB)
#define SPARSE_SHARE		8
#define SPARSE_CACHES		4

/* A bin's first slabs are small; with this many it is worth larger ones. */
#define SMALL_SLABS		2

/* --- a bin's slabs ----------------------------------------------------------------- */

static size_t slabs_made(const struct bin *b)
{
	return atomic_load_explicit(&b->slabs_made, memory_order_relaxed);
}

/* In no list yet. @kept: only one that is there. */
static struct slab *bin_new_slab(struct arena *a, struct bin *b, unsigned int class, bool kept)
{
	const struct sizeclass *sc = &sizeclasses[class];
	unsigned int pages = b->nslabs < SMALL_SLABS ? sc->pages_min : sc->pages_max;
	struct slab *s;

	if (kept)
		s = slab_create_kept(a->heap, a->index, class, pages);
	else
		s = slab_create(a->heap, a->index, class, pages);
	if (!s)
		return NULL;
	b->nslabs++;
	atomic_store_explicit(&b->slabs_made, slabs_made(b) + 1, memory_order_relaxed);
	b->pages += pages;
	return s;
}

/* --- the depot ---------------------------------------------------------------------- */

/* Room for @need blocks, or as many as it had when its array was last given back. */
static bool depot_grow(struct bin *b, uint32_t need)
{
	uint32_t cap = max(b->depot_cap, DEPOT_FIRST_SLOTS);
	void **slots;

	if (!b->depot)
		need = max(need, b->depot_high);
	while (cap < need)
		cap *= 2;
	if (cap > DEPOT_MAX_SLOTS)
		return false;
	slots = meta_alloc_as_is(cap * sizeof(void *));
	if (!slots)
		return false;
	if (b->ndepot)
		memcpy(slots, b->depot, b->ndepot * sizeof(void *));
	if (!b->depot)
		b->depot_high = 0;
	meta_free(b->depot, b->depot_cap * sizeof(void *));
	b->depot = slots;
	b->depot_cap = cap;
	return true;
}

/*
 * It is empty: a long array is another depot's. A program that is done with one size and goes on
 * with the next has the memory of one, not of both.
 */
static void depot_emptied(struct bin *b)
{
	if (b->depot_cap <= DEPOT_KEPT_SLOTS)
		return;
	meta_free(b->depot, b->depot_cap * sizeof(void *));
	b->depot = NULL;
	b->depot_cap = 0;
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
	if (b->ndepot + n > b->depot_cap && !depot_grow(b, b->ndepot + n))
		n = b->depot_cap - b->ndepot;
	if (!n)
		return 0;
	memcpy(b->depot + b->ndepot, blocks, n * sizeof(void *));
	b->ndepot += n;
	b->depot_high = max(b->depot_high, b->ndepot);
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
	if (!b->ndepot)
		depot_emptied(b);
	return n;
}

/* --- fill and flush ------------------------------------------------------------------ */

/* Those of @s that are on idle pages stay until no other slab has any. */
RARE static noinline unsigned int take_warm(struct bin *b, struct slab *s, void **top, unsigned int n)
{
	unsigned int got;

	bin_take_off(b, s);
	got = slab_take_warm(s, top, n);
	if (s->nfree && got < n)
		bin_link_to(b, s, BIN_COLD);
	else
		bin_relink(b, s);
	return got;
}

/* Up to @n slots of @b's slabs. Under its lock. */
static unsigned int take_slots(struct bin *b, void **top, unsigned int n)
{
	unsigned int got = 0;

	while (got < n) {
		struct slab *s = bin_fullest(b);
		unsigned int k;

		if (!s)
			break;
		if (unlikely(slab_idle(s)) && SLAB_LIST(slab_listed(s)) != BIN_COLD) {
			got += take_warm(b, s, top - got, n - got);
			continue;
		}
		bin_take_off(b, s);
		k = slab_take(s, top - got, n - got);
		bin_relink(b, s);
		got += k;
	}
	b->out += got;
	b->taken += got;
	return got;
}

/* The same of a new slab, and of as many as it takes if slabs are kept. */
static unsigned int take_new_slots(struct arena *a, struct bin *b, unsigned int class, void **top, unsigned int n)
{
	unsigned int got = 0;
	struct slab *s;

	while (got < n && (s = bin_new_slab(a, b, class, got > 0))) {
		got += slab_take(s, top - got, n - got);
		bin_relink(b, s);
	}
	b->out += got;
	b->taken += got;
	return got;
}

/* Is enough of @b's slabs unused to be worth a loan? Under its lock. */
static bool lends(const struct bin *b, unsigned int class)
{
	size_t bytes = b->pages << PAGE_SHIFT, unused = bytes - b->out * sizeclasses[class].size;

	return unused >= max(bytes / 4, LEND_LEAST);
}

/*
 * Slots of another arena's slabs, before there are new ones: threads that were many, or moved
 * on, or freed what others made leave slabs that are mostly holes, which their own arena may
 * never fill. Bins with few slabs lend nothing, and threads that begin share no cache line.
 */
RARE static noinline unsigned int borrow(struct arena *a, unsigned int class, void **top, unsigned int n)
{
	unsigned int others = atomic_load_explicit(&ash_narenas, memory_order_acquire) - 1;
	/* The same ones until they have no more, and a slab was made. */
	size_t first = slabs_made(&a->bins[class]) * LENDERS;
	unsigned int got = 0, asked = 0;

	/* Those that cannot lend cost a look and no turn; a fill makes a bounded number of looks. */
	for (unsigned int i = 0; i < min(others, LENDERS_SEEN) && asked < LENDERS && !got; i++) {
		struct arena *lender = ash_arenas[(a->index + 1 + (first + i) % others) % (others + 1)];
		struct bin *b = &lender->bins[class];

		if (lender->heap != a->heap || lender->reserved)
			continue;
		asked++;
		bin_lock(lender, b);
		if (lends(b, class))
			got = take_slots(b, top, n);
		bin_unlock(b);
	}
	return got;
}

/* From the depot and the arena's own slabs; if it has none left and @may_grow, from a new one. */
static unsigned int fill_own(struct arena *a, unsigned int class, void **top, unsigned int n,
			     bool again, bool may_grow)
{
	struct bin *b = &a->bins[class];
	unsigned int got;

	bin_lock(a, b);
	b->fills += !again;
	b->depot_closed = false;
	got = depot_get(a, b, class, top, n);
	b->taken += got;
	got += take_slots(b, top - got, n - got);
	/* A new slab only for a thread that would else go empty-handed. */
	if (!got && may_grow)
		got = take_new_slots(a, b, class, top, n);
	bin_unlock(b);
	return got;
}

unsigned int arena_fill(struct arena *a, unsigned int class, void **top, unsigned int n)
{
	bool alone = a->reserved || atomic_load_explicit(&ash_narenas, memory_order_relaxed) == 1;
	unsigned int got = fill_own(a, class, top, n, false, alone);

	if (!got && !alone)
		got = borrow(a, class, top, n);
	if (!got && !alone)
		got = fill_own(a, class, top, n, true, true);
	/* No memory: free slots that hollow.c has set aside for a moment may be all there are. */
	if (unlikely(!got)) {
		lock_take(&a->heap->hollow_lock);
		lock_drop(&a->heap->hollow_lock);
		got = fill_own(a, class, top, n, true, false);
	}
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
	bool runs = slab_are_neighbours(blocks, n, class);
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
		put = runs ? slab_put_neighbours(s, blocks + i, n - i) : 0;
		runs = put > 1;
		if (!put)
			put = slab_put_run(s, blocks + i, n - i);
		if (unlikely(!put))
			misuse(p, class);
		b->out -= put;
		bin_returned(b, s, full, &empty);
	}
	bin_unlock(b);
	bin_destroy(empty);
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
	while (n) {
		unsigned int k = min(n, FLUSH_BATCH);

		n -= k - flush_one_owner(class, blocks + n - k, k);
	}
}

bool arena_owns(const struct arena *a, const void *p)
{
	return slab_of(window_of(p), p)->arena == a->index;
}

bool arena_sorts(const struct arena *a, unsigned int class, void *const *blocks, unsigned int n)
{
	return sizeclasses[class].size < SORTED_BELOW && n >= RUN_LEAST && !slab_are_neighbours(blocks, n, class) &&
	       arena_owns(a, blocks[0]) && arena_owns(a, blocks[n - 1]);
}

/* Slots of @a's slabs among @blocks; the rest are other arenas'. */
static unsigned int count_own(const struct arena *a, void *const *blocks, unsigned int n)
{
	unsigned int own = 0;

	for (unsigned int i = 0; i < n; i++)
		own += arena_owns(a, blocks[i]);
	return own;
}

bool arena_is_sparse(struct arena *a, unsigned int class, void *const *blocks, unsigned int n)
{
	struct bin *b = &a->bins[class];
	bool sparse;
	size_t bytes, out;

	bin_lock(a, b);
	bytes = b->pages << PAGE_SHIFT;
	out = b->out;
	sparse = b->depot_closed && bytes >= SPARSE_LEAST &&
		 out * sizeclasses[class].size < bytes / SPARSE_SHARE && out <= (size_t)n * SPARSE_CACHES;
	bin_unlock(b);
	return sparse && out <= (size_t)count_own(a, blocks, n) * SPARSE_CACHES;
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

RARE void arena_bin_stats(struct arena *a, unsigned int class, struct bin_stats *out)
{
	struct bin *b = &a->bins[class];

	bin_lock(a, b);
	*out = (struct bin_stats){
		.nslabs = b->nslabs, .pages = b->pages, .out = b->out, .depot = b->ndepot,
		.taken = b->taken, .slabs_made = slabs_made(b),
		.fills = b->fills, .flushes = b->flushes,
	};
	for (unsigned int i = 0; i < BIN_LISTS; i++) {
		for (const struct slab *s = b->lists[i]; s; s = s->next)
			out->nonfull++;
	}
	bin_unlock(b);
}

RARE void arena_discard(struct arena *a, struct slab *s)
{
	struct bin *b = &a->bins[s->class];

	bin_lock(a, b);
	if (s->nfree)
		bin_unlink(b, s);
	b->out -= (size_t)(s->nslots - s->nfree);
	b->nslabs--;
	b->pages -= s->npages;
	bits_set_range(&s->free, 0, s->nslots);
	s->nfree = s->nslots;
	bin_unlock(b);
	slab_destroy(s);
}
