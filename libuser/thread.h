/* SPDX-License-Identifier: MIT */
/*
 * A thread's way into the library and out of it: first use, exit, fork.
 *
 *	ash_tls == &ash_unset	nothing set up yet: thread_cache() does it
 *	ash_tls == &ash_dead	the thread has ended (a destructor still runs) or
 *				caches are off: every call goes to an arena
 *	else			the thread's cache
 */
#ifndef ASHLAR_THREAD_H
#define ASHLAR_THREAD_H

#include "tcache.h"

/*
 * The one thread-local variable, never NULL. Initial-exec: one load off the
 * segment register.
 */
extern __thread struct tcache *ash_tls __attribute__((tls_model("initial-exec")));
/* Always empty and full: every fast path leaves for the slow one. */
extern struct tcache ash_unset, ash_dead;

/*
 * This thread's cache, created on first use; &ash_dead where there is none to
 * be had. Sets the library up if nobody has.
 */
struct tcache *thread_cache(void);

/* The same, inline for all but the first use. */
static inline struct tcache *thread_cache_quick(void)
{
	struct tcache *t = ash_tls;

	return likely(t != &ash_unset) ? t : thread_cache();
}

/* The arena for calls without a cache; NULL: no memory at all. */
struct arena *thread_arena(struct tcache *t);

/* Switch this thread's cache on or off; what it was before. */
bool thread_cache_enable(bool on);

/* Bind this thread to arena @index; false if there is none. */
bool thread_set_arena(unsigned int index);

/* Call @fn for each thread's cache, with the list locked. */
void thread_for_each(void (*fn)(struct tcache *t, void *arg), void *arg);

/* Is the library set up? */
bool thread_ready(void);

#endif /* ASHLAR_THREAD_H */
