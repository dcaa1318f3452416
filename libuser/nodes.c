// SPDX-License-Identifier: MIT
#include "nodes.h"

#include <linux/mempolicy.h>
#include <stdatomic.h>
#include <stddef.h>

#include "conf.h"
#include "filter.h"
#include "os.h"

/* Newer than the headers that we may be built with. */
enum { POLICY_PREFERRED_MANY = 5, POLICY_WEIGHTED_INTERLEAVE = 6 };

struct numa ash_numa = { .heaps = 1, .nodes = 1 };

static uint64_t lowest(uint64_t bits)
{
	return bits & -bits;
}

struct numa numa_rule_of(uint64_t allowed, int mode, uint64_t mask)
{
	struct numa n = { .rule = NUMA_LOCAL, .heaps = allowed, .nodes = allowed };

	mask &= allowed;
	if (!mask)
		return n;
	switch (mode) {
	case MPOL_BIND:
		n.rule = NUMA_BOUND;
		n.heaps = n.nodes = mask;
		break;
	case MPOL_PREFERRED:
		n.heaps = lowest(mask);
		break;
	case POLICY_PREFERRED_MANY:
		n.heaps = mask;
		break;
	case MPOL_INTERLEAVE:
	case POLICY_WEIGHTED_INTERLEAVE:
		n.rule = NUMA_SPREAD;
		n.heaps = lowest(mask);
		n.nodes = mask;
		break;
	}
	return n;
}

/* With one heap of many nodes, or a rule of the user's, the thread's policy says it all. */
static bool placed;

void numa_init(void)
{
	uint64_t allowed = os_nodes(), mask = 0;
	int mode = MPOL_DEFAULT;

	if (!conf.numa) {
		ash_numa = (struct numa){ .rule = NUMA_ANY, .heaps = lowest(allowed), .nodes = allowed };
		return;
	}
	/* One node: there is nothing to choose. */
	if (allowed & (allowed - 1))
		os_policy(&mode, &mask);
	ash_numa = numa_rule_of(allowed, mode, mask);
	placed = ash_numa.rule == NUMA_LOCAL && ash_numa.heaps & (ash_numa.heaps - 1) && !filter_is_on();
}

/* --- distances ------------------------------------------------------------------------- */

/* The next number at *@s; false at the end. */
static bool number(const char **s, unsigned int *value)
{
	while (**s == ' ' || **s == ',')
		(*s)++;
	if (**s < '0' || **s > '9')
		return false;
	for (*value = 0; **s >= '0' && **s <= '9'; (*s)++)
		*value = *value * 10 + (unsigned int)(**s - '0');
	return true;
}

/* Bits of "0-1,3". */
static uint64_t parse_list(const char *s)
{
	uint64_t bits = 0;
	unsigned int from, to;

	while (number(&s, &from)) {
		to = from;
		if (*s == '-') {
			s++;
			number(&s, &to);
		}
		for (; from <= to && from < OS_MAX_NODES; from++)
			bits |= 1ull << from;
	}
	return bits;
}

/* The row of @node has a number for each node that is online, in order. */
RARE static noinline unsigned int find_nearest(unsigned int node)
{
	char text[OS_MAX_NODES * 4 + 1], path[64];
	unsigned int best = 0, least = UINT32_MAX, distance;
	uint64_t online, fallback = ash_numa.heaps;
	const char *s = text;

	for (unsigned int i = node % (unsigned int)__builtin_popcountll(fallback); i; i--)
		fallback &= fallback - 1;
	best = (unsigned int)__builtin_ctzll(fallback);
	if (os_read_file("/sys/devices/system/node/online", text, sizeof(text)) <= 0)
		return best;
	online = parse_list(text);
	ash_format(path, sizeof(path), "/sys/devices/system/node/node%u/distance", node);
	if (os_read_file(path, text, sizeof(text)) <= 0)
		return best;
	for (; online && number(&s, &distance); online &= online - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(online);

		if (ash_numa.heaps >> i & 1 && distance < least) {
			least = distance;
			best = i;
		}
	}
	return best;
}

RARE unsigned int numa_nearest(unsigned int node)
{
	/* One more than the answer; found twice where two threads ask at once. */
	static _Atomic uint8_t found[OS_MAX_NODES];
	unsigned int n;

	if (node < OS_MAX_NODES && ash_numa.heaps >> node & 1)
		return node;
	if (!(ash_numa.heaps & (ash_numa.heaps - 1)))
		return (unsigned int)__builtin_ctzll(ash_numa.heaps);
	node %= OS_MAX_NODES;
	n = atomic_load_explicit(&found[node], memory_order_relaxed);
	if (!n) {
		n = find_nearest(node) + 1;
		atomic_store_explicit(&found[node], (uint8_t)n, memory_order_relaxed);
	}
	return n - 1;
}

/* --- where extents come from ----------------------------------------------------------------- */

/* The @i'th set bit of @bits from bit @from on, going round. */
static int bit_after(uint64_t bits, unsigned int from, unsigned int i)
{
	uint64_t above = bits >> from << from, below = bits & ~above;
	unsigned int n = (unsigned int)__builtin_popcountll(above);

	if (i >= (unsigned int)__builtin_popcountll(bits))
		return NUMA_NO_MORE;
	if (i >= n) {
		i -= n;
		above = below;
	}
	for (; i; i--)
		above &= above - 1;
	return __builtin_ctzll(above);
}

RARE int numa_choice(unsigned int node, unsigned int i)
{
	static _Atomic unsigned int turn;

	switch (ash_numa.rule) {
	case NUMA_ANY:
		return i ? NUMA_NO_MORE : -1;
	case NUMA_LOCAL:
		return i ? NUMA_NO_MORE : (int)node;
	case NUMA_BOUND:
		return bit_after(ash_numa.nodes, node, i);
	case NUMA_SPREAD:
		if (i >= (unsigned int)__builtin_popcountll(ash_numa.nodes))
			return NUMA_NO_MORE;
		return bit_after(ash_numa.nodes, 0,
				 atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) %
				 (unsigned int)__builtin_popcountll(ash_numa.nodes));
	}
	return NUMA_NO_MORE;
}

void numa_place(void *addr, size_t len, unsigned int node)
{
	if (placed)
		os_prefer_node(addr, len, node);
}

/* --- which CPU this is ------------------------------------------------------------------------ */

/* glibc 2.35 and later: where in a thread's control block the kernel writes its CPU. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

#define RSEQ_CPU_ID	4	/* offset of cpu_id in struct rseq; negative: not registered */

const volatile uint32_t *numa_cpu_word(void)
{
	const volatile uint32_t *word;

	if (!&__rseq_offset || !&__rseq_size || !__rseq_size)
		return NULL;
	word = (const volatile uint32_t *)((char *)__builtin_thread_pointer() + __rseq_offset +
					   RSEQ_CPU_ID);
	return (int32_t)*word < 0 ? NULL : word;
}

uint32_t numa_this_cpu(void)
{
	const volatile uint32_t *word = numa_cpu_word();

	return word ? *word : 0;
}
