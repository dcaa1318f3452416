// SPDX-License-Identifier: MIT
/* What control groups say, in files made up here. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"

static char root[64], self[96];

static void put(const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *s = path + strlen(root) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		mkdir(path, 0755);
		*s = '/';
	}
	f = fopen(path, "w");
	cr_assert(f, "%s", path);
	fputs(text, f);
	fclose(f);
}

static void start(void)
{
	strcpy(root, "/tmp/ashlar-cgroup-XXXXXX");
	cr_assert(mkdtemp(root));
	snprintf(self, sizeof(self), "%s/self", root);
	cgroup_mount = root;
	cgroup_self = self;
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_assert_eq(system(command), 0);
}

TestSuite(cgroup, .init = start, .fini = end);

Test(cgroup, none)
{
	cr_assert_eq(cgroup_quota(), 0);
	cr_assert_eq(cgroup_cpus(), os_affinity());
	cr_assert_eq(cgroup_memory_max(), SIZE_MAX);
	cr_assert_eq(cgroup_memory_left(), SIZE_MAX);
}

Test(cgroup, version_2)
{
	char path[256];

	put("self", "0::/a/b\n");
	put("a/b/cpu.max", "max 100000\n");
	put("a/cpu.max", "250000 100000\n");
	put("cpu.max", "900000 100000\n");
	put("a/b/memory.max", "max\n");
	cr_assert_eq(cgroup_quota(), 3, "the tightest, rounded up");
	cr_assert_eq(cgroup_memory_max(), SIZE_MAX);
	put("a/memory.max", "104857600\n");
	cr_assert_eq(cgroup_memory_max(), 100 * MB);
	put("a/memory.current", "99614720\n");	/* 95 MB */
	put("a/memory.stat", "anon 1\ninactive_anon 7\nactive_file 1048576\ninactive_file 2097152\nunevictable 77\n");
	if (os_free_swap())
		cr_assert_eq(cgroup_memory_left(), SIZE_MAX);
	else
		cr_assert_eq(cgroup_memory_left(), 8 * MB);
	put("a/b/cpu.max", "1000 100000\n");
	cr_assert_eq(cgroup_quota(), 1, "not less than one");
	put("a/b/memory.events", "high 0\n");
	cr_assert(cgroup_file("memory.events", path, sizeof(path)));
	cr_assert(strstr(path, "/a/b/memory.events"));
	cr_assert_not(cgroup_file("memory.nothing", path, sizeof(path)));
}

Test(cgroup, version_1_with_long_names)
{
	char text[4096] = "";

	/* As a container engine makes them: the lines that matter come late. */
	for (int i = 13; i > 2; i--)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%d:%s:/kubepods.slice/kubepods-burstable.slice/kubepods-pod%040d.slice/%064d\n",
			 i, i == 9 ? "pids" : i == 7 ? "cpuset" : "devices", i, i);
	strcat(text, "2:cpu,cpuacct:/box\n1:memory:/box\n0::/box\n");
	put("self", text);
	put("cpu/box/cpu.cfs_quota_us", "-1\n");
	put("cpu/box/cpu.cfs_period_us", "100000\n");
	put("memory/box/memory.limit_in_bytes", "9223372036854771712\n");
	cr_assert_eq(cgroup_quota(), 0);
	cr_assert_eq(cgroup_memory_max(), SIZE_MAX);
	put("cpu/box/cpu.cfs_quota_us", "150000\n");
	put("memory/box/memory.limit_in_bytes", "67108864\n");
	cr_assert_eq(cgroup_quota(), 2);
	cr_assert_eq(cgroup_memory_max(), 64 * MB);
}

/* Inside a container the kernel may tell the host's path, of which only the root is mounted. */
Test(cgroup, the_mounts_root_where_the_path_is_not)
{
	put("self", "0::/system.slice/docker-0123.scope\n");
	put("cpu.max", "200000 100000\n");
	put("memory.max", "1048576\n");
	cr_assert_eq(cgroup_quota(), 2);
	cr_assert_eq(cgroup_memory_max(), 1 * MB);
}

Test(cgroup, nonsense)
{
	put("self", "\n::\n:\nx\n0::/\n");
	put("cpu.max", "fast\n");
	put("memory.max", "99999999999999999999999999\n");
	cr_assert_eq(cgroup_quota(), 0);
	cr_assert_eq(cgroup_memory_max(), SIZE_MAX);
	put("cpu.max", "100000 0\n");
	cr_assert_eq(cgroup_quota(), 0);
	put("cpu.max", "");
	cr_assert_eq(cgroup_quota(), 0);
}
