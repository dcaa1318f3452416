// SPDX-License-Identifier: MIT
#include "prof_block.h"

#include "meta.h"
#include "os.h"

#define BLOCKS_MAX	(1u << 20)

struct lock prof_lock = LOCK_INIT(RANK_PROF);

static struct growing blocks;
static uint32_t end = 1, free_list;	/* guarded by prof_lock */

bool prof_blocks_open(void)
{
	if (blocks.base)
		return true;
	blocks.size = round_up(BLOCKS_MAX * sizeof(struct prof_block), EXTENT_SIZE);
	blocks.base = os_reserve(blocks.size);
	return blocks.base;
}

struct prof_block *prof_block_at(uint32_t i)
{
	return (struct prof_block *)blocks.base + i;
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
		if (end == BLOCKS_MAX || !growing_need(&blocks, (end + 1) * sizeof(struct prof_block)))
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
