/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of the heap's address space, from /proc/self/smaps: exact, and
 * as dear as a walk over all page tables of the process. Only on request.
 */
#ifndef ASHLAR_SMAPS_H
#define ASHLAR_SMAPS_H

#include "util.h"

/* Bytes. */
struct smaps {
	size_t resident;	/* in RAM, of the heap without our records */
	size_t huge;		/* of those, mapped by huge pages */
	size_t lazy_free;	/* of those, the kernel may take (MADV_FREE) */
	size_t swapped;		/* not in RAM, in swap */
};

/* False: there is no /proc, or it is not readable. */
bool smaps_read(struct smaps *out);

#endif /* ASHLAR_SMAPS_H */
