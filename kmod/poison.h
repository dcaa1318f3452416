/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hardware memory errors. The kernel marks the 4 KB page that failed; where that
 * lies in a huge page that some process uses, it marks the huge page too.
 */
#ifndef ASHLAR_POISON_H
#define ASHLAR_POISON_H

#include <linux/mm.h>
#include "compat.h"

/* Quick, and all there is to ask while a huge page is in use. */
static inline bool ashlar_page_struck(struct page *page)
{
	return PageHWPoison(page) ||
	       folio_test_has_hwpoisoned(page_folio(page));
}

/* Has any of its small pages a mark? */
bool ashlar_page_marked(struct page *page);

/*
 * To be asked before a huge page changes hands. One that was nobody's when it was
 * struck has its mark on the small page alone.
 */
static inline bool ashlar_page_poisoned(struct page *page)
{
	return unlikely(ashlar_page_struck(page)) ||
	       (unlikely(ashlar_node_struck(page_to_nid(page))) &&
		ashlar_page_marked(page));
}

/*
 * Copy 4 KB that may be bad. An error not known before is found by the copying,
 * which the processor lets us survive.
 * Return: 0, or -EHWPOISON; then what is in @to is of no use.
 */
int ashlar_copy_page(struct page *to, struct page *from);

#endif /* ASHLAR_POISON_H */
