/* SPDX-License-Identifier: MIT */
/* Processes as /proc shows them: who uses the library or the device, and for how much. */
#ifndef ASHLARCTL_PROCESS_H
#define ASHLARCTL_PROCESS_H

#include "tool.h"

struct process {
	pid_t pid;
	uid_t uid;
	char name[64];
	bool library;		/* libashlar is mapped */
	bool device;		/* memory of /dev/ashlar is mapped */
	unsigned int descriptors;	/* of /dev/ashlar that it has open, where these were counted */
	/* Bytes in RAM. */
	uint64_t rss;
	uint64_t on_device, device_huge;	/* of the device; of that, by huge entries */
	uint64_t anon_huge;			/* transparent huge pages */
	uint64_t on_node[NODES_MAX];		/* of all its memory */
	unsigned int nodes;			/* one more than the highest used above */
};

/* Who it is; false: there is no such process. Nothing but pid, uid and name is set. */
bool process_find(pid_t pid, struct process *p);

/* All of struct process. False: gone, or not for us to see (errno EACCES). */
bool process_read(pid_t pid, struct process *p);

/*
 * Every process that we may look at and that uses the library or the device, by its
 * memory, the largest first. *@list is for free(). @descriptors: look through all open
 * files too, for who only has the device open.
 */
unsigned int processes_read(struct process **list, bool descriptors);

/* A share of the memory that is on huge pages of either kind, in percent. */
unsigned int process_huge_percent(const struct process *p);

struct json_object *process_json(const struct process *p);

#endif /* ASHLARCTL_PROCESS_H */
