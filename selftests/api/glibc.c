// SPDX-License-Identifier: MIT
/* What glibc says of its heap, said of ours. */
#include <malloc.h>

#include <ashlar.h>

#include "tap.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *p);

static size_t live(void)
{
	return mallinfo2().uordblks;
}

static void info(void)
{
	size_t before = live(), n = 30000;
	struct mallinfo2 m;
	void **p = malloc(n * sizeof(*p));

	for (size_t i = 0; i < n; i++)
		p[i] = malloc(1000);
	m = mallinfo2();
	OK(m.uordblks - before >= n * 1000 && m.uordblks - before < n * 1100, "mallinfo2: bytes in use", "%zu",
	   m.uordblks - before);
	OK(m.arena >= m.uordblks && m.arena == m.uordblks + m.fordblks, "and in all");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	OK((size_t)mallinfo().uordblks == mallinfo2().uordblks, "mallinfo says the same");
#pragma GCC diagnostic pop
	for (size_t i = 0; i < n; i++)
		free(p[i]);
	free(p);
	OK(live() == before, "and nothing when it is freed", "%zu, not %zu", live(), before);
	OK(malloc_trim(0) == 1, "malloc_trim gives back");
	OK(mallinfo2().keepcost == 0, "everything");
	OK(malloc_trim(0) == 0, "once");
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void xml(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	OK(malloc_info(1, f) == EINVAL, "malloc_info knows no options");
	OK(malloc_info(0, f) == 0, "malloc_info");
	fclose(f);
	OK(!strncmp(text, "<malloc version=\"1\">", 20) && strstr(text, "</malloc>") &&
	   count(text, "<heap nr=") == count(text, "</heap>") && count(text, "<heap nr=") >= 1 &&
	   count(text, "<sizes>") == count(text, "</sizes>"), "is XML of glibc's kind", "%s", text);
	free(text);
}

static void second_names(void)
{
	void *p = __libc_malloc(100);

	OK(ashlar_malloc_usable_size(p) == 112, "__libc_malloc is ours");
	free(p);
	p = __libc_memalign(4096, 100);
	OK(p && !((uintptr_t)p % 4096), "__libc_memalign");
	__libc_free(p);
	OK(mallopt(M_TRIM_THRESHOLD, 1) == 1 && mallopt(M_ARENA_MAX, 2) == 1 && mallopt(12345, 1) == 0,
	   "mallopt takes glibc's parameters and no others");
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	info();
	xml();
	second_names();
	return tap_end();
}
