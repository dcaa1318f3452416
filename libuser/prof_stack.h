/* SPDX-License-Identifier: MIT */
/*
 * Who called malloc: the return addresses on this thread's stack.
 *
 * By frame pointers: a handful of instructions a frame, and wrong where code was compiled
 * without them. By a library (libunwind, else libc's backtrace(), which is slower),
 * opened when profiling is switched on: right, and dear. Option prof_unwind says which;
 * "auto" takes the library for each chain of frame pointers that is new, remembers what
 * it found, and goes by frame pointers when the same chain comes again. A chain is told from
 * others by its addresses and the sizes of its frames, and must end where stacks
 * begin; else it is the library's turn.
 *
 * Frame pointers are followed only upwards, aligned, within the mapping that holds
 * this stack.
 */
#ifndef ASHLAR_PROF_STACK_H
#define ASHLAR_PROF_STACK_H

#include "sample.h"

#define PROF_DEPTH	128u	/* frames kept, innermost first */

/* Opens the library. May allocate. */
void prof_stack_open(void);

/* "libunwind", "backtrace" or "none". */
const char *prof_stack_library(void);

struct prof_trace {
	unsigned int n;
	uint64_t hash;		/* of what follows */
	uint64_t key;		/* of the chain of frame pointers; 0: it cannot be trusted */
	uintptr_t pc[PROF_DEPTH];
};

/* By frame pointers from @frame on. */
void prof_stack_walk(struct sampling *s, void **frame, struct prof_trace *t);

/* Is there a library, and does option prof_unwind want it for chains that are not known? */
bool prof_stack_has_library(void);

/* By the library, which takes the place of what prof_stack_walk() found if it works. */
void prof_stack_unwind(void **frame, struct prof_trace *t);

#endif /* ASHLAR_PROF_STACK_H */
