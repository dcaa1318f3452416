// SPDX-License-Identifier: MIT
/*
 * glibc's names beyond the standard's: what it knows of its heap, answered for
 * ours, and the internal names that programs reach behind malloc with, so that
 * nobody gets memory of an allocator that does not serve the rest.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "ashlar.h"
#include "fast.h"
#include "report.h"
#include "stats.h"

/* Other libcs have none of these names. */
#ifdef __GLIBC__

/* --- figures ------------------------------------------------------------------------ */

EXPORT struct mallinfo2 mallinfo2(void)
{
	struct stats s;

	stats_collect(&s);
	return (struct mallinfo2){
		.arena = s.mapped,
		.ordblks = s.dirty >> PAGE_SHIFT,
		.fsmblks = s.cached,
		.uordblks = s.allocated,
		.fordblks = s.mapped - min(s.allocated, s.mapped),
		.keepcost = s.dirty,
	};
}

static int narrow(size_t n)
{
	return (int)min(n, (size_t)INT_MAX);
}

/* As in glibc an int is too small for a large heap; here it stops at INT_MAX. */
static struct mallinfo narrow_info(void)
{
	struct mallinfo2 m = mallinfo2();

	return (struct mallinfo){
		.arena = narrow(m.arena),
		.ordblks = narrow(m.ordblks),
		.fsmblks = narrow(m.fsmblks),
		.uordblks = narrow(m.uordblks),
		.fordblks = narrow(m.fordblks),
		.keepcost = narrow(m.keepcost),
	};
}

EXPORT struct mallinfo mallinfo(void)
{
	return narrow_info();
}

static void heap_xml(FILE *f, unsigned int index)
{
	struct stats_arena a;

	stats_arena(index, &a);
	fprintf(f, "<heap nr=\"%u\">\n<sizes>\n", index);
	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		size_t size = sizeclasses[c].size, room;
		struct bin_stats b;

		stats_bin(index, c, &b);
		room = b.pages * PAGE_SIZE / size;
		if (room > b.out)
			fprintf(f, "<size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n",
				size, size, (room - b.out) * size, room - b.out);
	}
	fprintf(f, "</sizes>\n<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n"
		"<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
		"<system type=\"current\" size=\"%zu\"/>\n<aspace type=\"total\" size=\"%zu\"/>\n"
		"</heap>\n", a.cached, a.pdirty, a.pdirty * PAGE_SIZE, a.mapped,
		a.mapped + a.retained);
}

/*
 * glibc's elements: a heap for each arena, sizes of free slots, "fast" what thread caches
 * and depots hold, "rest" free pages, and then the sums.
 */
EXPORT int malloc_info(int options, FILE *f)
{
	unsigned int n = atomic_load(&ash_narenas);
	struct stats s;

	if (options)
		return EINVAL;
	fputs("<malloc version=\"1\">\n", f);
	for (unsigned int i = 0; i < n; i++)
		heap_xml(f, i);
	stats_collect(&s);
	fprintf(f, "<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n"
		"<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
		"<total type=\"mmap\" count=\"0\" size=\"0\"/>\n"
		"<system type=\"current\" size=\"%zu\"/>\n"
		"<aspace type=\"total\" size=\"%zu\"/>\n</malloc>\n",
		s.cached, s.dirty >> PAGE_SHIFT, s.dirty, s.mapped, s.mapped + s.retained);
	return 0;
}

EXPORT void malloc_stats(void)
{
	report_print(NULL, NULL, NULL);
}

/* --- advice --------------------------------------------------------------------------- */

/* All that is free goes back, whatever @pad: 1 if something did. */
EXPORT int malloc_trim(size_t pad)
{
	(void)pad;
	return ashlar_purge() > 0;
}

/*
 * glibc's parameters are about a heap of another shape. They are accepted, and change
 * nothing; ASHLAR_CONF is what does.
 */
EXPORT int mallopt(int param, int value)
{
	(void)value;
	switch (param) {
	case M_MXFAST:
	case M_TRIM_THRESHOLD:
	case M_TOP_PAD:
	case M_MMAP_THRESHOLD:
	case M_MMAP_MAX:
	case M_CHECK_ACTION:
	case M_PERTURB:
	case M_ARENA_TEST:
	case M_ARENA_MAX:
		return 1;
	default:
		return 0;
	}
}

/* --- libc's own second names ------------------------------------------------------------- */

EXPORT void *__libc_malloc(size_t size);
EXPORT void __libc_free(void *p);
EXPORT void *__libc_calloc(size_t n, size_t size);
EXPORT void *__libc_realloc(void *p, size_t size);
EXPORT void *__libc_reallocarray(void *p, size_t n, size_t size);
EXPORT void *__libc_memalign(size_t align, size_t size);
EXPORT void *__libc_valloc(size_t size);
EXPORT void *__libc_pvalloc(size_t size);
EXPORT struct mallinfo __libc_mallinfo(void);
EXPORT int __libc_mallopt(int param, int value);

void *__libc_malloc(size_t size)
{
	return fast_malloc(size);
}

void __libc_free(void *p)
{
	fast_free(p);
}

void *__libc_calloc(size_t n, size_t size)
{
	return ashlar_calloc(n, size);
}

void *__libc_realloc(void *p, size_t size)
{
	return ashlar_realloc(p, size);
}

void *__libc_reallocarray(void *p, size_t n, size_t size)
{
	return ashlar_reallocarray(p, n, size);
}

void *__libc_memalign(size_t align, size_t size)
{
	return ashlar_memalign(align, size);
}

void *__libc_valloc(size_t size)
{
	return ashlar_valloc(size);
}

void *__libc_pvalloc(size_t size)
{
	return ashlar_pvalloc(size);
}

struct mallinfo __libc_mallinfo(void)
{
	return narrow_info();
}

int __libc_mallopt(int param, int value)
{
	return mallopt(param, value);
}

#endif /* __GLIBC__ */
