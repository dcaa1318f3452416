/* SPDX-License-Identifier: MIT */
/*
 * Delays inside the module: a BPF program that counts to a number hangs on one
 * of its tracepoints. ashlar_fault is where a fault has looked its extent up and
 * has not yet locked its page; so a window of a few instructions becomes one of
 * a millisecond. Nothing in the module is made for it.
 */
#ifndef ASHLAR_DELAY_H
#define ASHLAR_DELAY_H

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common.h"

/* The kernel checks it step by step: loading takes seconds, and is done once. */
#define DELAY_LOOPS 60000

static int delay_program = -1;

__attribute__((constructor)) static void delay_load(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = DELAY_LOOPS },
		{ .code = BPF_ALU64 | BPF_SUB | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 0, .off = -2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACEPOINT,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(*insns),
		.license = (uintptr_t)"GPL",
	};

	delay_program = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static void delay_end(int delay)
{
	if (delay >= 0)
		close(delay);
}

/*
 * From now on, on every CPU. Returns what delay_end() wants; -1 where the kernel
 * has no BPF, or the event a delay already.
 */
static int delay_begin(const char *event)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
	};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/ashlar/%s/id",
		 event);
	attr.config = file_number(path);
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	/* The program belongs to the event, and so to all CPUs. */
	if (fd >= 0 && (ioctl(fd, PERF_EVENT_IOC_SET_BPF, delay_program) ||
			ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

#endif /* ASHLAR_DELAY_H */
