/* SPDX-License-Identifier: MIT */
/* A test program's results as TAP; the plan comes last. */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KB	((size_t)1 << 10)
#define MB	((size_t)1 << 20)

static int tap_tests, tap_failed;

/* One result; @fmt and what follows is said when it is a bad one. */
#define OK(cond, name, ...)						\
	do {								\
		bool ok_ = (cond);					\
		printf("%sok %d - %s\n", ok_ ? "" : "not ", ++tap_tests, name); \
		if (!ok_) {						\
			tap_failed++;					\
			printf("# %s:%d: %s\n#", __FILE__, __LINE__, #cond); \
			printf(" " __VA_ARGS__);				\
			printf("\n");					\
		}							\
		fflush(stdout);						\
	} while (0)

#define SKIP(name, reason)	printf("ok %d - %s # SKIP %s\n", ++tap_tests, name, reason)

static inline int tap_end(void)
{
	printf("1..%d\n", tap_tests);
	return tap_failed != 0;
}

/* The compiler must not conclude that a block nobody reads need not exist. */
#define HIDE(x)	({ __typeof__(x) x_ = (x); __asm__ volatile("" : "+r"(x_) : : "memory"); x_; })

#endif /* TAP_H */
