/* SPDX-License-Identifier: GPL-2.0 */
/* The calls of include/uapi/linux/ashlar.h. */
#ifndef ASHLAR_IOCTL_H
#define ASHLAR_IOCTL_H

#include <linux/fs.h>

long ashlar_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* ASHLAR_IOCTL_H */
