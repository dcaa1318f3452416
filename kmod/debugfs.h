/* SPDX-License-Identifier: GPL-2.0 */
/* /sys/kernel/debug/ashlar/, for root: Documentation/ABI/testing/debugfs-ashlar. */
#ifndef ASHLAR_DEBUGFS_H
#define ASHLAR_DEBUGFS_H

/* Where the kernel has no debugfs there is none, and nothing depends on it. */
void ashlar_debugfs_init(void);
void ashlar_debugfs_exit(void);

#endif /* ASHLAR_DEBUGFS_H */
