/* SPDX-License-Identifier: MIT */
/* Memory of the three kinds that `ashlarctl bench` compares, by system calls alone. */
#ifndef ASHLARCTL_BENCH_H
#define ASHLARCTL_BENCH_H

#include "tool.h"

enum kind { KIND_DEVICE, KIND_THP, KIND_SMALL, KINDS };

extern const char *const kind_names[KINDS];

/* Why there is none of @kind here: one sentence, or NULL. */
const char *kind_missing(enum kind kind);

/*
 * @n extents of address space in which memory of @kind comes at the first touch, of the
 * device's committed by one call. NULL: not to be had. Of @node, or of the caller's (-1).
 */
char *kind_map(enum kind kind, size_t n, int node);
void kind_unmap(char *addr, size_t n);

/* How much of [addr, addr + n extents) is mapped by huge entries, in percent. */
unsigned int huge_percent(const char *addr, size_t n);

/* Extents ready in the pool of all nodes; 0 without the module. */
size_t ready_extents(void);

double now_ns(void);

/* Nanoseconds of a dependent access to random lines of @n extents. */
double chase_ns(char *addr, size_t n, uint64_t steps);

#endif /* ASHLARCTL_BENCH_H */
