// SPDX-License-Identifier: MIT
/* What a thread's cache holds, and what has passed it: for statistics. */
#include "tcache.h"

size_t tcache_bytes(const struct tcache *t)
{
	size_t bytes = t->remote_bytes;

	for (unsigned int c = 1; c <= CLASS_SMALL_LAST; c++) {
		unsigned int n = tcache_cached(t, c);

		/* Its thread may be moving the stack: no number is better than a wild one. */
		if (n <= t->bins[c].cap_max)
			bytes += n * sizeclasses[c].size;
	}
	return bytes;
}

size_t tcache_large_bytes(const struct tcache *t)
{
	size_t bytes = 0;

	for (unsigned int c = CLASS_LARGE_FIRST; c <= CLASS_LARGE_LAST; c++) {
		unsigned int n = tcache_cached(t, c);

		if (n <= t->bins[c].cap)
			bytes += n * sizeclasses[c].size;
	}
	return bytes;
}

void tcache_count(struct tcache *t)
{
	size_t cached = tcache_bytes(t) + tcache_large_bytes(t);
	int64_t gone;

	t->allocated = t->bytes + (uint64_t)(t->sampling.wait - t->countdown);
	gone = (int64_t)t->allocated - (t->net - (int64_t)cached);
	if (gone > (int64_t)t->deallocated)
		t->deallocated = (uint64_t)gone;
}
