/* SPDX-License-Identifier: MIT */
/* Blocks that change their size: in place where slot, span or extent allows, else elsewhere. */
#ifndef ASHLAR_RESIZE_H
#define ASHLAR_RESIZE_H

#include "block.h"

/* realloc without libc's conventions: @p is a block, NULL leaves errno and the block alone. */
void *block_realloc(void *p, size_t size);

/* @size bytes of block @from to block @to, by mappings as far as can be; @from is to be freed next. */
void block_move(void *to, void *from, size_t size);

/*
 * Grow or shrink without moving, to at least @size and at best @size + @extra
 * bytes. Returns the usable size afterwards, whatever came of it.
 */
size_t block_resize(void *p, size_t size, size_t extra, bool zero);

/* Calls of realloc() with a block and size 0, which are frees; relaxed. */
extern _Atomic size_t block_zero_reallocs;

#endif /* ASHLAR_RESIZE_H */
