/* SPDX-License-Identifier: MIT */
/* The fuzzer's looks, writes and changes of address space: random, and each checked. */
#ifndef ASHLAR_FUZZ_SPACE_H
#define ASHLAR_FUZZ_SPACE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "fuzz-model.h"

/* What the processes of a program share. */
struct shared {
	int processes;
	unsigned long calls;
	bool failed;
	char why[200];
};

static struct shared *shared;
static char *area;		/* SLOTS extents of address space */
static int fds[FILES];
static uint32_t rng;
static unsigned long abilities;

static uint32_t below(uint32_t n)
{
	return random_next(&rng) % n;
}

__attribute__((format(printf, 1, 2), noreturn))
static void wrong(const char *format, ...)
{
	char why[200];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	if (!__atomic_exchange_n(&shared->failed, true, __ATOMIC_SEQ_CST))
		strcpy(shared->why, why);
	_exit(1);
}

/* --- one word of memory, and the signal it may end in --- */

static __thread sigjmp_buf after_signal;
static __thread volatile sig_atomic_t may_end;

static void on_signal(int signal)
{
	if (!may_end)
		_exit(100 + signal);
	siglongjmp(after_signal, signal);
}

static int word_read(const void *p, uint32_t *value)
{
	int signal = sigsetjmp(after_signal, 1);

	may_end = !signal;
	if (!signal)
		*value = *(const volatile uint32_t *)p;
	may_end = 0;
	return signal;
}

static int word_write(void *p, uint32_t value)
{
	int signal = sigsetjmp(after_signal, 1);

	may_end = !signal;
	if (!signal)
		*(volatile uint32_t *)p = value;
	may_end = 0;
	return signal;
}

static char *page_at(int page)
{
	return area + (size_t)page * PAGE;
}

/* --- looking, and writing --- */

static void check_page(int page)
{
	int should = access_signal(page, false), is, i, sub;
	struct content *content = content_at(page);
	uint32_t value = 0, *tag;

	for (i = 0; i < 2; i++) {
		is = word_read(page_at(page) + (i ? PAGE - 4 : 0), &value);
		if (is != should)
			wrong("page %d: reading ends in signal %d, not %d", page,
			      is, should);
		if (is)
			return;
		/* A touch of a purged extent brings a zeroed one. */
		if (content->state == PURGED)
			model_zero(content, OWNED);
		sub = model.view[page].page % PAGES;
		tag = &content->tag[sub];
		content->touched = true;
		if (content->lazy && *tag && !content->since[sub]) {
			if (!value)
				model_vanished(content);
			/* Still there, and cancelled by our look. */
			content->lazy = false;
		}
		if (!value && content->vague)
			*tag = 0;
		if (value != *tag)
			wrong("page %d holds %#x, not %#x", page, value, *tag);
	}
}

static void call_check(void)
{
	int page;

	for (page = below(64); page < SLOTS * PAGES; page += 1 + below(64))
		check_page(page);
}

/*
 * Look whether the lazy extent of this page has been taken; it stays open if no page
 * can tell, and then nothing was touched.
 */
static void lazy_settle(int page)
{
	struct content *content = content_at(page);
	int i, other = page - page % PAGES;

	for (i = 0; i < PAGES && content->lazy; i++)
		if (content_at(other + i) == content &&
		    content->tag[model.view[other + i].page % PAGES] &&
		    !access_signal(other + i, false))
			check_page(other + i);
}

/* A store, or the same through get_user_pages. */
static int page_store(int page, uint32_t tag, bool remote)
{
	int i, signal;

	for (i = 0; i < 2; i++) {
		char *p = page_at(page) + (i ? PAGE - 4 : 0);
		struct iovec from = { &tag, 4 }, to = { p, 4 };

		if (!remote)
			signal = word_write(p, tag);
		else
			signal = process_vm_writev(getpid(), &from, 1, &to, 1,
						   0) == 4 ? 0 : -1;
		if (signal)
			return signal;
	}
	return 0;
}

static void call_write(void)
{
	int page = below(SLOTS * PAGES), n = 1 + below(4), should, is;
	struct content *content;

	for (; n-- && page < SLOTS * PAGES; page += 1 + below(3)) {
		uint32_t tag = random_next(&rng) | 1;
		bool remote = !below(8);

		content = content_at(page);
		should = access_signal(page, true);
		if (model.view[page].file != NOWHERE &&
		    !(model.view[page].prot & PROT_WRITE))
			should = SIGSEGV;
		is = page_store(page, tag, remote);
		if (remote && should)
			should = -1;
		if (is != should)
			wrong("page %d: writing%s ends in signal %d, not %d",
			      page, remote ? " from outside" : "", is, should);
		if (is)
			continue;
		if (content->state == PURGED)
			model_zero(content, OWNED);
		content->tag[model.view[page].page % PAGES] = tag;
		content->since[model.view[page].page % PAGES] = true;
		/* The write cancelled it, or came to a new one. */
		content->touched = true;
		if (content->lazy)
			lazy_settle(page);
	}
}

/* --- address space --- */

static void call_mmap(void)
{
	int n = 1 + below(3), slot = below(SLOTS - n + 1);
	int index = below(INDEXES - n + 1), file = below(FILES);

	if (!dev_map_at(fds[file], area + slot * EXTENT, n, index))
		wrong("mmap: %s", strerror(errno));
	/* What was there goes first, though it be the same. */
	model_unmap(slot * PAGES, n * PAGES);
	model_settle();
	model_map(slot * PAGES, n * PAGES, file, index * PAGES);
}

/* Some pages, or whole extents. */
static void some_pages(int *first, int *nr)
{
	if (below(2)) {
		*first = below(SLOTS) * PAGES;
		*nr = PAGES;
	} else {
		*first = below(SLOTS * PAGES);
		*nr = 1 + below(SLOTS * PAGES - *first < 700 ?
				SLOTS * PAGES - *first : 700);
	}
}

static void call_munmap(void)
{
	int first, nr;

	some_pages(&first, &nr);
	if (mmap(page_at(first), nr * PAGE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		 0) == MAP_FAILED)
		wrong("mmap of nothing: %s", strerror(errno));
	model_unmap(first, nr);
	model_settle();
}

static bool all_ours(int first, int nr)
{
	int page;

	for (page = first; page < first + nr; page++)
		if (model.view[page].file == NOWHERE)
			return false;
	return true;
}

static void call_mprotect(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE };
	int first, nr, page, prot = prots[below(4)];

	some_pages(&first, &nr);
	if (!all_ours(first, nr))
		return;
	if (mprotect(page_at(first), nr * PAGE, prot))
		wrong("mprotect: %s", strerror(errno));
	for (page = first; page < first + nr; page++)
		model.view[page].prot = prot;
}

/* Contents stay; who is not copied at a fork is not there in the child. */
static void call_madvise(void)
{
	static const int advice[] = { MADV_DONTNEED, MADV_DONTFORK, MADV_DOFORK,
				      MADV_RANDOM, MADV_NORMAL, MADV_DONTDUMP };
	int first, nr, page, what = advice[below(6)];

	some_pages(&first, &nr);
	if (!all_ours(first, nr))
		return;
	if (madvise(page_at(first), nr * PAGE, what))
		wrong("madvise %d: %s", what, strerror(errno));
	if (what == MADV_DONTFORK || what == MADV_DOFORK)
		for (page = first; page < first + nr; page++)
			model.view[page].nofork = what == MADV_DONTFORK;
}

/* A whole slot to another one. */
static void call_mremap(void)
{
	int from = below(SLOTS), to = below(SLOTS);
	const struct view *view = &model.view[from * PAGES];
	int i;

	if (from == to || !slot_whole(from))
		return;
	/* mremap moves one mapping: what differs makes it two. */
	for (i = 1; i < PAGES; i++)
		if (view[i].prot != view->prot || view[i].nofork != view->nofork)
			return;
	if (mremap(area + from * EXTENT, EXTENT, EXTENT,
		   MREMAP_MAYMOVE | MREMAP_FIXED, area + to * EXTENT) ==
	    MAP_FAILED) {
		/*
		 * What only looks like one mapping, for another advice; the
		 * target has been unmapped, or not.
		 */
		if (errno != EFAULT && errno != EINVAL)
			wrong("mremap: %s", strerror(errno));
		if (mmap(area + to * EXTENT, EXTENT, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			 MAP_NORESERVE, -1, 0) == MAP_FAILED)
			wrong("mmap of nothing: %s", strerror(errno));
		model_unmap(to * PAGES, PAGES);
		model_settle();
		return;
	}
	memcpy(&model.view[to * PAGES], view, PAGES * sizeof(*view));
	if (mmap(area + from * EXTENT, EXTENT, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		 0) == MAP_FAILED)
		wrong("mmap of nothing: %s", strerror(errno));
	model_unmap(from * PAGES, PAGES);
	model_settle();
}

#endif /* ASHLAR_FUZZ_SPACE_H */
