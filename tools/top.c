// SPDX-License-Identifier: MIT
/* ashlarctl top: all processes that use Ashlar, live. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "ask.h"
#include "pool.h"
#include "process.h"

static long seconds = 2, rounds;
static bool batch;
static struct termios cooked;
static volatile sig_atomic_t ended;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case 'd':
		seconds = number("--delay", arg, 1, 3600);
		return 0;
	case 'n':
		rounds = number("--iterations", arg, 1, 1000000);
		return 0;
	case 'b':
		batch = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- the terminal: the other screen, keys at once ------------------------------------------ */

static void on_signal(int sig)
{
	(void)sig;
	ended = 1;
}

static void screen_leave(void)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

static void screen_enter(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &cooked))
		return;
	raw = cooked;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	atexit(screen_leave);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	fputs("\033[?1049h\033[?25l", stdout);
}

static unsigned int screen_rows(void)
{
	struct winsize size;

	if (batch || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 8)
		return 1000;
	return size.ws_row;
}

/* Wait for the next round; false: enough. */
static bool wait_for_next(void)
{
	struct pollfd key = { .fd = batch ? -1 : STDIN_FILENO, .events = POLLIN };
	char c;

	fflush(stdout);
	if (poll(&key, 1, (int)seconds * 1000) > 0 && (read(STDIN_FILENO, &c, 1) < 1 || c == 'q'))
		return false;
	return !ended;
}

/* --- one round -------------------------------------------------------------------------------- */

static void print_pool_line(const struct pool *pools, unsigned int n)
{
	if (!n) {
		puts("module not loaded: heaps are on anonymous memory");
		return;
	}
	printf("pool: %lld ready, %lld out, %lld lazy, %lld hits, %lld misses, %lld quarantined\n",
	       (long long)pools_sum(pools, n, "ready"), (long long)pools_sum(pools, n, "out"),
	       (long long)pools_sum(pools, n, "lazy"), (long long)pools_sum(pools, n, "hits"),
	       (long long)pools_sum(pools, n, "misses"), (long long)pools_sum(pools, n, "quarantined"));
}

static void print_process(const struct process *p, unsigned int nodes)
{
	char why[512], *heap = p->library ? ask(p->pid, "totals", NULL, why, sizeof(why)) : NULL;

	printf("%8d %-16.16s %9s", (int)p->pid, p->name, human(p->rss));
	if (heap)
		printf(" %9s %9s %9s", human((uint64_t)answer_value(heap, "allocated")),
		       human((uint64_t)answer_value(heap, "dirty")),
		       human((uint64_t)answer_value(heap, "muzzy")));
	else
		printf(" %9s %9s %9s", "-", "-", "-");
	printf(" %9s %4u %%", human(p->on_device), process_huge_percent(p));
	for (unsigned int i = 0; i < nodes; i++)
		printf(" %8s", human(p->on_node[i]));
	putchar('\n');
	free(heap);
}

static void print_round(const struct process *list, unsigned int n)
{
	unsigned int npools, nodes = 1, rows = screen_rows() - 4;
	const struct pool *pools = pools_read(&npools);
	uint64_t rss = 0;

	for (unsigned int i = 0; i < n; i++) {
		rss += list[i].rss;
		nodes = list[i].nodes > nodes ? list[i].nodes : nodes;
	}
	if (!batch)
		fputs("\033[H\033[2J", stdout);
	printf("%sashlarctl top%s  %u processes, %s in RAM%s\n", sgr("1"), sgr("0"), n, human(rss),
	       batch ? "" : "   (q ends)");
	print_pool_line(pools, npools);
	printf("%s%8s %-16s %9s %9s %9s %9s %9s %6s", sgr("7"), "PID", "NAME", "RSS", "HEAP",
	       "DIRTY", "LAZY", "DEVICE", "HUGE");
	for (unsigned int i = 0; i < nodes; i++)
		printf("    NODE%u", i);
	printf("%s\n", sgr("0"));
	for (unsigned int i = 0; i < n && i < rows; i++)
		print_process(&list[i], nodes);
}

static struct json_object *to_json(const struct process *list, unsigned int n)
{
	struct json_object *object = json_object_new_object();
	struct json_object *processes = json_object_new_array(), *nodes = json_object_new_array();
	const struct pool *pools;
	unsigned int npools;

	pools = pools_read(&npools);
	for (unsigned int i = 0; i < npools; i++)
		json_object_array_add(nodes, pool_json(&pools[i]));
	for (unsigned int i = 0; i < n; i++) {
		struct json_object *p = process_json(&list[i]);

		json_object_object_add(p, "heap", totals_json(list[i].pid));
		json_object_array_add(processes, p);
	}
	json_object_object_add(object, "nodes", nodes);
	json_object_object_add(object, "processes", processes);
	return object;
}

static int run(void)
{
	if (want_json || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		batch = true;
	if (!batch)
		screen_enter();
	for (long i = 0;; i++) {
		struct process *list;
		unsigned int n = processes_read(&list, false);

		if (want_json)
			print_json(to_json(list, n));
		else
			print_round(list, n);
		free(list);
		if ((rounds && i + 1 >= rounds) || !wait_for_next())
			return 0;
	}
}

static const struct argp_option options[] = {
	{ "delay", 'd', "SECONDS", 0, "Between two looks [2]", 0 },
	{ "iterations", 'n', "N", 0, "End after N looks", 0 },
	{ "batch", 'b', NULL, 0, "Print one look after the other, as to a file", 0 },
	{ 0 },
};

const struct command cmd_top = {
	.name = "top", .args = "", .run = run, .options = options, .parse = parse,
	.text = "Watch all processes that use Ashlar: heap, huge share, nodes.",
};
