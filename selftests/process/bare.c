// SPDX-License-Identifier: MIT
/*
 * No /proc, no /sys, no /dev: a mount namespace with empty ones, as in a bare chroot. The
 * process begins anew there.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>

#include "check.h"

static void *in_thread(void *arg)
{
	exercise(2, 10);
	return arg;
}

int main(int argc, char **argv)
{
	static const char *const hidden[] = { "/proc", "/sys", "/dev" };
	pthread_t t;

	guard(60);
	if (argc == 1) {
		char *again[] = { argv[0], "bare", NULL };

		if (unshare(CLONE_NEWNS))
			skip("no mount namespace for this user: %s", strerror(errno));
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			skip("mounts cannot be made private: %s", strerror(errno));
		for (int i = 0; i < 3; i++) {
			if (mount("none", hidden[i], "tmpfs", 0, NULL))
				skip("nothing can be mounted over %s: %s", hidden[i], strerror(errno));
		}
		execv(argv[0], again);
		fail("exec: %s", strerror(errno));
	}
	CHECK(access("/proc/self", F_OK) && access("/dev/null", F_OK));
	exercise(1, 50);
	CHECK(!pthread_create(&t, NULL, in_thread, NULL));
	pthread_join(t, NULL);
	return 0;
}
