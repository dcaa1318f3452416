/* SPDX-License-Identifier: MIT */
/*
 * A profile as text, in the form that gperftools began with and jeprof, google-pprof and
 * pprof read: a line for each stack with what was sampled (they multiply by what it
 * stands for), and then /proc/self/maps.
 *
 *	heap profile: BLOCKS: BYTES [ALL_BLOCKS: ALL_BYTES] @ heap_v2/MEAN
 *
 * The numbers before the bracket are of live blocks, those inside of all since the start.
 */
#ifndef ASHLAR_PROF_HEAP_V2_H
#define ASHLAR_PROF_HEAP_V2_H

#include "prof_out.h"
#include "prof_snap.h"

void prof_heap_v2_write(struct prof_out *o, const struct prof_snap *s);

#endif /* ASHLAR_PROF_HEAP_V2_H */
