/* SPDX-License-Identifier: MIT */
/* What others need of the device besides struct source. */
#ifndef ASHLAR_SOURCE_DEV_H
#define ASHLAR_SOURCE_DEV_H

#include "util.h"

/* Ranges one purge call carries. */
#define SOURCE_DEVICE_BATCH	64

/*
 * A descriptor of /dev/ashlar, checked to be one at this moment, opened when
 * needed; -1 if the device cannot be had. Owned by the source: never closed
 * by the caller.
 */
int source_device_fd(void);

/*
 * Fresh addresses that another source is about to take: undo what a commit
 * prepared ahead there.
 */
void source_device_leave(char *addr, size_t len, unsigned int node);

/* Bytes of the heap that are purged lazily and not yet taken or touched; 0 if unknown. */
size_t source_device_lazy(void);

/* Around fork(): take the lock before, then release or reset it after. */
void source_device_prefork(void);
void source_device_fork(bool child);

#endif /* ASHLAR_SOURCE_DEV_H */
