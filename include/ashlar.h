/* SPDX-License-Identifier: MIT */
/*
 * libashlar: malloc over huge-page extents, of the kernel module's device or of
 * anonymous memory.
 *
 * Preloaded or linked as libashlar.so, the library answers libc's own names
 * and these; as libashlar-prefixed.so only these, beside the system's malloc.
 * A block from one of the two must not be freed by the other.
 *
 * Every function may be called from any thread, in a forked child, in
 * constructors, destructors and atexit handlers; none from a signal handler.
 */
#ifndef ASHLAR_H
#define ASHLAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASHLAR_VERSION "0.1.0"

#define ASHLAR_ALLOC_SIZE(...)	__attribute__((alloc_size(__VA_ARGS__)))
#define ASHLAR_MALLOC		__attribute__((malloc, warn_unused_result))

/**
 * ashlar_malloc() - as malloc(3)
 * @size: bytes, 0 allowed
 *
 * Aligned to 16 bytes for sizes above 8, else to 8.
 *
 * Return: the block, or NULL with errno ENOMEM.
 */
void *ashlar_malloc(size_t size) ASHLAR_MALLOC ASHLAR_ALLOC_SIZE(1);

/** ashlar_calloc() - as calloc(3): @n x @size zeroed bytes; NULL, ENOMEM on overflow too */
void *ashlar_calloc(size_t n, size_t size) ASHLAR_MALLOC ASHLAR_ALLOC_SIZE(1, 2);

/**
 * ashlar_realloc() - as realloc(3)
 * @p: block or NULL
 * @size: bytes; 0 frees @p and returns NULL, as glibc does
 *
 * Return: the block, perhaps moved; NULL with errno ENOMEM, @p then unchanged.
 */
void *ashlar_realloc(void *p, size_t size) __attribute__((warn_unused_result)) ASHLAR_ALLOC_SIZE(2);

/** ashlar_reallocarray() - realloc() to @n x @size bytes, ENOMEM on overflow */
void *ashlar_reallocarray(void *p, size_t n, size_t size)
	__attribute__((warn_unused_result)) ASHLAR_ALLOC_SIZE(2, 3);

/** ashlar_free() - as free(3); NULL allowed; keeps errno; aborts with a sentence on misuse */
void ashlar_free(void *p);

/** ashlar_free_sized() - as C23's: @size is what was asked for; aborts if it cannot have been */
void ashlar_free_sized(void *p, size_t size);
/** ashlar_free_aligned_sized() - the same for a block of aligned_alloc() */
void ashlar_free_aligned_sized(void *p, size_t align, size_t size);

/** ashlar_posix_memalign() - as posix_memalign(3): 0, EINVAL or ENOMEM; errno untouched */
int ashlar_posix_memalign(void **out, size_t align, size_t size);
/** ashlar_aligned_alloc() - as aligned_alloc(3); EINVAL if @align is no power of two */
void *ashlar_aligned_alloc(size_t align, size_t size) ASHLAR_MALLOC;
/** ashlar_memalign() - as memalign(3): an @align that is no power of two is taken as the next */
void *ashlar_memalign(size_t align, size_t size) ASHLAR_MALLOC;
/** ashlar_valloc() - as valloc(3): aligned to a page */
void *ashlar_valloc(size_t size) ASHLAR_MALLOC;
/** ashlar_pvalloc() - as pvalloc(3): whole pages */
void *ashlar_pvalloc(size_t size) ASHLAR_MALLOC;

/** ashlar_malloc_usable_size() - bytes that may be used at @p; 0 for NULL */
size_t ashlar_malloc_usable_size(const void *p);

/*
 * jemalloc's extended interface, with its flags; sizes of 0 are taken as 1.
 * Without flags mallocx, rallocx and dallocx are malloc, realloc and free.
 */
#define ASHLAR_MALLOCX_LG_ALIGN(la)	((int)(la))
/* @a: a power of two */
#define ASHLAR_MALLOCX_ALIGN(a)		((int)__builtin_ctzl(a))
/* All usable bytes are zero; for rallocx and xallocx, those beyond the old usable size. */
#define ASHLAR_MALLOCX_ZERO		((int)0x40)
/* A cache made by ctl "tcache.create"; calls with one, or with none, go to an arena. */
#define ASHLAR_MALLOCX_TCACHE(tc)	((int)(((tc) + 2) << 8))
#define ASHLAR_MALLOCX_TCACHE_NONE	ASHLAR_MALLOCX_TCACHE(-1)
/* From arena @a (ctl "arenas.narenas", "arenas.create"), past the thread's cache. */
#define ASHLAR_MALLOCX_ARENA(a)		((int)(((unsigned int)(a) + 1) << 20))

/** ashlar_mallocx() - a block of at least @size bytes; NULL: no memory or no such arena */
void *ashlar_mallocx(size_t size, int flags) ASHLAR_MALLOC ASHLAR_ALLOC_SIZE(1);
/** ashlar_rallocx() - @p with at least @size bytes, perhaps moved; NULL: @p is unchanged */
void *ashlar_rallocx(void *p, size_t size, int flags)
	__attribute__((warn_unused_result)) ASHLAR_ALLOC_SIZE(2);
/**
 * ashlar_xallocx() - resize without moving
 *
 * To @size + @extra bytes if possible, else to @size, else not. Return: the
 * usable size afterwards; success is a value of @size or more.
 */
size_t ashlar_xallocx(void *p, size_t size, size_t extra, int flags);
/** ashlar_sallocx() - usable size of @p */
size_t ashlar_sallocx(const void *p, int flags);
/** ashlar_dallocx() - free @p */
void ashlar_dallocx(void *p, int flags);
/** ashlar_sdallocx() - free; @size is between what was asked for and the usable size */
void ashlar_sdallocx(void *p, size_t size, int flags);
/** ashlar_nallocx() - usable size that mallocx(@size, @flags) would give; 0: impossible */
size_t ashlar_nallocx(size_t size, int flags);

/**
 * ashlar_purge() - give all free memory back to the system now
 *
 * Flushes the calling thread's cache first; other threads keep theirs. Return:
 * bytes given back.
 */
size_t ashlar_purge(void);

/**
 * ashlar_stats_print() - statistics for people and programs
 * @write: called with pieces of text; NULL: standard error
 * @arg: its first argument
 * @opts: letters, others are ignored; NULL allowed
 *
 *  J		as JSON, which Documentation/stats.schema.json describes
 *  M, P		as OpenMetrics; in Prometheus' own text format
 *  O		the options in force instead, and who set each; JSON with J
 *  E		each extent too: address, node, state, pages used (not with M and P)
 *  S		what /proc/self/smaps says too: exact, and slow where the process is large
 *  g n a b l o	leave out: totals, nodes, arenas, bins, large blocks, options (JSON)
 *
 * Allocates nothing.
 */
void ashlar_stats_print(void (*write)(void *arg, const char *text), void *arg, const char *opts);

/**
 * ashlar_ctl() - read and set by name, as jemalloc's mallctl(3)
 * @name: a path such as "stats.allocated"
 * @old: where the value goes, or NULL; @oldlen: its size, in and out
 * @new: the value to set, or NULL; @newlen: its size
 *
 * Return: 0, ENOENT (no such name), EINVAL (wrong size; what fits was written),
 * EPERM (not writable or not readable), EAGAIN (no memory), EFAULT (the value or
 * the state forbids it).
 *
 * The names are jemalloc's, with its types: version, epoch, config.*, opt.*,
 * background_thread, thread.*, tcache.*, arena.<i>.*, arenas.*, prof.*, stats.*. Where the meaning is not quite jemalloc's:
 *
 *  stats.allocated ...	totals without an index are as of the last write to epoch,
 *			all other figures as of the call
 *  stats.resident	asked of the kernel for up to 256 extents of a node: close,
 *			and below stats.active where active memory was never touched
 *  thread.allocated	bytes asked for, not those of their classes; allocated less
 *			deallocated is the classes' bytes. Through the pointers
 *			thread.allocatedp and .deallocatedp as of the last
 *			decay tick (50 ms of allocating) or read by name
 *  arena.<i>, stats.arenas.<i>	arenas of a node share large blocks, free pages and
 *			the time these decay in; such figures are shown with the
 *			node's first arena. 4096 and arenas.narenas mean all
 *  arena.<i>.reset, .destroy	only of arenas that arenas.create made (else EFAULT),
 *			with no other thread's cache holding blocks of it; sampled
 *			blocks (option prof) stay
 *  muzzy		free pages that the kernel may take (MADV_FREE); on anonymous
 *			memory, where muzzy_decay_ms is not 0
 *  arenas.dirty_decay_ms	holds for the arenas that exist, too
 *  bins.<j>.nmalloc ...	blocks that entered and left thread caches
 *
 * And Ashlar's own, all size_t but for source.backend:
 *
 *  source.backend	"device", "anon" or "mixed": where extents come from
 *  source.extents, .huge, .device.extents	extents with memory: all, on huge
 *			pages, from the device
 *  source.fallbacks	extents that the device did not have
 *  source.purge_calls, .purged, .lazily_purged	system calls to purge, bytes they gave
 *			back, bytes made muzzy
 *  source.punched, .mended	extents of the device that gave back single pages while
 *			others were in use, and those of them that are huge again
 *  source.lazy, .pinned	as stats.lazy and stats.pinned, as of the call
 *  source.smaps.resident, .huge, .lazy_free, .swapped	bytes of the heap as
 *			/proc/self/smaps has them; each call reads it
 *  node.<i>.active, .dirty, .muzzy, .pinned, .retained, .purged	bytes on the
 *			kernel's node <i>
 *  node.<i>.extents, .huge, .device, .fallbacks	extents there; .purges: runs
 *  stats.dirty, .muzzy, .cached	bytes free: to be given back, purged lazily, in
 *			thread caches and depots
 *  stats.lazy		bytes that the device holds lazily purged
 *  stats.pinned		free bytes that stay until the whole of their extent is free
 *  approximate_stats.active, .dirty, .muzzy, .mapped, .retained	bytes now,
 *			without epoch, lock or walk
 */
int ashlar_ctl(const char *name, void *old, size_t *oldlen, void *new_, size_t newlen);
int ashlar_ctlnametomib(const char *name, size_t *mib, size_t *miblen);
int ashlar_ctlbymib(const size_t *mib, size_t miblen, void *old, size_t *oldlen,
		    void *new_, size_t newlen);

/*
 * Extents without malloc: 2 MB pieces of huge-page memory from /dev/ashlar,
 * for programs that manage their own memory (buffer pools, tensors).
 */
#define ASHLAR_EXTENT_BYTES	((size_t)1 << 21)

struct ashlar_extents;		/* a range of address space */

/**
 * ashlar_extents_open() - reserve address space for extents
 * @max: how many extents it can hold at a time; address space only
 *
 * Return: the range, or NULL with errno: ENODEV (no /dev/ashlar here), EACCES
 * (not allowed to open it), ENOMEM, EINVAL.
 */
struct ashlar_extents *ashlar_extents_open(size_t max);

/** ashlar_extents_close() - everything back, address space too */
void ashlar_extents_close(struct ashlar_extents *x);

/**
 * ashlar_extents_alloc() - @n consecutive zeroed extents
 * @x: the range
 * @n: how many, at least 1
 * @node: preferred NUMA node, or -1 for the caller's
 *
 * Return: the first byte, aligned to 2 MB; NULL with errno ENOMEM or EINVAL.
 * All or nothing.
 */
void *ashlar_extents_alloc(struct ashlar_extents *x, size_t n, int node);

/**
 * ashlar_extents_free() - @n extents at @p go back; touching them is SIGBUS from now on
 *
 * Any @n consecutive ones, however they were allocated. Return: 0, or -1 with
 * errno EINVAL: they were not all given out; nothing was done then.
 */
int ashlar_extents_free(struct ashlar_extents *x, void *p, size_t n);

/**
 * ashlar_extents_purge() - drop the contents of @n extents at @p, keep the place
 *
 * Their memory goes back at once; the next use reads zero. Return: 0, or -1
 * with errno.
 */
int ashlar_extents_purge(struct ashlar_extents *x, void *p, size_t n);

/**
 * ashlar_extents_punch() - give back the 4 KB pages of [@p, @p + @size)
 *
 * @p and @size are multiples of 4096. For extents that a few live pages keep: what is
 * not named stays, in small pages, and the 2 MB go back; so name all that is to go of an extent in
 * one call. Pages given back read zero when next used, or are SIGBUS if there is no memory. Return: 0, or -1
 * with errno: EBUSY if an extent is shared after fork() or pinned, ENOMEM.
 */
int ashlar_extents_punch(struct ashlar_extents *x, void *p, size_t size);

/**
 * ashlar_extents_mend() - make @n extents at @p whole, and mapped as huge pages, again
 *
 * After ashlar_extents_punch(), or after fork(). No other thread may unmap them meanwhile.
 * Extents that are shared or pinned are left alone. Return: 0, or -1 with errno.
 */
int ashlar_extents_mend(struct ashlar_extents *x, void *p, size_t n);

/** struct ashlar_extents_stat - counters of one range */
struct ashlar_extents_stat {
	uint64_t committed;	/* extents with memory now */
	uint64_t purged;	/* extents purged and not used since */
	uint64_t allocs;	/* extents that got memory since open: by alloc (even where it then
				   failed for want of more) and by the first use after a purge */
	uint64_t hits;		/* of those, how many were ready in the pool */
	uint64_t copies;	/* extents copied at a fork, because something had them pinned */
	uint64_t huge;		/* bytes per extent */
	uint64_t page_copies;	/* pages of 4 KB copied by writes after a fork */
	uint64_t small;		/* pages of 4 KB held beside the extents: punched, or written while shared */
};

/** ashlar_extents_stat() - fill @out. Return: 0, or -1 with errno */
int ashlar_extents_stat(struct ashlar_extents *x, struct ashlar_extents_stat *out);

#ifdef __cplusplus
}
#endif

#endif /* ASHLAR_H */
