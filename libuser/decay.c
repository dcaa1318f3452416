// SPDX-License-Identifier: MIT
#include "decay.h"

#include <string.h>

#define ONE	((uint64_t)1 << 24)	/* 1.0 in fixed point */

/* step((i + 1) / DECAY_STEPS) in fixed point. */
static uint64_t smoothstep(unsigned int i)
{
	uint64_t x = ONE * (i + 1) / DECAY_STEPS;
	uint64_t x2 = x * x / ONE, x3 = x2 * x / ONE;
	int64_t inner = (int64_t)(6 * x2) - (int64_t)(15 * x) + (int64_t)(10 * ONE);

	return x3 * (uint64_t)inner / ONE;
}

static uint64_t epoch_ms(const struct decay *d)
{
	return max((uint64_t)d->ms / DECAY_STEPS, 1u);
}

void decay_init(struct decay *d, int64_t ms, uint64_t now)
{
	memset(d, 0, sizeof(*d));
	d->ms = ms;
	d->epoch_end = now + epoch_ms(d);
}

static void advance(struct decay *d, uint64_t epochs, size_t pages)
{
	size_t fresh = pages > d->before ? pages - d->before : 0;

	if (epochs >= DECAY_STEPS) {
		memset(d->backlog, 0, sizeof(d->backlog));
	} else {
		memmove(d->backlog, d->backlog + epochs,
			(DECAY_STEPS - epochs) * sizeof(d->backlog[0]));
		memset(d->backlog + DECAY_STEPS - epochs, 0, epochs * sizeof(d->backlog[0]));
	}
	/* What came since the last look is counted as of now: it may stay longest. */
	d->backlog[DECAY_STEPS - 1] = (uint32_t)min(fresh, (size_t)UINT32_MAX);
}

size_t decay_limit(struct decay *d, uint64_t now, size_t pages)
{
	uint64_t limit = 0, len = epoch_ms(d), epochs;

	if (d->ms < 0)
		return SIZE_MAX;
	if (d->ms == 0)
		return 0;
	if (now < d->epoch_end) {
		/* What was used again since is late no more. */
		size_t reused = d->before - min(d->before, pages);
		size_t late = d->late - min(d->late, reused);

		return late ? pages - late : SIZE_MAX;
	}
	epochs = (now - d->epoch_end) / len + 1;
	advance(d, epochs, pages);
	d->epoch_end += epochs * len;
	for (unsigned int i = 0; i < DECAY_STEPS; i++)
		limit += d->backlog[i] * smoothstep(i);
	limit /= ONE;
	d->before = pages;
	d->late = pages - min(pages, (size_t)limit);
	return (size_t)limit;
}

void decay_gone(struct decay *d, size_t pages)
{
	d->before -= min(d->before, pages);
	d->late -= min(d->late, pages);
}
