// SPDX-License-Identifier: MIT
/* dlopen and dlclose of a library that uses malloc, from several threads, its blocks outliving it. */
#include <dlfcn.h>
#include <pthread.h>

#include "check.h"

static const char *library;

static void *work(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++) {
		void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
		char *(*copy)(const char *), *p;
		void (*end)(void);

		CHECK(handle, "%s", dlerror());
		copy = (char *(*)(const char *))dlsym(handle, "library_copy");
		end = (void (*)(void))dlsym(handle, "library_end_thread");
		p = copy("text ");
		end();
		dlclose(handle);
		CHECK(!strcmp(p, "text kept"));
		free(p);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[4];

	guard(60);
	CHECK(argc == 2, "usage: dlopen LIBRARY");
	library = argv[1];
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, work, NULL));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	return 0;
}
