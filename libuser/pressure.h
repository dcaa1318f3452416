/* SPDX-License-Identifier: MIT */
/*
 * Giving back when memory is short: because a limit of the heap's own refused (limit.h), or
 * because the system says so. With pressure:true the background thread, which runs then
 * whatever background_thread says, waits for either of
 *
 *	memory.events		of the own cgroup: high or max has grown
 *	memory.pressure		of the own cgroup, else /proc/pressure/memory: tasks waited for
 *				memory for a tenth of the last two seconds
 *
 * where the kernel lets it (a trigger of ours; 6.1 wants CAP_SYS_RESOURCE for that), else it looks at both
 * at each of its rounds, a second at the most. Then everything that is free goes
 * back at once, depots included, decay keeps nothing for PRESSURE_MS, and every thread empties
 * its cache when it next fills or flushes a stack of it. At most one such in PRESSURE_GAP_MS.
 */
#ifndef ASHLAR_PRESSURE_H
#define ASHLAR_PRESSURE_H

#include "util.h"

#define PRESSURE_MS		5000
#define PRESSURE_GAP_MS		200

/* What was seen so far; zeroed before the first look. */
struct pressure_seen {
	bool begun;
	uint64_t at;		/* ms */
	uint64_t events;	/* high + max */
	uint64_t waited;	/* us: some total= */
};

/*
 * Do these texts, of memory.events and memory.pressure as they are at @now, show pressure since
 * the last look? Either may be NULL.
 */
bool pressure_judge(struct pressure_seen *seen, const char *events, const char *psi, uint64_t now);

/* Memory is short: as above. Returns bytes given back. Under no lock. */
size_t pressure_relieve(uint64_t now);

/* Of pressure_relieve(), since start. */
extern _Atomic size_t pressure_events, pressure_bytes;

/*
 * The background thread's: wait up to @ms or for pressure, and do what has to be done about it;
 * false, at once, if there is nothing to watch. pressure_wake() ends the wait.
 */
bool pressure_wait(int64_t ms);
void pressure_wake(void);

/* No thread waits any more: close what was open. */
void pressure_close(void);

/* Limits set at run time, in bytes, 0: none; sums up what heaps have. */
void pressure_set_soft(size_t bytes);
void pressure_set_hard(size_t bytes);

/* Bytes that the limits are held against, limits or none. */
size_t pressure_heap_size(void);

#endif /* ASHLAR_PRESSURE_H */
