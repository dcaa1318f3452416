// SPDX-License-Identifier: MIT
/*
 * ashlarctl metrics: the pool and the processes for Prometheus. As OpenMetrics to
 * standard output or to who scrapes; in the older text format for node_exporter's
 * textfile collector, which knows no other.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "pool.h"
#include "process.h"

static const char *textfile;
static long port;
static bool old_format;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case 't':
		textfile = arg;
		return 0;
	case 'l':
		port = number("--listen", arg, 1, 65535);
		return 0;
	case 'p':
		old_format = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- what is told ------------------------------------------------------------------------- */

/* Files of sysfs that only grow. All others are as of now. */
static const struct {
	const char *file;
	bool counter;
	const char *help;
} pool_metrics[] = {
	{ "ready", false, "Zeroed extents waiting in the pool." },
	{ "low", false, "Ready extents below which the worker starts." },
	{ "high", false, "Ready extents that the worker fills up to." },
	{ "target", false, "Ready extents that the worker fills up to just now." },
	{ "rate", false, "Extents that the worker clears in a second at the most; 0: no limit." },
	{ "lazy", false, "Extents purged lazily and not yet taken." },
	{ "out", false, "Extents that processes hold." },
	{ "quarantined", false, "Extents set aside because they are pinned or poisoned." },
	{ "hits", true, "Extents handed out that were ready." },
	{ "misses", true, "Extents handed out that had to be made." },
	{ "fails", true, "Extents asked for and not to be had." },
	{ "remote", true, "Extents handed out although another node was asked for." },
	{ "washed", true, "Extents cleared by the worker." },
	{ "shrunk", true, "Extents given back under memory pressure." },
	{ "returned", true, "Extents that came back from processes." },
	{ "lazied", true, "Extents that became lazy." },
	{ "lazy_cancelled", true, "Lazy extents that were used again." },
	{ "lazy_taken", true, "Lazy extents given to the kernel." },
	{ "lazy_freed", true, "Lazy extents that their processes gave back." },
	{ "lazy_kept", true, "Extents that a lazy purge left as they were." },
	{ "pinned", true, "Extents that came back pinned." },
	{ "passing", true, "Extents that came back with a reference in passing." },
	{ "poisoned", true, "Extents found poisoned." },
	{ "spoiled", true, "Of them, those that were ready." },
};

/* HELP and TYPE. OpenMetrics names the family, the older format the series. */
static void family(FILE *f, const char *name, bool counter, const char *help)
{
	const char *end = counter && old_format ? "_total" : "";

	fprintf(f, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, end, help, name, end,
		counter ? "counter" : "gauge");
}

static void write_pools(FILE *f)
{
	unsigned int n;
	const struct pool *pools = pools_read(&n);

	family(f, "ashlar_module_loaded", false, "Whether the kernel module is loaded.");
	fprintf(f, "ashlar_module_loaded %d\n", module_loaded());
	for (unsigned int i = 0; i < ARRAY_SIZE(pool_metrics) && n; i++) {
		char name[64];

		if (!pool_has(&pools[0], pool_metrics[i].file))
			continue;
		snprintf(name, sizeof(name), "ashlar_pool_%s_extents", pool_metrics[i].file);
		family(f, name, pool_metrics[i].counter, pool_metrics[i].help);
		for (unsigned int k = 0; k < n; k++)
			fprintf(f, "%s%s{node=\"%d\"} %lld\n", name,
				pool_metrics[i].counter ? "_total" : "", pools[k].node,
				(long long)pool_value(&pools[k], pool_metrics[i].file));
	}
	if (!n)
		return;
	family(f, "ashlar_pool_worker_cpu_seconds", true, "CPU time of the node's worker.");
	for (unsigned int k = 0; k < n; k++)
		fprintf(f, "ashlar_pool_worker_cpu_seconds_total{node=\"%d\"} %.9f\n", pools[k].node,
			(double)pool_value(&pools[k], "cputime") / 1e9);
}

/*
 * What a process that answers tells of its heap ("totals"). All are as of now, sums of
 * numbers that only grow too: such a sum falls when one of the processes ends.
 */
static const struct {
	const char *total, *name, *help;
} heap_metrics[] = {
	{ "allocated", "ashlar_heap_allocated_bytes", "Live blocks." },
	{ "cached", "ashlar_heap_cached_bytes", "Free in thread caches and depots." },
	{ "active", "ashlar_heap_active_bytes", "Pages in use." },
	{ "dirty", "ashlar_heap_dirty_bytes", "Free pages that decay will give back." },
	{ "muzzy", "ashlar_heap_muzzy_bytes", "Free pages that the kernel may take." },
	{ "metadata", "ashlar_heap_metadata_bytes", "The allocator's own records." },
	{ "mapped", "ashlar_heap_mapped_bytes", "Extents with memory." },
	{ "device", "ashlar_heap_device_extents", "Extents from the device." },
	{ "fallbacks", "ashlar_heap_fallback_extents",
	  "Extents that the device did not have, so far, of the processes that live." },
};

/* Processes of one name together: ids of processes would make series without end. */
struct group {
	char name[64];
	unsigned int processes, answered;
	uint64_t rss, on_device, huge;
	uint64_t heap[ARRAY_SIZE(heap_metrics)];
};

/* Nothing is added for a process that does not answer. */
static void add_heap(struct group *g, pid_t pid)
{
	char why[512], *totals = ask(pid, "totals", NULL, why, sizeof(why));

	if (!totals)
		return;
	g->answered++;
	for (unsigned int i = 0; i < ARRAY_SIZE(heap_metrics); i++)
		g->heap[i] += (uint64_t)answer_value(totals, heap_metrics[i].total);
	free(totals);
}

static unsigned int make_groups(struct group **groups)
{
	struct process *list;
	unsigned int n = processes_read(&list, false), used = 0, k;

	*groups = calloc(n + 1, sizeof(**groups));
	if (!*groups)
		fail("no memory for %u processes", n);
	for (unsigned int i = 0; i < n; i++) {
		for (k = 0; k < used && strcmp((*groups)[k].name, list[i].name); k++)
			;
		if (k == used)
			strcpy((*groups)[used++].name, list[i].name);
		(*groups)[k].processes++;
		(*groups)[k].rss += list[i].rss;
		(*groups)[k].on_device += list[i].on_device;
		(*groups)[k].huge += list[i].device_huge + list[i].anon_huge;
		if (list[i].library)
			add_heap(&(*groups)[k], list[i].pid);
	}
	free(list);
	return used;
}

static void label(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', f);
		fputc((unsigned char)*text < 127 ? *text : '?', f);
	}
}

static void series(FILE *f, const char *name, const struct group *g, uint64_t value)
{
	fprintf(f, "%s{name=\"", name);
	label(f, g->name);
	fprintf(f, "\"} %llu\n", (unsigned long long)value);
}

static void write_groups(FILE *f)
{
	struct group *g;
	unsigned int n = make_groups(&g);

	family(f, "ashlar_processes", false, "Processes that use Ashlar.");
	for (unsigned int i = 0; i < n; i++)
		series(f, "ashlar_processes", &g[i], g[i].processes);
	family(f, "ashlar_process_resident_bytes", false, "Their memory in RAM.");
	for (unsigned int i = 0; i < n; i++)
		series(f, "ashlar_process_resident_bytes", &g[i], g[i].rss);
	family(f, "ashlar_process_device_bytes", false, "Of it, on the device.");
	for (unsigned int i = 0; i < n; i++)
		series(f, "ashlar_process_device_bytes", &g[i], g[i].on_device);
	family(f, "ashlar_process_huge_bytes", false, "Of it, on huge pages of any kind.");
	for (unsigned int i = 0; i < n; i++)
		series(f, "ashlar_process_huge_bytes", &g[i], g[i].huge);
	family(f, "ashlar_heaps", false, "Of them, processes that told of their heap (option ctl_socket).");
	for (unsigned int i = 0; i < n; i++)
		series(f, "ashlar_heaps", &g[i], g[i].answered);
	for (unsigned int k = 0; k < ARRAY_SIZE(heap_metrics); k++) {
		family(f, heap_metrics[k].name, false, heap_metrics[k].help);
		for (unsigned int i = 0; i < n; i++)
			if (g[i].answered)
				series(f, heap_metrics[k].name, &g[i], g[i].heap[k]);
	}
	free(g);
}

static void write_metrics(FILE *f)
{
	write_pools(f);
	write_groups(f);
	if (!old_format)
		fputs("# EOF\n", f);
}

/* --- where it goes --------------------------------------------------------------------------- */

/* Whole or not at all: a scrape between two writes finds the old file. */
static int to_textfile(void)
{
	char *temporary;
	FILE *f;
	int fd;

	old_format = true;
	if (asprintf(&temporary, "%s.XXXXXX", textfile) < 0)
		fail("no memory");
	fd = mkstemp(temporary);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f)
		fail("cannot write %s: %s", temporary, strerror(errno));
	write_metrics(f);
	fchmod(fd, 0644);
	if (ferror(f) || fclose(f) || rename(temporary, textfile)) {
		int err = errno;

		unlink(temporary);
		fail("cannot write %s: %s", textfile, strerror(err));
	}
	free(temporary);
	return 0;
}

/* The head of an HTTP request, up to the empty line; false: none came in two seconds. */
static bool read_head(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&wait, 1, 2000) <= 0)
			return false;
		n = read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			return false;
		len += (size_t)n;
		buf[len] = '\0';
		if (strstr(buf, "\r\n\r\n") || strstr(buf, "\n\n"))
			return true;
	}
	return false;
}

static void send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void serve(int fd)
{
	struct timeval patience = { .tv_sec = 5 };
	char head[4096], *body = NULL;
	size_t len = 0;
	FILE *f;

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!read_head(fd, head, sizeof(head)))
		return;
	if (strncmp(head, "GET /metrics", 12) || !strchr(" ?", head[12])) {
		static const char no[] = "HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\nonly GET /metrics is here\n";

		send_all(fd, no, sizeof(no) - 1);
		return;
	}
	old_format = !strcasestr(head, "application/openmetrics-text");
	f = open_memstream(&body, &len);
	if (!f)
		return;
	fprintf(f, "HTTP/1.0 200 OK\r\nContent-Type: %s\r\n\r\n", old_format ?
		"text/plain; version=0.0.4; charset=utf-8" :
		"application/openmetrics-text; version=1.0.0; charset=utf-8");
	write_metrics(f);
	fclose(f);
	send_all(fd, body, len);
	free(body);
}

/* Loopback alone: a proxy with authentication goes in front of it for others. */
static int to_network(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		fail("no socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 16))
		fail("cannot listen on 127.0.0.1:%ld: %s", port, strerror(errno));
	printf("serving http://127.0.0.1:%ld/metrics\n", port);
	fflush(stdout);
	for (;;) {
		int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0)
			continue;
		serve(connection);
		close(connection);
	}
}

static int run(void)
{
	if (want_json)
		usage_error("metrics: OpenMetrics is its one format; 'ashlarctl top --json -n 1' has the same figures as JSON");
	if (textfile && port)
		usage_error("metrics: --textfile or --listen, not both");
	if (port)
		return to_network();
	if (textfile)
		return to_textfile();
	write_metrics(stdout);
	return 0;
}

static const struct argp_option options[] = {
	{ "textfile", 't', "FILE", 0, "Replace FILE by them, for node_exporter's textfile collector", 0 },
	{ "listen", 'l', "PORT", 0, "Serve them to scrapers on this machine, at http://127.0.0.1:PORT/metrics", 0 },
	{ "prometheus", 'p', NULL, 0, "Prometheus's older text format instead of OpenMetrics", 0 },
	{ 0 },
};

const struct command cmd_metrics = {
	.name = "metrics", .args = "", .run = run, .options = options, .parse = parse,
	.text = "Print the pool's and the processes' figures as OpenMetrics.",
};
