// SPDX-License-Identifier: MIT
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "alias.h"
#include "ashlar.h"
#include "background.h"
#include "conf.h"
#include "lock.h"
#include "report.h"
#include "rundir.h"
#include "stats.h"

/* Out of the way of programs that expect the lowest free number. */
#define FD_FLOOR	512
/* A client that neither sends nor reads for so long is left. */
#define PATIENCE_S	5

/* Serialises switching; held over thread creation, which allocates. */
static pthread_mutex_t switch_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;		/* guarded by switch_lock, like running */
static bool running;
static _Atomic uint32_t stop;		/* futex word: 1 ends the thread */

/* Written by the serving thread before it first waits, read by stop and exit. */
static _Atomic int listener = -1;
static ino_t listener_inode;
static char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
static _Atomic pid_t path_owner;	/* who may remove it; 0: nobody yet */

/* Where an answer goes: a connection, through a buffer. One thread serves, so one exists. */
struct answer {
	int fd;
	bool broken;		/* the other side is gone: nothing more is sent */
	size_t len;
	char buf[4096];
};

/* Over making the path and removing it: the process may end while it is being made. */
static pthread_mutex_t path_lock = PTHREAD_MUTEX_INITIALIZER;

BULK static struct answer the_answer;

/* --- what is said -------------------------------------------------------------------- */

static void flush(struct answer *a)
{
	size_t done = 0;

	while (done < a->len && !a->broken) {
		ssize_t n = send(a->fd, a->buf + done, a->len - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			a->broken = true;
	}
	a->len = 0;
}

static void answer_bytes(struct answer *a, const char *s, size_t len)
{
	while (len) {
		size_t n = min(len, sizeof(a->buf) - a->len);

		memcpy(a->buf + a->len, s, n);
		a->len += n;
		s += n;
		len -= n;
		if (a->len == sizeof(a->buf))
			flush(a);
	}
}

/* report_print()'s write has this form. */
static void answer_text(void *answer, const char *text)
{
	answer_bytes(answer, text, strlen(text));
}

static __attribute__((format(printf, 2, 3)))
void answer_format(struct answer *a, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	ash_vformat(line, sizeof(line), fmt, ap);
	va_end(ap);
	answer_text(a, line);
}

/* --- requests ------------------------------------------------------------------------ */

static void say_hello(struct answer *a)
{
	answer_format(a, "ok\nversion " ASHLAR_VERSION "\npid %d\nbackend %s\n", (int)getpid(),
		      stats_backend());
}

static const struct {
	const char *name;
	size_t offset;		/* of a size_t in struct stats */
} totals[] = {
#define TOTAL(field)	{ #field, offsetof(struct stats, field) }
	TOTAL(allocated), TOTAL(small), TOTAL(large), TOTAL(cached), TOTAL(active), TOTAL(dirty),
	TOTAL(muzzy), TOTAL(lazy), TOTAL(metadata), TOTAL(resident), TOTAL(mapped),
	TOTAL(retained), TOTAL(extents), TOTAL(huge), TOTAL(device), TOTAL(fallbacks),
	TOTAL(purges), TOTAL(purged), TOTAL(lazily_purged), TOTAL(purge_calls),
	TOTAL(punched), TOTAL(mended), TOTAL(moved), TOTAL(fills), TOTAL(flushes),
	TOTAL(threads), TOTAL(arenas),
#undef TOTAL
};

/* Cheap: what a watcher asks of every process each second or two. */
static void say_totals(struct answer *a)
{
	struct stats s;

	stats_collect(&s);
	s.resident = stats_resident();
	answer_text(a, "ok\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(totals); i++)
		answer_format(a, "%s %zu\n", totals[i].name,
			      *(const size_t *)((const char *)&s + totals[i].offset));
}

static void say_json(struct answer *a)
{
	answer_text(a, "ok\n");
	report_print(answer_text, a, "J");
}

static void say_openmetrics(struct answer *a)
{
	answer_text(a, "ok\n");
	report_print(answer_text, a, "M");
}

static void say_text(struct answer *a)
{
	answer_text(a, "ok\n");
	report_print(answer_text, a, NULL);
}

static void say_options(struct answer *a)
{
	char value[CONF_TEXT_MAX];

	answer_text(a, "ok\n");
	for (unsigned int i = 0; i < conf_nrows; i++) {
		conf_show(&conf_rows[i], value, sizeof(value));
		answer_format(a, "%s:%s\t", conf_rows[i].key, value);
		answer_format(a, "%s\n", conf_origin(&conf_rows[i]));
	}
}

static void say_purge(struct answer *a)
{
	size_t bytes = ashlar_purge();

	answer_format(a, "ok\npurged %zu\n", bytes);
}

/* The extents, and nothing else of the report. */
static void say_map(struct answer *a)
{
	answer_text(a, "ok\n");
	report_print(answer_text, a, "JEgnablo");
}

/* The whole file, which is removed: the client keeps it under its own name and rights. */
static void send_file(struct answer *a, const char *name)
{
	char piece[1024];
	ssize_t n;
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	unlink(name);
	if (fd < 0) {
		answer_format(a, "error the profile was not written (errno %d)\n", errno);
		return;
	}
	answer_text(a, "ok\n");
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		answer_bytes(a, piece, (size_t)n);
	close(fd);
}

static void say_profile(struct answer *a)
{
	char name[sizeof(path) + 8];
	const char *where = name;
	int err;

	ash_format(name, sizeof(name), "%s.heap", path);
	unlink(name);
	err = ashlar_ctl("prof.dump", NULL, NULL, &where, sizeof(where));
	if (err == 0)
		send_file(a, name);
	else if (err == ENOENT)
		answer_text(a, "error this process is not profiled: start it with prof:true\n");
	else
		answer_format(a, "error prof.dump failed with errno %d; is prof:true set?\n", err);
}

static const struct request {
	const char *line;
	void (*say)(struct answer *a);
} requests[] = {
	{ "hello", say_hello }, { "totals", say_totals }, { "stats text", say_text },
	{ "stats json", say_json }, { "stats openmetrics", say_openmetrics }, { "map", say_map },
	{ "options", say_options }, { "purge", say_purge },
	{ "profile", say_profile },
};

static void respond(struct answer *a, const char *line)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!strcmp(requests[i].line, line)) {
			requests[i].say(a);
			return;
		}
	}
	answer_text(a, "error unknown request; this is libashlar " ASHLAR_VERSION "\n");
}

/* --- connections ----------------------------------------------------------------------- */

/* One line without its newline; false if none came. */
static bool read_line(int fd, char *line, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		ssize_t n = recv(fd, line + len, size - 1 - len, 0);
		char *end;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		len += (size_t)n;
		line[len] = '\0';
		end = strchr(line, '\n');
		if (end) {
			*end = '\0';
			return true;
		}
	}
	return false;
}

/* This process's user, as it is now, and root; nobody else, whatever the directory's mode. */
static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void serve_one(int fd)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct answer *a = &the_answer;
	char line[SERVE_LINE];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	a->fd = fd;
	a->len = 0;
	a->broken = false;
	/* Read by all: who is closed upon with something unread does not see the answer. */
	if (!read_line(fd, line, sizeof(line)))
		answer_text(a, "error a request is one line of at most 127 bytes\n");
	else if (!may_ask(fd))
		answer_text(a, "error only the process's own user and root may ask\n");
	else
		respond(a, line);
	flush(a);
	/* The end for the client, though a child forked meanwhile has the descriptor too. */
	shutdown(fd, SHUT_WR);
}

/* --- the socket -------------------------------------------------------------------------- */

/* Under path_lock. */
static int make_listener(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[sizeof(addr.sun_path) - 32];
	struct stat st;
	int fd, high;

	if (!rundir_choose(dir, sizeof(dir))) {
		ash_warn("option ctl_socket: %s is not a directory of this user alone (mode 0700)",
			 dir);
		return -1;
	}
	ash_format(addr.sun_path, sizeof(addr.sun_path), "%s/%d%s.sock", dir, (int)getpid(),
		   ASHLAR_OVERRIDE ? "" : "-prefixed");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	high = fcntl(fd, F_DUPFD_CLOEXEC, FD_FLOOR);
	if (high >= 0) {
		close(fd);
		fd = high;
	}
	/* A process that had our number and was killed left it; nobody else writes here. */
	unlink(addr.sun_path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 8) || fstat(fd, &st)) {
		ash_warn("option ctl_socket: cannot listen on %s (errno %d)", addr.sun_path, errno);
		close(fd);
		return -1;
	}
	listener_inode = st.st_ino;
	memcpy(path, addr.sun_path, sizeof(path));
	atomic_store(&path_owner, getpid());
	return fd;
}

static int open_listener(void)
{
	int fd = -1;

	pthread_mutex_lock(&path_lock);
	if (!atomic_load(&stop))
		fd = make_listener();
	pthread_mutex_unlock(&path_lock);
	return fd;
}

/* Programs close descriptors they did not open, and get the number for a file of theirs. */
static bool still_ours(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == listener_inode;
}

static void *work(void *delay)
{
	int fd = -1;

	prctl(PR_SET_NAME, "ashlar-ctl");
	if (delay)
		futex_wait_ms(&stop, 0, SERVE_CHILD_MS);
	while (!atomic_load(&stop)) {
		struct pollfd p;
		int connection;

		if (!still_ours(fd)) {
			fd = open_listener();
			atomic_store(&listener, fd);
			if (fd < 0)
				break;
		}
		p = (struct pollfd){ .fd = fd, .events = POLLIN };
		poll(&p, 1, -1);
		if (atomic_load(&stop) || !still_ours(fd))
			continue;
		connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (connection < 0)
			continue;
		serve_one(connection);
		close(connection);
	}
	return NULL;
}

/* Only by the process that made it: a child has its parent's path until it has its own. */
static void remove_path(void)
{
	if (atomic_load(&path_owner) == getpid()) {
		unlink(path);
		atomic_store(&path_owner, 0);
	}
}

static void close_listener(void)
{
	int fd = atomic_exchange(&listener, -1);

	if (still_ours(fd))
		close(fd);
}

/* --- switching ------------------------------------------------------------------------------ */

/* Under switch_lock. The program's signals are not for this thread. */
static bool start_locked(bool delay)
{
	static char yes;
	sigset_t all, old;

	atomic_store(&stop, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	running = pthread_create(&thread, NULL, work, delay ? &yes : NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return running;
}

static void stop_locked(void)
{
	int fd = atomic_load(&listener);

	atomic_store(&stop, 1);
	futex_wake_all(&stop);
	/* Ends its poll(); one that has not begun yet returns at once. */
	if (still_ours(fd))
		shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	running = false;
	remove_path();
	close_listener();
}

bool serve_set(bool on)
{
	bool ok = true;

	if (getauxval(AT_SECURE))
		return !on;
	pthread_mutex_lock(&switch_lock);
	if (on && !running)
		ok = start_locked(false);
	else if (!on && running)
		stop_locked();
	pthread_mutex_unlock(&switch_lock);
	return ok;
}

bool serve_running(void)
{
	return running;
}

AT_START void serve_start(void)
{
	if (conf.ctl_socket && !serve_set(true))
		ash_warn("option ctl_socket: not in a set-uid program, or the thread cannot be created");
}

void serve_prefork(void)
{
	pthread_mutex_lock(&switch_lock);
}

void serve_postfork(bool child)
{
	if (!child) {
		pthread_mutex_unlock(&switch_lock);
		return;
	}
	pthread_mutex_init(&switch_lock, NULL);
	pthread_mutex_init(&path_lock, NULL);
	close_listener();
	if (running)
		start_locked(true);
}

__attribute__((destructor)) static void leave(void)
{
	pthread_mutex_lock(&path_lock);
	atomic_store(&stop, 1);
	remove_path();
	pthread_mutex_unlock(&path_lock);
}
