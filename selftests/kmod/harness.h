/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own harness for tests. A test without a time of its own has 300 s instead of 30: that is
 * for those that hang, and the debug kernel, interpreted, on a machine that is busy is 100 times slower
 * than what 30 was meant for.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

#endif /* HARNESS_H */
