// SPDX-License-Identifier: MIT
#include "pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "cgroup.h"
#include "conf.h"
#include "hollow.h"
#include "kept.h"
#include "limit.h"
#include "os.h"

_Atomic size_t pressure_events, pressure_bytes;

/* --- giving back ---------------------------------------------------------------------------- */

static void ask_threads(void)
{
	atomic_fetch_add_explicit(&ash_limit.asked, 1, memory_order_relaxed);
}

/* Decay keeps nothing until @ms. */
static void press_until(uint64_t ms)
{
	if (atomic_load_explicit(&ash_limit.pressed_until, memory_order_relaxed) < ms)
		atomic_store_explicit(&ash_limit.pressed_until, ms, memory_order_relaxed);
}

static size_t purge_pages(enum purge_scope scope)
{
	return purge_heaps(os_now_ms(), scope);
}

/*
 * What the caller holds forbids more than page heaps: a bin's lock, maybe. A batch for the soft
 * limit; all for the hard one, or where there was no memory to be had.
 */
bool limit_relieve(struct limit_try *try)
{
	if (try->soft && !try->hard && !try->n++) {
		atomic_fetch_add_explicit(&ash_limit.relieved, 1, memory_order_relaxed);
		press_until(os_now_ms() + 1);
		purge_pages(PURGE_DECAY_BATCH);
		return true;
	}
	if (try->n++ < LIMIT_TRIES && purge_pages(PURGE_ALL)) {
		atomic_fetch_add_explicit(&ash_limit.relieved, try->hard, memory_order_relaxed);
		return true;
	}
	if (try->hard) {
		atomic_fetch_add_explicit(&ash_limit.refused, 1, memory_order_relaxed);
		ask_threads();
	}
	return false;
}

size_t pressure_relieve(uint64_t now)
{
	unsigned int n = atomic_load_explicit(&ash_narenas, memory_order_acquire);
	size_t bytes;

	press_until(now + PRESSURE_MS);
	ask_threads();
	for (unsigned int i = 0; i < n; i++)
		arena_age_depots(ash_arenas[i], true);
	bytes = hollow_purge_all(now, PURGE_ALL) << PAGE_SHIFT;
	atomic_fetch_add_explicit(&pressure_events, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&pressure_bytes, bytes, memory_order_relaxed);
	return bytes;
}

/* What heaps had while no limit was set, nobody summed up; @begin: and pages may have been set aside. */
static void sum_up(bool begin)
{
	for (unsigned int i = 0; i < ash_npageheaps; i++) {
		lock_take(&ash_pageheaps[i]->lock);
		if (begin)
			kept_flush(ash_pageheaps[i]);
		limit_note(ash_pageheaps[i]);
		lock_drop(&ash_pageheaps[i]->lock);
	}
}

size_t pressure_heap_size(void)
{
	sum_up(false);
	return limit_size();
}

void pressure_set_soft(size_t bytes)
{
	limit_set_soft(bytes);
	sum_up(true);
}

void pressure_set_hard(size_t bytes)
{
	limit_set_hard(bytes);
	sum_up(true);
}

/* --- what the system says --------------------------------------------------------------------- */

/* The number behind "@key" at the start of a line, or anywhere for one that ends with '='. */
static uint64_t value_of(const char *text, const char *key)
{
	for (const char *at = text; (at = strstr(at, key)); at++) {
		uint64_t v = 0;

		if (at != text && at[-1] != '\n' && at[-1] != ' ')
			continue;
		for (at += strlen(key); *at >= '0' && *at <= '9'; at++)
			v = v * 10 + (uint64_t)(*at - '0');
		return v;
	}
	return 0;
}

bool pressure_judge(struct pressure_seen *seen, const char *events, const char *psi, uint64_t now)
{
	uint64_t count = seen->events, waited = seen->waited;
	bool pressed = false;

	if (events)
		count = value_of(events, "high ") + value_of(events, "max ");
	if (psi)	/* its first line is that of "some" */
		waited = value_of(psi, "total=");
	if (seen->begun) {
		/* Microseconds against milliseconds: a tenth is 100 times. */
		pressed = count > seen->events ||
			  (waited > seen->waited && waited - seen->waited > (now - seen->at) * 100);
	}
	*seen = (struct pressure_seen){ .begun = true, .at = now, .events = count, .waited = waited };
	return pressed;
}

/* --- watching ------------------------------------------------------------------------------------ */

/* Out of the way of programs that expect the lowest free number. */
#define FD_FLOOR	512
/* A tenth of two seconds: of windows that are no multiples of two, only root may ask. */
#define TRIGGER		"some 200000 2000000"
#define RETRY_MS	10000
/* Where nothing tells of pressure by itself. */
#define LOOK_MS		1000

/* A descriptor, and what it was: programs close what they did not open. */
struct watched {
	_Atomic int fd;
	dev_t dev;
	ino_t ino;
};

static struct watched wake = { .fd = -1 }, events = { .fd = -1 }, psi = { .fd = -1 };
/* The waiting thread's own. */
static struct pressure_seen seen;
static bool triggers;		/* psi tells by itself */
static bool opened;
static uint64_t next_open, last_relief;

static bool still_ours(struct watched *w)
{
	struct stat st;

	return w->fd >= 0 && !fstat(w->fd, &st) && st.st_dev == w->dev && st.st_ino == w->ino;
}

static void forget(struct watched *w)
{
	if (still_ours(w))
		os_close(w->fd);
	w->fd = -1;
}

static void keep(struct watched *w, int fd)
{
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_FLOOR);
	struct stat st;

	if (high >= 0) {
		os_close(fd);
		fd = high;
	}
	if (fd >= 0 && fstat(fd, &st)) {
		os_close(fd);
		fd = -1;
	}
	if (fd >= 0) {
		w->dev = st.st_dev;
		w->ino = st.st_ino;
	}
	w->fd = fd;
}

/* A trigger in @path, else the same to read; -1 if neither. */
static int open_psi(const char *path)
{
	int fd = os_open(path, O_RDWR | O_NONBLOCK);

	triggers = fd >= 0 && write(fd, TRIGGER, sizeof(TRIGGER)) > 0;
	if (triggers)
		return fd;
	if (fd >= 0)
		os_close(fd);
	return os_open(path, O_RDONLY);
}

static void open_all(uint64_t now)
{
	char path[1024];
	int fd = -1;

	next_open = now + RETRY_MS;
	opened = true;
	keep(&wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (cgroup_file("memory.events", path, sizeof(path)))
		keep(&events, os_open(path, O_RDONLY));
	if (cgroup_file("memory.pressure", path, sizeof(path)))
		fd = open_psi(path);
	keep(&psi, fd >= 0 ? fd : open_psi("/proc/pressure/memory"));
	if (events.fd < 0 && psi.fd < 0)
		ash_warn("option pressure: neither memory.events nor memory.pressure of the cgroup "
			 "nor /proc/pressure/memory can be read");
}

/* From its start, which also makes poll() wait for the next change. */
static const char *read_again(struct watched *w, char *text, size_t size)
{
	ssize_t n = w->fd < 0 ? -1 : pread(w->fd, text, size - 1, 0);

	if (n <= 0)
		return NULL;
	text[n] = '\0';
	return text;
}

static void check(uint64_t now, bool told)
{
	char one[512], two[256];
	bool pressed = pressure_judge(&seen, read_again(&events, one, sizeof(one)),
				      triggers ? NULL : read_again(&psi, two, sizeof(two)), now);

	if ((pressed || told) && now - last_relief >= PRESSURE_GAP_MS) {
		pressure_relieve(now);
		last_relief = now;
	}
}

bool pressure_wait(int64_t ms)
{
	struct watched *all[] = { &wake, &events, &psi };
	struct pollfd fds[ARRAY_SIZE(all)];
	uint64_t now = os_now_ms(), end;
	uint64_t count;
	bool told;

	if (!conf.pressure) {
		if (opened)
			pressure_close();
		return false;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		if (opened && all[i]->fd >= 0 && !still_ours(all[i])) {
			pressure_close();
			next_open = 0;
		}
	}
	if (!opened && now >= next_open) {
		open_all(now);
		check(now, false);
	}
	if (wake.fd < 0)
		return false;
	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++)
		fds[i] = (struct pollfd){ .fd = all[i]->fd, .events = i ? POLLPRI : POLLIN };
	if (!triggers)
		fds[2].fd = -1;
	end = now + (uint64_t)ms;
	poll(fds, ARRAY_SIZE(fds), (int)min(ms, (int64_t)LOOK_MS));
	now = os_now_ms();
	told = fds[2].fd >= 0 && fds[2].revents & POLLPRI;
	/* The cgroup was removed, or is another's to watch. */
	if (fds[2].revents & (POLLERR | POLLNVAL) && !told)
		pressure_close();
	else
		check(now, told);
	if (fds[0].revents & POLLIN && read(wake.fd, &count, sizeof(count)) < 0)
		forget(&wake);
	/* events change often at the limit: the rest of the gap is slept. */
	if (now < end && now - last_relief < PRESSURE_GAP_MS && !(fds[0].revents & POLLIN))
		poll(fds, 1, PRESSURE_GAP_MS);
	return true;
}

void pressure_wake(void)
{
	uint64_t one = 1;

	if (still_ours(&wake) && write(wake.fd, &one, sizeof(one)) < 0)
		return;
}

void pressure_close(void)
{
	forget(&wake);
	forget(&events);
	forget(&psi);
	opened = triggers = false;
	next_open = 0;
	seen = (struct pressure_seen){ 0 };
}
