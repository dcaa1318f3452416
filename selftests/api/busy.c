// SPDX-License-Identifier: MIT
/*
 * Figures are taken, reports printed and memory purged while threads come, allocate, hand
 * blocks over and go, and while the process forks: nothing breaks, and when they
 * rest the figures are exact again.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ashlar.h>

#include "tap.h"

#define WORKERS	4
#define SHELF	512

static _Atomic(void *) shelf[SHELF];
static atomic_bool stop;
static atomic_ulong rounds;

static void *short_lived(void *arg)
{
	free(atomic_exchange(&shelf[(size_t)arg % SHELF], malloc(3000)));
	return NULL;
}

static void *worker(void *arg)
{
	unsigned long seed = (unsigned long)arg + 1;

	while (!stop) {
		for (int i = 0; i < 500; i++) {
			size_t n;

			seed = seed * 6364136223846793005u + 1442695040888963407u;
			n = (seed >> 40) % 64 ? (seed >> 33) % 3000 : (seed >> 33) % (300 * KB);
			free(atomic_exchange(&shelf[(seed >> 20) % SHELF], malloc(n)));
		}
		rounds++;
	}
	return NULL;
}

static size_t size_of(const char *name)
{
	size_t v = 0, len = sizeof(v);

	ashlar_ctl(name, &v, &len, NULL, 0);
	return v;
}

static void epoch(void)
{
	uint64_t e = 1;

	ashlar_ctl("epoch", NULL, NULL, &e, sizeof(e));
}

static void count(void *arg, const char *text)
{
	*(size_t *)arg += strlen(text);
}

static bool look(int i)
{
	size_t printed = 0;
	FILE *null = fopen("/dev/null", "w");
	bool on = i % 2;

	epoch();
	ashlar_stats_print(count, &printed, NULL);
	malloc_info(0, null);
	fclose(null);
	ashlar_purge();
	ashlar_ctl("background_thread", NULL, NULL, &on, sizeof(on));
	/* Off by what is under way, and never wild. */
	return printed > 1000 && size_of("stats.allocated") <= size_of("stats.mapped") + MB &&
	       size_of("stats.resident") < 4096 * MB && size_of("stats.allocated") < 4096 * MB &&
	       size_of("stats.arenas.4096.pactive") < 1 << 20;
}

int main(void)
{
	pthread_t t[WORKERS], one;
	bool sane = true, children = true;
	size_t before;

	epoch();
	before = size_of("stats.allocated");
	for (size_t i = 0; i < WORKERS; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (int i = 0; i < 200; i++) {
		pthread_create(&one, NULL, short_lived, (void *)(size_t)i);
		sane &= look(i);
		pthread_join(one, NULL);
		if (i % 20 == 0) {
			int status;
			pid_t pid = fork();

			if (!pid)
				_exit(!look(0));
			waitpid(pid, &status, 0);
			children &= status == 0;
		}
	}
	stop = true;
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(t[i], NULL);
	printf("# %lu rounds of 500 exchanges\n", rounds);
	OK(sane, "figures, reports and purges while threads work");
	OK(children, "and in children forked meanwhile");
	for (size_t i = 0; i < SHELF; i++)
		free(shelf[i]);
	ashlar_ctl("background_thread", NULL, NULL, &(bool){ false }, 1);
	epoch();
	/* stdio, and libc's stacks and TLS of ended threads. */
	OK(size_of("stats.allocated") - before < 64 * KB, "in the end all is free", "%zu and %zu", before,
	   size_of("stats.allocated"));
	return tap_end();
}
