/* SPDX-License-Identifier: MIT */
/*
 * What every room needs: branch hints, rounding, assertions in three prices,
 * and printing without stdio.
 *
 * Assertions: ASSERT is always on and guards against a caller's misuse where
 * the check is cheap; DEBUG_ASSERT is for our own mistakes and is compiled
 * out of a release; EXPENSIVE(…) marks whole-object checks of a debug build.
 * All three compile in every build, so that none rots.
 */
#ifndef ASHLAR_UTIL_H
#define ASHLAR_UTIL_H

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef ASHLAR_DEBUG
#define ASHLAR_DEBUG 0
#endif

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define noinline	__attribute__((noinline))
/* Runs once, as a process begins: lies with the constructors, so that each process has
 * those pages and not others beside them. */
#define AT_START	__attribute__((section(".text.startup")))
/* Few processes run it: lies behind all that each one runs. */
#define RARE		__attribute__((section("ash_rare")))
/*
 * Constants that every process reads: in pages that are its own anyway, so that the others and
 * what lies around them (60 KB: a fault maps its neighbours) are not in a small process's memory.
 */
#define AT_HAND		__attribute__((section(".data.rel.ro.at_hand")))
/*
 * Large variables that start as zero, of which most processes touch the beginning or nothing: behind all
 * others, which then share one or two pages. The Makefile has the linker sort them by these names.
 */
#define BULK		__attribute__((section(".bss.zz_bulk")))
#define EXPORT		__attribute__((visibility("default")))

#define KB		((size_t)1 << 10)
#define MB		((size_t)1 << 20)
#define GB		((size_t)1 << 30)

/* Some libcs have a word for it, too. */
#undef PAGE_SIZE
#define PAGE_SHIFT	12
#define PAGE_SIZE	((size_t)1 << PAGE_SHIFT)
#define EXTENT_SHIFT	21
#define EXTENT_SIZE	((size_t)1 << EXTENT_SHIFT)
#define EXTENT_PAGES	((unsigned int)(EXTENT_SIZE >> PAGE_SHIFT))
#define CACHE_LINE	64

/* Each argument is evaluated once. */
#define min(a, b)	(__extension__ ({ __auto_type a_ = (a); __auto_type b_ = (b); a_ < b_ ? a_ : b_; }))
#define max(a, b)	(__extension__ ({ __auto_type a_ = (a); __auto_type b_ = (b); a_ > b_ ? a_ : b_; }))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Round up or down to a power of two; round_up(x) may wrap to 0. */
#define round_up(x, a)	 (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define round_down(x, a) ((x) & ~((__typeof__(x))(a) - 1))

static inline bool is_pow2(size_t x)
{
	return x && !(x & (x - 1));
}

/* floor(log2(x)), x > 0. */
static inline unsigned int log2_floor(size_t x)
{
	return 63 - (unsigned int)__builtin_clzl(x);
}

/* Tell the CPU that this is a spin loop. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/*
 * A sentence into a fixed buffer. Knows %s %c %d %u %zu %lu %x %lx %p %%
 * and nothing else. Always ends in NUL; returns the length written.
 */
size_t ash_vformat(char *buf, size_t size, const char *fmt, va_list ap);
size_t ash_format(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* One line to standard error, "ashlar: " before and a newline after it. */
void ash_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, then abort(). Takes no lock and allocates nothing. */
void ash_fatal(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn, cold));

#define ASSERT(cond, ...)						\
	do {								\
		if (unlikely(!(cond)))					\
			ash_fatal(__VA_ARGS__);				\
	} while (0)

#define DEBUG_ASSERT(cond)						\
	do {								\
		if (ASHLAR_DEBUG && unlikely(!(cond)))			\
			ash_fatal("%s:%d: broken invariant: %s",	\
				  __FILE__, __LINE__, #cond);		\
	} while (0)

#define EXPENSIVE(stmt)							\
	do {								\
		if (ASHLAR_DEBUG > 1)					\
			stmt;						\
	} while (0)

#endif /* ASHLAR_UTIL_H */
