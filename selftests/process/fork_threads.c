// SPDX-License-Identifier: MIT
/*
 * Forks while four threads allocate. Both sides go on: the child allocates, starts
 * a thread, and now and then forks once more. Usage: fork_threads [FORKS]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "check.h"

static atomic_bool stop;

static void *work(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;

	while (!stop)
		exercise(++seed, 2);
	return NULL;
}

static void *child_thread(void *arg)
{
	exercise((unsigned int)(size_t)arg, 1);
	return NULL;
}

static void wait_for(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(!status, "child %d ended with 0x%x", (int)pid, (unsigned int)status);
}

static void child(unsigned int i, int *block)
{
	pthread_t t;

	alarm(60);
	CHECK(*block == 42);
	free(block);
	exercise(i, 1);
	if (i % 8 == 0) {
		CHECK(!pthread_create(&t, NULL, child_thread, (void *)(size_t)i));
		pthread_join(t, NULL);
	}
	if (i % 16 == 1) {
		pid_t pid = fork();

		if (!pid) {
			exercise(i + 1, 1);
			_exit(0);
		}
		wait_for(pid);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned int forks = argc > 1 ? (unsigned int)atoi(argv[1]) : 400;
	pthread_t t[4];

	guard(240);
	for (size_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, work, (void *)(i * 1000)));
	for (unsigned int i = 0; i < forks; i++) {
		int *block = malloc(i % 3000 + sizeof(int));
		pid_t pid;

		*block = 42;
		pid = fork();
		CHECK(pid >= 0, "%s", strerror(errno));
		if (!pid)
			child(i, block);
		wait_for(pid);
		free(block);
	}
	stop = true;
	for (size_t i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	exercise(1, 4);
	return 0;
}
