// SPDX-License-Identifier: MIT
#include "large.h"

#include "kept.h"

static void mark(const void *p, unsigned int class, size_t pages)
{
	struct window *w = window_of(p);
	size_t page = window_page(w, p);

	window_classes(w)[page] = (uint8_t)class;
	window_set_span(w, page, (uint32_t)pages);
}

/* Where a block of @pages is counted: by its size, whatever the maps call it. */
static unsigned int class_of_pages(size_t pages)
{
	return pages <= LARGE_MAX >> PAGE_SHIFT ? sizeclass_large(pages << PAGE_SHIFT) : CLASS_HUGE;
}

/*
 * Do blocks of large @class come back (a quarter did)? Where they do, one has all of its class,
 * for it will serve other requests. While a program only allocates, it has the pages that were
 * asked for: on a huge page the rest would be resident, and never used.
 */
static bool comes_back(const struct pageheap *h, unsigned int class)
{
	unsigned int k = class - CLASS_LARGE_FIRST;

	return atomic_load_explicit(&h->large_gone[k], memory_order_relaxed) >
	       atomic_load_explicit(&h->large_made[k], memory_order_relaxed) / 4;
}

static void *huge_alloc(struct pageheap *h, size_t size, size_t align, bool *zeroed)
{
	size_t pages = round_up(size, PAGE_SIZE) >> PAGE_SHIFT;
	void *p;

	if (pages > UINT32_MAX)
		return NULL;
	p = pageheap_alloc_huge(h, pages, align, zeroed);
	if (p) {
		window_set_span(window_of(p), window_page(window_of(p), p) + 1, 0);
		mark(p, CLASS_HUGE, pages);
		large_count(h->large_made, CLASS_HUGE);
	}
	return p;
}

/* A block of @pages that the maps call huge, whatever its size; @owner: large_owner() of it. */
static void *exact_alloc(struct pageheap *h, uint32_t owner, size_t pages, size_t align, bool *zeroed)
{
	void *p;

	if (pages < EXTENT_PAGES && align <= EXTENT_SIZE)
		p = pageheap_alloc(h, (unsigned int)pages, (unsigned int)(align >> PAGE_SHIFT), zeroed);
	else
		p = pageheap_alloc_huge(h, pages, align, zeroed);
	if (!p)
		return NULL;
	window_set_span(window_of(p), window_page(window_of(p), p) + 1, owner);
	mark(p, CLASS_HUGE, pages);
	large_count(h->large_made, class_of_pages(pages));
	return p;
}

void *large_alloc_owned(struct pageheap *h, unsigned int arena, size_t size, size_t align,
			bool *zeroed)
{
	size_t good = sizeclass_round(max(size, LARGE_MIN)), pages = good >> PAGE_SHIFT;

	if (!good || pages > UINT32_MAX)
		return NULL;
	return exact_alloc(h, arena + 1, pages, align, zeroed);
}

void *large_alloc_class(struct pageheap *h, size_t size, size_t class, bool *zeroed)
{
	size_t pages = (max(size, LARGE_MIN) + PAGE_SIZE - 1) >> PAGE_SHIFT;

	if (pages < sizeclasses[class].pages_max && !comes_back(h, (unsigned int)class))
		return exact_alloc(h, 0, pages, PAGE_SIZE, zeroed);
	return pageheap_alloc_large(h, class, zeroed);
}

void *large_alloc(struct pageheap *h, size_t size, size_t align, bool *zeroed)
{
	unsigned int class;
	size_t pages;
	void *p;

	if (size > SIZE_LIMIT)
		return NULL;
	if (size > LARGE_MAX || align > EXTENT_SIZE)
		return huge_alloc(h, max(size, LARGE_MIN), align, zeroed);
	class = sizeclass_large(size);
	if (align <= PAGE_SIZE)
		return large_alloc_class(h, size, class, zeroed);
	pages = round_up(max(size, LARGE_MIN), PAGE_SIZE) >> PAGE_SHIFT;
	if (pages < sizeclasses[class].pages_max && !comes_back(h, class))
		return exact_alloc(h, 0, pages, align, zeroed);
	p = pageheap_alloc(h, sizeclasses[class].pages_max, (unsigned int)(align >> PAGE_SHIFT), zeroed);
	if (p) {
		struct window *w = window_of(p);

		window_classes(w)[window_page(w, p)] = (uint8_t)class;
		large_count(h->large_made, class);
	}
	return p;
}

_Noreturn noinline void large_misuse(const void *p)
{
	if ((uintptr_t)p & (PAGE_SIZE - 1))
		ash_fatal("free: %p points inside a block, not at its start", p);
	ash_fatal("free: block %p was freed twice", p);
}

/* The block is one no more; returns its page. */
static size_t forget(struct pageheap *h, const struct window *w, void *p, size_t class)
{
	size_t page = window_page(w, p);

	if (unlikely(window_classes(w)[page] != class || (uintptr_t)p & (PAGE_SIZE - 1)))
		large_misuse(p);
	window_classes(w)[page] = CLASS_NONE;
	large_count(h->large_gone, class);
	return page;
}

noinline void large_join_home(struct pageheap *h, size_t page, size_t class)
{
	extent_unuse_run(h, h->windows[0], page, sizeclasses[class].pages_max);
	lock_drop(&h->lock);
}

void large_free_spans(void **blocks, unsigned int n, size_t class)
{
	struct window *w = window_of(blocks[0]);
	struct pageheap *h = ash_pageheaps[w->heap];

	lock_take(&h->lock);
	for (unsigned int i = 0; i < n; i++) {
		size_t page = forget(h, w, blocks[i], class);

		kept_free(h, w, page, class);
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
	large_count(ash_pageheaps[w->heap]->large_gone, class_of_pages(pages));
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
		/* Huge ones begin with an extent; one of a few pages anywhere stays as it is. */
		if (size <= LARGE_MAX || size > SIZE_LIMIT || (uintptr_t)p & (EXTENT_SIZE - 1))
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
	class = class_of_pages(old);
	to = class_of_pages(new);
	if (to != class) {
		struct pageheap *h = ash_pageheaps[window_of(p)->heap];

		large_count(h->large_gone, class);
		large_count(h->large_made, to);
	}
	if (new < old)
		pageheap_free((char *)p + (new << PAGE_SHIFT), old - new);
	return true;
}
