/* SPDX-License-Identifier: MIT */
/* The map of the heap: a line of text for each extent that has memory. */
#ifndef ASHLAR_HEAPMAP_H
#define ASHLAR_HEAPMAP_H

#include "util.h"

/*
 * Each line, to @write:
 *
 *	ADDRESS NODE SOURCE SIZE USED DIRTY LONGEST
 *
 *	ADDRESS	hexadecimal, of the first byte; lines rise by it within a window
 *	NODE	the kernel's number of the window's node
 *	SOURCE	"device" or "anon"
 *	SIZE	"huge" (one huge page, or meant to be), "torn" (huge, but pages of it
 *		were given back) or "small"
 *	USED	pages of live blocks and slabs, 0 to 512
 *	DIRTY	free pages that still have memory
 *	LONGEST	free pages in the longest run
 *
 * Each extent is read without its heap's lock, as nothing hangs on it: one in
 * motion may show a little of both states.
 */
void heapmap_print(void (*write)(void *arg, const char *text), void *arg);

#endif /* ASHLAR_HEAPMAP_H */
