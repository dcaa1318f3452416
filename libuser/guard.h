/* SPDX-License-Identifier: MIT */
/*
 * Guarded blocks: each lies at the end of pages of its own, with pages that cannot be
 * touched on both sides. An overflow, a look before the block, or a use after free is a
 * fault, and a report: what was done, to which block, by whom, who allocated it and who freed it.
 * What lies between the block's end and the page's, up to 15 bytes for alignment, holds a pattern
 * that free looks at.
 *
 * The pages are a window that no page heap knows, in slots of GUARD_SLOT bytes:
 *
 *	| none ... | block's pages, the block at their end | none (one page) |
 *
 * A freed slot is used again when all others have been, so that use after free is
 * found long after; the record of its last block stays until then.
 */
#ifndef ASHLAR_GUARD_H
#define ASHLAR_GUARD_H

#include "window.h"

#define GUARD_SLOT	(64 * KB)
#define GUARD_MAX	(GUARD_SLOT - PAGE_SIZE - PAGE_SIZE)	/* the largest block */

/* Room for @slots blocks. False: no address space. */
bool guard_open(unsigned int slots);

/* Take the signals by which faults are told, unless the program handles them. */
void guard_start(void);

/*
 * Pages for the block of record @i (prof_block.h), whose size is known; its usable size
 * and slot become so. Reads as zero. NULL: too large, all slots taken, no memory.
 */
void *guard_alloc(uint32_t i, size_t align, bool *zeroed);

/* The block of record @i has been freed: out of reach. Ends the process if it ran over. */
void guard_free(uint32_t i);

/* A free (by @call) of @p, which is no live block: does not return if it is one of ours. */
void guard_wrong_free(const char *call, const void *p);

/* Around fork. */
void guard_prefork(void);
void guard_postfork(bool child);

#endif /* ASHLAR_GUARD_H */
