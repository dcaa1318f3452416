// SPDX-License-Identifier: MIT
#include "report_parts.h"

void report_totals(struct report_totals *t, const char *opts)
{
	stats_collect(&t->s);
	t->s.resident = stats_resident();
	stats_occupancy(STATS_ALL, &t->occupancy);
	t->has_smaps = asked(opts, 'S') && smaps_read(&t->smaps);
}

const char *report_state(enum extent_state state)
{
	return state == EXTENT_LIVE ? "live" : state == EXTENT_RETAINED ? "retained" : "fresh";
}
