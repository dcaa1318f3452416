// SPDX-License-Identifier: MIT
/*
 * mlockall(MCL_CURRENT | MCL_FUTURE): the reservation, which is address space only, must not
 * become memory.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"

static void *in_thread(void *arg)
{
	exercise(2, 10);
	return arg;
}

int main(void)
{
	struct rlimit rl = { RLIM_INFINITY, RLIM_INFINITY };
	pthread_t t;
	long kb;

	guard(60);
	free(seen(malloc(100)));
	if (setrlimit(RLIMIT_MEMLOCK, &rl) && mlockall(MCL_CURRENT | MCL_FUTURE))
		skip("this user may not lock that much memory");
	CHECK(!mlockall(MCL_CURRENT | MCL_FUTURE), "%s", strerror(errno));
	exercise(1, 20);
	CHECK(!pthread_create(&t, NULL, in_thread, NULL));
	pthread_join(t, NULL);
	kb = proc_kb("/proc/self/status", "VmRSS");
	printf("resident while locked: %ld KB\n", kb);
	CHECK(kb < 200 * 1024, "the reservation was made resident");
	return 0;
}
