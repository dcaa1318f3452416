// SPDX-License-Identifier: MIT
#include "prof.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "conf.h"
#include "guard.h"
#include "large.h"
#include "os.h"
#include "prof_block.h"
#include "prof_dump.h"
#include "prof_leak.h"
#include "prof_recent.h"
#include "prof_table.h"

/* Profiles since the last prof_reset() are of this number; blocks of others do not count. */
static uint32_t epoch = 1;	/* guarded by prof_lock */
static bool ready;		/* tables exist; constant after prof_init() */

/* --- switching ----------------------------------------------------------------------- */

bool prof_active(void)
{
	return prof_sampling();
}

unsigned int prof_lg_sample(void)
{
	return log2_floor((size_t)max(atomic_load(&prof_table_mean), (int64_t)1));
}

int prof_set_active(bool on)
{
	if (!conf.prof)
		return ENOENT;
	if (!ready)
		return ENOMEM;
	atomic_store(&sample_mean[SAMPLE_PROFILE], on ? atomic_load(&prof_table_mean) : 0);
	sample_changed();
	return 0;
}

AT_START void prof_init(void)
{
	atomic_store(&prof_table_mean, (int64_t)1 << conf.lg_prof_sample);
	if (!conf.prof && !conf.guard_sample)
		return;
	sample_seed((uint64_t)conf.prof_seed);
	ready = prof_table_open() && prof_blocks_open();
	if (!ready) {
		ash_warn("options prof and guard_sample: no address space for the tables; both stay off");
		return;
	}
	prof_recent_set_max((uint32_t)conf.prof_recent_alloc_max);
	if (conf.prof)
		prof_set_active(conf.prof_active);
	if (conf.guard_sample && guard_open((unsigned int)conf.guard_max)) {
		atomic_store(&sample_mean[SAMPLE_GUARD], conf.guard_sample);
		sample_changed();
	}
}

AT_START void prof_start(void)
{
	if (!ready)
		return;
	prof_stack_open();
	if (conf.guard_sample)
		guard_start();
	if (conf.prof)
		prof_dump_start();
}

int prof_reset(unsigned int lg)
{
	if (!conf.prof || !ready)
		return ENOENT;
	if (lg > 40)
		return EINVAL;
	prof_dump_pause(true);
	lock_take(&prof_lock);
	epoch++;
	prof_table_clear();
	atomic_store(&prof_table_mean, (int64_t)1 << lg);
	prof_lifetimes_clear();
	/* Their stacks are gone. */
	for (uint32_t i = 1; i < prof_blocks_end(); i++) {
		struct prof_block *b = prof_block_at(i);

		b->stack = b->free_stack = b->site = 0;
	}
	lock_drop(&prof_lock);
	prof_dump_pause(false);
	if (prof_sampling())
		prof_set_active(true);
	return 0;
}

/* --- this thread ------------------------------------------------------------------------ */

void prof_set_thread_name(struct tcache *t, const char *name)
{
	if (!ready)
		return;
	lock_take(&prof_lock);
	t->sampling.name = prof_table_name(name);
	lock_drop(&prof_lock);
}

const char *prof_thread_name(struct tcache *t)
{
	return ready && t->sampling.name ? prof_table_name_at(t->sampling.name) : "";
}

/* Under prof_lock. The kernel's name for the thread, unless it gave itself another. */
static uint32_t name_of(struct sampling *s)
{
	char name[16] = "";

	if (unlikely(!s->name)) {
		prctl(PR_GET_NAME, name);
		s->name = prof_table_name(name);
	}
	return s->name;
}

/* Under prof_lock once it returns: number of the stack at @frame. *@known as the table's. */
static uint32_t stack_of(struct sampling *s, void **frame, struct prof_known **known)
{
	struct prof_trace trace;
	uint32_t stack;
	uint64_t key;

	prof_stack_walk(s, frame, &trace);
	lock_take(&prof_lock);
	*known = prof_table_known(trace.key);
	if (likely(*known))
		return (*known)->stack;
	if (prof_stack_has_library()) {
		lock_drop(&prof_lock);
		key = trace.key;
		prof_stack_unwind(frame, &trace);
		trace.key = key;
		lock_take(&prof_lock);
	}
	stack = prof_table_stack(&trace);
	*known = prof_table_remember(trace.key, stack);
	return stack;
}

/* Under prof_lock. */
static uint32_t site_of(uint32_t stack, uint32_t name, struct prof_known *known)
{
	uint32_t site;

	if (likely(known && known->site && known->name == name))
		return known->site;
	site = prof_table_site(stack, name);
	if (known) {
		known->site = site;
		known->name = name;
	}
	return site;
}

/* --- blocks -------------------------------------------------------------------------------- */

static void map_put_record(const void *p, unsigned int class, uint32_t value)
{
	struct window *w = window_of(p);
	size_t page = window_page(w, p);

	window_set_span(w, page, value);
	window_classes(w)[page] = (uint8_t)class;
}

bool prof_find(const struct window *w, const void *p, size_t *size)
{
	uint32_t i = window_spans(w)[window_page(w, p)];
	const struct prof_block *b = prof_block_at(i);

	if (!i || i >= prof_blocks_end() || b->addr != p || b->died)
		return false;
	*size = b->usable;
	return true;
}

/*
 * Single pages, of which most samples take one, come and go in bulk; a few of each heap wait
 * here. Guarded by prof_lock.
 */
#define SPARES	16u
BULK static struct spare {
	unsigned int n;
	char *page[2 * SPARES];
} spares[OS_MAX_NODES];

/* One page from the heap, and more for the next ones. */
static noinline void *spare_fill(struct pageheap *h)
{
	struct spare *s = &spares[h->index];
	char *run = pageheap_alloc(h, SPARES, 1, NULL);
	unsigned int left = SPARES - 1;

	if (!run)
		return pageheap_alloc(h, 1, 1, NULL);
	lock_take(&prof_lock);
	for (; left && s->n < 2 * SPARES; left--)
		s->page[s->n++] = run + left * PAGE_SIZE;
	lock_drop(&prof_lock);
	/* Another thread was quicker. */
	if (left)
		pageheap_free(run + PAGE_SIZE, left);
	return run;
}

static inline void *spare_take(struct pageheap *h)
{
	struct spare *s = &spares[h->index];
	void *p;

	lock_take(&prof_lock);
	p = likely(s->n) ? s->page[--s->n] : NULL;
	lock_drop(&prof_lock);
	return likely(p) ? p : spare_fill(h);
}

static void spare_put(void *p)
{
	struct spare *s = &spares[window_of(p)->heap];
	bool kept;

	lock_take(&prof_lock);
	kept = s->n < 2 * SPARES;
	if (kept)
		s->page[s->n++] = p;
	lock_drop(&prof_lock);
	if (!kept)
		pageheap_free(p, 1);
}

/* What the maps say of the large or huge block @p, before they say CLASS_SAMPLED. */
static void note_pages(struct prof_block *b, const void *p)
{
	struct window *w = window_of(p);

	b->class = window_classes(w)[window_page(w, p)];
	b->pages = window_spans(w)[window_page(w, p)];
	b->usable = b->class == CLASS_HUGE ? huge_size(w, p) : sizeclasses[b->class].size;
}

/* Pages of its own for @b. */
static void *own_pages(struct tcache *t, struct prof_block *b, size_t align, bool *zeroed)
{
	void *p;

	if (b->size <= SMALL_MAX && align <= PAGE_SIZE) {
		b->usable = sizeclasses[sizeclass_small(b->size)].size;
		b->pages = (uint32_t)(round_up(b->usable, PAGE_SIZE) >> PAGE_SHIFT);
		return b->pages == 1 ? spare_take(t->arena->heap) :
				       pageheap_alloc(t->arena->heap, b->pages, 1, zeroed);
	}
	p = large_alloc(t->arena->heap, max(b->size, LARGE_MIN), max(align, PAGE_SIZE), zeroed);
	if (p)
		note_pages(b, p);
	return p;
}

static void free_pages(void *p, const struct prof_block *b)
{
	map_put_record(p, b->class, b->class ? b->pages : 0);
	if (!b->class && b->pages == 1)
		spare_put(p);
	else if (!b->class)
		pageheap_free(p, b->pages);
	else if (b->class == CLASS_HUGE)
		huge_free(p);
	else
		large_free_span(p, b->class);
}

/* Who, when; counted, if it is a profile's sample; and in the ring. Inline: a call is 25 of 1,000. */
static inline __attribute__((always_inline)) void describe(struct sampling *s, uint32_t i, void *p,
							   bool profile, void **frame)
{
	struct prof_block *b = prof_block_at(i);
	uint64_t now = os_now_ns();
	struct prof_known *known;
	struct prof_site *site;

	b->stack = stack_of(s, frame, &known);	/* takes prof_lock */
	b->addr = p;
	b->name = name_of(s);
	b->born = now;
	b->epoch = epoch;
	if (profile) {
		b->weight = sample_weight(b->size, atomic_load(&prof_table_mean));
		b->site = site_of(b->stack, b->name, known);
		site = prof_site_at(b->site);
		prof_count_add(&site->made, 1, b->size, b->weight);
		prof_recent_add(i);
	}
	lock_drop(&prof_lock);
}

static void forget(uint32_t i)
{
	lock_take(&prof_lock);
	prof_block_put(i);
	lock_drop(&prof_lock);
}

static inline uint32_t new_record(size_t size)
{
	uint32_t i;

	lock_take(&prof_lock);
	i = prof_block_take();
	lock_drop(&prof_lock);
	if (i)
		prof_block_at(i)->size = size;
	return i;
}

static void *place(struct tcache *t, uint32_t i, unsigned int due, size_t align, bool *zeroed)
{
	struct prof_block *b = prof_block_at(i);
	void *p = NULL;

	if (due & 1u << SAMPLE_GUARD)
		p = guard_alloc(i, align, zeroed);
	if (!p && (due & 1u << SAMPLE_PROFILE))
		p = own_pages(t, b, align, zeroed);
	return p;
}

void *prof_alloc(struct tcache *t, unsigned int due, size_t align, size_t size, bool *zeroed,
		 void **frame)
{
	struct sampling *s = &t->sampling;
	int saved = errno;
	uint32_t i;
	void *p;

	if (s->silent || !prof_sampling())
		due &= ~(1u << SAMPLE_PROFILE);
	if (!due || s->busy || size > SIZE_LIMIT || !(i = new_record(size)))
		return NULL;
	s->busy = true;
	p = place(t, i, due, align, zeroed);
	if (likely(p)) {
		describe(s, i, p, due & 1u << SAMPLE_PROFILE, frame);
		map_put_record(p, CLASS_SAMPLED, i);
		t->net += (int64_t)prof_block_at(i)->usable;
	} else {
		forget(i);
	}
	s->busy = false;
	errno = saved;
	return p;
}

void prof_adopt(struct tcache *t, void *p, size_t size, void **frame)
{
	struct sampling *s = &t->sampling;
	int saved = errno;
	struct prof_block *b;
	uint32_t i;

	if (s->silent || s->busy || !prof_sampling() || !(i = new_record(size)))
		return;
	s->busy = true;
	b = prof_block_at(i);
	note_pages(b, p);
	describe(s, i, p, true, frame);
	map_put_record(p, CLASS_SAMPLED, i);
	s->busy = false;
	errno = saved;
}

/* Under prof_lock: @b has been freed by the thread of @s (NULL: one without a cache). */
static void count_free(struct sampling *s, struct prof_block *b)
{
	b->died = os_now_ns();
	b->free_name = s ? name_of(s) : 0;
	if (b->weight == 0)
		return;
	prof_lifetime_add(b);
	if (b->epoch == epoch)
		prof_count_add(&prof_site_at(b->site)->gone, 1, b->size, b->weight);
}

void prof_free(struct tcache *t, void *p, void **frame)
{
	struct sampling *s = t->enabled ? &t->sampling : NULL;
	struct window *w = window_of(p);
	uint32_t i = window_spans(w)[window_page(w, p)], stack = 0;
	struct prof_block *b = prof_block_at(i), copy;
	struct prof_known *known;
	bool wanted = b->guarded || prof_recent_holds(b), twice;
	int saved = errno;

	/* The stack is worth its price if somebody will see it. */
	if (s && !s->busy && wanted) {
		s->busy = true;
		stack = stack_of(s, frame, &known);
		s->busy = false;
	} else {
		lock_take(&prof_lock);
	}
	twice = b->addr != p || b->died;
	if (!twice) {
		b->free_stack = stack;
		count_free(s, b);
	}
	copy = *b;
	lock_drop(&prof_lock);
	if (twice)
		ash_fatal("free: block %p was freed twice", p);
	if (s)
		t->net -= (int64_t)copy.usable;
	if (copy.guarded)
		guard_free(i);
	else
		free_pages(p, &copy);
	forget(i);
	errno = saved;
}

/* --- dumps that are due ------------------------------------------------------------------- */

void prof_look(struct tcache *t)
{
	if (likely(!prof_dump_may_be_due()) || !ready || t->sampling.busy)
		return;
	t->sampling.busy = true;
	prof_dump_tick(prof_sampling() ? t->bytes - t->sampling.counted : 0);
	t->sampling.counted = t->bytes;
	t->sampling.busy = false;
}

void prof_background(void)
{
	if (conf.prof && ready)
		prof_dump_tick(0);
}

__attribute__((destructor)) static void at_exit(void)
{
	size_t live;

	if (!conf.prof || !ready)
		return;
	if (conf.prof_final)
		prof_dump_final();
	live = conf.prof_leak ? prof_leak_report() : 0;
	if (live && conf.prof_leak_error)
		_exit(1);
}

/* --- fork -------------------------------------------------------------------------------------- */

void prof_prefork(void)
{
	prof_dump_prefork();
	guard_prefork();
	lock_take(&prof_lock);
}

void prof_postfork(bool child)
{
	if (child)
		lock_init(&prof_lock, RANK_PROF);
	else
		lock_drop(&prof_lock);
	guard_postfork(child);
	prof_dump_postfork(child);
}
