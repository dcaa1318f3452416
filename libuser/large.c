// SPDX-License-Identifier: MIT
#include "large.h"

#include "kept.h"

static void mark(const void *p, unsigned int class, size_t pages)
{
	struct window *w = window_of(p);
	size_t page = window_page(w, p);

	window_classes(w)[page] = (uint8_t)class;
	window_spans(w)[page] = (uint32_t)pages;
}

static void count(_Atomic size_t *counters, unsigned int class)
{
	atomic_fetch_add_explicit(&counters[class - CLASS_LARGE_FIRST], 1, memory_order_relaxed);
}

static void *huge_alloc(struct pageheap *h, size_t size, size_t align, bool *zeroed)
{
	size_t pages = round_up(size, PAGE_SIZE) >> PAGE_SHIFT;
	void *p;

	if (pages > UINT32_MAX)
		return NULL;
	p = pageheap_alloc_huge(h, pages, align, zeroed);
	if (p) {
		window_spans(window_of(p))[window_page(window_of(p), p) + 1] = 0;
		mark(p, CLASS_HUGE, pages);
		count(h->large_made, CLASS_HUGE);
	}
	return p;
}

void *large_alloc_owned(struct pageheap *h, unsigned int arena, size_t size, size_t align,
			bool *zeroed)
{
	size_t good = sizeclass_round(max(size, LARGE_MIN)), pages = good >> PAGE_SHIFT;
	void *p;

	if (!good || pages > UINT32_MAX)
		return NULL;
	if (pages < EXTENT_PAGES && align <= EXTENT_SIZE)
		p = pageheap_alloc(h, (unsigned int)pages, (unsigned int)(align >> PAGE_SHIFT), zeroed);
	else
		p = pageheap_alloc_huge(h, pages, align, zeroed);
	if (!p)
		return NULL;
	window_spans(window_of(p))[window_page(window_of(p), p) + 1] = arena + 1;
	mark(p, CLASS_HUGE, pages);
	count(h->large_made, CLASS_HUGE);
	return p;
}

void *large_alloc(struct pageheap *h, size_t size, size_t align, bool *zeroed)
{
	unsigned int class;
	void *p;

	if (size > SIZE_LIMIT)
		return NULL;
	if (size > LARGE_MAX || align > EXTENT_SIZE)
		return huge_alloc(h, max(size, LARGE_MIN), align, zeroed);
	class = sizeclass_large(size);
	if (align <= PAGE_SIZE)
		p = pageheap_alloc_large(h, &class, zeroed);
	else
		p = pageheap_alloc(h, sizeclasses[class].pages_max,
				   (unsigned int)(align >> PAGE_SHIFT), zeroed);
	if (p) {
		struct window *w = window_of(p);

		window_classes(w)[window_page(w, p)] = (uint8_t)class;
		count(h->large_made, class);
	}
	return p;
}

static noinline void misuse(const void *p)
{
	if ((uintptr_t)p & (PAGE_SIZE - 1))
		ash_fatal("free: %p points inside a block, not at its start", p);
	ash_fatal("free: block %p was freed twice", p);
}

/* The block is one no more. */
static inline void forget(struct pageheap *h, const struct window *w, void *p, unsigned int class)
{
	size_t page = window_page(w, p);

	if (unlikely(window_classes(w)[page] != class || (uintptr_t)p & (PAGE_SIZE - 1)))
		misuse(p);
	window_classes(w)[page] = CLASS_NONE;
	atomic_fetch_add_explicit(&h->large_gone[class - CLASS_LARGE_FIRST], 1,
				  memory_order_relaxed);
}

void *large_take_kept(struct pageheap *h, unsigned int class)
{
	struct window *w = h->windows[0];
	size_t page;

	lock_take(&h->lock);
	page = kept_pop_near(h, &class);
	lock_drop(&h->lock);
	if (unlikely(!page))
		return NULL;
	window_classes(w)[page] = (uint8_t)class;
	count(h->large_made, class);
	return w->base + (page << PAGE_SHIFT);
}

void large_free_home(struct pageheap *h, void *p, unsigned int class)
{
	struct window *w = h->windows[0];

	forget(h, w, p, class);
	lock_take(&h->lock);
	if (unlikely(!kept_push(h, window_page(w, p), class)))
		extent_unuse_run(h, w, window_page(w, p), sizeclasses[class].pages_max);
	lock_drop(&h->lock);
}

void large_free_spans(void **blocks, unsigned int n, unsigned int class)
{
	struct window *w = window_of(blocks[0]);
	struct pageheap *h = ash_pageheaps[w->heap];

	lock_take(&h->lock);
	for (unsigned int i = 0; i < n; i++) {
		forget(h, w, blocks[i], class);
		pageheap_free_large(h, blocks[i], class);
	}
	lock_drop(&h->lock);
}

void large_free_span(void *p, unsigned int class)
{
	large_free_spans(&p, 1, class);
}

size_t huge_size(const struct window *w, const void *p)
{
	return (size_t)window_spans(w)[window_page(w, p)] << PAGE_SHIFT;
}

size_t large_size(const void *p)
{
	const struct window *w = window_of(p);
	unsigned int class = window_classes(w)[window_page(w, p)];

	return likely(class < CLASS_HUGE) ? sizeclass_bytes[class] : huge_size(w, p);
}

void huge_free(void *p)
{
	struct window *w = window_of(p);
	size_t pages = huge_size(w, p) >> PAGE_SHIFT;

	mark(p, CLASS_NONE, 0);
	count(ash_pageheaps[w->heap]->large_gone, CLASS_HUGE);
	pageheap_free(p, pages);
}

static bool is_huge(const void *p)
{
	const struct window *w = window_of(p);

	return w && window_classes(w)[window_page(w, p)] == CLASS_HUGE;
}

size_t large_move(void *to, void *from, size_t size)
{
	if (size < EXTENT_SIZE || !is_huge(to) || !is_huge(from))
		return 0;
	return pageheap_move(to, from, size >> PAGE_SHIFT);
}

bool large_resize(void *p, unsigned int class, size_t size, bool *zeroed)
{
	size_t old, new;
	unsigned int to = CLASS_HUGE;

	*zeroed = true;
	if (class == CLASS_HUGE) {
		if (size <= LARGE_MAX || size > SIZE_LIMIT)
			return false;
		old = huge_size(window_of(p), p) >> PAGE_SHIFT;
		new = round_up(size, PAGE_SIZE) >> PAGE_SHIFT;
		if (new > UINT32_MAX)
			return false;
	} else {
		if (size <= SMALL_MAX || size > LARGE_MAX)
			return false;
		to = sizeclass_large(size);
		old = sizeclasses[class].pages_max;
		new = sizeclasses[to].pages_max;
		/* A large block stays within its extent. */
		if (((uintptr_t)p & (EXTENT_SIZE - 1)) + (new << PAGE_SHIFT) > EXTENT_SIZE)
			return false;
	}
	if (new > old && !pageheap_extend(p, old, new - old, zeroed))
		return false;
	mark(p, to, new);
	if (to != class) {
		struct pageheap *h = ash_pageheaps[window_of(p)->heap];

		count(h->large_gone, class);
		count(h->large_made, to);
	}
	if (new < old)
		pageheap_free((char *)p + (new << PAGE_SHIFT), old - new);
	return true;
}
