// SPDX-License-Identifier: MIT
/* ashlarctl ps: one process, from outside by /proc, and from inside if it answers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "process.h"

static void line(const char *name, uint64_t bytes, const char *meaning)
{
	printf("  %-12s %10s  %s\n", name, human(bytes), meaning);
}

static void print_inside(pid_t pid)
{
	char why[512], *text = ask(pid, "totals", NULL, why, sizeof(why));

	if (!text) {
		printf("\nIts heap is not known: %s\n", why);
		return;
	}
	printf("\n%sHeap%s, as the process tells\n", sgr("1"), sgr("0"));
	line("allocated", (uint64_t)answer_value(text, "allocated"), "in live blocks");
	line("cached", (uint64_t)answer_value(text, "cached"), "free in thread caches and depots");
	line("active", (uint64_t)answer_value(text, "active"), "in pages in use");
	line("dirty", (uint64_t)answer_value(text, "dirty"), "in free pages that decay will give back");
	line("lazy", (uint64_t)answer_value(text, "muzzy"), "in pages that the system may take when it wants memory");
	line("metadata", (uint64_t)answer_value(text, "metadata"), "of the library's own records");
	line("resident", (uint64_t)answer_value(text, "resident"), "in RAM");
	line("device", (uint64_t)answer_value(text, "device") * EXTENT_BYTES, "from /dev/ashlar");
	line("huge", (uint64_t)answer_value(text, "huge") * EXTENT_BYTES, "on huge pages, or meant to be");
	printf("  %-12s %10lld  extents that the device did not have\n", "fallbacks",
	       (long long)answer_value(text, "fallbacks"));
	free(text);
}

static int run(void)
{
	pid_t pid = pid_argument(0);
	struct process p;

	if (!process_read(pid, &p)) {
		if (errno == ESRCH)
			fail("there is no process %d", (int)pid);
		fail("process %d (%s) is not yours to look at: ask as its user or as root", (int)pid,
		     p.name);
	}
	if (want_json) {
		struct json_object *object = process_json(&p);

		json_object_object_add(object, "heap", totals_json(pid));
		print_json(object);
		return 0;
	}
	printf("%sProcess %d%s (%s): %s%s\n", sgr("1"), (int)pid, sgr("0"), p.name,
	       p.library ? "uses libashlar" : "does not use libashlar",
	       p.device ? ", has memory of /dev/ashlar" : "");
	line("resident", p.rss, "in RAM, all of it");
	line("on device", p.on_device, "of /dev/ashlar");
	line("  huge", p.device_huge, "of that, mapped by huge entries");
	line("THP", p.anon_huge, "of anonymous memory on transparent huge pages");
	for (unsigned int i = 0; i < p.nodes; i++) {
		char name[24];

		snprintf(name, sizeof(name), "node %u", i);
		line(name, p.on_node[i], "");
	}
	if (p.library)
		print_inside(pid);
	return 0;
}

const struct command cmd_ps = {
	.name = "ps", .args = "PID", .run = run, .least = 1, .most = 1,
	.text = "Show one process: its memory by kind and node, and its heap if it answers.",
};
