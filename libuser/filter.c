// SPDX-License-Identifier: MIT
#include "filter.h"

#include <stdatomic.h>
#include <string.h>

#include "lines.h"

bool filter_is_on(void)
{
	static _Atomic bool found;	/* it never goes again */
	struct lines l;
	char line[16];

	if (found)
		return true;
	lines_open(&l, "/proc/self/status");
	while (!found && lines_next(&l, line, sizeof(line)))
		found = !strcmp(line, "Seccomp:\t2");
	lines_close(&l);
	return found;
}
