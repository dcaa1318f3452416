// SPDX-License-Identifier: MIT
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "limit.h"
#include "supply.h"
#include "source_dev.h"
#include "thread.h"

struct fake fake = { .device_left = SIZE_MAX, .move_most = SIZE_MAX, .anon_left = SIZE_MAX, .now = 1000000 };

_Atomic size_t source_purge_calls;

/* --- the system ------------------------------------------------------------------- */

bool __real_os_commit(void *addr, size_t len);
bool __wrap_os_commit(void *addr, size_t len);
bool __wrap_os_commit(void *addr, size_t len)
{
	return !fake.os_fails && __real_os_commit(addr, len);
}

bool __wrap_os_thp_possible(void);
bool __wrap_os_thp_possible(void)
{
	return !fake.thp_never;
}

bool __wrap_os_thp_disabled(void);
bool __wrap_os_thp_disabled(void)
{
	return fake.thp_disabled;
}

uint32_t __wrap_numa_this_cpu(void);
uint32_t __wrap_numa_this_cpu(void)
{
	return fake.cpu;
}

uint64_t __wrap_os_now_ms(void);
uint64_t __wrap_os_now_ms(void)
{
	return fake.now;
}

/* --- sources ------------------------------------------------------------------------ */

/* A byte for each extent that either has given memory to. */
enum { NONE, ANON, DEVICE, TAKEN };
static struct {
	char *addr;
	_Atomic int owner;
} given[1 << 16];
static _Atomic size_t ngiven;	/* one more at a time: under the page heap's lock */

static _Atomic int *owner_of(char *addr)
{
	size_t n = ngiven;

	for (size_t i = 0; i < n; i++) {
		if (given[i].addr == addr)
			return &given[i].owner;
	}
	if (n == ARRAY_SIZE(given))
		abort();
	given[n].addr = addr;
	ngiven = n + 1;
	return &given[n].owner;
}

static void wrong_unless(bool right)
{
	fake.wrong += !right;
}

static size_t give(char *addr, size_t len, size_t *left, int owner)
{
	size_t n = min(len >> EXTENT_SHIFT, *left);

	fake.commits++;
	wrong_unless(len && !((uintptr_t)addr % EXTENT_SIZE) && !(len % EXTENT_SIZE));
	for (size_t i = 0; i < n; i++) {
		_Atomic int *who = owner_of(addr + (i << EXTENT_SHIFT));

		wrong_unless(*who == NONE || *who == TAKEN);
		*who = owner;
	}
	if (*left != SIZE_MAX)
		*left -= n;
	if (n && mprotect(addr, n << EXTENT_SHIFT, PROT_READ | PROT_WRITE))
		abort();
	return n << EXTENT_SHIFT;
}

static size_t anon_commit(char *addr, size_t len, size_t room, unsigned int node, bool huge)
{
	(void)room, (void)node, (void)huge;
	return give(addr, len, &fake.anon_left, ANON);
}

static size_t device_commit(char *addr, size_t len, size_t room, unsigned int node, bool huge)
{
	(void)room, (void)node;
	wrong_unless(huge);
	return give(addr, len, &fake.device_left, DEVICE);
}

static bool take_back(const struct source_range *ranges, unsigned int n, int owner, size_t unit)
{
	fake.purges++;
	if (fake.during_purge)
		fake.during_purge(ranges, n);
	if (fake.purge_fails)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		char *addr = ranges[i].addr, *end = addr + ranges[i].len;

		wrong_unless(ranges[i].len && !((uintptr_t)addr % unit) && !(ranges[i].len % unit));
		madvise(addr, ranges[i].len, MADV_DONTNEED);
		for (char *at = addr - (uintptr_t)addr % EXTENT_SIZE; at < end; at += EXTENT_SIZE) {
			_Atomic int *who = owner_of(at);

			wrong_unless(*who == owner || (*who == TAKEN && owner == DEVICE));
			if (owner == DEVICE) {
				*who = NONE;
				/* Whoever touches it without a commit is caught. */
				mprotect(at, EXTENT_SIZE, PROT_NONE);
				if (fake.device_left != SIZE_MAX)
					fake.device_left++;
			}
		}
		fake.purged_ranges++;
		fake.purged_bytes += ranges[i].len;
	}
	return true;
}

static bool anon_purge(const struct source_range *ranges, unsigned int n)
{
	return take_back(ranges, n, ANON, PAGE_SIZE);
}

/* As the kernel may: every other page is taken at once, the rest never. */
static bool anon_purge_lazy(const struct source_range *ranges, unsigned int n)
{
	if (fake.lazy_fails)
		return false;
	fake.lazy_purges++;
	fake.lazy_ranges += n;
	for (unsigned int i = 0; i < n; i++) {
		char *addr = ranges[i].addr, *end = addr + ranges[i].len;

		wrong_unless(ranges[i].len && !((uintptr_t)addr % PAGE_SIZE) &&
			     *owner_of(addr - (uintptr_t)addr % EXTENT_SIZE) == ANON);
		fake.lazy_bytes += ranges[i].len;
		for (; addr < end; addr += 2 * PAGE_SIZE)
			madvise(addr, PAGE_SIZE, MADV_DONTNEED);
	}
	return true;
}

/* Whoever touches one that was taken, without having asked for it, is caught. */
static bool device_purge_lazy(const struct source_range *ranges, unsigned int n)
{
	static size_t turn;

	if (fake.lazy_fails)
		return false;
	fake.lazy_purges++;
	fake.lazy_ranges += n;
	for (unsigned int i = 0; i < n; i++) {
		char *addr = ranges[i].addr, *end = addr + ranges[i].len;

		wrong_unless(ranges[i].len && !((uintptr_t)addr % EXTENT_SIZE));
		fake.lazy_bytes += ranges[i].len;
		for (; addr < end; addr += EXTENT_SIZE) {
			wrong_unless(*owner_of(addr) == DEVICE);
			if (!fake.lazy_every || ++turn % fake.lazy_every)
				continue;
			*owner_of(addr) = TAKEN;
			madvise(addr, EXTENT_SIZE, MADV_DONTNEED);
			mprotect(addr, EXTENT_SIZE, PROT_NONE);
		}
	}
	return true;
}

static size_t device_take_back(char *addr, size_t len, unsigned int node)
{
	size_t done = 0;

	(void)node;
	for (; done < len; done += EXTENT_SIZE, fake.taken_back++) {
		_Atomic int *who = owner_of(addr + done);

		wrong_unless(*who == DEVICE || *who == TAKEN);
		if (*who == TAKEN && !give(addr + done, EXTENT_SIZE, &fake.device_left, DEVICE))
			break;
	}
	return done;
}

static bool device_purge(const struct source_range *ranges, unsigned int n)
{
	return take_back(ranges, n, DEVICE, EXTENT_SIZE);
}

static bool device_punch(char *extent, const struct bits *pages)
{
	wrong_unless(*owner_of(extent) == DEVICE);
	if (fake.during_punch)
		fake.during_punch(extent, pages);
	if (extent == fake.shared)
		return false;
	for (unsigned int i = 0; i < EXTENT_PAGES; i++) {
		if (!bits_get(pages, i))
			continue;
		madvise(extent + i * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED);
		fake.punched_pages++;
	}
	fake.punches++;
	return true;
}

static bool device_mend(char *addr, size_t len)
{
	wrong_unless(*owner_of(addr) == DEVICE && len == EXTENT_SIZE);
	fake.mends++;
	return addr != fake.shared;
}

static bool anon_ready(void)
{
	return true;
}

static void anon_tear(char *addr, size_t len)
{
	wrong_unless(*owner_of(addr) == ANON && len == EXTENT_SIZE);
	fake.tears++;
}

static bool anon_mend(char *addr, size_t len)
{
	wrong_unless(*owner_of(addr) == ANON && len == EXTENT_SIZE);
	fake.mends++;
	if (fake.during_mend)
		fake.during_mend(addr);
	return true;
}

/* What moved is zero where it was, as after mremap(). */
static size_t anon_move(char *to, char *from, size_t len)
{
	wrong_unless(len && !(len % EXTENT_SIZE));
	len = min(len >> EXTENT_SHIFT, fake.move_most) << EXTENT_SHIFT;
	for (size_t i = 0; i < len; i += EXTENT_SIZE)
		wrong_unless(*owner_of(to + i) == ANON && *owner_of(from + i) == ANON);
	memcpy(to, from, len);
	if (len)
		madvise(from, len, MADV_DONTNEED);
	return len;
}

static bool device_ready(void)
{
	return fake.device;
}

const struct source source_anon = {
	.name = "anon", .purge_unit = PAGE_SIZE, .recommit = false,
	.ready = anon_ready, .commit = anon_commit, .purge = anon_purge,
	.purge_lazy = anon_purge_lazy, .move = anon_move,
	.tear = anon_tear, .mend = anon_mend,
};

const struct source source_device = {
	.name = "device", .purge_unit = EXTENT_SIZE, .recommit = true,
	.ready = device_ready, .commit = device_commit, .purge = device_purge,
	.punch = device_punch, .mend = device_mend,
	.purge_lazy = device_purge_lazy, .take_back = device_take_back,
};

size_t source_device_lazy(void)
{
	return 0;
}

int source_device_fd(void)
{
	return -1;
}

void source_device_leave(char *addr, size_t len, unsigned int node)
{
	(void)addr, (void)len, (void)node;
}

void source_device_prefork(void)
{
}

void source_device_fork(bool child)
{
	(void)child;
}

/* --- tests ------------------------------------------------------------------------------ */

void fake_start(const char *options)
{
	cr_assert(thread_ready());
	cr_assert_eq(conf_parse(options, "test"), 0);
	limit_init();
	supply_init();
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		pageheap_set_decay(ash_pageheaps[i], conf.dirty_decay_ms);
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		pageheap_set_muzzy_decay(ash_pageheaps[i], conf.muzzy_decay_ms);
}

static uint64_t state;

void fake_seed(void)
{
	const char *given_seed = getenv("SEED");

	state = given_seed ? strtoull(given_seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u | 1;
	fprintf(stderr, "# SEED=%llu\n", (unsigned long long)state);
}

uint64_t fake_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

struct pageheap *fake_node(void)
{
	struct pageheap *h = meta_alloc(sizeof(*h));

	cr_assert(h);
	lock_init(&h->lock, RANK_PAGEHEAP);
	lock_init(&h->purge_lock, RANK_PURGE);
	h->index = ash_npageheaps;
	h->node = ash_pageheaps[0]->node;
	decay_init(&h->decay, conf.dirty_decay_ms, fake.now);
	decay_init(&h->muzzy, conf.muzzy_decay_ms, fake.now);
	ash_pageheaps[ash_npageheaps++] = h;
	return h;
}
