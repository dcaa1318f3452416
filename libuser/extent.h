/* SPDX-License-Identifier: MIT */
/*
 * One extent of a page heap: its pages, its place among the others. Every
 * function here is called under the heap's lock.
 */
#ifndef ASHLAR_EXTENT_H
#define ASHLAR_EXTENT_H

#include "decay.h"
#include "lock.h"
#include "sizeclass.h"
#include "window.h"

#define PAGEHEAP_WINDOWS	32
#define NLARGE			(CLASS_HUGE - CLASS_LARGE_FIRST + 1)
#define KEPT_LISTS		(NLARGE + 2)	/* by class, and as many as are looked at above the last */

/* Counters in pages unless said otherwise. Guarded by the heap's lock. */
struct pageheap_stats {
	size_t active;		/* used by spans, kept ones not in what pageheap_stats() says */
	size_t dirty;		/* free, may hold anything, muzzy ones not among them */
	size_t stuck;		/* of those, in extents that are too full for that to be worth their huge page */
	size_t muzzy;		/* free, purged lazily: the kernel may have taken them */
	size_t untouched;	/* neither, but resident: the rest of huge extents */
	size_t hollow;		/* used by spans, but without memory: free pages of slabs that were given back */
	size_t extents;		/* extents with memory */
	size_t device;		/* of those, from the device */
	size_t pieces;		/* of those, punched and not mended: not on huge pages */
	size_t huge;		/* of those, on huge pages or meant to be */
	size_t retained;	/* extents purged whole, address kept */
	size_t fallbacks;	/* extents the device should have given and did not */
	size_t purges;		/* purge runs */
	size_t purged;		/* pages purged since start */
	size_t lazily;		/* pages purged lazily since start */
	size_t punched;		/* extents of the device that gave single pages back, since start */
	size_t mended;		/* of those, made whole again */
	size_t moved;		/* extents whose memory became another's, since start */
};

struct limit_try;

struct extent_queue {
	struct extent *head, *tail;
};

struct pageheap {
	struct lock lock;
	/*
	 * Held over a purge's system calls, which run without the lock above;
	 * taken before it. fork takes both, so that a child never inherits
	 * pages in between.
	 */
	struct lock purge_lock;
	/* Held while slots are set aside, see hollow.c; taken before any bin's lock. */
	struct lock hollow_lock;
	/* All guarded by hollow_lock: whose turn is next; ms of the last look, and turns due then, as extents * ms. */
	struct turn {
		unsigned int window;
		size_t extent;
	} turn;
	uint64_t turn_at, turn_due;
	_Atomic uint64_t attended;	/* until this ms a thread of the library's own sees to decay; no lock */
	unsigned int index;		/* constant */
	unsigned int node;		/* constant: kernel's node id */
	/* All below guarded by lock. */
	unsigned int nwindows;
	struct window *windows[PAGEHEAP_WINDOWS];	/* the first is home */
	struct extent_queue dirty, held;	/* extents with dirty pages, by enum extent_list */
	size_t held_pages;		/* dirty pages of those that are held */
	_Atomic size_t copied;		/* pages that punching left in place, and copied, since start; read without the lock */
	struct extent *mend_head, *mend_tail;	/* extents to mend: full, and not huge */
	size_t napart;			/* extents that are apart */
	struct decay decay;		/* of dirty pages */
	struct decay muzzy;		/* of muzzy ones; ms == 0: dirty ones go back by force */
	struct pageheap_stats stats;
	/* Large blocks of each class, huge ones as the last, since start; relaxed, no lock. */
	_Atomic size_t large_made[NLARGE], large_gone[NLARGE];
	size_t used_most;		/* pages used at once, without kept spans, since a caller looked last */
	size_t breath;			/* pages, see purge.c */
	_Atomic size_t active_seen;	/* stats.active, for those without the lock */
	_Atomic size_t purgeable_seen;	/* purgeable_by_force() + kept_dirty(), likewise: see extent_purgeable() */
	uint32_t kept[KEPT_LISTS];	/* lists of kept spans: see kept.h */
	_Atomic(struct slab *) kept_slabs[SLAB_PAGES_MAX + 1];	/* of so many pages each; whether there is one is read without the lock */
	size_t kept_pages, kept_most;
	size_t kept_slab_pages;		/* beside kept_pages */
	size_t kept_extents;		/* in which they lie */
	struct slab *joined;		/* records of slabs that were joined, to be put without the lock: see kept.h */
	/* Pages of the home window set aside for blocks of one large class, of those kept: see kept.h. */
	uint32_t fresh_class, fresh_page, fresh_left;
	uint32_t opener;		/* large class whose block opened the last extent */
	struct limit_try *limit_try;	/* of the allocation under way: see limit.h */
	size_t limit_noted;		/* pages of this heap in ash_limit.total */
	unsigned int nsmall;		/* extents with memory that are small */
	bool large;			/* the process has passed LARGE_EXTENTS, and been asked about huge pages */
	size_t nfree, nidle;		/* bits set in the windows' free maps, and in their idle maps */
	struct bits nonempty;		/* bit set <=> bucket not empty */
	struct extent *bucket[EXTENT_PAGES];	/* by longest free run; 0 unused */
};

extern struct pageheap *ash_pageheaps[];
extern unsigned int ash_npageheaps;	/* constant after init */

/* From this much memory of all heaps on, huge pages are speed; before, likelier waste. */
#define LARGE_EXTENTS	32u

/* Sum of stats.extents of all heaps; relaxed, no lock. */
extern _Atomic size_t extents_with_memory;

/* Dirty pages that can go. */
static inline size_t purgeable(const struct pageheap *h)
{
	return h->stats.dirty - h->stats.stuck;
}

/* The same where a limit or a caller is the reason, and not time. */
static inline size_t purgeable_by_force(const struct pageheap *h)
{
	return purgeable(h) + h->held_pages;
}

/* Of what is kept, the pages that are dirty: those set aside are not. */
static inline size_t kept_dirty(const struct pageheap *h)
{
	return h->kept_pages - h->fresh_left + h->kept_slab_pages;
}

/*
 * As of now. Called where an extent with dirty pages was settled, slabs are kept or taken, at a purge and
 * when a limit is near; what large spans changed since is not in it.
 */
static inline void extent_purgeable(struct pageheap *h)
{
	atomic_store_explicit(&h->purgeable_seen, purgeable_by_force(h) + kept_dirty(h), memory_order_relaxed);
}

static inline uint64_t *extent_free_map(struct window *w)
{
	return (uint64_t *)w->free.base;
}

static inline uint64_t *extent_idle_map(struct window *w)
{
	return (uint64_t *)w->idle.base;
}

static inline void map_put(uint64_t *map, size_t i, bool value)
{
	if (value)
		map[i / 64] |= 1ull << (i % 64);
	else
		map[i / 64] &= ~(1ull << (i % 64));
}

static inline bool map_get(const uint64_t *map, size_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

/* What the maps say of @e: is it wholly free; and dirty? */
void extent_show(struct pageheap *h, struct extent *e, bool whole, bool idle);

/*
 * To change an extent: lift it out of its bucket, use or unuse pages, settle
 * it where it belongs now.
 */
void extent_lift(struct pageheap *h, struct extent *e);
void extent_settle(struct pageheap *h, struct extent *e);

/* Pages of kept spans (kept.h) that may be beyond a quarter of what is in use. */
#define KEPT_PAGES	256

/* What follows stats.active, or whether anything may be kept, is as they are. */
void extent_active(struct pageheap *h);

/* Pages become a span's. True if all of them read as zero. */
bool extent_use(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n);

/* Free dirty pages become muzzy. */
void extent_make_muzzy(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n);

/* Muzzy pages are dirty again: the kernel takes them no more. */
void extent_not_muzzy(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n);

/* A free extent that had memory has none, but keeps its address. */
void extent_gone(struct pageheap *h, struct extent *e);

/* Pages become free and dirty. */
void extent_unuse(struct pageheap *h, struct extent *e, unsigned int first, unsigned int n);

/* Pages [@at, @at + @n) of @w become free and dirty, whatever extents they are of. */
void extent_unuse_run(struct pageheap *h, struct window *w, size_t at, size_t n);

/* Are all free pages of @e in one run? */
static inline bool extent_one_run(const struct extent *e)
{
	return e->longest == EXTENT_PAGES - e->nused;
}

/* First page of @n free ones of @e, a multiple of @align; EXTENT_PAGES if there are none. */
unsigned int extent_find(const struct extent *e, unsigned int n, unsigned int align);

/* An extent in use with @n free pages in a row, lifted; the tightest. NULL if none. */
struct extent *extent_with_room(struct pageheap *h, unsigned int n);

static inline bool extent_is_huge(const struct extent *e)
{
	return e->intact;
}

static inline void extent_count_small(struct pageheap *h, struct extent *e, bool small)
{
	h->nsmall += (unsigned int)small - e->small;
	e->small = small;
}

/* Pages resident for no other reason than that the extent is huge. */
static inline unsigned int extent_untouched(const struct extent *e)
{
	return extent_is_huge(e) ? EXTENT_PAGES - e->nused - e->ndirty : 0;
}

/* Free dirty pages are known to read as zero. */
void extent_clean(struct pageheap *h, struct extent *e, const struct bits *pages);

/* The memory of @from is @to's now; both are wholly in use. @from is about to be given back. */
void extent_move(struct pageheap *h, struct extent *to, struct extent *from);

/*
 * Slots of a slab in @e were freed: hollow.c looks at it when it comes to it. It says that it does before it takes
 * the lock of the slab's bin, which the caller has.
 */
static inline void extent_set_slabs_freed(struct extent *e)
{
	atomic_store_explicit(&e->slabs, SLABS_FREED, memory_order_release);
}

static inline void extent_slabs_freed(struct extent *e)
{
	if (atomic_load_explicit(&e->slabs, memory_order_relaxed) != SLABS_FREED)
		extent_set_slabs_freed(e);
}

/* More of it is free: what was not enough may be now. Those who say that it is not have the heap's lock as well. */
static inline void extent_more_free(struct extent *e)
{
	uint8_t slabs = atomic_load_explicit(&e->slabs, memory_order_relaxed);

	if (unlikely(slabs == SLABS_FEW || slabs == SLABS_KEPT))
		extent_set_slabs_freed(e);
}

/* Pages that are a slab's, and without memory; or no longer, those that are so among @pages. */
void extent_make_hollow(struct pageheap *h, struct extent *e, const struct bits *pages);
void extent_not_hollow(struct pageheap *h, struct extent *e, const struct bits *pages);

/*
 * What has to be free of an extent for its huge page to be given up, and, on the device, what stays to be
 * copied: a fifth. A sixteenth cost a server with coming and going load nearly all of them,
 * and saved nothing: decisions/packing.md.
 */
#define TEAR_LEAST	(EXTENT_PAGES / 5)

/* A huge page with a hole in it is one no more, until its extent is used anew, or mended. */
void extent_tear(struct pageheap *h, struct extent *e);

/* The source is about to be told that it is torn, or was told that it no longer is. */
void extent_set_apart(struct pageheap *h, struct extent *e, bool apart);

/*
 * Single pages of it are to go: if that is returned, its source has to be told first, and it is apart
 * from now on. Of a heap's extents @most are.
 */
bool extent_part(struct pageheap *h, struct extent *e, size_t most);

/* It is one again, and all of it resident. */
void extent_mend(struct pageheap *h, struct extent *e);

/* It is small, and its heap no more: it is to be mended when it is full, as if it had been torn. */
void extent_outgrown(struct pageheap *h, struct extent *e);

/* The next extent to mend, off the list; NULL if there is none. */
struct extent *extent_to_mend(struct pageheap *h);

/* To the end of that list, if it should be mended. */
void extent_mend_later(struct pageheap *h, struct extent *e);

/* What mending may add to resident memory: less than what an extent is torn for. */
#define MEND_MOST_FREE	(EXTENT_PAGES / 16)

/* Has it lost a huge page that its source can bring back? */
static inline bool extent_is_torn(const struct extent *e)
{
	return e->huge && !e->intact && e->source->mend;
}

/* Do its single pages go back by punching, and it loses its huge page? */
static inline bool extent_punches(const struct extent *e)
{
	return e->source->punch && e->source->purge_unit != PAGE_SIZE;
}

#endif /* ASHLAR_EXTENT_H */
