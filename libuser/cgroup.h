/* SPDX-License-Identifier: MIT */
/*
 * What the control group of this process allows it: version 2 and version 1, the
 * tightest of its own group and of all above that can be seen. Where the paths that
 * the kernel tells are not those of the mount (a container with its host's names), only
 * the mount's root is there, and that is the container's group. Nothing here allocates;
 * files are read at each call.
 */
#ifndef ASHLAR_CGROUP_H
#define ASHLAR_CGROUP_H

#include "util.h"

/* CPUs that the quota leaves (cpu.max, cpu.cfs_quota_us), rounded up; 0: no limit. */
unsigned int cgroup_quota(void);

/* CPUs that affinity and the quota leave this process, at least 1. */
unsigned int cgroup_cpus(void);

/* Bytes that memory.max (memory.limit_in_bytes) allows; SIZE_MAX: no limit. */
size_t cgroup_memory_max(void);

/*
 * Bytes that the group can still have without an OOM kill: what is left below memory.max,
 * and its page cache, which goes first. SIZE_MAX: no limit, or what does not fit can
 * be swapped.
 */
size_t cgroup_memory_left(void);

/* The path of the own group's file @name of version 2; false if it is not there. */
bool cgroup_file(const char *name, char *path, size_t size);

/* Constant but for tests: /proc/self/cgroup and where groups are mounted. */
extern const char *cgroup_self, *cgroup_mount;

#endif /* ASHLAR_CGROUP_H */
