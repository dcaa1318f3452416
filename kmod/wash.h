/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A worker per node, on that node's CPUs, at idle priority: keeps the pool
 * between its watermarks with pages that it cleared, and lets go of
 * quarantined extents once nothing holds them.
 */
#ifndef ASHLAR_WASH_H
#define ASHLAR_WASH_H

struct ashlar_pool;

int ashlar_wash_start(void);
void ashlar_wash_stop(void);

/* Nanoseconds of CPU that the node's worker has used. */
u64 ashlar_wash_cputime(struct ashlar_pool *pool);

#endif /* ASHLAR_WASH_H */
