/* SPDX-License-Identifier: MIT */
/*
 * A thread of the library's own that purges on time, so that a process that
 * sleeps or only frees gives back as well. Off unless background_thread:true.
 */
#ifndef ASHLAR_BACKGROUND_H
#define ASHLAR_BACKGROUND_H

#include "util.h"

/* Start it if the option says so; again in a child. */
void background_start(void);

/* Switch it while running. False if the thread cannot be made. */
bool background_set(bool on);
bool background_running(void);

void background_prefork(void);
void background_postfork(bool child);

#endif /* ASHLAR_BACKGROUND_H */
