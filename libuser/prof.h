/* SPDX-License-Identifier: MIT */
/*
 * Heap profiles: what becomes of the allocations that sample.h chooses.
 *
 * A sampled block has pages of its own, whose class in the page map, CLASS_SAMPLED, leads
 * each free into the slow path, and a record here that the page's entry in the span map
 * names. A small request gets a run of pages and keeps the usable size of its class; a
 * large one is a large block as any other, under another class; a guarded one lies at the end
 * of pages of the guard's (guard.h).
 *
 *	prof.c		which blocks, switching on and off; prof_block.c their records
 *	prof_stack.c	who called
 *	prof_table.c	counts by stack and thread's name
 *	prof_dump.c	files: when, their names; prof_heap_v2.c, prof_pprof.c: what is in them
 *	prof_recent.c	the last sampled blocks one by one, and lifetimes
 *	prof_leak.c	what is live at exit
 *
 * Nothing here allocates from the heap or is called with a lock of it held.
 */
#ifndef ASHLAR_PROF_H
#define ASHLAR_PROF_H

#include "tcache.h"

/* Are profile samples taken, by the threads that do not object? */
static inline bool prof_sampling(void)
{
	return atomic_load_explicit(&sample_mean[SAMPLE_PROFILE], memory_order_relaxed);
}

/* Options; part of the library's initialisation, before any thread has a cache. */
void prof_init(void);

/* The rest, which may allocate: the fallback unwinder, signal handlers, the end's report. */
void prof_start(void);

/*
 * For block.c and resize.c. @due: kinds, as tcache_event() says. @frame: a frame pointer whose caller is
 * the program's, or one of ours with a frame pointer. NULL: serve it as any other.
 */
void *prof_alloc(struct tcache *t, unsigned int due, size_t align, size_t size, bool *zeroed,
		 void **frame);
void prof_free(struct tcache *t, void *p, void **frame);
/* The large or huge block @p, asked for anew with @size bytes, becomes a sample. */
void prof_adopt(struct tcache *t, void *p, size_t size, void **frame);

/* Is @p, in a page of CLASS_SAMPLED, the start of a block? Its usable size. */
bool prof_find(const struct window *w, const void *p, size_t *size);

/* Dumps that are due: asked for by a signal, by bytes allocated, by a new peak. Cheap. */
void prof_look(struct tcache *t);

static inline void prof_tick(struct tcache *t)
{
	if (unlikely(atomic_load_explicit(&sample_used, memory_order_relaxed)))
		prof_look(t);
}


/* The same from the background thread. */
void prof_background(void);

/* --- settings, for ctl --- */

bool prof_active(void);
int prof_set_active(bool on);		/* 0 or an errno */
unsigned int prof_lg_sample(void);
/* Forget what was counted; @lg_sample as option lg_prof_sample, from now on. */
int prof_reset(unsigned int lg_sample);
/* This thread's name in profiles. */
void prof_set_thread_name(struct tcache *t, const char *name);
const char *prof_thread_name(struct tcache *t);

/* Around fork. */
void prof_prefork(void);
void prof_postfork(bool child);

/* The frame that is passed to these: each function that writes it gets a frame pointer of its own. */
#define FRAME	__builtin_frame_address(0)
/* At the end of such a function: what comes before is a call, and no jump out of the frame. */
#define KEEP_FRAME()	__asm__ volatile("" : : : "memory")

#endif /* ASHLAR_PROF_H */
