// SPDX-License-Identifier: MIT
#include "guard_report.h"

#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "prof_leak.h"
#include "prof_table.h"

static void line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void line(const char *fmt, ...)
{
	char text[640];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = ash_vformat(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	text[n++] = '\n';
	if (write(STDERR_FILENO, text, n) < 0)
		return;
}

static void frames(const uintptr_t *pc, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		char name[512];

		prof_leak_name(name, sizeof(name), pc[i]);
		line("    #%u %s", i, name);
	}
	if (!n)
		line("    (unknown)");
}

static void known(uint32_t stack)
{
	const struct prof_stack *s = prof_stack_at(stack);

	frames(prof_stack_pcs(s), s->n);
}

/* The interrupted code's address and frame pointer. */
static void interrupted(const ucontext_t *u, uintptr_t *pc, void ***frame)
{
#if defined(__x86_64__)
	*pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
	*frame = (void **)u->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
	*pc = u->uc_mcontext.pc;
	*frame = (void **)u->uc_mcontext.regs[29];
#else
	*pc = 0;
	*frame = NULL;
	(void)u;
#endif
}

/* The stack of a fault begins behind the kernel's frame for the handler. */
static void fault_stack(struct sampling *s, struct prof_trace *t, void *context)
{
	void **frame, **here = __builtin_frame_address(0);
	struct prof_trace whole = { 0 };
	uintptr_t pc;

	interrupted(context, &pc, &frame);
	prof_stack_unwind(here, &whole);
	for (unsigned int i = 0; i < whole.n; i++) {
		if (whole.pc[i] == pc) {
			t->n = whole.n - i;
			memcpy(t->pc, whole.pc + i, t->n * sizeof(pc));
			return;
		}
	}
	prof_stack_walk(s, frame, t);
	t->n = min(t->n, PROF_DEPTH - 1);
	memmove(t->pc + 1, t->pc, t->n * sizeof(pc));
	t->pc[0] = pc + 1;	/* not behind a call, as the others are */
	t->n++;
}

static void this_stack(struct prof_trace *t, void *context)
{
	void **here = __builtin_frame_address(0);
	struct sampling none = { 0 };

	if (context) {
		fault_stack(&none, t, context);
		return;
	}
	prof_stack_walk(&none, here, t);
	prof_stack_unwind(here, t);
}

void guard_report(const char *what, const struct prof_block *b, uintptr_t where, void *context)
{
	uintptr_t from = (uintptr_t)b->addr, to = from + b->size;
	struct prof_trace t = { 0 };
	char place[96];

	if (where < from)
		ash_format(place, sizeof(place), "%lu bytes before", (unsigned long)(from - where));
	else if (where < to)
		ash_format(place, sizeof(place), "%lu bytes inside", (unsigned long)(where - from));
	else
		ash_format(place, sizeof(place), "%lu bytes past the end of",
			   (unsigned long)(where - to));
	line("ashlar: %s: 0x%lx is %s the block of %zu bytes at %p", what, (unsigned long)where, place,
	     b->size, b->addr);
	line("  found at");
	this_stack(&t, context);
	frames(t.pc, t.n);
	line("  allocated by thread \"%s\" at", prof_table_name_at(b->name));
	known(b->stack);
	if (b->died) {
		line("  freed by thread \"%s\" at", prof_table_name_at(b->free_name));
		known(b->free_stack);
	}
}
