// SPDX-License-Identifier: MIT
/*
 * fork against stdio: a thread flushes all files (it holds the list of them and
 * waits for each), others read lines that grow (they hold a file and call malloc).
 * fork stops malloc and needs the list too: who takes what first decides whether
 * they ever meet again.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "check.h"

enum { FORKS = 500 };

static atomic_bool stop;
static char path[] = "/tmp/fork-stdio-XXXXXX";

static void *read_lines(void *arg)
{
	FILE *f = fopen(path, "r+");

	(void)arg;
	CHECK(f);
	while (!stop) {
		char *line = NULL;
		size_t size = 0;

		rewind(f);
		while (getline(&line, &size, f) >= 0) {
			free(line);
			line = NULL;
			size = 0;
			usleep(1);	/* else nobody else gets the file */
		}
		free(line);
	}
	fclose(f);
	return NULL;
}

static void *flush_all(void *arg)
{
	(void)arg;
	while (!stop) {
		fflush(NULL);
		usleep(1);
	}
	return NULL;
}

static void *open_close(void *arg)
{
	(void)arg;
	while (!stop) {
		FILE *f = fopen(path, "r");

		CHECK(f);
		fgetc(f);
		fclose(f);
		usleep(1);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[6];
	int fd = mkstemp(path);

	guard(120);
	CHECK(fd >= 0);
	for (int i = 0; i < 200; i++)
		dprintf(fd, "%*d\n", i * 7, i);
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_create(&t[i], NULL, read_lines, NULL));
	for (int i = 3; i < 5; i++)
		CHECK(!pthread_create(&t[i], NULL, flush_all, NULL));
	CHECK(!pthread_create(&t[5], NULL, open_close, NULL));
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			alarm(30);
			free(seen(malloc(100)));
			fclose(fopen("/dev/null", "r"));
			_exit(0);
		}
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
		CHECK(!status, "child %d of %d ended with 0x%x", i, FORKS, (unsigned int)status);
	}
	stop = true;
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	unlink(path);
	return 0;
}
