// SPDX-License-Identifier: MIT
/* Extents without malloc: on the device what they promise, without it ENODEV. */
#include <pthread.h>
#include <signal.h>
#include <setjmp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ashlar.h>

#include "tap.h"

#define E	ASHLAR_EXTENT_BYTES

static sigjmp_buf after_fault;

static void on_fault(int sig)
{
	siglongjmp(after_fault, sig);
}

/* Is touching @p a SIGBUS? */
static bool faults(volatile char *p)
{
	if (sigsetjmp(after_fault, 1))
		return true;
	*p = 1;
	return false;
}

static bool zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i])
			return false;
	}
	return true;
}

static void basics(struct ashlar_extents *x)
{
	struct ashlar_extents_stat s;
	char *a = ashlar_extents_alloc(x, 2, -1), *b = ashlar_extents_alloc(x, 1, 0);

	OK(a && b && !((uintptr_t)a % E) && (b >= a + 2 * E || b + E <= a), "two ranges, aligned and apart");
	OK(zero(a, 2 * E) && zero(b, E), "zeroed");
	memset(a, 1, 2 * E);
	memset(b, 2, E);
	OK(!ashlar_extents_stat(x, &s) && s.committed == 3 && s.allocs == 3 && s.huge == E, "stat counts them",
	   "%lu committed, %lu allocs", s.committed, s.allocs);
	OK(!ashlar_extents_purge(x, a, 1) && zero(a, E) && a[E] == 1, "a purged one reads zero, its neighbour stays");
	OK(!ashlar_extents_punch(x, b + 4096, E - 4096) && b[0] == 2 && zero(b + 4096, E - 4096) &&
	   !ashlar_extents_stat(x, &s) && s.small == E / 4096, "punched pages read zero, the first one stays");
	OK(!ashlar_extents_mend(x, b, 1) && b[0] == 2 && zero(b + 4096, E - 4096) &&
	   !ashlar_extents_stat(x, &s) && !s.small, "mended, it is whole again");
	OK(ashlar_extents_punch(x, b + 1, 4096) == -1 && errno == EINVAL &&
	   ashlar_extents_punch(x, b, 2 * E) == -1 && errno == EINVAL &&
	   ashlar_extents_mend(x, b + 4096, 1) == -1 && errno == EINVAL, "odd places are EINVAL");
	OK(!ashlar_extents_free(x, a, 2), "free");
	OK(faults(a), "what was freed is SIGBUS");
	OK(ashlar_extents_free(x, a, 2) == -1 && errno == EINVAL, "twice is EINVAL");
	OK(ashlar_extents_free(x, b + 1, 1) == -1 && errno == EINVAL &&
	   ashlar_extents_free(x, b, 2) == -1 && errno == EINVAL &&
	   ashlar_extents_purge(x, &s, 1) == -1 && errno == EINVAL &&
	   ashlar_extents_free(x, b, SIZE_MAX) == -1 && errno == EINVAL, "so is what was not given out");
	OK(b[0] == 2 && !ashlar_extents_free(x, b, 1), "and changes nothing");
}

static void bounds(struct ashlar_extents *x)
{
	char *p[8];
	bool ok = true;

	OK(!ashlar_extents_alloc(x, 0, -1) && errno == EINVAL, "none is EINVAL");
	OK(!ashlar_extents_alloc(x, 9, -1) && errno == ENOMEM, "more than the range holds is ENOMEM");
	OK(!ashlar_extents_alloc(x, 1, 1000) && errno == EINVAL, "a node that does not exist is EINVAL");
	for (int i = 0; i < 8; i++)
		ok &= !!(p[i] = ashlar_extents_alloc(x, 1, -1));
	OK(ok, "all of it");
	OK(!ashlar_extents_alloc(x, 1, -1) && errno == ENOMEM, "and no more");
	ashlar_extents_free(x, p[3], 1);
	ashlar_extents_free(x, p[6], 1);
	OK(!ashlar_extents_alloc(x, 2, -1) && errno == ENOMEM, "two that are apart are not two in a row");
	ashlar_extents_free(x, p[5], 1);
	OK(ashlar_extents_alloc(x, 2, -1) == p[5], "neighbours are");
	OK(ashlar_extents_alloc(x, 1, -1) == p[3], "the lowest place is taken first");
	for (int i = 0; i < 8; i++)
		ok &= !ashlar_extents_free(x, p[i], 1);
	OK(ok, "and all of it goes back");
}

static void after_fork(struct ashlar_extents *x)
{
	char *p = ashlar_extents_alloc(x, 1, -1);
	int status;
	pid_t pid;

	p[0] = 1;
	pid = fork();
	if (!pid) {
		char *q = ashlar_extents_alloc(x, 1, -1);
		bool ok = q && q != p && p[0] == 1;

		p[0] = 2;
		q[0] = 2;
		_exit(!ok || ashlar_extents_free(x, p, 1) || ashlar_extents_free(x, q, 1));
	}
	waitpid(pid, &status, 0);
	OK(!status && p[0] == 1, "a forked child has its own, and allocates on", "status %x", status);
	ashlar_extents_free(x, p, 1);
}

static void *worker(void *arg)
{
	struct ashlar_extents *x = arg;
	static _Atomic int next = 1;
	int mark = next++;

	for (int i = 0; i < 200; i++) {
		size_t n = 1 + (size_t)i % 3;
		char *p = ashlar_extents_alloc(x, n, -1);

		if (!p)
			continue;
		if (!zero(p, 4096))
			return NULL;
		p[0] = (char)mark;
		p[n * E - 1] = (char)mark;
		if (p[0] != mark || p[n * E - 1] != mark || ashlar_extents_free(x, p, n))
			return NULL;
	}
	return arg;
}

static void threads(struct ashlar_extents *x)
{
	struct ashlar_extents_stat s;
	bool ok = true;
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, worker, x);
	for (int i = 0; i < 4; i++) {
		void *ret;

		pthread_join(t[i], &ret);
		ok &= !!ret;
	}
	OK(ok && !ashlar_extents_stat(x, &s) && s.committed == 0, "four threads at once");
}

int main(void)
{
	struct ashlar_extents *x = ashlar_extents_open(8);
	struct sigaction act = { .sa_handler = on_fault };

	int err = errno;

	if (access("/dev/ashlar", F_OK)) {
		OK(!x && err == ENODEV, "without the module: ENODEV", "%s", strerror(err));
		OK(!ashlar_extents_open(0) && errno == EINVAL, "a range of none is EINVAL");
		SKIP("extents", "there is no /dev/ashlar here: the guest's half tests them");
		return tap_end();
	}
	sigaction(SIGBUS, &act, NULL);
	OK(x, "open", "%s", strerror(errno));
	if (!x)
		return tap_end();
	OK(!ashlar_extents_open(SIZE_MAX) && errno == EINVAL, "no range is that large");
	basics(x);
	bounds(x);
	after_fork(x);
	closefrom(3);
	OK(ashlar_extents_free(x, ashlar_extents_alloc(x, 1, -1), 1) == 0, "without a descriptor left open");
	threads(x);
	ashlar_extents_close(x);
	OK(true, "close");
	return tap_end();
}
