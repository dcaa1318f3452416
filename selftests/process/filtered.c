// SPDX-License-Identifier: MIT
/*
 * Under a seccomp filter that refuses what containers refuse: mbind, get_mempolicy,
 * set_mempolicy, move_pages, and also getcpu, sched_getaffinity, membarrier and madvise. The process
 * begins anew below the filter, so that the library starts under it as well.
 *
 *	filtered		refused: EPERM
 *	filtered killed		who calls is ended, as by the SystemCallFilter= of Debian's redis-server
 *	filtered strict		of a process that has started: read, write and exit are all there is
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

#define END(nr)							\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1),		\
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static void install(struct sock_filter *code, size_t n)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = code };

	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		skip("this kernel takes no seccomp filter: %s", strerror(errno));
}

static void filter_of_systemd(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		END(SYS_mbind), END(SYS_set_mempolicy), END(SYS_move_pages), END(SYS_migrate_pages),
		END(SYS_sched_setaffinity), END(SYS_sched_setattr), END(SYS_sched_setparam),
		END(SYS_sched_setscheduler), END(SYS_setpriority), END(SYS_setrlimit), END(SYS_ioprio_set),
		END(SYS_mincore),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	install(code, sizeof(code) / sizeof(code[0]));
}

static void filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		REFUSE(SYS_mbind), REFUSE(SYS_get_mempolicy), REFUSE(SYS_set_mempolicy),
		REFUSE(SYS_move_pages), REFUSE(SYS_getcpu), REFUSE(SYS_sched_getaffinity),
		REFUSE(SYS_membarrier), REFUSE(SYS_madvise), REFUSE(SYS_sysinfo),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	install(code, sizeof(code) / sizeof(code[0]));
}

/* A decoder that has all the memory it needs: looks at decay, which is off, ask for the time and nothing else. */
static _Noreturn void strict(void)
{
	static void *p[100];

	exercise(1, 50);
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < 100; i++) {
			p[i] = malloc(i * 10);
			if (!p[i])
				fail("no memory");
		}
		for (size_t i = 0; i < 100; i++)
			free(p[i]);
		if (!round && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
			skip("this kernel has no strict mode: %s", strerror(errno));
	}
	/* libc's exit is another call. */
	for (;;)
		syscall(SYS_exit, 0);
}

static void *in_thread(void *arg)
{
	exercise(2, 10);
	return arg;
}

int main(int argc, char **argv)
{
	size_t elsewhere, resident, len = sizeof(elsewhere);
	pthread_t t;
	int err;

	guard(60);
	if (argc == 2 && !strcmp(argv[1], "strict"))
		strict();
	if (argc < 3) {
		char *again[] = { argv[0], argc == 1 ? "refused" : argv[1], "again", NULL };

		if (argc == 1)
			filter();
		else
			filter_of_systemd();
		execv("/proc/self/exe", again);
		fail("exec: %s", strerror(errno));
	}
	exercise(1, 50);
	CHECK(!pthread_create(&t, NULL, in_thread, NULL));
	pthread_join(t, NULL);
	err = ashlar_ctl("stats.resident", &resident, &len, NULL, 0);
	CHECK(!err && resident > 0, "stats.resident: %s, %zu", strerror(err), resident);
	/* What cannot be asked is no figure, and no end. */
	err = ashlar_ctl("node.0.elsewhere", &elsewhere, &len, NULL, 0);
	CHECK(err == ENOSYS, "node.0.elsewhere: %s", strerror(err));
	return 0;
}
