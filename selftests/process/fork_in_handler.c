// SPDX-License-Identifier: MIT
/*
 * A process of one thread forks in a signal's handler, wherever the signal found it: in
 * malloc, in free, in fork itself. Both sides go on.
 */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "check.h"

static volatile sig_atomic_t forks;

static void on_tick(int sig)
{
	int saved = errno;
	pid_t pid = fork();
	int status;

	(void)sig;
	if (!pid)
		_exit(7);
	/* Without CHECK(), which prints with stdio. */
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
		abort();
	forks++;
	errno = saved;
}

int main(void)
{
	struct sigaction act = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };
	int status;

	guard(120);
	sigaction(SIGVTALRM, &act, NULL);
	CHECK(!setitimer(ITIMER_VIRTUAL, &every, NULL));
	for (unsigned int i = 0; i < 100000 && forks < 100; i++) {
		exercise(i, 2);
		if (i % 50 == 0) {
			pid_t pid = fork();

			if (!pid) {
				exercise(i, 1);
				_exit(0);
			}
			CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status);
		}
	}
	setitimer(ITIMER_VIRTUAL, &never, NULL);
	CHECK(forks >= 25, "only %d signals came", (int)forks);
	exercise(1, 10);
	return 0;
}
