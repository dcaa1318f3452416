// SPDX-License-Identifier: MIT
/*
 * Extents of anonymous memory: the reservation made accessible, with or
 * without huge pages. The NUMA policy belongs to the window, not to the extent,
 * so that the kernel can merge the mappings.
 */
#include <stdatomic.h>

#include "os.h"
#include "source.h"

static bool anon_ready(void)
{
	return true;
}

static size_t anon_commit(char *addr, size_t len, size_t room, unsigned int node, bool huge)
{
	(void)room;
	(void)node;
	if (!os_commit(addr, len))
		return 0;
	os_thp(addr, len, huge);
	return len;
}

static bool anon_purge(const struct source_range *ranges, unsigned int n)
{
	bool ok = true;

	for (unsigned int i = 0; i < n; i++) {
		ok &= os_purge(ranges[i].addr, ranges[i].len);
		atomic_fetch_add_explicit(&source_purge_calls, 1, memory_order_relaxed);
	}
	return ok;
}

static bool anon_purge_lazy(const struct source_range *ranges, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		atomic_fetch_add_explicit(&source_purge_calls, 1, memory_order_relaxed);
		if (!os_purge_lazy(ranges[i].addr, ranges[i].len))
			return false;
	}
	return true;
}

/*
 * khugepaged makes a huge page of one page that is resident and 511 that are not (its
 * max_ptes_none): what was purged would be back within minutes.
 */
static void anon_tear(char *addr, size_t len)
{
	os_thp(addr, len, false);
	atomic_fetch_add_explicit(&source_purge_calls, 1, memory_order_relaxed);
}

/* Whenever khugepaged comes to it: nobody waits for a copy of 2 MB. */
static bool anon_mend(char *addr, size_t len)
{
	os_thp(addr, len, true);
	return true;
}

/* One call moves one mapping, and a range may lie in several. */
static size_t anon_move(char *to, char *from, size_t len)
{
	size_t done = 0;

	for (size_t n = len; n && done < len; n = min(n, len - done)) {
		if (os_move(to + done, from + done, n))
			done += n;
		else
			n = round_down(n / 2, EXTENT_SIZE);
	}
	return done;
}

_Atomic size_t source_purge_calls;

const struct source source_anon = {
	.name = "anon",
	.purge_unit = PAGE_SIZE,
	.recommit = false,
	.ready = anon_ready,
	.commit = anon_commit,
	.purge = anon_purge,
	.purge_lazy = anon_purge_lazy,
	.tear = anon_tear,
	.mend = anon_mend,
	.move = anon_move,
};
