/* SPDX-License-Identifier: MIT */
/* Do the parts of an object agree with each other? For unit tests and fuzzers. */
#ifndef ASHLAR_TEST_CONSISTENT_H
#define ASHLAR_TEST_CONSISTENT_H

#include "slab.h"

bool slab_consistent(const struct slab *s);

/* Its extents too. Takes the heap's lock. */
bool pageheap_consistent(struct pageheap *h);

#endif /* ASHLAR_TEST_CONSISTENT_H */
