/* SPDX-License-Identifier: MIT */
/* Around fork: the bits of all ranges are whole in the child. */
#ifndef ASHLAR_EXTENTS_H
#define ASHLAR_EXTENTS_H

#include "util.h"

void extents_prefork(void);
void extents_postfork(bool child);

#endif /* ASHLAR_EXTENTS_H */
