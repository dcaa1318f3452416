// SPDX-License-Identifier: MIT
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define RESERVE_FLAGS	(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

void *os_reserve(size_t len)
{
	size_t ask = len + EXTENT_SIZE;
	uintptr_t raw, addr;
	void *p;

	if (ask < len)
		return NULL;
	p = mmap(NULL, ask, PROT_NONE, RESERVE_FLAGS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	raw = (uintptr_t)p;
	addr = round_up(raw, EXTENT_SIZE);
	if (addr > raw)
		munmap((void *)raw, addr - raw);
	if (addr + len < raw + ask)
		munmap((void *)(addr + len), raw + ask - addr - len);
	return (void *)addr;
}

void os_unreserve(void *addr, size_t len)
{
	munmap(addr, len);
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

bool os_purge_lazy(void *addr, size_t len)
{
	return madvise(addr, len, MADV_FREE) == 0;
}

int os_resident(void *extent)
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

	if (getcpu(&cpu, &node) || node >= OS_MAX_NODES)
		return 0;
	return node;
}

static size_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		n = 0;
	buf[n] = '\0';
	return (size_t)n;
}

static uint64_t parse_number(const char **s)
{
	uint64_t v = 0;

	while (**s == ' ')
		(*s)++;
	for (; **s >= '0' && **s <= '9'; (*s)++)
		v = v * 10 + (uint64_t)(**s - '0');
	return v;
}

/* "max 100000" or "quota period", cgroup v2; CPUs rounded up, 0 for no limit. */
static unsigned int quota_of(const char *dir)
{
	char path[512], text[64];
	const char *s = text;
	uint64_t quota, period;

	ash_format(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", dir);
	if (!read_file(path, text, sizeof(text)) || text[0] == 'm')
		return 0;
	quota = parse_number(&s);
	period = parse_number(&s);
	if (!period)
		return 0;
	return (unsigned int)((quota + period - 1) / period);
}

/* The tightest quota from this process's cgroup up to the root. */
static unsigned int cgroup_cpus(void)
{
	char text[400];
	char *dir, *end;
	unsigned int cpus = 0;

	if (!read_file("/proc/self/cgroup", text, sizeof(text)))
		return quota_of("");
	dir = strstr(text, "0::");
	if (!dir)
		return 0;
	dir += 3;
	end = strchr(dir, '\n');
	if (end)
		*end = '\0';
	for (;;) {
		unsigned int q;

		if (!strcmp(dir, "/"))
			*dir = '\0';
		q = quota_of(dir);
		if (q && (!cpus || q < cpus))
			cpus = q;
		end = strrchr(dir, '/');
		if (!end)
			return cpus;
		*end = '\0';
	}
}

unsigned int os_cpus(void)
{
	unsigned long mask[4096 / (8 * sizeof(long))] = { 0 };
	long bytes = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	unsigned int cpus = 0, quota = cgroup_cpus();

	for (unsigned int i = 0; i < ARRAY_SIZE(mask) && bytes > 0; i++)
		cpus += (unsigned int)__builtin_popcountl(mask[i]);
	if (quota && quota < cpus)
		cpus = quota;
	return max(cpus, 1u);
}

size_t os_address_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_AS, &rl) || rl.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return rl.rlim_cur;
}

bool os_would_grant(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p, len);
	return true;
}

size_t os_physical(void)
{
	struct sysinfo si;

	if (sysinfo(&si))
		return GB;
	return (size_t)si.totalram * si.mem_unit;
}

uint64_t os_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t os_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
