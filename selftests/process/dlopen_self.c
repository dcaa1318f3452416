// SPDX-License-Identifier: MIT
/*
 * The prefixed library itself, as a plugin brings it along: opened, used by threads that
 * outlive its dlclose, and opened again. Its blocks stay good.
 * Usage: dlopen_self LIBRARY
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

enum { THREADS = 6, BLOCKS = 1000 };

static void *(*allocate)(size_t size);
static void (*release)(void *p);
static pthread_barrier_t used, closed;

static void open_it(const char *path, void **handle)
{
	*handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CHECK(*handle, "%s", dlerror());
	allocate = (void *(*)(size_t))dlsym(*handle, "ashlar_malloc");
	release = (void (*)(void *))dlsym(*handle, "ashlar_free");
	CHECK(allocate && release);
}

static void *work(void *arg)
{
	static __thread void *blocks[BLOCKS];

	for (size_t i = 0; i < BLOCKS; i++)
		memset(blocks[i] = allocate(i * 30 + 1), 1, i * 30 + 1);
	for (size_t i = 0; i < BLOCKS; i += 2)
		release(blocks[i]);
	pthread_barrier_wait(&used);
	pthread_barrier_wait(&closed);
	/* This thread's cache is given back by a function of the library when it ends. */
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	void *handle;
	int status;
	pid_t pid;

	CHECK(argc == 2, "usage: dlopen_self LIBRARY");
	alarm(60);
	for (int round = 0; round < 20; round++) {
		open_it(argv[1], &handle);
		pthread_barrier_init(&used, NULL, THREADS + 1);
		pthread_barrier_init(&closed, NULL, THREADS + 1);
		for (size_t i = 0; i < THREADS; i++)
			CHECK(!pthread_create(&t[i], NULL, work, NULL));
		pthread_barrier_wait(&used);
		CHECK(!dlclose(handle));
		pid = fork();
		if (!pid)
			_exit(0);
		CHECK(waitpid(pid, &status, 0) == pid && !status);
		pthread_barrier_wait(&closed);
		for (size_t i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
	}
	return 0;
}
