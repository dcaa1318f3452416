// SPDX-License-Identifier: MIT
/* libashlar-prefixed beside the system's malloc: neither knows of the other. */
#include <dlfcn.h>
#include <malloc.h>

#include <ashlar.h>

#include "tap.h"

static size_t allocated(void)
{
	uint64_t e = 1;
	size_t v, len = sizeof(v);

	ashlar_ctl("epoch", NULL, NULL, &e, sizeof(e));
	return ashlar_ctl("stats.allocated", &v, &len, NULL, 0) ? SIZE_MAX : v;
}

static void *libc(const char *name)
{
	static void *lib;

	if (!lib)
		lib = dlopen("libc.so.6", RTLD_NOLOAD | RTLD_NOW);
	return dlsym(lib, name);
}

int main(void)
{
	size_t before;
	char *p, *q;

	OK(dlsym(RTLD_DEFAULT, "malloc") == libc("malloc") && dlsym(RTLD_DEFAULT, "free") == libc("free") &&
	   !dlsym(RTLD_DEFAULT, "mallocx") && !dlsym(RTLD_DEFAULT, "_Znwm"), "malloc is libc's, and no other name is ours");
	before = allocated();
	p = malloc(100000);
	OK(allocated() == before, "libc's blocks are not counted");
	q = ashlar_malloc(100000);
	OK(allocated() - before == ashlar_malloc_usable_size(q), "ours are");
	memset(p, 1, 100000);
	memset(q, 2, 100000);
	free(p);
	q = ashlar_realloc(q, 3 * MB);
	OK(q && q[99999] == 2, "realloc");
	ashlar_sdallocx(q, 3 * MB, 0);
	OK(allocated() == before, "and free");
	q = ashlar_mallocx(100, ASHLAR_MALLOCX_ALIGN(4096) | ASHLAR_MALLOCX_ZERO);
	OK(q && !((uintptr_t)q % 4096) && !q[0] && !q[99], "mallocx");
	ashlar_dallocx(q, 0);
	return tap_end();
}
