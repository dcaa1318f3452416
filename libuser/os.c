// SPDX-License-Identifier: MIT
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "vdso.h"

#define RESERVE_FLAGS	(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/*
 * Calls by syscall() go past libc's names, which may be another's: one who allocates in
 * them (to look up the next open, say), or who is not ready for us yet, as the sanitizers
 * are when they first allocate. Those that take memory away stay libc's: who watches
 * them has to see them.
 */
void *os_reserve(size_t len)
{
	size_t ask = len + EXTENT_SIZE + 2 * PAGE_SIZE, whole = len + 2 * PAGE_SIZE;
	uintptr_t raw, addr;
	long ret;

	if (ask < len)
		return NULL;
	ret = syscall(SYS_mmap, NULL, ask, PROT_NONE, RESERVE_FLAGS, -1, 0L);
	if (ret == -1)
		return NULL;
	raw = (uintptr_t)ret;
	addr = round_up(raw + PAGE_SIZE, EXTENT_SIZE) - PAGE_SIZE;
	if (addr > raw)
		syscall(SYS_munmap, raw, addr - raw);
	if (addr + whole < raw + ask)
		syscall(SYS_munmap, addr + whole, raw + ask - addr - whole);
	return (void *)(addr + PAGE_SIZE);
}

void os_unreserve(void *addr, size_t len)
{
	munmap((char *)addr - PAGE_SIZE, len + 2 * PAGE_SIZE);
}

bool os_commit(void *addr, size_t len)
{
	return mprotect(addr, len, PROT_READ | PROT_WRITE) == 0;
}

bool os_remap_anon(void *addr, size_t len)
{
	return mmap(addr, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

bool os_remap_none(void *addr, size_t len)
{
	return mmap(addr, len, PROT_NONE, RESERVE_FLAGS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

bool os_purge(void *addr, size_t len)
{
	return madvise(addr, len, MADV_DONTNEED) == 0;
}

/* Not in every libc's headers. */
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

RARE bool os_move(void *to, void *from, size_t len)
{
	return mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == to;
}

bool os_purge_lazy(void *addr, size_t len)
{
	return madvise(addr, len, MADV_FREE) == 0;
}

RARE int os_resident(void *extent)
{
	unsigned char vec[EXTENT_PAGES];
	int n = 0;

	if (mincore(extent, EXTENT_SIZE, vec))
		return -1;
	for (unsigned int i = 0; i < EXTENT_PAGES; i++)
		n += vec[i] & 1;
	return n;
}

void os_thp(void *addr, size_t len, bool want)
{
	/* A kernel without THP refuses: nothing is lost but the speed. */
	madvise(addr, len, want ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

#define THP_SETTINGS	"/sys/kernel/mm/transparent_hugepage/"

/* Since Linux 6.8 each size has a setting of its own, which may be to do as the general one says. */
bool os_thp_possible(void)
{
	char text[48];
	ssize_t len = os_read_file(THP_SETTINGS "enabled", text, sizeof(text));

	if (len == -ENOENT) {
		int fd = os_open("/sys/kernel/mm", O_RDONLY);

		/* A kernel without them, or no /sys? */
		if (fd >= 0)
			os_close(fd);
		return fd < 0;
	}
	if (len <= 0 || !strstr(text, "[never]"))
		return true;
	return os_read_file(THP_SETTINGS "hugepages-2048kB/enabled", text, sizeof(text)) > 0 &&
	       !strstr(text, "[inherit]") && !strstr(text, "[never]");
}

RARE bool os_thp_disabled(void)
{
	return prctl(PR_GET_THP_DISABLE, 0L, 0L, 0L, 0L) == 1;
}

RARE bool os_policy(int *mode, uint64_t *nodes)
{
	unsigned long mask[1024 / (8 * sizeof(long))] = { 0 };

	if (syscall(SYS_get_mempolicy, mode, mask, 1024UL, NULL, 0UL))
		return false;
	*mode &= 0xff;	/* what is above are flags */
	*nodes = mask[0];
	return true;
}

RARE bool os_pages_nodes(void **pages, unsigned int n, int *nodes)
{
	return syscall(SYS_move_pages, 0, (unsigned long)n, pages, NULL, nodes, 0) == 0;
}

bool os_prefer_node(void *addr, size_t len, unsigned int node)
{
	unsigned long mask = 1UL << node;

	return syscall(SYS_mbind, addr, len, MPOL_PREFERRED, &mask,
		       8 * sizeof(mask), 0UL) == 0;
}

uint64_t os_nodes(void)
{
	/* The kernel wants room for as many nodes as it was built for. */
	unsigned long mask[1024 / (8 * sizeof(long))] = { 0 };

	if (syscall(SYS_get_mempolicy, NULL, mask, 1024UL, NULL,
		    (unsigned long)MPOL_F_MEMS_ALLOWED) || !mask[0])
		return 1;
	return mask[0];
}

unsigned int os_current_node(void)
{
	unsigned int cpu, node;

	if (syscall(SYS_getcpu, &cpu, &node, NULL) || node >= OS_MAX_NODES)
		return 0;
	return node;
}

int os_open(const char *path, int flags)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY, 0);
}

void os_close(int fd)
{
	syscall(SYS_close, fd);
}

ssize_t os_read(int fd, void *buf, size_t size)
{
	return syscall(SYS_read, fd, buf, size);
}

ssize_t os_read_file(const char *path, char *buf, size_t size)
{
	int fd = os_open(path, O_RDONLY | O_NONBLOCK);
	size_t len = 0;
	long n;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = syscall(SYS_read, fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	os_close(fd);
	buf[len] = '\0';
	return (ssize_t)len;
}

RARE unsigned int os_affinity(void)
{
	unsigned long mask[4096 / (8 * sizeof(long))] = { 0 };
	long bytes = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	unsigned int cpus = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(mask) && bytes > 0; i++)
		cpus += (unsigned int)__builtin_popcountl(mask[i]);
	return max(cpus, 1u);
}

size_t os_address_limit(void)
{
	struct rlimit rl;

	if (syscall(SYS_prlimit64, 0, RLIMIT_AS, NULL, &rl) || rl.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return rl.rlim_cur;
}

RARE bool os_would_grant(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p, len);
	return true;
}

size_t os_page_size(void)
{
	return getauxval(AT_PAGESZ);
}

size_t os_physical(void)
{
	struct sysinfo si;

	if (syscall(SYS_sysinfo, &si))
		return GB;
	return (size_t)si.totalram * si.mem_unit;
}

bool os_strict_commit(void)
{
	static _Atomic int mode;	/* one more than the kernel's */
	char text[8];

	if (!mode)
		mode = os_read_file("/proc/sys/vm/overcommit_memory", text, sizeof(text)) > 0 ?
			text[0] - '0' + 1 : 1;
	return mode == 3;
}

RARE size_t os_available(void)
{
	static const char key[] = "MemAvailable:";
	char text[256], *at;
	size_t kb = 0;

	if (os_read_file("/proc/meminfo", text, sizeof(text)) <= 0)
		return SIZE_MAX;
	at = strstr(text, key);
	if (!at)
		return SIZE_MAX;
	at += strlen(key);
	at += strspn(at, " ");
	for (; *at >= '0' && *at <= '9'; at++)
		kb = kb * 10 + (size_t)(*at - '0');
	return kb * KB;
}

size_t os_free_swap(void)
{
	struct sysinfo si;

	return syscall(SYS_sysinfo, &si) ? 0 : (size_t)si.freeswap * si.mem_unit;
}

/*
 * Until the process has started the clock is asked of the kernel; then as the kernel has left it in
 * the process, or where that cannot be found by libc.
 */
static bool settled;
static vdso_clock *clock_of_vdso;

void os_settled(void)
{
	clock_of_vdso = vdso_find_clock();
	settled = true;
}

static struct timespec now(clockid_t clock)
{
	struct timespec ts = { 0 };

	if (unlikely(!settled))
		syscall(SYS_clock_gettime, clock, &ts);
	else if (likely(clock_of_vdso))
		clock_of_vdso(clock, &ts);
	else
		clock_gettime(clock, &ts);
	return ts;
}

uint64_t os_now_ms(void)
{
	struct timespec ts = now(CLOCK_MONOTONIC_COARSE);

	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t os_now_ns(void)
{
	struct timespec ts = now(CLOCK_MONOTONIC);

	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
