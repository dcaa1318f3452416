// SPDX-License-Identifier: MIT
/*
 * With a background thread no caller of malloc or free gives memory back: a filter ends the
 * process where this thread asks the kernel to. Without one it would be ended, and a case of this
 * suite sees to that.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../../include/uapi/linux/ashlar.h"
#include "check.h"

enum { BLOCKS = 6000, ROUNDS = 6 };

static char *block[BLOCKS];

#define LOAD(field)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(value, n)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (n))
#define END_IF(value)	SKIP_UNLESS(value, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* Of this thread alone. Little endian: the lower half of an argument comes first. */
static void give_nothing_back(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		SKIP_UNLESS(SYS_madvise, 7),
		LOAD(args[2]),
		END_IF(MADV_DONTNEED), END_IF(MADV_FREE), END_IF(MADV_NOHUGEPAGE),
		LOAD(nr),
		SKIP_UNLESS(SYS_ioctl, 5),
		LOAD(args[1]),
		END_IF(ASHLAR_IOC_PURGE), END_IF(ASHLAR_IOC_PUNCH),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		skip("this kernel takes no seccomp filter: %s", strerror(errno));
}

int main(void)
{
	uint64_t state = random_seed();
	size_t before;

	guard(240);
	give_nothing_back();
	before = figure("source.purge_calls");
	/* All that was freed before is due, and part of it again and again. */
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			if (block[i])
				continue;
			block[i] = malloc(64 + random_next(&state) % (16 * KB));
			CHECK(block[i]);
			block[i][0] = 1;
		}
		usleep(300000);
		for (int i = 0; i < BLOCKS; i++) {
			if (!(random_next(&state) % 4))
				continue;
			free(block[i]);
			block[i] = NULL;
		}
		usleep(300000);
	}
	/* Somebody did. */
	for (int tries = 0; tries < 200 && figure("source.purge_calls") == before; tries++)
		usleep(50000);
	CHECK(figure("source.purge_calls") > before, "nothing was given back");
	printf("%zu system calls gave memory back, none of them this thread's\n",
	       figure("source.purge_calls") - before);
	return 0;
}
