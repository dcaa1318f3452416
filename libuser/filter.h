/* SPDX-License-Identifier: MIT */
/*
 * Is a seccomp filter on? Then calls that we can do without are not made: mbind, move_pages,
 * mincore. A filter may end the process for them (systemd's SystemCallFilter= does, and Debian's
 * redis-server has one that forbids all three), and no call tells beforehand.
 */
#ifndef ASHLAR_FILTER_H
#define ASHLAR_FILTER_H

#include <stdbool.h>

/* Asked of /proc until there is one; without /proc: no. Slow: for init and statistics. */
bool filter_is_on(void);

#endif /* ASHLAR_FILTER_H */
