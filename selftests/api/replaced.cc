// SPDX-License-Identifier: MIT
/*
 * A program that replaces the plain operators with ones that put a header before the
 * block: by the standard all other forms must now come to them.
 */
#include <new>

#include "tap.h"

struct sized_ptr_t { void *p; size_t n; };
extern "C" sized_ptr_t __size_returning_new(size_t);

static int made, gone;
static const size_t header = 16;

void *operator new(size_t n)
{
	char *p = (char *)malloc(n + header);

	if (!p)
		throw std::bad_alloc();
	made++;
	return p + header;
}

void operator delete(void *p) noexcept
{
	if (!p)
		return;
	gone++;
	free((char *)p - header);
}

int main()
{
	void *p;

	p = HIDE(operator new(100));
	operator delete(p, (size_t)100);
	OK(made == 1 && gone == 1, "sized delete", "%d made, %d gone", made, gone);
	p = HIDE(operator new[](100));
	operator delete[](p);
	OK(made == 2 && gone == 2, "array new and delete", "%d made, %d gone", made, gone);
	p = HIDE(operator new[](100));
	operator delete[](p, (size_t)100);
	OK(made == 3 && gone == 3, "sized array delete", "%d made, %d gone", made, gone);
	p = HIDE(operator new(100, std::nothrow));
	operator delete(p, std::nothrow);
	OK(made == 4 && gone == 4, "nothrow", "%d made, %d gone", made, gone);
	p = HIDE(operator new[](100, std::nothrow));
	operator delete[](p, std::nothrow);
	OK(made == 5 && gone == 5, "nothrow array", "%d made, %d gone", made, gone);
	sized_ptr_t sized = __size_returning_new(100);
	operator delete(sized.p, sized.n);
	OK(made == 6 && gone == 6 && sized.n == 100, "size-returning new", "%d made, %d gone, size %zu",
	   made, gone, sized.n);
	OK(!operator new(HIDE((size_t)1 << 62), std::nothrow), "what it throws is caught by nothrow");
	return tap_end();
}
