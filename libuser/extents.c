// SPDX-License-Identifier: MIT
/*
 * Extents for programs that want no malloc. A range is address space mapped
 * from the device through an open file of its own (so that its counters are its
 * own), and a bitmap of the extents that are given out. The kernel names memory
 * by address: no descriptor is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/ashlar.h>

#include "ashlar.h"
#include "extents.h"
#include "lock.h"
#include "os.h"
#include "source_dev.h"

/* 64 TB: more than an address space has room for. */
#define EXTENTS_MAX	((size_t)1 << 25)

struct ashlar_extents {
	char *base;		/* constant, as the next two */
	size_t max;		/* extents */
	size_t record;		/* bytes of this record */
	size_t hint;		/* no free extent is below; guarded by ranges_lock */
	uint64_t used[];	/* bit per extent: given out; guarded by ranges_lock */
};

/* Held for a search of bits and nothing else. One lock for all ranges: fork knows it by name. */
static struct lock ranges_lock = LOCK_INIT(RANK_EXTENTS);

/* --- the device ---------------------------------------------------------------------- */

static int open_device(void)
{
	int fd = open("/dev/ashlar", O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == EPERM))
		errno = errno == EPERM ? EACCES : ENODEV;
	return fd;
}

/* Through malloc's descriptor if it has one, else through one for this call. */
static int device_call(unsigned long request, void *arg)
{
	int fd = source_device_fd(), own = -1, ret, err;

	if (fd < 0)
		fd = own = open_device();
	if (fd < 0)
		return -1;
	ret = ioctl(fd, request, arg);
	err = errno;
	if (own >= 0)
		close(own);
	errno = err;
	return ret;
}

static struct ashlar_range range_of(const void *p, size_t n)
{
	return (struct ashlar_range){ .addr = (uintptr_t)p, .length = n * ASHLAR_EXTENT_BYTES };
}

/* How many of the @n extents at @p were committed; errno says why if not all. */
static size_t commit(char *p, size_t n, int node)
{
	size_t done = 0;

	while (done < n) {
		struct ashlar_range range = range_of(p + done * ASHLAR_EXTENT_BYTES, n - done);
		struct ashlar_alloc arg = {
			.size = sizeof(arg),
			.ranges = (uintptr_t)&range,
			.nr_ranges = 1,
			.node = node < 0 ? ASHLAR_NODE_LOCAL : node,
		};

		if (device_call(ASHLAR_IOC_ALLOC, &arg))
			break;
		done += arg.done;
	}
	return done;
}

static int release(void *p, size_t n)
{
	struct ashlar_range range = range_of(p, n);
	struct ashlar_free arg = {
		.size = sizeof(arg),
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
	};

	return device_call(ASHLAR_IOC_FREE, &arg);
}

/* --- the bitmap ------------------------------------------------------------------------ */

static bool used(const struct ashlar_extents *x, size_t i)
{
	return x->used[i / 64] >> (i % 64) & 1;
}

static void mark(struct ashlar_extents *x, size_t first, size_t n, bool value)
{
	for (size_t i = first; i < first + n; i++) {
		if (value)
			x->used[i / 64] |= 1ull << (i % 64);
		else
			x->used[i / 64] &= ~(1ull << (i % 64));
	}
}

/* The first of @n free extents in a row; x->max if there are none. */
static size_t find(struct ashlar_extents *x, size_t n)
{
	size_t run = 0;

	for (size_t i = x->hint; i < x->max; i++) {
		if (!(i % 64) && x->used[i / 64] == UINT64_MAX) {
			run = 0;
			i += 63;
			continue;
		}
		run = used(x, i) ? 0 : run + 1;
		if (run == n)
			return i + 1 - n;
	}
	return x->max;
}

static size_t claim(struct ashlar_extents *x, size_t n)
{
	size_t first;

	lock_take(&ranges_lock);
	first = find(x, n);
	if (first < x->max) {
		mark(x, first, n, true);
		if (first == x->hint)
			x->hint = first + n;
	}
	lock_drop(&ranges_lock);
	return first;
}

static void unclaim(struct ashlar_extents *x, size_t first, size_t n)
{
	lock_take(&ranges_lock);
	mark(x, first, n, false);
	x->hint = min(x->hint, first);
	lock_drop(&ranges_lock);
}

/* Are @n extents at @p given out? Their first is *@first. EINVAL if not. */
static bool given_out(struct ashlar_extents *x, const void *p, size_t n, size_t *first)
{
	size_t offset = (size_t)((const char *)p - x->base), at = offset / ASHLAR_EXTENT_BYTES;
	bool ok = !(offset % ASHLAR_EXTENT_BYTES) && n && at < x->max && n <= x->max - at;

	lock_take(&ranges_lock);
	for (size_t i = 0; ok && i < n; i++)
		ok = used(x, at + i);
	lock_drop(&ranges_lock);
	if (!ok)
		errno = EINVAL;
	*first = at;
	return ok;
}

/* --- fork: the bits must be whole in the child ------------------------------------------- */

void extents_prefork(void)
{
	lock_take(&ranges_lock);
}

void extents_postfork(bool child)
{
	if (child)
		lock_init(&ranges_lock, RANK_EXTENTS);
	else
		lock_drop(&ranges_lock);
}

/* --- the interface ------------------------------------------------------------------------ */

/* Map @max extents of the device at an address of their own. NULL with errno. */
static char *map_device(size_t max)
{
	size_t len = max * ASHLAR_EXTENT_BYTES;
	int fd = open_device(), err;
	char *base;

	if (fd < 0)
		return NULL;
	base = os_reserve(len);
	if (!base) {
		err = ENOMEM;
	} else if (mmap(base, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		   MAP_FAILED) {
		err = errno;
		os_unreserve(base, len);
		base = NULL;
	} else {
		err = 0;
	}
	close(fd);
	if (err)
		errno = err;
	return base;
}

EXPORT struct ashlar_extents *ashlar_extents_open(size_t max)
{
	struct ashlar_extents *x;
	size_t record;
	char *base;

	if (!max || max > EXTENTS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	base = map_device(max);
	if (!base)
		return NULL;
	record = round_up(sizeof(*x) + (max + 63) / 64 * sizeof(x->used[0]), EXTENT_SIZE);
	x = os_reserve(record);
	if (!x || !os_commit(x, record)) {
		if (x)
			os_unreserve(x, record);
		os_unreserve(base, max * ASHLAR_EXTENT_BYTES);
		errno = ENOMEM;
		return NULL;
	}
	/* A bitmap of a few hundred bytes on a huge page would cost 2 MB. */
	os_thp(x, record, false);
	x->base = base;
	x->max = max;
	x->record = record;
	return x;
}

EXPORT void ashlar_extents_close(struct ashlar_extents *x)
{
	if (!x)
		return;
	os_unreserve(x->base, x->max * ASHLAR_EXTENT_BYTES);
	os_unreserve(x, x->record);
}

EXPORT void *ashlar_extents_alloc(struct ashlar_extents *x, size_t n, int node)
{
	size_t first, done;
	char *p;
	int err;

	if (!n || n > x->max || node < -1) {
		errno = n && node >= -1 ? ENOMEM : EINVAL;
		return NULL;
	}
	first = claim(x, n);
	if (first == x->max) {
		errno = ENOMEM;
		return NULL;
	}
	p = x->base + first * ASHLAR_EXTENT_BYTES;
	done = commit(p, n, node);
	if (done == n)
		return p;
	err = errno;
	if (done)
		release(p, done);	/* all or nothing */
	unclaim(x, first, n);
	errno = err == ENODEV ? EINVAL : err;
	return NULL;
}

EXPORT int ashlar_extents_free(struct ashlar_extents *x, void *p, size_t n)
{
	size_t first;

	if (!given_out(x, p, n, &first) || release(p, n))
		return -1;
	unclaim(x, first, n);
	return 0;
}

EXPORT int ashlar_extents_purge(struct ashlar_extents *x, void *p, size_t n)
{
	struct ashlar_range range = range_of(p, n);
	struct ashlar_purge arg = {
		.size = sizeof(arg),
		.flags = ASHLAR_PURGE_FORCED,
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
	};
	size_t first;

	if (!given_out(x, p, n, &first))
		return -1;
	return device_call(ASHLAR_IOC_PURGE, &arg);
}

EXPORT int ashlar_extents_punch(struct ashlar_extents *x, void *p, size_t size)
{
	uintptr_t first_byte = (uintptr_t)p & ~(uintptr_t)(ASHLAR_EXTENT_BYTES - 1);
	struct ashlar_range range = { (uintptr_t)p, size };
	struct ashlar_punch arg = {
		.size = sizeof(arg),
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
	};
	size_t first, n = ((uintptr_t)p + size - first_byte + ASHLAR_EXTENT_BYTES - 1) /
			  ASHLAR_EXTENT_BYTES;

	if (!given_out(x, (void *)first_byte, n, &first))
		return -1;
	return device_call(ASHLAR_IOC_PUNCH, &arg);
}

EXPORT int ashlar_extents_mend(struct ashlar_extents *x, void *p, size_t n)
{
	struct ashlar_range range = range_of(p, n);
	struct ashlar_mend arg = {
		.size = sizeof(arg),
		.ranges = (uintptr_t)&range,
		.nr_ranges = 1,
	};
	size_t first;

	if (!given_out(x, p, n, &first))
		return -1;
	return device_call(ASHLAR_IOC_MEND, &arg);
}

EXPORT int ashlar_extents_stat(struct ashlar_extents *x, struct ashlar_extents_stat *out)
{
	struct ashlar_stat arg = { .size = sizeof(arg), .addr = (uintptr_t)x->base };

	if (device_call(ASHLAR_IOC_STAT, &arg))
		return -1;
	*out = (struct ashlar_extents_stat){
		.committed = arg.committed,
		.purged = arg.purged,
		.allocs = arg.allocs,
		.hits = arg.hits,
		.copies = arg.copies,
		.huge = ASHLAR_EXTENT_BYTES,
		.page_copies = arg.page_copies,
		.small = arg.small,
	};
	return 0;
}
