/* SPDX-License-Identifier: MIT */
/* The fuzzer's calls of the device: each does something random, and checks what came. */
#ifndef ASHLAR_FUZZ_IOCTLS_H
#define ASHLAR_FUZZ_IOCTLS_H

#include "fuzz-space.h"

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
		if (done && content->lazy) {
			content->touched = true;
			lazy_settle(slot * PAGES);
		}
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

/*
 * Single pages of one extent: all that are named go, or none. Shared, or pinned by
 * one of the pipes, it stays as it is.
 */
static void call_punch(void)
{
	int slot = below(SLOTS), i, page, err;
	struct content *content = content_at(slot * PAGES);
	struct ashlar_range ranges[3];
	struct ashlar_punch arg = {
		.size = sizeof(arg), .ranges = (uintptr_t)ranges,
		.nr_ranges = 1 + below(3),
	};
	uint64_t named = 0;

	for (i = 0; i < (int)arg.nr_ranges; i++) {
		int nr = 1 + below(below(2) ? PAGES : 8), first = below(PAGES - nr + 1);

		ranges[i] = (struct ashlar_range) {
			(uintptr_t)page_at(slot * PAGES + first), nr * PAGE };
		named += nr;
	}
	if (slot_whole(slot) && content->lazy)
		lazy_settle(slot * PAGES);
	err = dev_call(any_fd(), ASHLAR_IOC_PUNCH, &arg);
	if (!slot_whole(slot)) {
		if (err != -ENXIO)
			wrong("PUNCH of slot %d says %d, not -ENXIO", slot, err);
		return;
	}
	if (err == -EBUSY || err == -ENOMEM)
		return;
	if (err || arg.done > (content->state == OWNED ? named : 0))
		wrong("PUNCH of %llu pages says %d, did %llu",
		      (unsigned long long)named, err, arg.done);
	for (i = 0; i < (int)arg.nr_ranges && content->state == OWNED; i++)
		for (page = 0; page < (int)(ranges[i].length / PAGE); page++)
			content->tag[(ranges[i].addr - (uintptr_t)page_at(slot * PAGES)) /
				     PAGE + page] = 0;
}

/* Changes nothing that a process sees but the time its touches take. */
static void call_mend(void)
{
	struct ashlar_range ranges[3];
	struct ashlar_mend arg = {
		.size = sizeof(arg), .ranges = (uintptr_t)ranges,
		.nr_ranges = some_ranges(ranges),
	};
	int err = dev_call(any_fd(), ASHLAR_IOC_MEND, &arg), slot;
	bool whole = true;
	unsigned int i;

	for (i = 0; i < arg.nr_ranges; i++)
		for (slot = range_slot(&ranges[i]);
		     slot < range_slot(&ranges[i]) + (int)(ranges[i].length / EXTENT);
		     slot++)
			whole &= slot_whole(slot);
	if (err && err != -ENOMEM && (whole || err != -ENXIO))
		wrong("MEND says %d", err);
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
	/* Whether it is in small pages is for the children to say, and for the worker. */
	if ((content->state == OWNED) != (extent.state == ASHLAR_STATE_OWNED ||
					  extent.state == ASHLAR_STATE_SHARED ||
					  extent.state == ASHLAR_STATE_PIECES) ||
	    (content->state == PURGED) != (extent.state == ASHLAR_STATE_PURGED))
		wrong("STAT: slot %d is in state %d, the model in %d", slot,
		      extent.state, content->state);
}

/* Calls that must all fail, and change nothing. */
static void call_hostile(void)
{
	static const unsigned long commands[] = {
		ASHLAR_IOC_ALLOC, ASHLAR_IOC_FREE, ASHLAR_IOC_PURGE,
		ASHLAR_IOC_PUNCH, ASHLAR_IOC_MEND };
	static const uint64_t pointers[] = { 0, 8, 0xffff888000000000, -1UL,
					     0x7ffffffff000 };
	union {
		struct ashlar_alloc alloc;
		struct ashlar_purge purge;
		uint32_t words[1200];
	} arg = {};
	struct ashlar_range range = { (uintptr_t)area, EXTENT };
	unsigned long command = commands[below(5)];
	size_t unit = command == ASHLAR_IOC_PUNCH ? PAGE : EXTENT;
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
	case 5: range.addr += 1 + below(unit - 1); break;
	case 6: range.length = below(2) ? 0 : 1 + below(unit - 1); break;
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

#endif /* ASHLAR_FUZZ_IOCTLS_H */
