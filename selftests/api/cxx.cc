// SPDX-License-Identifier: MIT
/* Operators new and delete in all forms, the new-handler, and what is thrown. */
#include <exception>
#include <new>
#include <string>
#include <vector>

#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "tap.h"

static int calls;

static void gives_up_at_three()
{
	if (++calls == 3)
		std::set_new_handler(nullptr);
}

static void throws()
{
	throw std::bad_alloc();
}

static void throws_int()
{
	throw 42;
}

static char *rescue;

static void frees_rescue()
{
	calls++;
	std::set_new_handler(nullptr);
	free(rescue);
}

static bool throws_bad_alloc(void *(*alloc)(size_t))
{
	try {
		alloc(HIDE((size_t)1 << 62));
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

static void *plain(size_t n) { return operator new(n); }
static void *array(size_t n) { return operator new[](n); }
static void *aligned(size_t n) { return operator new(n, std::align_val_t(64)); }
static void *aligned_array(size_t n) { return operator new[](n, std::align_val_t(4096)); }
static void *quiet(size_t n) { return operator new(n, std::nothrow); }
static void *quiet_array(size_t n) { return operator new[](n, std::nothrow); }
static void *quiet_aligned(size_t n) { return operator new(n, std::align_val_t(64), std::nothrow); }
static void *quiet_aligned_array(size_t n)
{
	return operator new[](n, std::align_val_t(64), std::nothrow);
}

/* As users of the proposal declare them. */
struct sized_ptr_t { void *p; size_t n; };
enum class hot_cold_t : uint8_t {};
extern "C" {
sized_ptr_t __size_returning_new(size_t);
sized_ptr_t __size_returning_new_aligned(size_t, std::align_val_t);
sized_ptr_t __size_returning_new_hot_cold(size_t, hot_cold_t);
sized_ptr_t __size_returning_new_aligned_hot_cold(size_t, std::align_val_t, hot_cold_t);
}

static void *returning(size_t n) { return __size_returning_new(n).p; }
static void *returning_aligned(size_t n) { return __size_returning_new_aligned(n, std::align_val_t(64)).p; }

/* The size is at least what was asked for, all of it may be written, either size frees it. */
static void size_returning()
{
	bool all = true, exact = true;

	for (size_t n = 1; n < 5000000; n = n * 3 / 2 + 1) {
		sized_ptr_t a = __size_returning_new(n), b = __size_returning_new_hot_cold(n, hot_cold_t(255));
		sized_ptr_t c = __size_returning_new_aligned(n, std::align_val_t(256));
		sized_ptr_t d = __size_returning_new_aligned_hot_cold(n, std::align_val_t(32), hot_cold_t(0));

		for (sized_ptr_t s : { a, b, c, d }) {
			all &= s.p && s.n >= n;
			exact &= s.n == malloc_usable_size(s.p);
			memset(s.p, 1, s.n);
		}
		all &= (uintptr_t)c.p % 256 == 0 && (uintptr_t)d.p % 32 == 0;
		operator delete(a.p, a.n);
		operator delete(b.p, n);
		operator delete(c.p, c.n, std::align_val_t(256));
		operator delete(d.p, std::align_val_t(32));
	}
	OK(all, "__size_returning_new: blocks of at least the size, aligned");
	OK(exact, "__size_returning_new: the size is the usable one");
}

typedef void *(*alloc_fn)(size_t);
static const alloc_fn loud[] = { plain, array, aligned, aligned_array, returning, returning_aligned };
static const alloc_fn silent[] = { quiet, quiet_array, quiet_aligned, quiet_aligned_array };

static void failing()
{
	bool all = true;

	for (alloc_fn fn : loud)
		all &= throws_bad_alloc(fn);
	OK(all, "the throwing forms throw std::bad_alloc");
	all = true;
	for (alloc_fn fn : silent)
		all &= !fn(HIDE((size_t)1 << 62));
	OK(all, "the nothrow forms return null");

	calls = 0;
	std::set_new_handler(gives_up_at_three);
	OK(throws_bad_alloc(plain) && calls == 3, "the new-handler is called until it gives up", "%d calls", calls);
	calls = 0;
	std::set_new_handler(gives_up_at_three);
	OK(!quiet(HIDE((size_t)1 << 62)) && calls == 3, "and by the nothrow forms too", "%d calls", calls);

	std::set_new_handler(throws);
	OK(throws_bad_alloc(plain), "what the handler throws comes through");
	all = true;
	for (alloc_fn fn : silent)
		all &= !fn(HIDE((size_t)1 << 62));
	OK(all, "and is caught by the nothrow forms");
	std::set_new_handler(throws_int);
	OK(!quiet(HIDE((size_t)1 << 62)), "whatever it is");
	OK(!std::uncaught_exceptions(), "no exception is left over");
	std::set_new_handler(nullptr);
}

/* Each form of new with each form of delete that fits it. */
static void pairs()
{
	bool fit = true;

	for (size_t n = 0; n < 3 * MB; n = n * 5 / 4 + 1) {
		void *p[12];

		for (int i = 0; i < 12; i++) {
			p[i] = i < 6 ? (i % 2 ? array(n) : plain(n)) :
				       (i % 2 ? aligned_array(n) : aligned(n));
			fit &= malloc_usable_size(p[i]) >= n;
			fit &= i < 6 || !((uintptr_t)p[i] % (i % 2 ? 4096 : 64));
			memset(p[i], i, n);
		}
		operator delete(p[0]);
		operator delete[](p[1]);
		operator delete(p[2], n);
		operator delete[](p[3], n);
		operator delete(p[4], std::nothrow);
		operator delete[](p[5], std::nothrow);
		operator delete(p[6], std::align_val_t(64));
		operator delete[](p[7], std::align_val_t(4096));
		operator delete(p[8], n, std::align_val_t(64));
		operator delete[](p[9], n, std::align_val_t(4096));
		operator delete(p[10], std::align_val_t(64), std::nothrow);
		operator delete[](p[11], std::align_val_t(4096), std::nothrow);
	}
	OK(fit, "every form gives the room and the alignment asked for");
	operator delete(nullptr);
	operator delete[](nullptr, (size_t)10);
	operator delete(nullptr, std::align_val_t(64));
	OK(true, "null may be deleted");
	void *a = plain(0), *b = plain(0);
	OK(a && b && a != b, "new of nothing is something");
	operator delete(a);
	operator delete(b);
}

struct alignas(256) wide {
	char bytes[300];
};

static void language()
{
	wide *one = HIDE(new wide), *many = HIDE(new wide[7]);
	size_t sum = 0;

	OK(!((uintptr_t)one % 256) && !((uintptr_t)many % 256), "over-aligned types are aligned");
	delete one;
	delete[] many;
	for (size_t i = 0; i < 20000; i++) {
		std::vector<size_t> v(i % 500, i);
		std::string s(i % 300, 'x');

		sum += v.size() + s.size();
	}
	OK(sum == 20000 / 500 * (499 * 500 / 2) + 66 * (299 * 300 / 2) + 199 * 200 / 2,
	   "vectors and strings", "%zu", sum);
}

/* A handler that frees a reserve makes the allocation succeed. */
static void rescued()
{
	size_t n = HIDE((size_t)1 << 62);

	calls = 0;
	rescue = (char *)malloc(100);
	std::set_new_handler(frees_rescue);
	OK(throws_bad_alloc(plain) && calls == 1, "a handler may free", "%d calls for %zu", calls, n);
}

int main()
{
	failing();
	size_returning();
	pairs();
	language();
	rescued();
	return tap_end();
}
