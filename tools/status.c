// SPDX-License-Identifier: MIT
/* ashlarctl status: the module, its pool node by node, and who holds its memory: processes, users. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/ashlar.h>

#include "pool.h"
#include "process.h"

static const char *const abilities[] = {
	"fork_cow", "populate", "purge_lazy", "punch", "charge", "snapshot",
};

/* One sentence on whether we could use the device; *@info is set where we can. */
static const char *look_at_device(struct ashlar_info *info)
{
	int fd = open("/dev/ashlar", O_RDWR | O_CLOEXEC);
	const char *what = "usable";

	*info = (struct ashlar_info){ .size = sizeof(*info) };
	if (fd < 0)
		return errno == ENOENT ? "absent" : errno == EACCES ?
		       "not for this user: join the group ashlar" : strerror(errno);
	if (ioctl(fd, ASHLAR_IOC_INFO, info)) {
		what = "not Ashlar's";
		info->abilities = 0;
	}
	close(fd);
	return what;
}

static bool file_has(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char line[256];
	bool yes = file && fgets(line, sizeof(line), file) && strstr(line, text);

	if (file)
		fclose(file);
	return yes;
}

/* By module.sig_enforce, by the kernel's configuration, or by the lockdown that Secure Boot brings. */
static bool kernel_wants_signatures(void)
{
	return file_has("/sys/module/module/parameters/sig_enforce", "Y") ||
	       file_has("/sys/kernel/security/lockdown", "[integrity]") ||
	       file_has("/sys/kernel/security/lockdown", "[confidentiality]");
}

/* The module's file for the kernel that runs, where DKMS, make install and Debian put such. */
static const char *module_file(void)
{
	static const char *const places[] = { "updates/dkms", "updates", "extra", "kernel/mm" };
	static const char *const suffixes[] = { "", ".xz", ".zst", ".gz" };
	static char path[512];
	struct utsname uts;

	uname(&uts);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		for (unsigned int k = 0; k < ARRAY_SIZE(suffixes); k++) {
			snprintf(path, sizeof(path), "/lib/modules/%s/%s/ashlar.ko%s", uts.release,
				 places[i], suffixes[k]);
			if (access(path, F_OK) == 0)
				return path;
		}
	}
	return NULL;
}

/* Why there is no module, and what to do. */
static void print_absence(void)
{
	const char *file = module_file();
	struct utsname uts;

	uname(&uts);
	printf("not loaded: heaps are on anonymous memory\n");
	if (!file)
		printf("         there is none for this kernel (%s): 'dkms status ashlar' tells whether it was\n"
		       "         built; it is for Debian's kernels 6.1 and 6.12, with their linux-headers\n",
		       uts.release);
	else if (kernel_wants_signatures())
		printf("         this kernel takes signed modules only (Secure Boot): enrol the key that signed\n"
		       "         %s, by 'mokutil --import /var/lib/dkms/mok.pub' and a reboot;\n"
		       "         the page secure-boot.md has every step. Then: modprobe ashlar\n", file);
	else
		printf("         load it: modprobe ashlar\n");
}

static void print_module(void)
{
	char text[64] = "";
	FILE *file = fopen("/sys/module/ashlar/version", "re");

	if (!file || !fgets(text, sizeof(text), file))
		text[0] = '\0';
	if (file)
		fclose(file);
	text[strcspn(text, "\n")] = '\0';
	printf("loaded%s%s\n", *text ? ", version " : "", text);
}

static void print_pools(const struct pool *pools, unsigned int n)
{
	static const struct {
		const char *heading, *name;
	} columns[] = {
		{ "ready", "ready" }, { "low", "low" }, { "high", "high" }, { "lazy", "lazy" },
		{ "out", "out" }, { "hits", "hits" }, { "misses", "misses" }, { "fails", "fails" },
		{ "quarantined", "quarantined" },
	};

	printf("\n%sPool%s (extents of 2 MB)\n%6s", sgr("1"), sgr("0"), "node");
	for (unsigned int i = 0; i < ARRAY_SIZE(columns); i++)
		if (pool_has(pools, columns[i].name))
			printf(" %11s", columns[i].heading);
	putchar('\n');
	for (unsigned int k = 0; k < n; k++) {
		printf("%6d", pools[k].node);
		for (unsigned int i = 0; i < ARRAY_SIZE(columns); i++)
			if (pool_has(pools, columns[i].name))
				printf(" %11lld", (long long)pool_value(&pools[k], columns[i].name));
		putchar('\n');
	}
}

/* References to the module: open files, and memory in use. */
static long module_users(void)
{
	FILE *file = fopen("/sys/module/ashlar/refcnt", "re");
	long n = 0;

	if (file) {
		if (fscanf(file, "%ld", &n) != 1)
			n = 0;
		fclose(file);
	}
	return n;
}

static void print_holders(const struct process *list, unsigned int n)
{
	bool any = false;

	for (unsigned int i = 0; i < n; i++) {
		if (!list[i].device && !list[i].descriptors)
			continue;
		if (!any)
			printf("\n%sHeld by%s (the module cannot be unloaded before they end)\n",
			       sgr("1"), sgr("0"));
		any = true;
		printf("%10d  %-20s %10s on the device", (int)list[i].pid, list[i].name,
		       human(list[i].on_device));
		printf(list[i].descriptors ? ", %u open descriptors\n" : "\n", list[i].descriptors);
	}
	if (geteuid() != 0)
		printf("\nProcesses of other users are shown to root only.\n");
	else if (!any && module_users() > 0)
		printf("\nThe module is in use %ld times, by no process that can be seen from here: look in other\n"
		       "PID namespaces, for memory in pipes or buffers of devices, and for what debugs it.\n",
		       module_users());
}

/* What each user holds, who opened it; root alone may read that, and only where debugfs is mounted. */
#define USERS_FILE "/sys/kernel/debug/ashlar/users"

static void print_users(void)
{
	FILE *file = fopen(USERS_FILE, "re");
	long long files, pages;
	bool any = false;
	unsigned int uid;

	while (file && fscanf(file, "%u %lld %lld", &uid, &files, &pages) == 3) {
		const struct passwd *user = getpwuid(uid);

		if (!any)
			printf("\n%sUsers%s (who opened the device)\n", sgr("1"), sgr("0"));
		any = true;
		printf("%10u  %-20s %10s, %lld open files\n", uid, user ? user->pw_name : "",
		       human((size_t)pages * ASHLAR_PAGE_SIZE), files);
	}
	if (file)
		fclose(file);
}

static struct json_object *users_json(void)
{
	struct json_object *list = json_object_new_array();
	FILE *file = fopen(USERS_FILE, "re");
	long long files, pages;
	unsigned int uid;

	while (file && fscanf(file, "%u %lld %lld", &uid, &files, &pages) == 3) {
		struct json_object *user = json_object_new_object();

		json_object_object_add(user, "uid", json_object_new_int64(uid));
		json_object_object_add(user, "files", json_object_new_int64(files));
		json_object_object_add(user, "bytes",
				       json_object_new_int64(pages * (long long)ASHLAR_PAGE_SIZE));
		json_object_array_add(list, user);
	}
	if (file)
		fclose(file);
	return list;
}

static struct json_object *to_json(const struct pool *pools, unsigned int n, bool loaded,
				   const char *device, const struct ashlar_info *info,
				   const struct process *list, unsigned int nlist)
{
	struct json_object *object = json_object_new_object(), *nodes = json_object_new_array();
	struct json_object *can = json_object_new_array(), *users = json_object_new_array();

	json_flag(object, "module", loaded);
	json_text(object, "device", device);
	for (unsigned int i = 0; i < ARRAY_SIZE(abilities); i++)
		if (info->abilities >> i & 1)
			json_object_array_add(can, json_object_new_string(abilities[i]));
	json_object_object_add(object, "abilities", can);
	for (unsigned int k = 0; k < n; k++)
		json_object_array_add(nodes, pool_json(&pools[k]));
	json_object_object_add(object, "nodes", nodes);
	for (unsigned int i = 0; i < nlist; i++)
		json_object_array_add(users, process_json(&list[i]));
	json_object_object_add(object, "processes", users);
	json_object_object_add(object, "users", users_json());
	return object;
}

static int run(void)
{
	unsigned int n, nlist, users = 0;
	const struct pool *pools = pools_read(&n);
	bool loaded = module_loaded();
	struct ashlar_info info;
	const char *device = look_at_device(&info);
	struct process *list;

	nlist = processes_read(&list, true);
	if (want_json) {
		print_json(to_json(pools, n, loaded, device, &info, list, nlist));
		free(list);
		return 0;
	}
	printf("%sModule%s   ", sgr("1"), sgr("0"));
	if (loaded)
		print_module();
	else
		print_absence();
	printf("%sDevice%s   /dev/ashlar is %s", sgr("1"), sgr("0"), device);
	for (unsigned int i = 0; i < ARRAY_SIZE(abilities); i++)
		if (info.abilities >> i & 1)
			printf(" %s", abilities[i]);
	putchar('\n');
	for (unsigned int i = 0; i < nlist; i++)
		users += list[i].library;
	printf("%sLibrary%s  mapped by %u processes that we may look at\n", sgr("1"), sgr("0"), users);
	if (n)
		print_pools(pools, n);
	if (loaded) {
		print_users();
		print_holders(list, nlist);
	}
	free(list);
	return 0;
}

const struct command cmd_status = {
	.name = "status", .args = "", .run = run,
	.text = "Show the module, its pool on each node, and who holds its memory.",
};
