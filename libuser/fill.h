/* SPDX-License-Identifier: MIT */
/*
 * Options zero, junk and redzone: what new blocks are filled with, and freed ones. Only
 * where no cache is, so that the fast paths know nothing of them.
 */
#ifndef ASHLAR_FILL_H
#define ASHLAR_FILL_H

#include "window.h"

/* Bytes [@from, @to) of @p are new; *@zeroed is whether they read as zero. */
void fill_new(char *p, size_t from, size_t to, bool *zeroed);

/* The last look at block @p of @size bytes. */
void fill_freed(void *p, const struct window *w, size_t size);

#endif /* ASHLAR_FILL_H */
