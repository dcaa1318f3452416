/* SPDX-License-Identifier: MIT */
/*
 * A profile as pprof's profile.proto: what the samples stand for, by stack and thread's
 * name, with the files that the code is from and their build ids.
 */
#ifndef ASHLAR_PROF_PPROF_H
#define ASHLAR_PROF_PPROF_H

#include "prof_out.h"
#include "prof_snap.h"

void prof_pprof_write(struct prof_out *o, const struct prof_snap *s);

#endif /* ASHLAR_PROF_PPROF_H */
