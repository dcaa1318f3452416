/* SPDX-License-Identifier: MIT */
/*
 * A thread of the library's own that purges on time, so that a process that
 * sleeps or only frees gives back as well. Off unless
 * background_thread:true or pressure:true.
 */
#ifndef ASHLAR_BACKGROUND_H
#define ASHLAR_BACKGROUND_H

#include "util.h"

/*
 * serve.c's thread, which starts, forks and ends with this one. Weak: tests of
 * single rooms are linked without it.
 */
void serve_start(void) __attribute__((weak, visibility("hidden")));
void serve_prefork(void) __attribute__((weak, visibility("hidden")));
void serve_postfork(bool child) __attribute__((weak, visibility("hidden")));

/* Start it if the option says so; again in a child. */
void background_start(void);

/* Switch it while running. False if the thread cannot be made. */
bool background_set(bool on);
/* The same for option pressure, which wants the thread as well. */
bool background_set_pressure(bool on);
bool background_running(void);

void background_prefork(void);
void background_postfork(bool child);

#endif /* ASHLAR_BACKGROUND_H */
