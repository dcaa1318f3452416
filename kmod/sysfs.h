/* SPDX-License-Identifier: GPL-2.0 */
/* /sys/class/misc/ashlar/node<N>/: Documentation/ABI/testing/sysfs-ashlar. */
#ifndef ASHLAR_SYSFS_H
#define ASHLAR_SYSFS_H

#include <linux/kobject.h>

int ashlar_sysfs_init(struct kobject *parent);
void ashlar_sysfs_exit(void);

#endif /* ASHLAR_SYSFS_H */
