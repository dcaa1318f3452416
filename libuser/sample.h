/* SPDX-License-Identifier: MIT */
/*
 * Which allocations are looked at closely: a Poisson process over the bytes that a
 * thread asks for, for each of two purposes. It rides on the cache's countdown: the
 * thread's next event comes when its next sample is due, and no other code is
 * reached before.
 *
 *	mean[kind] == 0		the kind is off: it costs nothing
 *	P(a request of s bytes is sampled) == 1 - exp(-s / mean)
 *
 * A thread notices new settings at its next event: at the latest sample_latest bytes after the
 * change, and once TCACHE_EVENT_MOST after the first one.
 */
#ifndef ASHLAR_SAMPLE_H
#define ASHLAR_SAMPLE_H

#include <stdatomic.h>

#include "util.h"

/* Bytes between two events at first, and of what was freed between two looks at decay. */
#define TCACHE_EVENT_BYTES	((int64_t)(4 * MB))
/* At the most, in a thread whose events come sooner than decay looks, where nothing was ever sampled. */
#define TCACHE_EVENT_MOST	((int64_t)(16 * MB))
/* At the least, in a thread that allocates so little that more takes longer than decay should wait. */
#define TCACHE_EVENT_LEAST	((int64_t)KB)

enum { SAMPLE_PROFILE, SAMPLE_GUARD, SAMPLE_KINDS };

/* Mean bytes between two samples; a change is followed by sample_changed(). */
extern _Atomic int64_t sample_mean[SAMPLE_KINDS];

void sample_changed(void);

/* Bytes between two events of a thread, at the most. */
extern _Atomic int64_t sample_latest;

/* Was any kind ever on? */
extern _Atomic bool sample_used;

/* Seed of all threads' draws, 0: a different one for each process. Before the first thread. */
void sample_seed(uint64_t seed);

/* A thread's part. Belongs to the thread. */
struct sampling {
	int64_t wait;			/* what the countdown was last set to; 0: never yet */
	int64_t left[SAMPLE_KINDS];	/* bytes to the next sample */
	uint64_t random;		/* state of the generator, never 0 */
	uint32_t epoch;			/* settings that left[] was drawn with */
	uint32_t name;			/* number of the thread's name in a profile; 0: not asked yet */
	uintptr_t stack_low, stack_high;	/* mapped stack, see prof_stack.h */
	uint64_t counted;		/* bytes up to which dumps by interval know */
	bool silent;			/* thread.prof.active is false */
	bool busy;			/* inside the profiler: what it allocates is not sampled */
};

/*
 * @passed bytes were allocated since the last call. Returns the bytes to wait for,
 * at most @most; a bit 1 << kind in *@due for each sample that is.
 */
int64_t sample_draw(struct sampling *s, int64_t passed, int64_t most, unsigned int *due);

static inline int64_t sample_next(struct sampling *s, int64_t passed, int64_t most,
				  unsigned int *due)
{
	if (unlikely(atomic_load_explicit(&sample_used, memory_order_relaxed)))
		return sample_draw(s, passed, most, due);
	*due = 0;
	return s->wait = most;
}

/* 1 / (1 - exp(-size / mean)): how many blocks a sampled one of @size stands for. */
double sample_weight(size_t size, int64_t mean);

#endif /* ASHLAR_SAMPLE_H */
