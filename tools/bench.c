// SPDX-License-Identifier: MIT
/*
 * ashlarctl bench: what this machine gains, measured on it in about a minute. It calls
 * the kernel alone, no allocator: the same measurements with the module and without.
 * The three kinds of memory take turns, and medians are shown with their spread, as
 * times on a machine in use are worth no more.
 */
#include "bench.h"

#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_MAX	31

static bool quick;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	(void)state;
	if (key != 'q')
		return ARGP_ERR_UNKNOWN;
	quick = true;
	return 0;
}

/* Samples of one measurement; n == 0: there was none. */
struct samples {
	unsigned int n;
	double v[ROUNDS_MAX];
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void add(struct samples *s, double v)
{
	if (s->n < ROUNDS_MAX)
		s->v[s->n++] = v;
}

static double median(struct samples *s)
{
	qsort(s->v, s->n, sizeof(*s->v), by_value);
	return s->n ? s->v[s->n / 2] : 0;
}

/* What the summary is made of; 0: not measured. */
static double touch_ns[KINDS], clear_ns, write_ns[KINDS];
static unsigned int huge_share[KINDS];

/* --- output -------------------------------------------------------------------------------- */

static struct json_object *result;

static void title(const char *text)
{
	if (!want_json)
		printf("\n%s%s%s\n", sgr("1"), text, sgr("0"));
}

static void note(const char *name, const char *text)
{
	if (want_json)
		json_text(result, name, text);
	else
		printf("  %-12s %s\n", name, text);
}

/* A row: the median of @s, its spread, and how it compares with @base's. */
static void row(const char *group, const char *name, struct samples *s, double scale,
		const char *unit, struct samples *base)
{
	double m = median(s) * scale;
	char key[96];

	if (!s->n)
		return;
	snprintf(key, sizeof(key), "%s.%s", group, name);
	if (want_json) {
		struct json_object *o = json_object_new_object();

		json_real(o, "median", m);
		json_real(o, "least", s->v[0] * scale);
		json_real(o, "most", s->v[s->n - 1] * scale);
		json_number(o, "samples", s->n);
		json_text(o, "unit", unit);
		json_object_object_add(result, key, o);
		return;
	}
	printf("  %-12s %10.1f %-3s (%.1f to %.1f)", name, m, unit, s->v[0] * scale,
	       s->v[s->n - 1] * scale);
	if (base && base != s && base->n && m > 0)
		printf("  %.1f x the device's", m / (median(base) * scale));
	putchar('\n');
}

/* --- the measurements ---------------------------------------------------------------------------- */

/* The first touch of every page of an extent, kernel's work to get it included. */
static void first_touch(void)
{
	unsigned int rounds = quick ? 5 : ROUNDS_MAX, huge[KINDS] = { 0 };
	struct samples s[KINDS] = { 0 }, clear = { 0 };
	size_t n = 8;

	title("First touch of 2 MB: getting it, and a write to each of its pages");
	for (unsigned int r = 0; r < rounds; r++) {
		for (unsigned int k = 0; k < KINDS; k++) {
			double start = now_ns();
			char *p = kind_missing(k) ? NULL : kind_map(k, n, -1);

			if (!p)
				continue;
			for (size_t i = 0; i < n * EXTENT_BYTES; i += 4096)
				((volatile char *)p)[i] = 1;
			add(&s[k], (now_ns() - start) / (double)n);
			huge[k] = huge_percent(p, n);
			/* Once more, now that it is there: what clearing alone takes. */
			start = now_ns();
			memset(p, 0, n * EXTENT_BYTES);
			add(&clear, (now_ns() - start) / (double)n);
			kind_unmap(p, n);
		}
	}
	for (unsigned int k = 0; k < KINDS; k++) {
		if (!s[k].n)
			note(kind_names[k], kind_missing(k) ? kind_missing(k) : "no memory of it just now");
		row("first_touch", kind_names[k], &s[k], 1e-3, "us", &s[KIND_DEVICE]);
	}
	row("first_touch", "clearing", &clear, 1e-3, "us", NULL);
	clear_ns = median(&clear);
	title("Huge-page share of what was touched");
	for (unsigned int k = 0; k < KINDS; k++) {
		char text[16], key[48];

		if (!s[k].n)
			continue;
		touch_ns[k] = median(&s[k]);
		huge_share[k] = huge[k];
		snprintf(text, sizeof(text), "%u %%", huge[k]);
		snprintf(key, sizeof(key), "huge_percent.%s", kind_names[k]);
		if (want_json)
			json_number(result, key, huge[k]);
		else
			note(kind_names[k], text);
	}
}

/* As much as fits well: an eighth of free memory, of the device half of what is ready. */
static size_t working_set(enum kind kind)
{
	long long free_bytes = 0;
	size_t n = quick ? 32 : 256;
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long kb;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %lu kB", &kb) == 1)
			free_bytes = (long long)kb << 10;
	}
	if (f)
		fclose(f);
	if (n > (size_t)free_bytes / 8 / EXTENT_BYTES)
		n = (size_t)free_bytes / 8 / EXTENT_BYTES;
	if (kind == KIND_DEVICE && n > ready_extents() / 2)
		n = ready_extents() / 2;
	return n;
}

static size_t common_working_set(void)
{
	size_t n = working_set(KIND_THP);

	if (!kind_missing(KIND_DEVICE) && working_set(KIND_DEVICE) < n)
		n = working_set(KIND_DEVICE);
	return n ? n : 1;
}

static void tlb_reach(void)
{
	unsigned int rounds = quick ? 3 : 7;
	uint64_t steps = quick ? 200000 : 2000000;
	struct samples s[KINDS] = { 0 };
	size_t n = common_working_set();
	char text[96];

	snprintf(text, sizeof(text), "TLB reach: a dependent read somewhere in %zu MB", n * 2);
	title(text);
	for (unsigned int r = 0; r < rounds; r++) {
		for (unsigned int k = 0; k < KINDS; k++) {
			char *p = kind_missing(k) ? NULL : kind_map(k, n, -1);

			if (!p)
				continue;
			add(&s[k], chase_ns(p, n, steps));
			kind_unmap(p, n);
		}
	}
	for (unsigned int k = 0; k < KINDS; k++)
		row("random_read", kind_names[k], &s[k], 1, "ns", &s[KIND_DEVICE]);
}

static void node_distance(void)
{
	int nodes = numa_available() < 0 ? 1 : numa_num_configured_nodes();
	size_t n = common_working_set();

	title("Nodes: a dependent read, by the node of the CPU and of the memory");
	if (nodes < 2) {
		note("nodes", "this machine has one node: locality has nothing to gain here");
		return;
	}
	for (int cpu = 0; cpu <= numa_max_node(); cpu++) {
		if (numa_run_on_node(cpu))
			continue;
		for (int mem = 0; mem <= numa_max_node(); mem++) {
			enum kind kind = kind_missing(KIND_THP) ? KIND_SMALL : KIND_THP;
			struct samples s = { 0 };
			char name[32];

			for (unsigned int r = 0; r < 3; r++) {
				char *p = kind_map(kind, n, mem);

				if (!p)
					continue;
				add(&s, chase_ns(p, n, quick ? 100000 : 1000000));
				kind_unmap(p, n);
			}
			snprintf(name, sizeof(name), "%d -> %d", cpu, mem);
			row("node_read", name, &s, 1, "ns", NULL);
		}
	}
	numa_run_on_node(-1);
}

/* fork() of a process with so much memory, and the parent's first write to each 2 MB after it. */
static void fork_once(char *p, size_t n, struct samples *forks, struct samples *writes)
{
	int go[2];
	double start;
	pid_t child;
	char c = 0;

	if (pipe(go))
		return;
	start = now_ns();
	child = fork();
	if (child == 0) {
		close(go[1]);
		if (read(go[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	add(forks, now_ns() - start);
	close(go[0]);
	if (child > 0) {
		start = now_ns();
		for (size_t i = 0; i < n; i++)
			((volatile char *)p)[i * EXTENT_BYTES] = 2;
		add(writes, (now_ns() - start) / (double)n);
	}
	close(go[1]);
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void fork_cost(void)
{
	struct samples forks[KINDS] = { 0 }, writes[KINDS] = { 0 };
	unsigned int rounds = quick ? 3 : 9;
	size_t n = common_working_set() / 2;
	char text[96];

	n = n ? n : 1;
	snprintf(text, sizeof(text), "fork with %zu MB", n * 2);
	title(text);
	for (unsigned int r = 0; r < rounds; r++) {
		for (unsigned int k = 0; k < KINDS; k++) {
			char *p = kind_missing(k) ? NULL : kind_map(k, n, -1);

			if (!p)
				continue;
			memset(p, 1, n * EXTENT_BYTES);
			fork_once(p, n, &forks[k], &writes[k]);
			kind_unmap(p, n);
		}
	}
	for (unsigned int k = 0; k < KINDS; k++)
		row("fork", kind_names[k], &forks[k], 1e-3, "us", &forks[KIND_DEVICE]);
	title("The parent's first write to 2 MB while the child lives");
	for (unsigned int k = 0; k < KINDS; k++)
		row("write_after_fork", kind_names[k], &writes[k], 1e-3, "us", &writes[KIND_DEVICE]);
	for (unsigned int k = 0; k < KINDS; k++)
		write_ns[k] = median(&writes[k]);
}

/* --- in sentences ------------------------------------------------------------------------------- */

static void with_the_device(void)
{
	double touch = touch_ns[KIND_DEVICE];

	printf("  A first touch of 2 MB takes %.0f us from the pool", touch / 1e3);
	for (unsigned int k = 0; k < KINDS; k++)
		if (k != KIND_DEVICE && touch_ns[k] > 0)
			printf(", %.0f us as %s (%.1f x)", touch_ns[k] / 1e3, kind_names[k],
			       touch_ns[k] / touch);
	printf(".\n  %u %% of the device's memory is on huge pages", huge_share[KIND_DEVICE]);
	if (touch_ns[KIND_THP] > 0)
		printf("; of the transparent ones asked for, %u %% just now", huge_share[KIND_THP]);
	puts(".");
	if (write_ns[KIND_DEVICE] > 0 && write_ns[KIND_THP] > 0)
		printf("  While a child lives, a first write to 2 MB costs %.0f us (THP: %.0f us).\n",
		       write_ns[KIND_DEVICE] / 1e3, write_ns[KIND_THP] / 1e3);
}

/* No figure of the device is made up: only what it would spare, which was measured. */
static void without_the_device(const char *missing)
{
	enum kind kind = touch_ns[KIND_THP] > 0 ? KIND_THP : KIND_SMALL;

	if (touch_ns[kind] <= 0)
		return;
	printf("  Nothing is known of the device: %s.\n", missing);
	printf("  Here a first touch of 2 MB takes %.0f us (%s), and clearing 2 MB by itself %.0f us:\n"
	       "  that part a pool does ahead of time.\n", touch_ns[kind] / 1e3, kind_names[kind],
	       clear_ns / 1e3);
	if (touch_ns[KIND_THP] > 0)
		printf("  %u %% of what asked for huge pages has them just now; ASHLAR_CONF=thp:always asks.\n",
		       huge_share[KIND_THP]);
}

static void summary(const char *missing)
{
	title("What it comes to");
	if (missing)
		without_the_device(missing);
	else if (touch_ns[KIND_DEVICE] > 0)
		with_the_device();
	else
		puts("  The device had no memory to give just now: see ashlarctl status.");
}

static int run(void)
{
	const char *missing = kind_missing(KIND_DEVICE);
	double start = now_ns();

	result = json_object_new_object();
	if (want_json) {
		json_text(result, "device", missing ? missing : "usable");
	} else {
		printf("Medians (least to most) on this machine as it is now; %s%s.\n",
		       missing ? "no figures of the device, because " : "the kinds take turns",
		       missing ? missing : "");
		fflush(stdout);
	}
	first_touch();
	tlb_reach();
	node_distance();
	fork_cost();
	if (want_json) {
		json_real(result, "seconds", (now_ns() - start) / 1e9);
		print_json(result);
	} else {
		summary(missing);
		printf("\n%.0f seconds.\n", (now_ns() - start) / 1e9);
		json_object_put(result);
	}
	return 0;
}

static const struct argp_option options[] = {
	{ "quick", 'q', NULL, 0, "A few seconds and small sizes: for a look, not for figures", 0 },
	{ 0 },
};

const struct command cmd_bench = {
	.name = "bench", .args = "", .run = run, .options = options, .parse = parse,
	.text = "Measure what this machine gains: first touch, TLB, nodes, fork; one minute.",
};
