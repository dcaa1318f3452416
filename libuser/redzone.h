/* SPDX-License-Identifier: MIT */
/*
 * Option redzone: behind the bytes that were asked for a block has at least REDZONE bytes that
 * hold a pattern, and whoever frees, resizes or measures it looks at them. How many bytes of a
 * block were not asked for stands in a map of its window, where no overflow gets:
 *
 *	slacks[(address - base) / 16]	room - size of the block that begins there, >= REDZONE;
 *					0: no live block does
 *
 * A word belongs to whoever owns the block. Blocks of at least 16 bytes begin at multiples of 16,
 * so no two share a word. Nothing else here is called without the option.
 */
#ifndef ASHLAR_REDZONE_H
#define ASHLAR_REDZONE_H

#include "conf.h"
#include "window.h"

#define REDZONE		((size_t)16)
/* Bytes behind the end that are looked at; a large block may have more. */
#define REDZONE_MOST	((size_t)4096)

/* What a request of @size takes; without the option @size. */
static inline size_t redzone_with(size_t size)
{
	return conf.redzone ? size + REDZONE : size;
}

/* The block @p of @room bytes holds @size <= room - REDZONE from now on. */
void redzone_set(const struct window *w, void *p, size_t room, size_t size);

/* *@size: what was asked for. False: no live block begins at @p. */
bool redzone_size(const struct window *w, const void *p, size_t room, size_t *size);

/* Ends the process if the block @p of @room bytes was overrun; @call names who looks. */
void redzone_check(const char *call, const struct window *w, const void *p, size_t room);

/* @p is freed. */
void redzone_forget(const struct window *w, const void *p);

#endif /* ASHLAR_REDZONE_H */
