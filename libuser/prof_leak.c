// SPDX-License-Identifier: MIT
#include "prof_leak.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "prof_out.h"
#include "prof_snap.h"

#pragma weak dladdr

/* Sites and frames that are shown. */
#define SITES	10u
#define FRAMES	16u

static void line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void line(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = ash_vformat(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	text[n++] = '\n';
	if (write(STDERR_FILENO, text, n) < 0)
		return;
}

size_t prof_leak_name(char *out, size_t size, uintptr_t pc)
{
	Dl_info info = { 0 };

	/* One less is in the line of the call. */
	if (!dladdr || !dladdr((void *)(pc - 1), &info) || !info.dli_fname)
		return ash_format(out, size, "%p", (void *)pc);
	return ash_format(out, size, "%s+0x%lx%s%s%s", info.dli_fname,
			  (unsigned long)(pc - 1 - (uintptr_t)info.dli_fbase),
			  info.dli_sname ? " (" : "", info.dli_sname ? info.dli_sname : "",
			  info.dli_sname ? ")" : "");
}

static void show_site(const struct prof_snap_site *site)
{
	const struct prof_stack *stack = prof_stack_at(site->stack);

	line("  ~%lu bytes in ~%lu blocks of thread \"%s\", allocated at",
	     (unsigned long)(site->live.all_bytes + 0.5), (unsigned long)(site->live.all_blocks + 0.5),
	     prof_table_name_at(site->name));
	for (uint32_t i = 0; i < min(stack->n, FRAMES); i++) {
		char name[400];

		prof_leak_name(name, sizeof(name), prof_stack_pcs(stack)[i]);
		line("      #%u %s", i, name);
	}
}

/* The site with the most bytes; it is emptied, so that the next is found. */
static struct prof_snap_site *largest(struct prof_snap *s)
{
	struct prof_snap_site *best = NULL;

	for (uint32_t i = 0; i < s->n; i++) {
		if (s->sites[i].live.blocks > 0 &&
		    (!best || s->sites[i].live.all_bytes > best->live.all_bytes))
			best = &s->sites[i];
	}
	return best;
}

size_t prof_leak_report(void)
{
	struct prof_snap *s = prof_snap_take();
	double bytes = 0, blocks = 0;
	unsigned int sites = 0;

	if (!s)
		return 0;
	for (uint32_t i = 0; i < s->n; i++) {
		bytes += s->sites[i].live.all_bytes;
		blocks += s->sites[i].live.all_blocks;
		sites += s->sites[i].live.blocks > 0;
	}
	if (sites)
		line("ashlar: live at exit: ~%lu bytes in ~%lu blocks from %u places or more (one sample each %ld bytes)",
		     (unsigned long)(bytes + 0.5), (unsigned long)(blocks + 0.5), sites, (long)s->mean);
	for (unsigned int i = 0; i < SITES; i++) {
		struct prof_snap_site *site = largest(s);

		if (!site)
			break;
		show_site(site);
		site->live.blocks = 0;
	}
	prof_snap_free(s);
	return sites ? (size_t)(bytes + 0.5) : 0;
}
