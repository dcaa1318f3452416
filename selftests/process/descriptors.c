// SPDX-License-Identifier: MIT
/*
 * Programs close descriptors that they did not open, and open files that get the same
 * numbers, while other threads allocate. The heap goes on, and the files stay
 * what they were.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static atomic_bool stop;

/* Grows the heap by whole extents again and again, so that the source is asked. */
static void *grow(void *arg)
{
	(void)arg;
	while (!stop) {
		char *p[16];

		for (int i = 0; i < 16; i++) {
			p[i] = malloc(5 * MB);
			CHECK(p[i]);
			memset(p[i], i, 4096);
			p[i][5 * MB - 1] = (char)i;
		}
		for (int i = 0; i < 16; i++) {
			CHECK(p[i][0] == i && p[i][5 * MB - 1] == i);
			free(p[i]);
		}
		malloc_trim(0);
		exercise(1, 1);
	}
	return NULL;
}

int main(void)
{
	char path[] = "/tmp/descriptors-XXXXXX";
	char text[16] = "untouched";
	pthread_t t[2];
	struct stat st;
	int fd;

	guard(120);
	exercise(1, 10);
	fd = mkstemp(path);
	CHECK(fd >= 0 && write(fd, text, sizeof(text)) == sizeof(text));
	CHECK(dup2(fd, 0) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&t[i], NULL, grow, NULL));
	for (int round = 0; round < 300; round++) {
		CHECK(!syscall(SYS_close_range, 3u, ~0u, 0u), "%s", strerror(errno));
		/* Whatever number the library had is this file's now. */
		for (int n = 3; n < 700; n++)
			dup2(0, n);
		exercise((unsigned int)round, 1);
		if (round % 50 == 0) {
			pid_t pid = fork();
			int status;

			if (!pid) {
				exercise(3, 20);
				_exit(0);
			}
			CHECK(waitpid(pid, &status, 0) == pid && !status);
		}
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	memset(text, 0, sizeof(text));
	CHECK(!fstat(0, &st) && st.st_size == sizeof(text), "the file has %ld bytes", (long)st.st_size);
	CHECK(pread(0, text, sizeof(text), 0) == sizeof(text) && !strcmp(text, "untouched"));
	unlink(path);
	return 0;
}
