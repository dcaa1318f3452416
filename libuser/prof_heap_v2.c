// SPDX-License-Identifier: MIT
#include "prof_heap_v2.h"

struct total {
	int64_t live_blocks, live_bytes, made_blocks, made_bytes;
};

static void add(struct total *t, const struct prof_snap_site *s)
{
	t->live_blocks += s->live.blocks;
	t->live_bytes += s->live.bytes;
	t->made_blocks += s->made.blocks;
	t->made_bytes += s->made.bytes;
}

static void put_counts(struct prof_out *o, const struct total *t)
{
	prof_out_text(o, "%ld: %ld [%ld: %ld] @", (long)t->live_blocks, (long)t->live_bytes,
		      (long)t->made_blocks, (long)t->made_bytes);
}

static void put_stack(struct prof_out *o, const struct prof_stack *stack)
{
	const uintptr_t *pc = prof_stack_pcs(stack);

	for (uint32_t i = 0; i < stack->n; i++)
		prof_out_text(o, " 0x%lx", (unsigned long)pc[i]);
	/* A stack that nobody could tell still has to be a line with an address. */
	prof_out_text(o, stack->n ? "\n" : " 0x1\n");
}

void prof_heap_v2_write(struct prof_out *o, const struct prof_snap *s)
{
	size_t size = s->nstacks * sizeof(struct total);
	struct total all = { 0 }, *stacks = prof_scratch(size);

	for (uint32_t i = 0; i < s->n && stacks; i++) {
		add(&all, &s->sites[i]);
		add(&stacks[min(s->sites[i].stack, s->nstacks - 1)], &s->sites[i]);
	}
	prof_out_text(o, "heap profile: ");
	put_counts(o, &all);
	prof_out_text(o, " heap_v2/%ld\n", (long)s->mean);
	for (uint32_t i = 0; i < s->nstacks && stacks; i++) {
		if (!stacks[i].made_blocks)
			continue;
		put_counts(o, &stacks[i]);
		put_stack(o, prof_stack_at(i));
	}
	prof_out_text(o, "\nMAPPED_LIBRARIES:\n");
	prof_out_maps(o);
	prof_scratch_free(stacks, size);
}
