// SPDX-License-Identifier: MIT
/*
 * fork against stdio and malloc: threads that flush all files (they hold the list of
 * them and wait for each), that read lines that grow (they hold a file and call malloc),
 * that open and close files, and that only allocate. fork stops malloc and needs the
 * list too: who takes what first decides whether they ever meet again.
 *
 * Usage: fork_stdio [FORKS [THREADS [child]]]
 *   child	all of it in a child of a process that never had a thread
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "check.h"

enum { THREADS_MAX = 1000 };

static atomic_bool stop;
static char path[] = "/tmp/fork-stdio-XXXXXX";

/* Others get the files, and fork the CPU, only while we sleep. */
static useconds_t pause_us = 1;

static void *read_lines(void *arg)
{
	FILE *f = fopen(path, "r+");

	(void)arg;
	CHECK(f, "%s", strerror(errno));
	while (!stop) {
		char *line = NULL;
		size_t size = 0;

		rewind(f);
		while (getline(&line, &size, f) >= 0 && !stop) {
			free(line);
			line = NULL;
			size = 0;
			usleep(pause_us);
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
		usleep(pause_us);
	}
	return NULL;
}

static void *open_close(void *arg)
{
	(void)arg;
	while (!stop) {
		FILE *f = fopen(path, "r");

		CHECK(f, "%s", strerror(errno));
		fgetc(f);
		fclose(f);
		usleep(pause_us);
	}
	return NULL;
}

static void *allocate(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;

	while (!stop) {
		exercise(++seed, 1);
		usleep(pause_us);
	}
	return NULL;
}

static void child(void)
{
	alarm(60);
	free(seen(malloc(100)));
	exercise(1, 1);
	fclose(fopen("/dev/null", "r"));
	fflush(NULL);
	_exit(0);
}

/* The rest happens in a child; ends with what it ends with. */
static void go_on_in_child(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		return;
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(!status, "the child ended with 0x%x", (unsigned int)status);
	exit(0);
}

int main(int argc, char **argv)
{
	static void *(*const jobs[])(void *) = {
		read_lines, flush_all, open_close, allocate, read_lines, allocate,
	};
	int forks = argc > 1 ? atoi(argv[1]) : 500, threads = argc > 2 ? atoi(argv[2]) : 6;
	static pthread_t t[THREADS_MAX];
	int fd = mkstemp(path);

	CHECK(forks > 0 && threads > 0 && threads <= THREADS_MAX, "usage: fork_stdio [FORKS [THREADS]]");
	if (argc > 3 && !strcmp(argv[3], "child"))
		go_on_in_child();
	guard(120 + (unsigned int)forks / 4);
	CHECK(fd >= 0);
	for (int i = 0; i < 200; i++)
		dprintf(fd, "%*d\n", i * 7, i);
	pause_us = (useconds_t)threads * 20;
	for (int i = 0; i < threads; i++)
		CHECK(!pthread_create(&t[i], NULL, jobs[(size_t)i % (sizeof(jobs) / sizeof(jobs[0]))],
				      (void *)((size_t)i * 1000)));
	for (int i = 0; i < forks; i++) {
		pid_t pid = fork();
		int status;

		if (!pid)
			child();
		CHECK(pid > 0, "fork %d: %s", i, strerror(errno));
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(!status, "child %d of %d ended with 0x%x", i, forks, (unsigned int)status);
	}
	stop = true;
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	unlink(path);
	return 0;
}
