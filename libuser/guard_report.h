/* SPDX-License-Identifier: MIT */
/*
 * What is said about a guarded block that was misused. To standard error, without
 * the heap and without stdio: it runs in a signal handler.
 */
#ifndef ASHLAR_GUARD_REPORT_H
#define ASHLAR_GUARD_REPORT_H

#include "prof_block.h"

/*
 * "@what: 0x… is N bytes into a block of …", and who allocated and freed it. @where: the
 * address in question. @context: a handler's ucontext_t, NULL: the stack of this call.
 */
void guard_report(const char *what, const struct prof_block *b, uintptr_t where, void *context);

#endif /* ASHLAR_GUARD_REPORT_H */
