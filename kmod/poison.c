// SPDX-License-Identifier: GPL-2.0
/* Pages that the hardware has reported as bad, and how not to pass them on. */
#include <linux/highmem.h>
#include "compat.h"
#include "poison.h"

bool ashlar_page_marked(struct page *page)
{
	unsigned int i;

	for (i = 0; i < compound_nr(page); i++)
		if (PageHWPoison(page + i))
			return true;
	return false;
}

int ashlar_copy_page(struct page *to, struct page *from)
{
	if (PageHWPoison(from))
		return -EHWPOISON;
	/* Of the address and the VMA only other architectures make use. */
	if (likely(!copy_mc_user_highpage(to, from, 0, NULL)))
		return 0;
	ashlar_copy_failed(from);
	return -EHWPOISON;
}
