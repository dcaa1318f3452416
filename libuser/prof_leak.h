/* SPDX-License-Identifier: MIT */
/* What is live, by stack, in words: the report at exit of option prof_leak. */
#ifndef ASHLAR_PROF_LEAK_H
#define ASHLAR_PROF_LEAK_H

#include "util.h"

/* To standard error. Bytes that are live, by estimate. */
size_t prof_leak_report(void);

/* One address as "file+0x1234 (function)", as far as it is known. May take the loader's lock. */
size_t prof_leak_name(char *out, size_t size, uintptr_t pc);

#endif /* ASHLAR_PROF_LEAK_H */
