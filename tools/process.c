// SPDX-License-Identifier: MIT
#include "process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

bool process_find(pid_t pid, struct process *p)
{
	FILE *file = open_proc(pid, "comm");
	char path[64];
	struct stat st;

	memset(p, 0, sizeof(*p));
	p->pid = pid;
	if (!file)
		return false;
	if (!fgets(p->name, sizeof(p->name), file))
		p->name[0] = '\0';
	fclose(file);
	p->name[strcspn(p->name, "\n")] = '\0';
	for (char *s = p->name; *s; s++) {
		if (iscntrl((unsigned char)*s))
			*s = '?';
	}
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st))
		return false;
	p->uid = st.st_uid;
	return true;
}

/* Does it use us? A quick look, by the names of what is mapped. */
static bool uses(pid_t pid, struct process *p)
{
	FILE *file = open_proc(pid, "maps");
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return false;
	errno = 0;
	while (getline(&line, &size, file) > 0) {
		p->library |= strstr(line, "/libashlar") != NULL;
		p->device |= strstr(line, " /dev/ashlar") != NULL;
	}
	free(line);
	fclose(file);
	return errno != EACCES && errno != EPERM;
}

/* Of "Name:   12 kB": the bytes, if the line is @name's. */
static bool field(const char *line, const char *name, uint64_t *bytes)
{
	size_t len = strlen(name);

	if (strncmp(line, name, len) || line[len] != ':')
		return false;
	*bytes = strtoull(line + len + 1, NULL, 10) << 10;
	return true;
}

static bool read_smaps(pid_t pid, struct process *p)
{
	FILE *file = open_proc(pid, "smaps");
	bool device = false;
	char *line = NULL;
	size_t size = 0;
	uint64_t bytes;

	if (!file)
		return false;
	while (getline(&line, &size, file) > 0) {
		if (isxdigit((unsigned char)line[0]) && !isupper((unsigned char)line[0])) {
			device = strstr(line, " /dev/ashlar") != NULL;
		} else if (field(line, "Rss", &bytes)) {
			p->rss += bytes;
			p->on_device += device ? bytes : 0;
		} else if (field(line, "FilePmdMapped", &bytes)) {
			p->device_huge += device ? bytes : 0;
		} else if (field(line, "AnonHugePages", &bytes)) {
			p->anon_huge += bytes;
		}
	}
	free(line);
	fclose(file);
	return true;
}

/* "N0=12 N1=3 … kernelpagesize_kB=4": pages by node. A kernel without NUMA has no such file. */
static void read_numa(pid_t pid, struct process *p)
{
	FILE *file = open_proc(pid, "numa_maps");
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return;
	while (getline(&line, &size, file) > 0) {
		const char *unit = strstr(line, "kernelpagesize_kB=");
		uint64_t page = unit ? strtoull(unit + 18, NULL, 10) << 10 : 4096;

		for (char *s = strstr(line, " N"); s; s = strstr(s + 1, " N")) {
			unsigned int node;
			unsigned long pages;

			if (sscanf(s, " N%u=%lu", &node, &pages) != 2 || node >= NODES_MAX)
				continue;
			p->on_node[node] += pages * page;
			if (node >= p->nodes)
				p->nodes = node + 1;
		}
	}
	free(line);
	fclose(file);
}

bool process_read(pid_t pid, struct process *p)
{
	if (!process_find(pid, p)) {
		errno = ESRCH;
		return false;
	}
	if (!uses(pid, p) || !read_smaps(pid, p)) {
		errno = EACCES;
		return false;
	}
	read_numa(pid, p);
	return true;
}

static int by_memory(const void *a, const void *b)
{
	const struct process *p = a, *q = b;

	return p->rss < q->rss ? 1 : p->rss > q->rss ? -1 : p->pid - q->pid;
}

/* How many descriptors of the device it has open. */
static unsigned int count_descriptors(pid_t pid)
{
	char path[64], target[16];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));

		n += len == 11 && !memcmp(target, "/dev/ashlar", 11);
	}
	if (dir)
		closedir(dir);
	return n;
}

unsigned int processes_read(struct process **list, bool descriptors)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned int n = 0;
	size_t room = 0;

	*list = NULL;
	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		struct process p;

		unsigned int open;

		if (pid <= 0 || !process_find(pid, &p) || !uses(pid, &p))
			continue;
		open = descriptors ? count_descriptors(pid) : 0;
		if ((!p.library && !p.device && !open) || !process_read(pid, &p))
			continue;
		p.descriptors = open;
		if (n == room) {
			room = room ? 2 * room : 16;
			*list = realloc(*list, room * sizeof(p));
			if (!*list)
				fail("no memory for %zu processes", room);
		}
		(*list)[n++] = p;
	}
	if (proc)
		closedir(proc);
	if (n)
		qsort(*list, n, sizeof(**list), by_memory);
	return n;
}

unsigned int process_huge_percent(const struct process *p)
{
	return p->rss ? (unsigned int)((p->device_huge + p->anon_huge) * 100 / p->rss) : 0;
}

struct json_object *process_json(const struct process *p)
{
	struct json_object *object = json_object_new_object(), *nodes = json_object_new_object();

	json_number(object, "pid", p->pid);
	json_text(object, "name", p->name);
	json_number(object, "uid", p->uid);
	json_flag(object, "library", p->library);
	json_flag(object, "device", p->device);
	json_number(object, "descriptors", p->descriptors);
	json_number(object, "rss", (int64_t)p->rss);
	json_number(object, "on_device", (int64_t)p->on_device);
	json_number(object, "device_huge", (int64_t)p->device_huge);
	json_number(object, "anon_huge", (int64_t)p->anon_huge);
	json_number(object, "huge_percent", process_huge_percent(p));
	for (unsigned int i = 0; i < p->nodes; i++) {
		char key[8];

		snprintf(key, sizeof(key), "%u", i);
		json_number(nodes, key, (int64_t)p->on_node[i]);
	}
	json_object_object_add(object, "on_node", nodes);
	return object;
}
