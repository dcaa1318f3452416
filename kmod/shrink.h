/* SPDX-License-Identifier: GPL-2.0 */
/* Memory pressure takes ready pages: a NUMA-aware shrinker, an OOM notifier. */
#ifndef ASHLAR_SHRINK_H
#define ASHLAR_SHRINK_H

int ashlar_shrink_start(void);
void ashlar_shrink_stop(void);

#endif /* ASHLAR_SHRINK_H */
