/* SPDX-License-Identifier: MIT */
/*
 * Statistics for readers: text for people, JSON for programs, samples for Prometheus.
 * Nothing here allocates; a report may be made at any time by any thread.
 *
 * JSON has one object, "ashlar", whose member "schema" is the number of its form.
 * Documentation/stats.schema.json describes it: members may be added under the same number.
 */
#ifndef ASHLAR_REPORT_H
#define ASHLAR_REPORT_H

#include "sink.h"

/*
 * A report, piece by piece to @write (NULL: standard error). Letters of @opts (may be NULL):
 *
 *	J	as JSON; M as OpenMetrics; P in Prometheus' own text format
 *	O	the table of options instead of statistics: text, or JSON with J
 *	E	each extent too (not with M and P)
 *	S	what /proc/self/smaps says too: exact, and slow for large processes
 *	g n a b l o	leave out: totals, nodes, arenas, bins, large blocks, options (JSON)
 *
 * Others are ignored.
 */
void report_print(void (*write)(void *arg, const char *text), void *arg, const char *opts);

/* The same to a descriptor. */
void report_to_fd(int fd, const char *opts);

#endif /* ASHLAR_REPORT_H */
