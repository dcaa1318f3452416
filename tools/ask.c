// SPDX-License-Identifier: MIT
#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "process.h"

#define PATIENCE_MS	10000
#define STEP_MS		20
#define APPEAR_MS	400

/* Its number in its own namespace: what it calls itself. */
static pid_t inner_pid(pid_t pid)
{
	char path[64], line[256];
	pid_t inner = pid;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *last = strrchr(line, '\t');

		if (!strncmp(line, "NSpid:", 6) && last)
			inner = (pid_t)atoi(last + 1);
	}
	if (file)
		fclose(file);
	return inner;
}

/* Is @path the socket of the process that calls itself @inner? */
static bool is_socket_of(const char *path, pid_t inner)
{
	char name[2][32];
	const char *slash = strrchr(path, '/');

	snprintf(name[0], sizeof(name[0]), "/%d.sock", (int)inner);
	snprintf(name[1], sizeof(name[1]), "/%d-prefixed.sock", (int)inner);
	return slash && strstr(path, "/ashlar") && (!strcmp(slash, name[0]) || !strcmp(slash, name[1]));
}

/* The kernel knows each socket's path, whatever $XDG_RUNTIME_DIR the process had. */
static bool find_socket(pid_t pid, char *path, size_t size)
{
	pid_t inner = inner_pid(pid);
	char file[64], *line = NULL;
	size_t room = 0;
	bool found = false;
	FILE *list;

	snprintf(file, sizeof(file), "/proc/%d/net/unix", (int)pid);
	list = fopen(file, "re");
	while (list && !found && getline(&line, &room, list) > 0) {
		char *start = strchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		if (start && is_socket_of(start, inner) && strlen(start) < size) {
			strcpy(path, start);
			found = true;
		}
	}
	free(line);
	if (list)
		fclose(list);
	return found;
}

/*
 * The same, for up to @ms: a process that has only just started, or whose descriptors
 * were all closed, needs a moment.
 */
static bool wait_for_socket(pid_t pid, char *path, size_t size, unsigned int ms)
{
	for (unsigned int waited = 0; !find_socket(pid, path, size); waited += STEP_MS) {
		if (waited >= ms)
			return false;
		poll(NULL, 0, STEP_MS);
	}
	return true;
}

/* Connected to @pid itself, of user @uid, and to nobody who put a socket in its place; else -errno. */
static int connect_to(const char *path, pid_t pid, uid_t uid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd, err = EPERM;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err = errno;
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == pid &&
		 (peer.uid == uid || peer.uid == 0))
		return fd;
	close(fd);
	return -err;
}

/* By the path as it is, else as the process sees it: it may live in a container. */
static int open_socket(const struct process *p, const char *path)
{
	char inside[sizeof(((struct sockaddr_un *)0)->sun_path) + 32];
	int fd = connect_to(path, p->pid, p->uid);

	if (fd >= 0)
		return fd;
	snprintf(inside, sizeof(inside), "/proc/%d/root%s", (int)p->pid, path);
	return connect_to(inside, p->pid, p->uid);
}

/* Everything up to the end; NULL: errno. */
static char *read_all(int fd, size_t *len)
{
	size_t room = 1 << 16, n = 0;
	char *text = malloc(room);

	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (text && n + 1 == room) {
			char *more = realloc(text, room *= 2);

			if (!more)
				free(text);
			text = more;
		}
		if (!text)
			return NULL;
		if (poll(&wait, 1, PATIENCE_MS) == 0) {
			errno = ETIMEDOUT;
			break;
		}
		got = read(fd, text + n, room - n - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		if (got == 0) {
			text[n] = '\0';
			*len = n;
			return text;
		}
		n += (size_t)got;
	}
	free(text);
	return NULL;
}

static char *exchange(int fd, const char *request, size_t *len)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "%s\n", request);

	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return NULL;
	return read_all(fd, len);
}

static void explain_no_socket(const struct process *p, char *why, size_t size)
{
	struct process full;

	if (!process_read(p->pid, &full))
		snprintf(why, size, "process %d (%s) is not yours to look at: ask as its user or as root",
			 (int)p->pid, p->name);
	else if (!full.library)
		snprintf(why, size, "process %d (%s) does not use libashlar.so", (int)p->pid, p->name);
	else
		snprintf(why, size, "process %d (%s) has no socket to be asked on: start it by 'ashlarctl run' or with ASHLAR_CONF=ctl_socket:true; 'ashlarctl ps %d' looks at it from outside",
			 (int)p->pid, p->name, (int)p->pid);
}

/* @appear_ms: how long to wait for a socket that is not there yet. */
static char *ask_for(pid_t pid, const char *request, size_t *len, char *why, size_t size,
		     unsigned int appear_ms)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *text = NULL;
	struct process p;
	size_t n = 0;
	int fd = -1;

	if (!process_find(pid, &p)) {
		snprintf(why, size, "there is no process %d", (int)pid);
		return NULL;
	}
	/* Twice: a process whose descriptors were all closed opens its socket anew when asked. */
	for (unsigned int i = 0; i < 2 && !text; i++) {
		if (!wait_for_socket(pid, path, sizeof(path), i ? APPEAR_MS : appear_ms)) {
			explain_no_socket(&p, why, size);
			return NULL;
		}
		fd = open_socket(&p, path);
		if (fd < 0)
			continue;
		text = exchange(fd, request, &n);
		close(fd);
		if (text && !n) {
			free(text);
			text = NULL;
		}
	}
	if (fd == -EACCES || fd == -EPERM)
		snprintf(why, size, "process %d (%s) answers only its own user and root", (int)pid,
			 p.name);
	else if (!text)
		snprintf(why, size, "process %d (%s) does not answer on %s: %s", (int)pid, p.name, path,
			 fd < 0 ? strerror(-fd) : strerror(errno ? errno : EPIPE));
	if (!text)
		return NULL;
	if (n >= 3 && !strncmp(text, "ok\n", 3)) {
		memmove(text, text + 3, n - 2);
		if (len)
			*len = n - 3;
		return text;
	}
	text[strcspn(text, "\n")] = '\0';
	snprintf(why, size, "process %d (%s) says: %s", (int)pid, p.name,
		 strncmp(text, "error ", 6) ? text : text + 6);
	free(text);
	return NULL;
}

char *ask(pid_t pid, const char *request, size_t *len, char *why, size_t size)
{
	return ask_for(pid, request, len, why, size, 0);
}

char *ask_or_fail(pid_t pid, const char *request, size_t *len)
{
	char why[512];
	char *text = ask_for(pid, request, len, why, sizeof(why), APPEAR_MS);

	if (!text)
		fail("%s", why);
	return text;
}

int64_t answer_value(const char *answer, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = answer; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ' ')
			return strtoll(line + len, NULL, 10);
	}
	return 0;
}

struct json_object *totals_json(pid_t pid)
{
	char why[512], *text = ask(pid, "totals", NULL, why, sizeof(why)), *rest, *line;
	struct json_object *object;

	if (!text)
		return NULL;
	object = json_object_new_object();
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *space = strchr(line, ' ');

		if (!space)
			continue;
		*space = '\0';
		json_number(object, line, strtoll(space + 1, NULL, 10));
	}
	free(text);
	return object;
}
