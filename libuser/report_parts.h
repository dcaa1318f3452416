/* SPDX-License-Identifier: MIT */
/* What report.c chooses from, and what its forms share. @opts: report.h's letters, never NULL. */
#ifndef ASHLAR_REPORT_PARTS_H
#define ASHLAR_REPORT_PARTS_H

#include <string.h>

#include "sink.h"
#include "smaps.h"
#include "stats.h"

/* All that belongs to the process as a whole, collected at once. */
struct report_totals {
	struct stats s;			/* resident as the kernel says */
	struct stats_occupancy occupancy;
	struct smaps smaps;
	bool has_smaps;			/* asked for, and to be had */
};

void report_totals(struct report_totals *t, const char *opts);

void report_text(struct sink *out, const char *opts);
void report_json(struct sink *out, const char *opts);
/* @open: OpenMetrics, else Prometheus' text format. */
void report_metrics(struct sink *out, const char *opts, bool open);

/* The options alone. */
void report_options_text(struct sink *out);
void report_options_json(struct sink *out);

static inline bool asked(const char *opts, char letter)
{
	return strchr(opts, letter);
}

/* "fresh", "live" or "retained". */
const char *report_state(enum extent_state state);

#endif /* ASHLAR_REPORT_PARTS_H */
