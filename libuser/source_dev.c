// SPDX-License-Identifier: MIT
/*
 * Extents from /dev/ashlar. The kernel names memory by address, so that any
 * descriptor of the device serves; ours may have been closed by the program
 * (close_range) and its number may be somebody else's file by now. It is
 * therefore looked at before each use, and opened again when it is not ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/ashlar.h>

#include "conf.h"
#include "lock.h"
#include "nodes.h"
#include "os.h"
#include "source.h"
#include "source_dev.h"

/*
 * The device is mapped ahead of use in steps of this many bytes: one mapping
 * for many extents, and a core dump walks no further.
 */
#define CHUNK		(64 * EXTENT_SIZE)

/* Out of the way of programs that expect the lowest free number. */
#define FD_FLOOR	512

_Static_assert(ASHLAR_EXTENT_SIZE == EXTENT_SIZE, "one extent size");
_Static_assert(sizeof(struct ashlar_alloc) == 32, "ABI");
_Static_assert(sizeof(struct ashlar_purge) == 32, "ABI");

static struct lock dev_lock = LOCK_INIT(RANK_SOURCE);

/* Guarded by dev_lock. */
static int dev_fd = -1;
static struct stat dev_id;	/* what the descriptor was when it was opened */
static bool dev_refused;	/* no such device: not tried again */
static bool dev_used;		/* something is or was mapped from it */

/* The device purges lazily. */
static _Atomic bool dev_lazy;

/* The first byte of the device that was mapped: it names the heap. 0: none yet. */
static _Atomic uintptr_t dev_first;

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_rdev == b->st_rdev;
}

static bool speaks_ashlar(int fd)
{
	struct ashlar_info info = { .size = sizeof(info) };

	if (ioctl(fd, ASHLAR_IOC_INFO, &info) || info.extent_size != EXTENT_SIZE ||
	    !(info.abilities & ASHLAR_CAN_FORK_COW))
		return false;
	atomic_store_explicit(&dev_lazy, info.abilities & ASHLAR_CAN_PURGE_LAZY,
			      memory_order_relaxed);
	return true;
}

static int open_device(void)
{
	int fd = os_open("/dev/ashlar", O_RDWR), high;

	if (fd < 0)
		return -1;
	if (fstat(fd, &dev_id) || !S_ISCHR(dev_id.st_mode) || !speaks_ashlar(fd)) {
		os_close(fd);
		return -1;
	}
	high = fcntl(fd, F_DUPFD_CLOEXEC, FD_FLOOR);
	if (high >= 0) {
		os_close(fd);
		fd = high;
	}
	return fd;
}

/* A descriptor that is the device's right now, or -1. */
static int usable_fd(void)
{
	struct stat now;
	int fd;

	lock_take(&dev_lock);
	if (dev_fd >= 0 && (fstat(dev_fd, &now) || !same_file(&now, &dev_id)))
		dev_fd = -1;	/* closed behind our back: not ours to close */
	if (dev_fd < 0 && !dev_refused) {
		dev_fd = open_device();
		dev_refused = dev_fd < 0;
	}
	fd = dev_fd;
	lock_drop(&dev_lock);
	return fd;
}

AT_START int source_device_fd(void)
{
	int saved = errno, fd = usable_fd();

	errno = saved;
	return fd;
}

AT_START static bool dev_ready(void)
{
	return !dev_refused && source_device_fd() >= 0;
}

/*
 * Map the device where it is not yet. The offset is the address itself: unique
 * in this process and equal to the address modulo EXTENT_SIZE.
 */
static bool map_range(int fd, char *addr, size_t len)
{
	uintptr_t none = 0;

	dev_used = true;
	if (mmap(addr, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)(uintptr_t)addr) == MAP_FAILED)
		return false;
	atomic_compare_exchange_strong(&dev_first, &none, (uintptr_t)addr);
	return true;
}

static size_t commit_from(int fd, char *addr, size_t len, int node, uint32_t flags)
{
	struct ashlar_range range = { .addr = (uintptr_t)addr, .length = len };
	struct ashlar_alloc arg = {
		.size = sizeof(arg),
		.flags = flags | (numa_strict() ? ASHLAR_ALLOC_STRICT : 0),
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
		.node = node,
	};

	if (ioctl(fd, ASHLAR_IOC_ALLOC, &arg))
		return 0;
	return arg.done << EXTENT_SHIFT;
}

/*
 * From the nodes that may serve, the heap's own first; where they are to take turns, extent by
 * extent. errno is ENXIO where the device is not mapped yet.
 */
static size_t commit_at(int fd, char *addr, size_t len, unsigned int node, uint32_t flags)
{
	size_t step = ash_numa.rule == NUMA_SPREAD ? EXTENT_SIZE : len, done = 0, want;
	int from;

	for (want = 0; done == want && want < len;) {
		want = min(done + step, len);
		for (unsigned int i = 0; done < want && (from = numa_choice(node, i)) != NUMA_NO_MORE; i++) {
			errno = 0;
			done += commit_from(fd, addr + done, want - done, from, flags);
			if (errno == ENXIO)
				break;
		}
	}
	return done;
}

/* A plain reservation again, for another source, with the window's policy. */
static void leave_range(char *addr, size_t len, unsigned int node)
{
	if (os_remap_none(addr, len))
		numa_place(addr, len, node);
}

static size_t dev_commit(char *addr, size_t len, size_t room, unsigned int node, bool huge)
{
	int saved = errno, fd = source_device_fd();
	size_t done = 0;

	(void)huge;
	if (fd < 0) {
		leave_range(addr, len, node);
		errno = saved;
		return 0;
	}
	/*
	 * An extent that was the device's stays mapped by it; a fresh one is
	 * not ours yet (ENXIO). Try first: it is the common case.
	 */
	done = commit_at(fd, addr, len, node, 0);
	if (done < len && errno == ENXIO &&
	    map_range(fd, addr + done, min(round_up(len - done, CHUNK), len - done + room)))
		done += commit_at(fd, addr + done, len - done, node, 0);
	if (done < len)
		leave_range(addr + done, len - done, node);
	errno = saved;
	return done;
}

static bool purge_as(const struct source_range *ranges, unsigned int n, uint32_t flags)
{
	struct ashlar_range r[SOURCE_DEVICE_BATCH];
	int saved = errno, fd = source_device_fd();
	bool ok = fd >= 0;

	for (unsigned int done = 0; done < n && ok;) {
		unsigned int k = 0;
		struct ashlar_purge arg = {
			.size = sizeof(arg),
			.flags = flags,
			.ranges = (uintptr_t)r,
		};

		for (; k < SOURCE_DEVICE_BATCH && done + k < n; k++) {
			r[k].addr = (uintptr_t)ranges[done + k].addr;
			r[k].length = ranges[done + k].len;
		}
		arg.nr_ranges = k;
		ok = ioctl(fd, ASHLAR_IOC_PURGE, &arg) == 0;
		atomic_fetch_add_explicit(&source_purge_calls, 1, memory_order_relaxed);
		done += k;
	}
	errno = saved;
	return ok;
}

/*
 * One call for all of its runs: the module copies what the first one leaves, and what
 * a second call names would have been copied in vain.
 */
static bool dev_punch(char *extent, const struct bits *pages)
{
	struct ashlar_range r[EXTENT_PAGES / 2];
	struct ashlar_punch arg = { .size = sizeof(arg), .ranges = (uintptr_t)r };
	int saved = errno, fd = source_device_fd();
	bool ok;

	for (unsigned int at = 0, end;; at = end) {
		at = bits_next(pages, at, true);
		if (at == BITS_COUNT)
			break;
		end = bits_next(pages, at, false);
		r[arg.nr_ranges++] = (struct ashlar_range){
			.addr = (uintptr_t)extent + ((size_t)at << PAGE_SHIFT),
			.length = (size_t)(end - at) << PAGE_SHIFT,
		};
	}
	ok = fd >= 0 && ioctl(fd, ASHLAR_IOC_PUNCH, &arg) == 0;
	atomic_fetch_add_explicit(&source_purge_calls, 1, memory_order_relaxed);
	errno = saved;
	return ok;
}

static bool dev_mend(char *addr, size_t len)
{
	struct ashlar_range range = { .addr = (uintptr_t)addr, .length = len };
	struct ashlar_mend arg = {
		.size = sizeof(arg), .ranges = (uintptr_t)&range, .nr_ranges = 1,
	};
	int saved = errno, fd = source_device_fd();
	bool ok = fd >= 0 && ioctl(fd, ASHLAR_IOC_MEND, &arg) == 0 &&
		  arg.done == len >> EXTENT_SHIFT;

	errno = saved;
	return ok;
}

static bool dev_purge(const struct source_range *ranges, unsigned int n)
{
	return purge_as(ranges, n, ASHLAR_PURGE_FORCED);
}

static bool dev_purge_lazy(const struct source_range *ranges, unsigned int n)
{
	return atomic_load_explicit(&dev_lazy, memory_order_relaxed) &&
	       purge_as(ranges, n, ASHLAR_PURGE_LAZY);
}

static size_t dev_take_back(char *addr, size_t len, unsigned int node)
{
	int saved = errno, fd = source_device_fd();
	size_t done = fd < 0 ? 0 : commit_at(fd, addr, len, node, ASHLAR_ALLOC_KEEP);

	errno = saved;
	return done;
}

size_t source_device_lazy(void)
{
	uintptr_t at = atomic_load_explicit(&dev_first, memory_order_relaxed);
	struct ashlar_stat arg = { .size = sizeof(arg), .addr = at };
	int saved = errno, fd = at ? source_device_fd() : -1;
	bool ok = fd >= 0 && ioctl(fd, ASHLAR_IOC_STAT, &arg) == 0;

	errno = saved;
	return ok ? arg.lazy << EXTENT_SHIFT : 0;
}

AT_START void source_device_leave(char *addr, size_t len, unsigned int node)
{
	if (dev_used)
		leave_range(addr, len, node);
}

void source_device_fork(bool child)
{
	if (child)
		lock_init(&dev_lock, RANK_SOURCE);
	else
		lock_drop(&dev_lock);
}

void source_device_prefork(void)
{
	lock_take(&dev_lock);
}

const struct source source_device = {
	.name = "device",
	.purge_unit = EXTENT_SIZE,
	.recommit = true,
	.ready = dev_ready,
	.commit = dev_commit,
	.purge = dev_purge,
	.punch = dev_punch,
	.mend = dev_mend,
	.purge_lazy = dev_purge_lazy,
	.take_back = dev_take_back,
};
