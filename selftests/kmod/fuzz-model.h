/* SPDX-License-Identifier: MIT */
/*
 * What a process of the fuzzer expects to find. Two tables: what each page of
 * its area maps, and what each extent of each file holds. fork copies both
 * with the process, and so the child expects what its parent had.
 */
#ifndef ASHLAR_FUZZ_MODEL_H
#define ASHLAR_FUZZ_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include "common.h"

#define SLOTS	6	/* extents of address space */
#define FILES	2	/* open descriptions */
#define INDEXES	8	/* extents of each file that are used */
#define PAGES	((int)(EXTENT / PAGE))
#define NOWHERE	0xff

enum state { NONE, OWNED, PURGED };

struct view {
	uint8_t file;	/* NOWHERE: none of ours */
	uint8_t prot;
	uint8_t nofork;
	uint16_t page;	/* of the file */
};

/*
 * tag: what the first and the last word of each page hold; 0: zero. A lazy extent
 * may have turned to zero, all of it at once but for what was written since; once
 * it is touched it can no more, but it takes a look to know whether it has.
 */
struct content {
	enum state state;
	bool lazy;
	bool touched;
	bool vague;	/* lazy twice, with no look between: any page may be zero */
	uint32_t tag[PAGES];
	bool since[PAGES];	/* written after it became lazy */
};

struct model {
	struct view view[SLOTS * PAGES];
	struct content content[FILES][INDEXES];
};

static struct model model;

static struct content *content_at(int page)
{
	const struct view *view = &model.view[page];

	return view->file == NOWHERE ? NULL :
	       &model.content[view->file][view->page / PAGES];
}

/* A slot that the device takes for an extent: whole, and in place. */
static bool slot_whole(int slot)
{
	const struct view *view = &model.view[slot * PAGES];
	int i;

	if (slot < 0 || slot >= SLOTS || view->file == NOWHERE ||
	    view->page % PAGES)
		return false;
	for (i = 1; i < PAGES; i++)
		if (view[i].file != view->file || view[i].page != view->page + i)
			return false;
	return true;
}

static bool is_covered(int file, int index)
{
	int page;

	for (page = 0; page < SLOTS * PAGES; page++)
		if (model.view[page].file == file &&
		    model.view[page].page / PAGES == index)
			return true;
	return false;
}

/* What no page shows any more is given back. */
static void model_settle(void)
{
	int file, index;

	for (file = 0; file < FILES; file++)
		for (index = 0; index < INDEXES; index++)
			if (model.content[file][index].state != NONE &&
			    !is_covered(file, index))
				model.content[file][index].state = NONE;
}

static void model_unmap(int first, int nr)
{
	int page;

	for (page = first; page < first + nr; page++)
		model.view[page].file = NOWHERE;
}

static void model_map(int first, int nr, int file, int at)
{
	int i;

	for (i = 0; i < nr; i++)
		model.view[first + i] = (struct view) {
			.file = file, .page = at + i,
			.prot = PROT_READ | PROT_WRITE };
}

static void model_zero(struct content *content, enum state state)
{
	int i;

	content->state = state;
	content->lazy = content->vague = false;
	for (i = 0; i < PAGES; i++)
		content->tag[i] = 0;
}

static void model_lazy(struct content *content)
{
	content->vague |= content->lazy && content->touched;
	memset(content->since, 0, sizeof(content->since));
	content->lazy = true;
	content->touched = false;
}

/* It has turned to zero. */
static void model_vanished(struct content *content)
{
	int i;

	for (i = 0; i < PAGES; i++)
		if (!content->since[i])
			content->tag[i] = 0;
	content->lazy = false;
}

/* In a child that was just forked. */
static void model_forked(void)
{
	int page;

	for (page = 0; page < SLOTS * PAGES; page++)
		if (model.view[page].nofork)
			model.view[page].file = NOWHERE;
	model_settle();
}

/* Signal that an access must end in, or 0. */
static int access_signal(int page, bool write)
{
	const struct view *view = &model.view[page];
	int needed = write ? PROT_WRITE : PROT_READ;

	if (view->file == NOWHERE)
		return SIGSEGV;
	/* x86 cannot write without reading. */
	if (!(view->prot & needed) && !(view->prot & PROT_WRITE))
		return SIGSEGV;
	return content_at(page)->state == NONE ? SIGBUS : 0;
}

#endif /* ASHLAR_FUZZ_MODEL_H */
