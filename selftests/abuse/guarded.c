// SPDX-License-Identifier: MIT
/*
 * Crimes that nothing finds but guarded blocks: `run` sets guard_sample:1, so that all
 * blocks are. The report names the block, its size, and who allocated and freed it.
 */
#include "crime.h"

#include <signal.h>

#define FRAMES		"(    #[0-9]+ .*\n)+"
#define ALLOCATED	"  found at\n" FRAMES "  allocated by thread \".*\" at\n" FRAMES
#define FREED		ALLOCATED "  freed by thread \".*\" at\n" FRAMES

static void expect_report(void (*crime)(void), int signal, const char *report)
{
	struct verdict v;
	regex_t re;

	run_crime(crime, &v);
	cr_assert(WIFSIGNALED(v.status) && WTERMSIG(v.status) == signal,
		  "ended with status 0x%x and said: %s", v.status, v.said);
	cr_assert(!regcomp(&re, report, REG_EXTENDED | REG_NOSUB));
	cr_assert(!regexec(&re, v.said, 0, NULL, 0), "said: %sexpected: %s", v.said, report);
	regfree(&re);
}

static volatile char sink;

static void read_after_free(void)
{
	char *p = hide(ashlar_malloc(40));

	ashlar_free(p);
	sink = ((char *)hide(p))[3];
}
Test(guarded, read_after_free)
{
	expect_report(read_after_free, SIGSEGV,
		      "^ashlar: use after free: 0x[0-9a-f]+ is 3 bytes inside the block of 40 bytes at 0x[0-9a-f]+\n"
		      FREED);
}

/* A hundred other blocks came and went. */
static void write_after_free_later(void)
{
	char *p = hide(ashlar_malloc(5000));

	ashlar_free(p);
	for (int i = 0; i < 100; i++)
		ashlar_free(hide(ashlar_malloc(5000)));
	((char *)hide(p))[4999] = 1;
}
Test(guarded, write_after_free_later)
{
	expect_report(write_after_free_later, SIGSEGV,
		      "^ashlar: use after free: .* is 4999 bytes inside the block of 5000 bytes .*\n" FREED);
}

static void overflow(void) { ((volatile char *)hide(ashlar_malloc(48)))[48] = 1; }
Test(guarded, overflow)
{
	expect_report(overflow, SIGSEGV,
		      "^ashlar: overflow: .* is 0 bytes past the end of the block of 48 bytes .*\n" ALLOCATED);
}

static void overflow_read(void) { sink = ((volatile char *)hide(ashlar_calloc(3, 16)))[4000]; }
Test(guarded, overflow_read)
{
	expect_report(overflow_read, SIGSEGV, "^ashlar: overflow: .* is 3952 bytes past the end");
}

/* Within the sixteen bytes that alignment costs: no fault, but free sees it. */
static void overflow_by_one(void)
{
	char *p = hide(ashlar_malloc(41));

	p[41] = 0;
	ashlar_free(hide(p));
}
Test(guarded, overflow_by_one)
{
	expect_report(overflow_by_one, SIGABRT,
		      "^ashlar: overflow, found when the block was freed: .* is 0 bytes past the end of the block of 41 bytes");
}

static void underflow(void)
{
	char *p = hide(ashlar_malloc(64));

	p[-1] = 0;
	ashlar_free(hide(p));
}
Test(guarded, underflow)
{
	expect_report(underflow, SIGABRT,
		      "^ashlar: underflow, found when the block was freed: .* is 1 bytes before the block of 64 bytes");
}

static void far_underflow(void) { ((volatile char *)hide(ashlar_malloc(64)))[-4096] = 1; }
Test(guarded, far_underflow)
{
	expect_report(far_underflow, SIGSEGV, "^ashlar: underflow: .* is 4096 bytes before the block");
}

static void freed_twice(void)
{
	void *p = hide(ashlar_malloc(100));

	ashlar_free(p);
	ashlar_free(hide(p));
}
Test(guarded, freed_twice)
{
	expect_report(freed_twice, SIGABRT, "^ashlar: free of a block that was freed before: .*\n" FREED);
}

static void inside(void) { ashlar_free((char *)hide(ashlar_malloc(100)) + 16); }
Test(guarded, inside)
{
	expect_report(inside, SIGABRT, "^ashlar: free of what is not the start of a block: .* is 16 bytes inside");
}

static void wrong_size(void) { ashlar_sdallocx(hide(ashlar_malloc(1000)), 16, 0); }
Test(guarded, wrong_size)
{
	expect_abort(wrong_size, "sized free: block 0x[0-9a-f]+ has 1000 bytes, not the 16 it is freed with");
}

/* What is no crime: all sizes, alignments, contents kept by realloc, zeroes from calloc. */
static void good_deeds(void)
{
	for (size_t size = 0; size < 70000; size += size / 7 + 1) {
		unsigned char *p = hide(ashlar_malloc(size)), *q;

		if (ashlar_malloc_usable_size(p) < size)
			abort();
		memset(p, 0x5a, size);
		p = hide(ashlar_realloc(p, size + 100));
		for (size_t i = 0; i < size; i++) {
			if (p[i] != 0x5a)
				abort();
		}
		ashlar_free_sized(hide(p), size + 100);
		q = hide(ashlar_calloc(1, size));
		for (size_t i = 0; i < size; i++) {
			if (q[i])
				abort();
		}
		ashlar_free(q);
	}
	for (size_t align = 8; align <= 65536; align *= 2) {
		char *p = hide(ashlar_aligned_alloc(align, 3 * align));

		if ((uintptr_t)p % align)
			abort();
		memset(p, 1, 3 * align);
		ashlar_free(p);
	}
}
Test(guarded, good_deeds) { expect_nothing(good_deeds); }

/* More blocks at a time than there are slots. */
static void many(void)
{
	static void *p[5000];

	for (int i = 0; i < 5000; i++)
		memset(p[i] = hide(ashlar_malloc(200)), 1, 200);
	for (int i = 0; i < 5000; i++)
		ashlar_free(p[i]);
}
Test(guarded, many) { expect_nothing(many); }

/* A program that takes the signal for itself gets it. */
static void handler(int number)
{
	_exit(number == SIGSEGV ? 7 : 8);
}

static void own_handler(void)
{
	signal(SIGSEGV, handler);
	overflow();
}
Test(guarded, own_handler)
{
	struct verdict v;

	run_crime(own_handler, &v);
	cr_assert(WIFEXITED(v.status) && WEXITSTATUS(v.status) == 7);
}
