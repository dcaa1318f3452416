// SPDX-License-Identifier: MIT
/* posix_spawn, vfork and exec, system and popen, from a program whose threads allocate. */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "check.h"

extern char **environ;

static atomic_bool stop;

static void *work(void *arg)
{
	while (!stop)
		exercise((unsigned int)(size_t)arg, 1);
	return NULL;
}

static void wait_for(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status);
}

int main(void)
{
	char *argv[] = { "true", NULL };
	char line[16];
	pthread_t t[2];
	FILE *f;

	guard(120);
	for (size_t i = 0; i < 2; i++)
		CHECK(!pthread_create(&t[i], NULL, work, (void *)i));
	for (int i = 0; i < 60; i++) {
		pid_t pid;

		CHECK(!posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
		wait_for(pid);
		pid = vfork();
		if (!pid) {
			execvp("true", argv);
			_exit(1);
		}
		wait_for(pid);
		if (i % 10)
			continue;
		CHECK(!system("true"));
		f = popen("echo spawned", "r");
		CHECK(f && fgets(line, sizeof(line), f) && !strcmp(line, "spawned\n"));
		CHECK(!pclose(f));
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return 0;
}
