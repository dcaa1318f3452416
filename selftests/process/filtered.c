// SPDX-License-Identifier: MIT
/*
 * Under a seccomp filter that refuses what containers refuse: mbind, get_mempolicy,
 * set_mempolicy, move_pages, and also getcpu, sched_getaffinity, membarrier and madvise. The process
 * begins anew below the filter, so that the library starts under it as well.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check.h"

#define REFUSE(nr)							\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1),		\
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static void filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		REFUSE(SYS_mbind), REFUSE(SYS_get_mempolicy), REFUSE(SYS_set_mempolicy),
		REFUSE(SYS_move_pages), REFUSE(SYS_getcpu), REFUSE(SYS_sched_getaffinity),
		REFUSE(SYS_membarrier), REFUSE(SYS_madvise), REFUSE(SYS_sysinfo),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		skip("this kernel takes no seccomp filter: %s", strerror(errno));
}

static void *in_thread(void *arg)
{
	exercise(2, 10);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t;

	guard(60);
	if (argc == 1) {
		char *again[] = { argv[0], "filtered", NULL };

		filter();
		execv("/proc/self/exe", again);
		fail("exec: %s", strerror(errno));
	}
	exercise(1, 50);
	CHECK(!pthread_create(&t, NULL, in_thread, NULL));
	pthread_join(t, NULL);
	return 0;
}
