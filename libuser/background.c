// SPDX-License-Identifier: MIT
#include "background.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "conf.h"
#include "hollow.h"
#include "lock.h"
#include "os.h"
#include "pressure.h"
#include "prof.h"

/* How long it sleeps between two looks: an epoch of decay, within these bounds. */
#define SLEEP_MIN_MS	10
#define SLEEP_MAX_MS	1000

/* How much later than it meant to it may be back, on a busy machine, before callers purge themselves. */
#define LATE_MS		5000

/* Serialises switching; held over thread creation, which allocates. */
static pthread_mutex_t switch_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;		/* guarded by switch_lock, like running */
static bool running;
static _Atomic uint32_t stop;		/* futex word: 1 ends the sleep */

static int64_t sleep_ms(void)
{
	int64_t ms = conf.dirty_decay_ms / (int64_t)DECAY_STEPS;

	if (conf.dirty_decay_ms < 0)
		return SLEEP_MAX_MS;
	return min(max(ms, (int64_t)SLEEP_MIN_MS), (int64_t)SLEEP_MAX_MS);
}

static void *work(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		if (!pressure_wait(sleep_ms()))
			futex_wait_ms(&stop, 0, sleep_ms());
		hollow_attend((uint64_t)sleep_ms() + LATE_MS);
		prof_background();
	}
	hollow_attend(0);
	return NULL;
}

/* Under switch_lock. The program's signals are not for this thread. */
static bool start_locked(void)
{
	sigset_t all, old;

	atomic_store(&stop, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	running = pthread_create(&thread, NULL, work, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return running;
}

/* Start or stop it as the options want. Under switch_lock. */
AT_START static bool follow_options(void)
{
	bool want = conf.background_thread || conf.pressure;

	if (want && !running)
		return start_locked();
	if (!want && running) {
		atomic_store(&stop, 1);
		futex_wake_all(&stop);
		pressure_wake();
		pthread_join(thread, NULL);
		pressure_close();
		running = false;
	}
	return true;
}

static bool set(int64_t *option, bool on)
{
	bool ok;

	pthread_mutex_lock(&switch_lock);
	*option = on;
	ok = follow_options();
	pthread_mutex_unlock(&switch_lock);
	return ok;
}

bool background_set(bool on)
{
	return set(&conf.background_thread, on);
}

bool background_set_pressure(bool on)
{
	return set(&conf.pressure, on);
}

bool background_running(void)
{
	return running;
}

AT_START void background_start(void)
{
	bool ok;

	pthread_mutex_lock(&switch_lock);
	ok = follow_options();
	pthread_mutex_unlock(&switch_lock);
	if (!ok)
		ash_warn("options background_thread, pressure: the thread cannot be created");
	if (serve_start)
		serve_start();
}

void background_prefork(void)
{
	if (serve_prefork)
		serve_prefork();
	pthread_mutex_lock(&switch_lock);
}

void background_postfork(bool child)
{
	if (child) {
		pthread_mutex_init(&switch_lock, NULL);
		pressure_close();
		/* The thread stayed with the parent; the child starts its own. */
		if (running)
			start_locked();
	} else {
		pthread_mutex_unlock(&switch_lock);
	}
	if (serve_postfork)
		serve_postfork(child);
}
