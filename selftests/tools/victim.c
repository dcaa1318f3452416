// SPDX-License-Identifier: MIT
/*
 * A program to be asked: it holds BLOCKS blocks of SIZE bytes, says "ready" and its
 * process id, and stays until its standard input ends.
 *
 *	victim [plain|fork|close|exec|conf]
 *
 *	fork	a child of the same heap stays as well and says its id
 *	close	all descriptors but the first three are closed first
 *	exec	a child is forked that becomes another program at once
 *	conf	says whether it has a socket, and ends
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ashlar.h>

#define BLOCKS	60000
#define SIZE	1000

/* As a program may bring it along; ASHLAR_CONF says the same where it is read. */
#ifdef LINKED
const char *ashlar_conf = "ctl_socket:true";
#endif

static void stay(void)
{
	char c;

	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static int tell(void)
{
	bool on = false;
	size_t len = sizeof(on);
	int err = ashlar_ctl("ctl_socket", &on, &len, NULL, 0);

	printf("ctl_socket %s, error %d\n", on ? "on" : "off", err);
	return err != 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "plain";
	static void *blocks[BLOCKS];

	if (!strcmp(mode, "conf"))
		return tell();
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(SIZE);
		if (!blocks[i])
			return 1;
		memset(blocks[i], 1, SIZE);
	}
	/* Room to be purged, and holes in the map. */
	for (int i = BLOCKS / 2; i < BLOCKS; i++)
		free(blocks[i]);
	if (!strcmp(mode, "close"))
		close_range(3, ~0U, 0);
	if (!strcmp(mode, "exec")) {
		if (fork() == 0) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(127);
		}
		wait(NULL);
	}
	if (!strcmp(mode, "fork")) {
		/* The parent's end ends the child: both read the same pipe. */
		if (fork() == 0) {
			stay();
			return 0;
		}
	}
	stay();
	if (!strcmp(mode, "fork"))
		wait(NULL);
	return 0;
}
