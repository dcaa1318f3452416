// SPDX-License-Identifier: MIT
#include "prof_block.h"

#include "meta.h"
#include "os.h"

#define BLOCKS_MAX	(1u << 20)

struct lock prof_lock = LOCK_INIT(RANK_PROF);

struct growing prof_blocks;
static uint32_t end = 1, free_list;	/* guarded by prof_lock */

bool prof_blocks_open(void)
{
	if (prof_blocks.base)
		return true;
	prof_blocks.size = round_up(BLOCKS_MAX * sizeof(struct prof_block), EXTENT_SIZE);
	prof_blocks.base = os_reserve(prof_blocks.size);
	return prof_blocks.base;
}

uint32_t prof_blocks_end(void)
{
	return *(volatile uint32_t *)&end;
}

uint32_t prof_block_take(void)
{
	uint32_t i = free_list;

	if (i) {
		free_list = prof_block_at(i)->next;
	} else {
		size_t need = (end + 1) * sizeof(struct prof_block);

		if (end == BLOCKS_MAX ||
		    (unlikely(need > prof_blocks.committed) && !growing_need(&prof_blocks, need)))
			return 0;
		i = end++;
	}
	*prof_block_at(i) = (struct prof_block){ .uses = 1 };
	return i;
}

void prof_block_put(uint32_t i)
{
	struct prof_block *b = prof_block_at(i);

	if (--b->uses)
		return;
	b->addr = NULL;
	b->next = free_list;
	free_list = i;
}
