/* SPDX-License-Identifier: MIT */
/*
 * How much free memory may be kept at a moment: pure policy, no memory, no
 * clock of its own.
 *
 * Pages freed at time t may stay in full at first, then fewer and fewer along
 * a smooth step, and none after @ms milliseconds. Time is cut into DECAY_STEPS
 * epochs; backlog[i] holds the pages that became free in one of them:
 *
 *	limit = sum over i of backlog[i] * step(i)
 *	step(x) = 6x^5 - 15x^4 + 10x^3, x = (i + 1) / DECAY_STEPS
 */
#ifndef ASHLAR_DECAY_H
#define ASHLAR_DECAY_H

#include "util.h"

#define DECAY_STEPS	64u

/* Guarded by whoever owns the pages. */
struct decay {
	int64_t ms;			/* -1: keep for ever; 0: keep nothing */
	uint64_t epoch_end;		/* when the newest epoch closes */
	size_t before;			/* pages when it opened, less those that went since */
	size_t late;			/* of them, what is above the limit and has not gone yet */
	uint32_t backlog[DECAY_STEPS];	/* oldest first */
};

void decay_init(struct decay *d, int64_t ms, uint64_t now);

/*
 * Pages that may be kept at @now when @pages are free. Call it as often as
 * liked: within an epoch it costs a comparison and returns SIZE_MAX ("no
 * news") or, while some are late, @pages less those.
 */
size_t decay_limit(struct decay *d, uint64_t now, size_t pages);

/*
 * @pages of those have gone. Whoever gives back less than asked for is late with
 * the rest: what stays does not count as new, which may stay for @ms.
 */
void decay_gone(struct decay *d, size_t pages);

#endif /* ASHLAR_DECAY_H */
