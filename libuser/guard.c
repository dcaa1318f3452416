// SPDX-License-Identifier: MIT
#include "guard.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "guard_report.h"
#include "os.h"
#include "pageheap.h"

#define SLOTS_MAX	16384u
#define SLOT_PAGES	((unsigned int)(GUARD_SLOT >> PAGE_SHIFT))

/* What the rest of a block's pages holds. */
#define PATTERN		0xa5

static struct lock guard_lock = LOCK_INIT(RANK_GUARD);
static struct window *window;	/* constant after guard_open() */
static unsigned int nslots;	/* likewise */

/* All guarded by guard_lock. */
BULK static uint32_t records[SLOTS_MAX];	/* of a slot's last block; 0: it had none */
BULK static uint16_t queue[SLOTS_MAX];	/* slots that are free, the one to use next first */
static unsigned int queue_head, queue_len;

/* What handled the signals before us. */
BULK static struct sigaction old_segv, old_bus;

bool guard_open(unsigned int slots)
{
	size_t size = round_up((size_t)min(slots, SLOTS_MAX) * GUARD_SLOT, EXTENT_SIZE);

	if (getauxval(AT_SECURE))
		return false;
	window = window_open(ash_pageheaps[0]->node, 0, size, size);
	if (!window || !window_grow(window, size)) {
		ash_warn("option guard_sample: no address space for %u blocks; it stays off", slots);
		return false;
	}
	nslots = (unsigned int)(size / GUARD_SLOT);
	nslots = min(nslots, slots);
	for (unsigned int i = 0; i < nslots; i++)
		queue[i] = (uint16_t)i;
	queue_len = nslots;
	atomic_store_explicit(&window->grown, size, memory_order_release);
	return true;
}

/* --- slots ----------------------------------------------------------------------------- */

static char *slot_end(unsigned int slot)
{
	return window->base + (slot + 1) * GUARD_SLOT - PAGE_SIZE;
}

static unsigned int slot_of(const void *p)
{
	return (unsigned int)(((uintptr_t)p - (uintptr_t)window->base) / GUARD_SLOT);
}

/* The first of the pages that hold @b. */
static char *first_page(const struct prof_block *b)
{
	return (char *)round_down((uintptr_t)b->addr, PAGE_SIZE);
}

/* -1: none free. The record of the slot's last block loses a use. */
static int take_slot(uint32_t i)
{
	unsigned int slot;
	uint32_t old;

	lock_take(&guard_lock);
	if (!queue_len) {
		lock_drop(&guard_lock);
		return -1;
	}
	slot = queue[queue_head];
	queue_head = (queue_head + 1) % nslots;
	queue_len--;
	old = records[slot];
	records[slot] = i;
	lock_take(&prof_lock);
	if (old)
		prof_block_put(old);
	prof_block_at(i)->uses++;
	lock_drop(&prof_lock);
	lock_drop(&guard_lock);
	return (int)slot;
}

static void give_slot(unsigned int slot)
{
	lock_take(&guard_lock);
	queue[(queue_head + queue_len++) % nslots] = (uint16_t)slot;
	lock_drop(&guard_lock);
}

void *guard_alloc(uint32_t i, size_t align, bool *zeroed)
{
	struct prof_block *b = prof_block_at(i);
	size_t unit = max(align, b->size > 8 ? (size_t)16 : 8), whole = round_up(max(b->size, 1u), unit);
	char *end, *p, *first;
	int slot;

	if (align > PAGE_SIZE || b->size > GUARD_MAX || whole > GUARD_MAX)
		return NULL;
	slot = take_slot(i);
	if (slot < 0)
		return NULL;
	end = slot_end((unsigned int)slot);
	p = end - whole;
	first = (char *)round_down((uintptr_t)p, PAGE_SIZE);
	memset(window_classes(window) + (size_t)slot * SLOT_PAGES, CLASS_NONE, SLOT_PAGES);
	if (!os_commit(first, (size_t)(end - first))) {
		give_slot((unsigned int)slot);
		return NULL;
	}
	memset(first, PATTERN, (size_t)(p - first));
	memset(p + b->size, PATTERN, (size_t)(end - p) - b->size);
	b->usable = max(b->size, 1u);
	b->guarded = true;
	if (zeroed)
		*zeroed = true;
	return p;
}

/* The first byte in [from, to) that does not hold the pattern; NULL: all do. */
static char *changed(char *from, char *to)
{
	for (; from < to && *(unsigned char *)from == PATTERN; from++)
		;
	return from < to ? from : NULL;
}

void guard_free(uint32_t i)
{
	struct prof_block *b = prof_block_at(i);
	unsigned int slot = slot_of(b->addr);
	char *p = b->addr, *first = first_page(b), *end = slot_end(slot), *bad;

	bad = changed(p + b->size, end);
	if (!bad)
		bad = changed(first, p);
	if (bad) {
		guard_report(bad < p ? "underflow, found when the block was freed" :
				       "overflow, found when the block was freed",
			     b, (uintptr_t)bad, NULL);
		abort();
	}
	os_remap_none(first, (size_t)(end - first));
	give_slot(slot);
}

/* --- reports ----------------------------------------------------------------------------- */

static bool is_guards(uintptr_t at)
{
	return window && at - (uintptr_t)window->base < (size_t)nslots * GUARD_SLOT;
}

static const struct prof_block *block_in(unsigned int slot)
{
	return slot < nslots && records[slot] ? prof_block_at(records[slot]) : NULL;
}

/* The block that @at is nearest to: of its slot, or that before, if @at is below this one's. */
static const struct prof_block *nearest(uintptr_t at)
{
	unsigned int slot = slot_of((void *)at);
	const struct prof_block *b = block_in(slot), *before = slot ? block_in(slot - 1) : NULL;

	if (!b || (before && !before->died && at < (uintptr_t)b->addr &&
		   at - (uintptr_t)before->addr < (uintptr_t)b->addr - at))
		return before ? before : b;
	return b;
}

static const char *deed(const struct prof_block *b, uintptr_t at)
{
	if (b->died)
		return "use after free";
	return at < (uintptr_t)b->addr ? "underflow" : "overflow";
}

void guard_wrong_free(const char *call, const void *p)
{
	const struct prof_block *b;
	char what[64];

	if (!is_guards((uintptr_t)p))
		return;
	b = nearest((uintptr_t)p);
	if (!b)
		return;
	ash_format(what, sizeof(what), "%s of %s", call, b->died && p == b->addr ?
		   "a block that was freed before" : "what is not the start of a block");
	guard_report(what, b, (uintptr_t)p, NULL);
	abort();
}

/* Whoever had the signal before; if nobody, the instruction faults again and ends the process. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	const struct sigaction *old = number == SIGSEGV ? &old_segv : &old_bus;

	if (old->sa_flags & SA_SIGINFO)
		old->sa_sigaction(number, info, context);
	else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
		old->sa_handler(number);
	else
		sigaction(number, old, NULL);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	static _Atomic bool said;
	uintptr_t at = (uintptr_t)info->si_addr;
	const struct prof_block *b = info->si_code > 0 && is_guards(at) ? nearest(at) : NULL;

	if (b && !atomic_exchange(&said, true))
		guard_report(deed(b, at), b, at, context);
	pass_on(number, info, context);
}

void guard_start(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	if (!window || getauxval(AT_SECURE))
		return;
	sigaction(SIGSEGV, &act, &old_segv);
	sigaction(SIGBUS, &act, &old_bus);
}

/* --- fork ---------------------------------------------------------------------------------- */

void guard_prefork(void)
{
	lock_take(&guard_lock);
}

void guard_postfork(bool child)
{
	if (child)
		lock_init(&guard_lock, RANK_GUARD);
	else
		lock_drop(&guard_lock);
}
