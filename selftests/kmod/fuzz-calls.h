/* SPDX-License-Identifier: MIT */
/* The fuzzer's single calls: each does something random, and checks what came. */
#ifndef ASHLAR_FUZZ_CALLS_H
#define ASHLAR_FUZZ_CALLS_H

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

/* The extent of this page was touched: look whether it had been taken before. */
static void lazy_settle(int page)
{
	struct content *content = content_at(page);
	int i, other = page - page % PAGES;

	content->touched = true;
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

/* --- the device's calls --- */

static int any_fd(void)
{
	return fds[below(FILES)];
}

static int some_ranges(struct ashlar_range *ranges)
{
	int nr = 1 + below(3), i;

	for (i = 0; i < nr; i++) {
		int n = 1 + below(3), slot = below(SLOTS - n + 1);

		ranges[i] = (struct ashlar_range) {
			(uintptr_t)area + slot * EXTENT, n * EXTENT };
	}
	return nr;
}

static int range_slot(const struct ashlar_range *range)
{
	return (range->addr - (uintptr_t)area) / EXTENT;
}

/*
 * What one more extent would answer: 0, -EEXIST, -ENXIO. @done: it was done, and
 * the model follows. A lazy one is there, or was taken: only the call can tell.
 */
static int alloc_slot(int slot, bool done, bool keep)
{
	struct content *content = content_at(slot * PAGES);

	if (!slot_whole(slot))
		return -ENXIO;
	if (content->state == OWNED && keep) {
		/* Zero or not, it stays so: a look tells which. */
		if (done && content->lazy)
			lazy_settle(slot * PAGES);
		return 0;
	}
	if (content->state == OWNED &&
	    !(content->lazy && !content->touched && done))
		return -EEXIST;
	if (done)
		model_zero(content, OWNED);
	return 0;
}

static void call_alloc(void)
{
	struct ashlar_range ranges[3];
	struct ashlar_alloc alloc = {
		.size = sizeof(alloc),
		.flags = (below(2) ? ASHLAR_ALLOC_POPULATE : 0) |
			 (below(3) ? 0 : ASHLAR_ALLOC_KEEP),
		.ranges = (uintptr_t)ranges, .nr_ranges = some_ranges(ranges),
		.node = below(2) ? ASHLAR_NODE_LOCAL : 0,
	};
	int err = dev_call(any_fd(), ASHLAR_IOC_ALLOC, &alloc), should = 0;
	uint64_t done = 0;
	unsigned int i, k;

	for (i = 0; i < alloc.nr_ranges; i++)
		for (k = 0; k < ranges[i].length / EXTENT; k++) {
			int slot = range_slot(&ranges[i]) + k;

			should = alloc_slot(slot, done < alloc.done,
					    alloc.flags & ASHLAR_ALLOC_KEEP);
			if (should || done == alloc.done)
				goto stopped;
			done++;
		}
stopped:
	if (done != alloc.done)
		wrong("ALLOC did %llu, the model %llu", alloc.done,
		      (unsigned long long)done);
	if (done && err)
		wrong("ALLOC did %llu and says %d", alloc.done, err);
	/* There may be no memory: what else could have been done was not. */
	if (!done && err != should && err != -ENOMEM)
		wrong("ALLOC says %d, not %d", err, should);
}

static void call_give(bool keep, unsigned int flags)
{
	struct ashlar_range ranges[3];
	struct ashlar_purge arg = {
		.size = sizeof(arg), .flags = flags,
		.ranges = (uintptr_t)ranges, .nr_ranges = some_ranges(ranges),
	};
	bool lazy = keep && flags == ASHLAR_PURGE_LAZY, in[SLOTS] = {};
	int err, slot, should = 0;
	uint64_t done = 0, most = 0;
	unsigned int i;

	/* Know what is there before it may vanish again. */
	for (slot = 0; slot < SLOTS && lazy; slot++)
		if (content_at(slot * PAGES) && content_at(slot * PAGES)->lazy &&
		    content_at(slot * PAGES)->touched)
			lazy_settle(slot * PAGES);
	err = dev_call(any_fd(), keep ? ASHLAR_IOC_PURGE : ASHLAR_IOC_FREE, &arg);
	for (i = 0; i < arg.nr_ranges; i++)
		for (slot = range_slot(&ranges[i]);
		     slot < range_slot(&ranges[i]) + (int)(ranges[i].length / EXTENT);
		     slot++) {
			in[slot] = true;
			if (!slot_whole(slot))
				should = -ENXIO;
		}
	if (err == -ENOMEM)
		return;
	if (err != should)
		wrong("%s says %d, not %d", keep ? "PURGE" : "FREE", err, should);
	for (slot = 0; slot < SLOTS && !err; slot++) {
		struct content *content = content_at(slot * PAGES);

		if (!in[slot] || content->state == NONE)
			continue;
		if (lazy && content->state == OWNED) {
			model_lazy(content);
			most++;
		} else if (lazy) {
			continue;
		} else if (!keep) {
			content->state = NONE;
			content->lazy = false;
			done++;
			most++;
		} else if (content->state == OWNED) {
			/* A lazy one may be gone already. */
			done += !content->lazy;
			most++;
			model_zero(content, PURGED);
		}
	}
	if (!err && (arg.done < done || arg.done > most))
		wrong("%s did %llu, the model %llu", keep ? "PURGE" : "FREE",
		      arg.done, (unsigned long long)done);
}

static void call_stat(void)
{
	struct ashlar_extent_stat extent;
	struct ashlar_stat stat = {
		.size = sizeof(stat), .length = EXTENT,
		.extents = (uintptr_t)&extent,
	};
	int slot = below(SLOTS), index, err;
	uint64_t committed = 0, purged = 0;
	struct content *content;

	stat.addr = (uintptr_t)area + slot * EXTENT;
	err = dev_call(any_fd(), ASHLAR_IOC_STAT, &stat);
	if (err != (slot_whole(slot) ? 0 : -ENXIO))
		wrong("STAT of slot %d says %d", slot, err);
	if (err)
		return;
	content = content_at(slot * PAGES);
	for (index = 0; index < INDEXES; index++) {
		struct content *of =
			&model.content[model.view[slot * PAGES].file][index];

		if (of->lazy)
			return;		/* may be either */
		committed += of->state == OWNED;
		purged += of->state == PURGED;
	}
	if (stat.committed != committed || stat.purged != purged)
		wrong("STAT: %llu committed, %llu purged; the model has %llu, %llu",
		      stat.committed, stat.purged, (unsigned long long)committed,
		      (unsigned long long)purged);
	if ((content->state == OWNED) != (extent.state == ASHLAR_STATE_OWNED ||
					  extent.state == ASHLAR_STATE_SHARED) ||
	    (content->state == PURGED) != (extent.state == ASHLAR_STATE_PURGED))
		wrong("STAT: slot %d is in state %d, the model in %d", slot,
		      extent.state, content->state);
}

/* Calls that must all fail, and change nothing. */
static void call_hostile(void)
{
	static const unsigned long commands[] = {
		ASHLAR_IOC_ALLOC, ASHLAR_IOC_FREE, ASHLAR_IOC_PURGE };
	static const uint64_t pointers[] = { 0, 8, 0xffff888000000000, -1UL,
					     0x7ffffffff000 };
	union {
		struct ashlar_alloc alloc;
		struct ashlar_purge purge;
		uint32_t words[1200];
	} arg = {};
	struct ashlar_range range = { (uintptr_t)area, EXTENT };
	unsigned long command = commands[below(3)];
	int err;

	arg.alloc.size = sizeof(arg.alloc);
	arg.alloc.ranges = (uintptr_t)&range;
	arg.alloc.nr_ranges = 1;
	if (command == ASHLAR_IOC_PURGE)
		arg.purge.flags = ASHLAR_PURGE_FORCED;
	switch (below(10)) {
	case 0: arg.alloc.size = below(sizeof(arg.alloc)); break;
	case 1: arg.alloc.size = 4097 + below(1 << 30); break;
	case 2: arg.alloc.flags |= 1U << (4 + below(28)); break;
	case 3: arg.alloc.ranges = pointers[below(5)]; break;
	case 4: arg.alloc.nr_ranges = below(2) ? 0 :
				      ASHLAR_MAX_RANGES + 1 + below(1U << 31);
		break;
	case 5: range.addr += 1 + below(EXTENT - 1); break;
	case 6: range.length = below(2) ? 0 : 1 + below(EXTENT - 1); break;
	case 7: range.addr = -EXTENT; range.length = below(2) ? EXTENT : -EXTENT;
		break;
	case 8: range.addr = (uintptr_t)area + (SLOTS + 1) * EXTENT;
		range.length = EXTENT << below(20);
		break;
	case 9: arg.alloc.size = 64 + 4 * below(200);
		arg.words[8 + below(8)] = 1 + below(99);
		break;
	}
	if (!below(10))
		command = _IO(ASHLAR_IOC_TYPE, 32 + below(200));
	err = dev_call(any_fd(), command, &arg);
	if (!err)
		wrong("a hostile call %#lx succeeded", command);
	if (err != -EINVAL && err != -EFAULT && err != -E2BIG && err != -ENXIO &&
	    err != -EOPNOTSUPP && err != -ENOTTY && err != -ENOMEM)
		wrong("a hostile call says %d", err);
}

/* Pages in a pipe, for as long as the process likes: pins without FOLL_PIN. */
static void call_pin(void)
{
	static int fd[2] = { -1, -1 };
	int page = below(SLOTS * PAGES);
	struct content *content = content_at(page);
	struct iovec iov = { page_at(page), PAGE };
	long got;

	if (fd[0] >= 0) {
		close(fd[0]);
		close(fd[1]);
		fd[0] = -1;
		return;
	}
	if (pipe2(fd, O_NONBLOCK))
		wrong("pipe: %s", strerror(errno));
	got = vmsplice(fd[1], &iov, 1, SPLICE_F_NONBLOCK);
	if ((got == (long)PAGE) == !!access_signal(page, false))
		wrong("vmsplice of page %d: %ld", page, got);
	if (got == (long)PAGE && content->state == PURGED)
		model_zero(content, OWNED);
}

static void call_levels(void)
{
	if (below(2)) {
		file_write("/proc/sys/vm/drop_caches", "2");
		return;
	}
	node_write(0, "low", 0);
	node_write(0, "high", below(24));
	node_write(0, "low", 2);
}

#endif /* ASHLAR_FUZZ_CALLS_H */
