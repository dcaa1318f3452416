/* SPDX-License-Identifier: MIT */
/*
 * The kernel's clock as it lies in each process: no system call, which a seccomp filter may refuse,
 * and not by libc's name, which may be another's, and whose page, with the 64 KB around it, few
 * small processes have in their memory.
 */
#ifndef ASHLAR_VDSO_H
#define ASHLAR_VDSO_H

#include <time.h>

typedef int vdso_clock(clockid_t clock, struct timespec *ts);

/* NULL: there is none, or it cannot be read (valgrind hides it). */
vdso_clock *vdso_find_clock(void);

#endif /* ASHLAR_VDSO_H */
