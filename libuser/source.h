/* SPDX-License-Identifier: MIT */
/*
 * The seam to where extents come from: the device, or anonymous memory, or a
 * test's fake. A source is an attribute of the extent, so that one heap can
 * hold several at once.
 *
 * Addresses and lengths are multiples of EXTENT_SIZE unless said otherwise.
 * Calls may be made from several threads at once, for different addresses.
 */
#ifndef ASHLAR_SOURCE_H
#define ASHLAR_SOURCE_H

#include "bitmap.h"

struct source_range {
	char *addr;
	size_t len;
};

struct source {
	const char *name;

	/* Smallest unit of purge: PAGE_SIZE or EXTENT_SIZE. */
	size_t purge_unit;

	/*
	 * Whether a purged extent has to be committed again before use. Where
	 * it has not, a purged page simply reads as zero.
	 */
	bool recommit;

	/*
	 * Can extents come from here at all? Cheap after the first call, and
	 * may change: a device can appear and vanish.
	 */
	bool (*ready)(void);

	/*
	 * Give [addr, addr + len) memory that reads as zero, near @node, on
	 * huge pages at once if @huge. The range is a reservation, or memory
	 * of this source that was purged. Returns the bytes that got it, from
	 * the front; the rest is a reservation afterwards. @room bytes behind
	 * the range are fresh reservation too and may be prepared for later.
	 */
	size_t (*commit)(char *addr, size_t len, size_t room, unsigned int node, bool huge);

	/*
	 * Contents and memory of @n ranges gone now (multiples of purge_unit);
	 * one system call where the source can. False if the system refused:
	 * contents are then undefined, memory is as before.
	 */
	bool (*purge)(const struct source_range *ranges, unsigned int n);

	/*
	 * The same when the system wants the memory: until then contents stay, and a
	 * write takes the page back. False if the system refused: nothing is changed
	 * then. NULL where the source cannot.
	 */
	bool (*purge_lazy)(const struct source_range *ranges, unsigned int n);

	/*
	 * Where purge_unit is EXTENT_SIZE: these pages of one extent gone now, while its other
	 * pages are in use; they read as zero from then on. The extent is
	 * on huge pages no more. False if refused, and what they hold is undefined then.
	 * NULL where the source cannot.
	 */
	bool (*punch)(char *extent, const struct bits *pages);

	/*
	 * Single pages of this huge extent are about to be given back by purge: the
	 * system shall not fill the holes with a huge page of its own accord. NULL where it
	 * never does.
	 */
	void (*tear)(char *addr, size_t len);

	/*
	 * An extent that was punched in one piece again, its pages in use or not: contents
	 * stay. One that was torn may be. False if the system refused, or had no memory.
	 * With punch or tear.
	 */
	bool (*mend)(char *addr, size_t len);

	/*
	 * The memory of [from, from + len) with its contents moves to @to, without a copy; what
	 * @to had is gone, and @from reads as zero. Both are of this source and committed.
	 * Returns the bytes that moved, from the front: no others are changed. NULL where
	 * the source cannot.
	 */
	size_t (*move)(char *to, char *from, size_t len);

	/*
	 * What was purged lazily is to be used again: afterwards no touch fails for
	 * want of memory. Returns the bytes that have it, from the front; contents are
	 * as they were, or zero. NULL where a touch is enough.
	 */
	size_t (*take_back)(char *addr, size_t len, unsigned int node);
};

extern const struct source source_anon;
extern const struct source source_device;

/* System calls made by sources since start, for statistics. */
extern _Atomic size_t source_purge_calls;

#endif /* ASHLAR_SOURCE_H */
