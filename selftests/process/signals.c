// SPDX-License-Identifier: MIT
/*
 * A profiler's signal, a thousand times a second in every thread, on an alternate
 * stack, while threads allocate and free: it interrupts the library anywhere, system
 * calls included, and nothing minds.
 *
 * Usage: signals [PAIRS]	malloc and free, over all threads [10000000]
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { THREADS = 4, LIVE = 512 };

static atomic_long ticks, astray;
static __thread char *stack;
static long pairs;

static void on_tick(int sig)
{
	char here = (char)sig;

	if ((size_t)(&here - stack) >= 64 * KB)
		astray++;
	ticks++;
}

/* SIGPROF to this thread each millisecond of its time; ITIMER_PROF is no faster than the kernel's clock. */
static timer_t tick(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };
	struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
	timer_t timer;

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	CHECK(!timer_create(CLOCK_MONOTONIC, &event, &timer), "%s", strerror(errno));
	CHECK(!timer_settime(timer, 0, &every, NULL));
	return timer;
}

/* One in 64 of them is large: those enter the system. */
static size_t size_of(uint32_t random)
{
	return random % 64 ? random / 64 % 1000 : random / 64 % (300 * KB);
}

static void *work(void *arg)
{
	uint32_t random = (uint32_t)(size_t)arg * 2654435761u + 1;
	uint32_t *p[LIVE] = { NULL };
	stack_t alt = { .ss_sp = malloc(64 * KB), .ss_size = 64 * KB };
	timer_t timer;

	stack = alt.ss_sp;
	CHECK(!sigaltstack(&alt, NULL));
	timer = tick();
	for (long i = 0; i < pairs / THREADS; i++) {
		unsigned int k = (random = random * 1664525 + 1013904223) / 65536 % LIVE;

		CHECK(!p[k] || *p[k] == (uint32_t)(uintptr_t)&p[k], "block %p lost its contents", (void *)p[k]);
		free(p[k]);
		p[k] = malloc(size_of(random >> 3) + sizeof(uint32_t));
		CHECK(p[k]);
		*p[k] = (uint32_t)(uintptr_t)&p[k];
	}
	/* Short runs on a fast machine go on until there was something to see. */
	for (unsigned int i = 0; i < 100000 && ticks < 100; i++)
		exercise(i, 1);
	for (unsigned int k = 0; k < LIVE; k++)
		free(p[k]);
	timer_delete(timer);
	alt.ss_flags = SS_DISABLE;
	sigaltstack(&alt, NULL);
	free(alt.ss_sp);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_tick, .sa_flags = SA_ONSTACK };
	pthread_t t[THREADS];

	pairs = argc > 1 ? atol(argv[1]) : 10000000;
	guard(240);
	sigaction(SIGPROF, &sa, NULL);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&t[i], NULL, work, (void *)i));
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	CHECK(ticks >= 100, "the timer fired %ld times", (long)ticks);
	CHECK(!astray, "%ld of %ld signals were not on the alternate stack", (long)astray, (long)ticks);
	printf("%ld pairs, %ld signals\n", pairs, (long)ticks);
	return 0;
}
