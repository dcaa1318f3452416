// SPDX-License-Identifier: MIT
/*
 * A signal as often as the kernel's clock ticks, up to a thousand times a
 * second, on an alternate stack while threads allocate: system calls of the
 * library are interrupted, and nothing minds.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "check.h"

static atomic_long ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static void *work(void *arg)
{
	stack_t alt = { .ss_sp = malloc(64 * KB), .ss_size = 64 * KB };

	CHECK(!sigaltstack(&alt, NULL));
	for (unsigned int i = 0; i < 100 || (i < 10000 && ticks < 300); i++)
		exercise(i + (unsigned int)(size_t)arg, 40);
	alt.ss_flags = SS_DISABLE;
	sigaltstack(&alt, NULL);
	free(alt.ss_sp);
	return NULL;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_tick, .sa_flags = SA_ONSTACK };
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
	pthread_t t[4];

	guard(120);
	sigaction(SIGPROF, &sa, NULL);
	CHECK(!setitimer(ITIMER_PROF, &every, NULL));
	for (size_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, work, (void *)i));
	for (size_t i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK(ticks >= 100, "the timer fired %ld times", (long)ticks);
	return 0;
}
