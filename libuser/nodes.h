/* SPDX-License-Identifier: MIT */
/*
 * On which nodes this process's memory may be, and by whose rule: pure policy, read once,
 * when the heaps are made.
 *
 *	cpuset			only its nodes, always
 *	none, preferred-many	a heap for each node, and a thread's memory on the node that
 *				it runs on (NUMA_LOCAL)
 *	bind			the same for the nodes named; nothing is ever had from others,
 *				even when they are full (NUMA_BOUND)
 *	preferred		one heap, on that node while it has memory (NUMA_LOCAL)
 *	interleave		one heap; its extents, or its pages where they are anonymous,
 *				go round the nodes (NUMA_SPREAD)
 *	option numa:false	one heap, wherever the kernel puts it (NUMA_ANY)
 *
 * The policy is that of the thread that allocates first (what numactl sets), and not looked
 * at again: a later set_mempolicy() counts for anonymous memory of NUMA_BOUND and
 * NUMA_SPREAD alone.
 */
#ifndef ASHLAR_NODES_H
#define ASHLAR_NODES_H

#include "util.h"

enum numa_rule { NUMA_LOCAL, NUMA_BOUND, NUMA_SPREAD, NUMA_ANY };

struct numa {
	enum numa_rule rule;
	uint64_t heaps;		/* bit of each node that has a heap */
	uint64_t nodes;		/* bits of the nodes that memory may come from */
};

/* Constant after numa_init(). */
extern struct numa ash_numa;

/* What the rule is; no call before conf_init(). */
void numa_init(void);

/* The same for the nodes of the cpuset, and a policy as the kernel tells it. */
struct numa numa_rule_of(uint64_t allowed, int mode, uint64_t mask);

/* The node with a heap that is nearest to @node by the kernel's table of distances. */
unsigned int numa_nearest(unsigned int node);

/* The @i'th choice for an extent of the heap on @node; -1: the caller's own; -2: no more. */
#define NUMA_NO_MORE	(-2)
int numa_choice(unsigned int node, unsigned int i);

/* Is an extent that the first choice has not got to be had from no other node at all? */
static inline bool numa_strict(void)
{
	return ash_numa.rule == NUMA_BOUND || ash_numa.rule == NUMA_SPREAD;
}

/*
 * Tell the kernel the rule for a reservation of the heap on @node, as far as it needs to be told,
 * and may be: under a filter anonymous memory is on the node of the thread that touches it first.
 */
void numa_place(void *addr, size_t len, unsigned int node);

/*
 * A word that changes when this thread runs on another CPU, without a call: the kernel keeps
 * it. NULL where there is none (no rseq), or where there is nothing to follow.
 */
const volatile uint32_t *numa_cpu_word(void);

/* The CPU that this thread runs on, by that word; 0 where there is none. */
uint32_t numa_this_cpu(void);

#endif /* ASHLAR_NODES_H */
