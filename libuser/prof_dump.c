// SPDX-License-Identifier: MIT
#include "prof_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "conf.h"
#include "pageheap.h"
#include "prof_heap_v2.h"
#include "prof_out.h"
#include "prof_pprof.h"

/* glibc's alone. */
extern const char *strerrordesc_np(int err) __attribute__((weak));

/* Why, as the letter in a file's name. */
enum why { WHY_INTERVAL, WHY_PEAK, WHY_MANUAL, WHY_FINAL, NWHY };

static struct lock dump_lock = LOCK_INIT(RANK_PROF_DUMP);
/* Both guarded by dump_lock. */
static unsigned int sequence, sequences[NWHY];
BULK static char prefix[256];

/* An interval or a peak that is looked out for, and each signal that is not answered. */
_Atomic uint32_t prof_dump_reasons;

static _Atomic uint32_t asked;		/* signals that are not yet answered */
static _Atomic uint64_t bytes_left;	/* of an interval, once it has begun; wraps below 0 */
static _Atomic size_t peak;		/* extents with memory at the last dump of a peak */
static _Atomic bool gdump;
static bool started;			/* files may be written at all; constant once true */

/* --- one dump ------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n >= k && !strcmp(name + n - k, end);
}

static int write_profile(int fd, const char *name, bool pprof)
{
	struct prof_snap *s = prof_snap_take();
	struct prof_out *o = s ? prof_out_begin(fd, pprof && !ends_with(name, ".pb")) : NULL;
	int err = ENOMEM;

	if (o) {
		(pprof ? prof_pprof_write : prof_heap_v2_write)(o, s);
		err = prof_out_end(o);
	}
	if (s)
		prof_snap_free(s);
	return err;
}

/* Under dump_lock. */
static int dump_to(const char *name, bool pprof)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), err;

	if (fd < 0)
		return errno;
	err = write_profile(fd, name, pprof);
	if (close(fd) && !err)
		err = errno;
	return err;
}

static int dump_next(enum why why)
{
	bool pprof = conf.prof_format == FORMAT_PPROF;
	char name[sizeof(prefix) + 64];
	int err;

	lock_take(&dump_lock);
	ash_format(name, sizeof(name), "%s.%d.%u.%c%u.%s", prefix, (int)getpid(), sequence++,
		   "iumf"[why], sequences[why]++,
		   !pprof ? "heap" : prof_out_can_zip() ? "pb.gz" : "pb");
	err = dump_to(name, pprof);
	lock_drop(&dump_lock);
	if (err)
		ash_warn("the heap profile %s cannot be written: %s (option prof_prefix names the place)",
			 name, strerrordesc_np ? strerrordesc_np(err) : "the system refuses");
	return err;
}

int prof_dump(const char *name)
{
	int err, saved = errno;
	bool pprof;

	if (!started)
		return EACCES;
	if (!name)
		return dump_next(WHY_MANUAL);
	pprof = ends_with(name, ".pb.gz") || ends_with(name, ".pb") ||
		(conf.prof_format == FORMAT_PPROF && !ends_with(name, ".heap"));
	lock_take(&dump_lock);
	err = dump_to(name, pprof);
	lock_drop(&dump_lock);
	errno = saved;
	return err;
}

/* --- dumps that are due ------------------------------------------------------------------ */

static void on_signal(int number)
{
	(void)number;
	if (!atomic_exchange(&asked, 1))
		atomic_fetch_add(&prof_dump_reasons, 1);
}

static size_t extents_now(void)
{
	size_t n = 0;

	/* A look without the locks: a peak missed by an extent is met by the next. */
	for (unsigned int i = 0; i < ash_npageheaps; i++)
		n += *(volatile size_t *)&ash_pageheaps[i]->stats.extents;
	return n;
}

static bool interval_over(uint64_t bytes)
{
	uint64_t whole = (uint64_t)1 << conf.lg_prof_interval, left;

	left = atomic_fetch_sub_explicit(&bytes_left, bytes, memory_order_relaxed);
	if (left > bytes)
		return false;
	/* One thread sees the end; what it took too much goes off the next interval. */
	atomic_fetch_add_explicit(&bytes_left, whole * ((bytes - left) / whole + 1),
				  memory_order_relaxed);
	return true;
}

static bool new_peak(void)
{
	size_t now = extents_now(), was = atomic_load_explicit(&peak, memory_order_relaxed);

	return now > was && atomic_compare_exchange_strong(&peak, &was, now);
}

void prof_dump_tick(uint64_t bytes)
{
	int saved = errno;

	if (!started)
		return;
	if (unlikely(atomic_load_explicit(&asked, memory_order_relaxed)) && atomic_exchange(&asked, 0)) {
		atomic_fetch_sub(&prof_dump_reasons, 1);
		dump_next(WHY_MANUAL);
	}
	if (conf.lg_prof_interval >= 0 && bytes && interval_over(bytes))
		dump_next(WHY_INTERVAL);
	if (atomic_load_explicit(&gdump, memory_order_relaxed) && new_peak())
		dump_next(WHY_PEAK);
	errno = saved;
}

void prof_dump_final(void)
{
	if (started)
		dump_next(WHY_FINAL);
}

/* --- settings --------------------------------------------------------------------------------- */

/* A program's own handler stays. */
static void take_signal(int number)
{
	struct sigaction old, act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (sigaction(number, NULL, &old) || old.sa_handler != SIG_DFL || sigaction(number, &act, NULL))
		ash_warn("option prof_signal: signal %d is in use, or cannot be caught", number);
}

void prof_dump_start(void)
{
	if (started || getauxval(AT_SECURE))
		return;
	prof_out_open_zlib();
	if (!prefix[0])
		prof_dump_set_prefix(conf.prof_prefix);
	if (conf.lg_prof_interval >= 0)
		atomic_store(&bytes_left, (uint64_t)1 << conf.lg_prof_interval);
	if (conf.lg_prof_interval >= 0)
		atomic_fetch_add(&prof_dump_reasons, 1);
	prof_dump_set_gdump(conf.prof_gdump);
	started = true;
	if (conf.prof_signal)
		take_signal((int)conf.prof_signal);
}

bool prof_dump_gdump(void)
{
	return atomic_load(&gdump);
}

void prof_dump_set_gdump(bool on)
{
	if (atomic_exchange(&gdump, on) != on)
		atomic_fetch_add(&prof_dump_reasons, on ? 1 : -1u);
}

bool prof_dump_set_prefix(const char *text)
{
	if (strlen(text) >= sizeof(prefix))
		return false;
	lock_take(&dump_lock);
	ash_format(prefix, sizeof(prefix), "%s", text);
	lock_drop(&dump_lock);
	return true;
}

void prof_dump_pause(bool on)
{
	if (on)
		lock_take(&dump_lock);
	else
		lock_drop(&dump_lock);
}

/* --- fork ------------------------------------------------------------------------------------- */

void prof_dump_prefork(void)
{
	lock_take(&dump_lock);
}

void prof_dump_postfork(bool child)
{
	if (child)
		lock_init(&dump_lock, RANK_PROF_DUMP);
	else
		lock_drop(&dump_lock);
}
