/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Ashlar: pre-zeroed, NUMA-local huge-page extents from /dev/ashlar.
 *
 * An *extent* is one huge page of ASHLAR_EXTENT_SIZE bytes, naturally aligned,
 * on one NUMA node. A process opens /dev/ashlar, reserves address space with
 *
 *	mmap(addr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
 *
 * and then commits extents inside that range with ASHLAR_IOC_ALLOC. Address
 * space costs nothing; memory is charged to the caller's memory cgroup when an
 * extent is committed, and only then. Touching an address whose extent was not
 * committed is SIGBUS: memory is never committed by a page fault.
 *
 * Memory is named by address. Every call looks its addresses up in the
 * caller's own address space and accepts only mappings of this device; which
 * descriptor carried the call does not matter. A process therefore may close
 * its descriptor, open another, or use one that it inherited.
 *
 * After fork() parent and child each own a copy of the memory as it was at the
 * fork, made lazily (copy-on-write), although the mapping is MAP_SHARED.
 *
 * DOC: General ioctl format
 *
 * Each argument is a struct whose first member is its size in bytes, as the
 * caller was compiled, and whose second is a set of flags. A larger struct
 * from a newer caller is accepted as long as the part this kernel does not
 * know is zero. Reserved members must be zero. The layout is the same for
 * 32-bit and 64-bit callers. The errors that any command can return:
 *
 *  ENOTTY	this kernel does not know the command
 *  E2BIG	the struct is larger than known here, and the rest is not zero
 *  EINVAL	the struct is too short, a reserved member is set, a number
 *		is out of range, or an address or length is not a multiple
 *		of ASHLAR_EXTENT_SIZE (with PUNCH: of ASHLAR_PAGE_SIZE)
 *  EOPNOTSUPP	an unknown flag, or an ability that INFO does not list
 *  EFAULT	a pointer in the struct is not readable or writable
 *  ENXIO	a range is not wholly inside this process's own mappings
 *		of /dev/ashlar
 *  EINTR	a signal arrived before anything was done
 *
 * A command that takes ranges works through them in the order given; if it
 * stops after at least one extent was done, it returns 0 and @done says how
 * many were; the caller repeats the rest to learn the reason.
 */
#ifndef _UAPI_LINUX_ASHLAR_H
#define _UAPI_LINUX_ASHLAR_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define ASHLAR_EXTENT_SHIFT	21
#define ASHLAR_EXTENT_SIZE	(1UL << ASHLAR_EXTENT_SHIFT)

/* What PUNCH gives back: the small pages that an extent consists of. */
#define ASHLAR_PAGE_SHIFT	12
#define ASHLAR_PAGE_SIZE	(1UL << ASHLAR_PAGE_SHIFT)

/* The most ranges one call takes; also reported by INFO as @max_ranges. */
#define ASHLAR_MAX_RANGES	4096

#define ASHLAR_IOC_TYPE		0xA9

#define ASHLAR_IOC_INFO		_IO(ASHLAR_IOC_TYPE, 0x00)
#define ASHLAR_IOC_ALLOC	_IO(ASHLAR_IOC_TYPE, 0x01)
#define ASHLAR_IOC_FREE		_IO(ASHLAR_IOC_TYPE, 0x02)
#define ASHLAR_IOC_PURGE	_IO(ASHLAR_IOC_TYPE, 0x03)
#define ASHLAR_IOC_STAT		_IO(ASHLAR_IOC_TYPE, 0x04)
#define ASHLAR_IOC_PUNCH	_IO(ASHLAR_IOC_TYPE, 0x05)
#define ASHLAR_IOC_MEND		_IO(ASHLAR_IOC_TYPE, 0x06)

/* Abilities: bits of ashlar_info.abilities. Ask for these, not for versions. */
#define ASHLAR_CAN_FORK_COW	(1ULL << 0)	/* copy-on-write across fork */
#define ASHLAR_CAN_POPULATE	(1ULL << 1)	/* ASHLAR_ALLOC_POPULATE */
#define ASHLAR_CAN_PURGE_LAZY	(1ULL << 2)	/* ASHLAR_PURGE_LAZY */
#define ASHLAR_CAN_PUNCH	(1ULL << 3)	/* PUNCH and MEND */
#define ASHLAR_CAN_CHARGE	(1ULL << 4)	/* every extent is charged to a memory cgroup */
#define ASHLAR_CAN_SNAPSHOT	(1ULL << 5)	/* a write after fork copies 4 KB, not 2 MB */

/**
 * struct ashlar_info - ASHLAR_IOC_INFO: what this device is and can do
 * @size: sizeof(struct ashlar_info)
 * @flags: must be 0
 * @abilities: out: ASHLAR_CAN_* bits
 * @extent_size: out: bytes in an extent, always ASHLAR_EXTENT_SIZE
 * @nr_nodes: out: one more than the highest NUMA node id that has memory
 * @max_ranges: out: the most ranges one call takes
 * @max_extents: out: the most extents all processes together may hold,
 *	0 if there is no limit
 */
struct ashlar_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 abilities;
	__aligned_u64 extent_size;
	__u32 nr_nodes;
	__u32 max_ranges;
	__aligned_u64 max_extents;
};

/**
 * struct ashlar_range - a run of extents by address
 * @addr: first byte, a multiple of ASHLAR_EXTENT_SIZE
 * @length: bytes, a multiple of ASHLAR_EXTENT_SIZE, not 0
 */
struct ashlar_range {
	__aligned_u64 addr;
	__aligned_u64 length;
};

/* ashlar_alloc.node: the node of the CPU that makes the call. */
#define ASHLAR_NODE_LOCAL	(-1)

/* ashlar_alloc.flags */
#define ASHLAR_ALLOC_STRICT	(1U << 0)	/* from @node or not at all */
#define ASHLAR_ALLOC_POPULATE	(1U << 1)	/* map at once: no fault at first touch */
#define ASHLAR_ALLOC_KEEP	(1U << 2)	/* those committed stay, and lazy no more */

/**
 * struct ashlar_alloc - ASHLAR_IOC_ALLOC: commit zeroed extents
 * @size: sizeof(struct ashlar_alloc)
 * @flags: ASHLAR_ALLOC_* bits
 * @ranges: user pointer to @nr_ranges struct ashlar_range, where to commit
 * @nr_ranges: 1 to ASHLAR_MAX_RANGES
 * @node: NUMA node id, or ASHLAR_NODE_LOCAL. Without ASHLAR_ALLOC_STRICT other
 *	nodes of the caller's cpuset serve when this one cannot.
 * @done: out: extents committed
 *
 * Each extent reads as zero and stays committed until FREE, munmap or exit.
 * It never reclaims or compacts memory on behalf of the caller to find pages.
 *
 * ASHLAR_ALLOC_KEEP, with ASHLAR_CAN_PURGE_LAZY, is for memory that was purged
 * lazily and is to be used again, and a SIGBUS must not be: an extent that is
 * still there is counted as done and keeps its contents; for one that the system
 * took there is a zeroed one, or ENOMEM. Afterwards no purge is pending.
 *
 * Errors, besides the general ones:
 *  ENOMEM	no huge page at hand on an allowed node, a memory cgroup's
 *		limit, or the module's own limit; fall back, or try later
 *  EEXIST	the extent is already committed, and not ASHLAR_ALLOC_KEEP
 *  ENODEV	@node does not exist or has no memory
 *  EPERM	ASHLAR_ALLOC_STRICT and @node is outside the caller's cpuset
 */
struct ashlar_alloc {
	__u32 size;
	__u32 flags;
	__aligned_u64 ranges;
	__u32 nr_ranges;
	__s32 node;
	__aligned_u64 done;
};

/**
 * struct ashlar_free - ASHLAR_IOC_FREE: give extents back
 * @size: sizeof(struct ashlar_free)
 * @flags: must be 0
 * @ranges: user pointer to @nr_ranges struct ashlar_range
 * @nr_ranges: 1 to ASHLAR_MAX_RANGES
 * @reserved: must be 0
 * @done: out: extents given back; those not committed are passed over
 *
 * The address range stays mapped; touching it again is SIGBUS until ALLOC.
 */
struct ashlar_free {
	__u32 size;
	__u32 flags;
	__aligned_u64 ranges;
	__u32 nr_ranges;
	__u32 reserved;
	__aligned_u64 done;
};

/* ashlar_purge.flags: exactly one of them */
#define ASHLAR_PURGE_FORCED	(1U << 0)	/* memory is gone now */
#define ASHLAR_PURGE_LAZY	(1U << 1)	/* gone when the system wants it */

/**
 * struct ashlar_purge - ASHLAR_IOC_PURGE: give memory back, keep the promise
 * @size: sizeof(struct ashlar_purge)
 * @flags: one ASHLAR_PURGE_* bit
 * @ranges: user pointer to @nr_ranges struct ashlar_range
 * @nr_ranges: 1 to ASHLAR_MAX_RANGES
 * @reserved: must be 0
 * @done: out: extents purged; those not committed are passed over
 *
 * FORCED: contents, charge and physical page are gone when the call returns;
 * the ranges are sorted and joined, with one TLB flush per contiguous run. The
 * address stays the caller's. A later touch brings a zeroed extent, if the
 * pool and the memory cgroup have one, and is SIGBUS if they do not; ALLOC on
 * a purged extent does the same with an errno, so that a caller who cannot
 * take a SIGBUS calls it before the next use.
 *
 * LAZY: the contents of each extent may vanish from now on, all at once; then it
 * is as if purged by FORCED. Until then it keeps contents and charge. A touch
 * before that, by the process or on its behalf, be it a read, cancels the purge;
 * ALLOC with ASHLAR_ALLOC_KEEP does so too, and cannot end in SIGBUS. The ranges
 * are unmapped, with one TLB flush per contiguous run. The system takes lazy
 * extents before anything else when it is short of memory, and for ALLOC where a
 * node has no other. @done counts the extents that are lazy now; those that are
 * shared since a fork, in small pages, or pinned are left as they are. In a child
 * after fork() they are as if taken. Only with ASHLAR_CAN_PURGE_LAZY.
 *
 * In a child after fork() a purge has no effect on the parent, and the reverse.
 */
struct ashlar_purge {
	__u32 size;
	__u32 flags;
	__aligned_u64 ranges;
	__u32 nr_ranges;
	__u32 reserved;
	__aligned_u64 done;
};

/**
 * struct ashlar_punch - ASHLAR_IOC_PUNCH: give single pages back
 * @size: sizeof(struct ashlar_punch)
 * @flags: must be 0
 * @ranges: user pointer to @nr_ranges struct ashlar_range, whose addresses and
 *	lengths are multiples of ASHLAR_PAGE_SIZE
 * @nr_ranges: 1 to ASHLAR_MAX_RANGES
 * @reserved: must be 0
 * @done: out: pages that had memory and have none now
 *
 * For an extent that a few live pages keep from being given back. What is not
 * named stays as it is, while other threads read and write it, but moves to
 * small pages; the 2 MB go back. A punched page reads as zero when it is next
 * touched, if there is memory for a small page, and is SIGBUS if there is not.
 * Name all pages of an extent that are to go in one call: the first call moves
 * all others. Extents not committed are passed over. MEND is the reverse.
 *
 * Errors, besides the general ones; then the extents before have been done:
 *  EBUSY	the extent is shared since a fork, or something has it pinned
 *  EHWPOISON	the hardware reported a memory error in a page that is to be kept
 *  ENOMEM	no memory for the small pages, or a memory cgroup's limit
 */
struct ashlar_punch {
	__u32 size;
	__u32 flags;
	__aligned_u64 ranges;
	__u32 nr_ranges;
	__u32 reserved;
	__aligned_u64 done;
};

/**
 * struct ashlar_mend - ASHLAR_IOC_MEND: make extents whole and huge again
 * @size: sizeof(struct ashlar_mend)
 * @flags: must be 0
 * @ranges: user pointer to @nr_ranges struct ashlar_range
 * @nr_ranges: 1 to ASHLAR_MAX_RANGES
 * @reserved: must be 0
 * @done: out: extents that are in one page now; those that were are counted,
 *	those not committed are passed over
 *
 * Brings the small pages of an extent together: in its own huge page, if it has
 * one, else in a new one of the node where it was. Then the ranges are mapped
 * over themselves, so that the next touch maps 2 MB at once. The mapping stays
 * as it is where it could not be made again in the same way: locked memory,
 * MADV_DONTFORK and its like, memory policies, protection keys, and extents cut
 * by mprotect. An extent that is shared, or has a page pinned, is left alone.
 *
 * No other thread may unmap the ranges, or map something there, meanwhile.
 *
 * Errors, besides the general ones; then the extents before have been done:
 *  ENOMEM	no huge page at hand, or a memory cgroup's or the module's limit
 *  EHWPOISON	the hardware reported a memory error in one of the pages
 */
struct ashlar_mend {
	__u32 size;
	__u32 flags;
	__aligned_u64 ranges;
	__u32 nr_ranges;
	__u32 reserved;
	__aligned_u64 done;
};

/* ashlar_extent_stat.state */
#define ASHLAR_STATE_NONE	0	/* not committed: a touch is SIGBUS */
#define ASHLAR_STATE_OWNED	1	/* committed, this process's alone */
#define ASHLAR_STATE_SHARED	2	/* committed, shared copy-on-write since a fork */
#define ASHLAR_STATE_PURGED	3	/* purged by force: no memory until the next use */
#define ASHLAR_STATE_LAZY	4	/* purged lazily: memory may vanish */
#define ASHLAR_STATE_LOST	5	/* a fork had no memory to copy it: a touch is SIGBUS */
#define ASHLAR_STATE_PIECES	6	/* committed, this process's alone, partly in small pages */

/**
 * struct ashlar_extent_stat - where one extent is
 * @node: NUMA node id of its page, or -1 if it has none
 * @state: ASHLAR_STATE_*
 * @reserved: 0
 */
struct ashlar_extent_stat {
	__s16 node;
	__u8 state;
	__u8 reserved;
};

/**
 * struct ashlar_stat - ASHLAR_IOC_STAT: counters of one heap, and its extents
 * @size: sizeof(struct ashlar_stat)
 * @flags: must be 0
 * @addr: an address inside a mapping of the heap that is meant, a multiple of
 *	ASHLAR_EXTENT_SIZE
 * @length: bytes from @addr whose extents are to be described in @extents,
 *	or 0 for the counters alone
 * @extents: user pointer to @length / ASHLAR_EXTENT_SIZE elements of struct
 *	ashlar_extent_stat, or 0 where @length is 0; written
 * @committed: out: extents with memory, shared ones included
 * @shared: out: of those, the ones shared since a fork
 * @purged: out: extents purged by force and not used since
 * @lazy: out: of @committed, the ones purged lazily and not yet taken or touched
 * @allocs: out: extents committed since the heap began
 * @frees: out: extents given back by FREE since then
 * @purges: out: extents purged by force since then
 * @hits: out: of @allocs, how many were ready in the pool
 * @misses: out: of @allocs, how many had to be made
 * @copies: out: extents copied at a fork, because something had them pinned
 * @small: out: pages of 4 KB that the heap holds beside its extents: what it
 *	wrote, or saw before another process wrote, in shared extents
 * @page_copies: out: pages of 4 KB copied by this heap's writes after a fork
 * @lazied: out: extents that became lazy since the heap began
 * @lazy_cancelled: out: of @lazied, those that were touched again
 * @lazy_taken: out: of @lazied, those that the system took
 * @flushes: out: runs that FREE and PURGE have unmapped, with a TLB flush each
 */
struct ashlar_stat {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 length;
	__aligned_u64 extents;
	__aligned_u64 committed;
	__aligned_u64 shared;
	__aligned_u64 purged;
	__aligned_u64 lazy;
	__aligned_u64 allocs;
	__aligned_u64 frees;
	__aligned_u64 purges;
	__aligned_u64 hits;
	__aligned_u64 misses;
	__aligned_u64 copies;
	__aligned_u64 small;
	__aligned_u64 page_copies;
	__aligned_u64 lazied;
	__aligned_u64 lazy_cancelled;
	__aligned_u64 lazy_taken;
	__aligned_u64 flushes;
};
#endif /* _UAPI_LINUX_ASHLAR_H */
