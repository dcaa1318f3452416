/* SPDX-License-Identifier: MIT */
/*
 * As much of Criterion's interface as the units use, for where Criterion is not: other
 * processors, other libcs, valgrind, sanitizers, fuzzers. Each test is a child of its own;
 * shim.c has main(), which prints TAP.
 */
#ifndef SHIM_CRITERION_H
#define SHIM_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shim_options {
	void (*init)(void);
	void (*fini)(void);	/* after a test that passed */
	int signal;		/* that the test must end with */
	double timeout;		/* seconds */
};

struct shim_test {
	const char *suite, *name;	/* name NULL: the suite's own options */
	void (*run)(void);
	struct shim_options options;
	struct shim_test *next;
};

void shim_add(struct shim_test *t);

__attribute__((format(printf, 4, 5), noreturn))
void shim_fail(const char *file, int line, const char *what, const char *fmt, ...);

#define SHIM_ADD(id, suite_, name_, fn, ...)					\
	static struct shim_test shim_##id = { suite_, name_, fn, { __VA_ARGS__ }, NULL }; \
	__attribute__((constructor)) static void shim_add_##id(void)		\
	{									\
		shim_add(&shim_##id);						\
	}

#define TestSuite(suite, ...) SHIM_ADD(suite_##suite, #suite, NULL, NULL, __VA_ARGS__)
#define Test(suite, name, ...)							\
	static void suite##_##name##_test(void);				\
	SHIM_ADD(suite##_##name, #suite, #name, suite##_##name##_test, __VA_ARGS__) \
	static void suite##_##name##_test(void)

#define cr_assert(cond, ...)							\
	((cond) ? (void)0 : shim_fail(__FILE__, __LINE__, #cond, " " __VA_ARGS__))
#define cr_assert_fail(...) shim_fail(__FILE__, __LINE__, "", " " __VA_ARGS__)
#define cr_assert_not(cond, ...) cr_assert(!(cond), __VA_ARGS__)
#define cr_assert_null(p, ...) cr_assert(!(p), __VA_ARGS__)
#define cr_assert_not_null(p, ...) cr_assert(p, __VA_ARGS__)
#define cr_assert_eq(a, b, ...) cr_assert((a) == (b), __VA_ARGS__)
#define cr_assert_neq(a, b, ...) cr_assert((a) != (b), __VA_ARGS__)
#define cr_assert_lt(a, b, ...) cr_assert((a) < (b), __VA_ARGS__)
#define cr_assert_leq(a, b, ...) cr_assert((a) <= (b), __VA_ARGS__)
#define cr_assert_gt(a, b, ...) cr_assert((a) > (b), __VA_ARGS__)
#define cr_assert_geq(a, b, ...) cr_assert((a) >= (b), __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) cr_assert(!strcmp(a, b), __VA_ARGS__)
#define cr_assert_str_empty(s, ...) cr_assert(!*(s), __VA_ARGS__)

#endif /* SHIM_CRITERION_H */
