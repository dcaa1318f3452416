// SPDX-License-Identifier: MIT
/* Which nodes a process uses, by cpuset and policy. */
#include "fake.h"

#include <linux/mempolicy.h>

#include "nodes.h"

static void expect(struct numa n, enum numa_rule rule, uint64_t heaps, uint64_t nodes)
{
	cr_assert(n.rule == rule && n.heaps == heaps && n.nodes == nodes, "%d %#lx %#lx", n.rule,
		  (unsigned long)n.heaps, (unsigned long)n.nodes);
}

Test(nodes, rules)
{
	expect(numa_rule_of(0xf, MPOL_DEFAULT, 0), NUMA_LOCAL, 0xf, 0xf);
	expect(numa_rule_of(0x5, MPOL_LOCAL, 0), NUMA_LOCAL, 0x5, 0x5);
	expect(numa_rule_of(0xf, MPOL_BIND, 0x6), NUMA_BOUND, 0x6, 0x6);
	expect(numa_rule_of(0x3, MPOL_BIND, 0x6), NUMA_BOUND, 0x2, 0x2);
	expect(numa_rule_of(0x3, MPOL_BIND, 0xc), NUMA_LOCAL, 0x3, 0x3);
	expect(numa_rule_of(0xf, MPOL_PREFERRED, 0x4), NUMA_LOCAL, 0x4, 0xf);
	expect(numa_rule_of(0xf, 5, 0xc), NUMA_LOCAL, 0xc, 0xf);
	expect(numa_rule_of(0xf, MPOL_INTERLEAVE, 0xa), NUMA_SPREAD, 0x2, 0xa);
	expect(numa_rule_of(0xf, 6, 0x3), NUMA_SPREAD, 0x1, 0x3);
	expect(numa_rule_of(0xf, 99, 0x3), NUMA_LOCAL, 0xf, 0xf);
}

Test(nodes, choices)
{
	int seen[4] = { 0 };

	ash_numa = numa_rule_of(0xf, MPOL_DEFAULT, 0);
	cr_assert(numa_choice(2, 0) == 2 && numa_choice(2, 1) == NUMA_NO_MORE && !numa_strict());
	ash_numa = numa_rule_of(0xf, MPOL_BIND, 0xb);
	cr_assert(numa_choice(1, 0) == 1 && numa_choice(1, 1) == 3 && numa_choice(1, 2) == 0 &&
		  numa_choice(1, 3) == NUMA_NO_MORE && numa_strict());
	ash_numa = numa_rule_of(0xf, MPOL_INTERLEAVE, 0xa);
	for (int i = 0; i < 100; i++)
		seen[numa_choice(1, 0)]++;
	cr_assert(seen[1] == 50 && seen[3] == 50);
	ash_numa = (struct numa){ .rule = NUMA_ANY, .heaps = 1, .nodes = 0xf };
	cr_assert(numa_choice(0, 0) == -1 && numa_choice(0, 1) == NUMA_NO_MORE);
}

/* A node without a heap gets one that has, whatever the machine here looks like. */
Test(nodes, nearest)
{
	ash_numa = numa_rule_of(0xf, MPOL_BIND, 0x6);
	for (unsigned int node = 0; node < 70; node++)
		cr_assert(0x6 >> numa_nearest(node) & 1);
	cr_assert(numa_nearest(1) == 1 && numa_nearest(2) == 2);
}
