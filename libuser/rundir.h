/* SPDX-License-Identifier: MIT */
/*
 * Where sockets of this user's processes lie: $XDG_RUNTIME_DIR, root's /run/ashlar, or
 * /tmp/ashlar-UID; the first that is, or can be made, a directory of this user alone.
 */
#ifndef ASHLAR_RUNDIR_H
#define ASHLAR_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>

/* Its name to @dir of @size bytes. False: none could be had, @dir is the last one tried. */
bool rundir_choose(char *dir, size_t size);

#endif /* ASHLAR_RUNDIR_H */
