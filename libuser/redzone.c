// SPDX-License-Identifier: MIT
#include "redzone.h"

#include <string.h>

#define PATTERN	0xbd

/* NULL: no block begins at @p. */
static uint32_t *slack_of(const struct window *w, const void *p)
{
	size_t offset = (uintptr_t)p - (uintptr_t)w->base;

	return offset % 16 ? NULL : (uint32_t *)w->slacks.base + offset / 16;
}

void redzone_set(const struct window *w, void *p, size_t room, size_t size)
{
	*slack_of(w, p) = (uint32_t)(room - size);
	memset((char *)p + size, PATTERN, min(room - size, REDZONE_MOST));
}

bool redzone_size(const struct window *w, const void *p, size_t room, size_t *size)
{
	const uint32_t *slack = slack_of(w, p);

	if (!slack || !*slack || *slack > room)
		return false;
	*size = room - *slack;
	return true;
}

void redzone_check(const char *call, const struct window *w, const void *p, size_t room)
{
	const unsigned char *bytes = p;
	size_t size, end;

	if (!redzone_size(w, p, room, &size))
		return;
	end = size + min(room - size, REDZONE_MOST);
	for (size_t i = size; i < end; i++) {
		if (unlikely(bytes[i] != PATTERN))
			ash_fatal("%s: block %p of %zu bytes was overrun, first at offset %zu",
				  call, p, size, i);
	}
}

void redzone_forget(const struct window *w, const void *p)
{
	uint32_t *slack = slack_of(w, p);

	if (slack)
		*slack = 0;
}
