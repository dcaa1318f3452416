// SPDX-License-Identifier: MIT
/*
 * Runs one program with one allocator preloaded and writes what it cost.
 *
 *	launch -o RESULT [-p LIBRARY] -- PROGRAM [ARGUMENT]...
 *
 * A program of its own, and a small one, because the kernel carries the peak
 * of the forking process over an exec: below the 13 MB of a Python every small
 * program would seem to need 13 MB. RESULT is a line of JSON:
 *
 *	status		exit status, or 128 + signal
 *	wall, user, system	seconds; user and system with all waited-for children
 *	peak_kb		peak resident set, KiB: of the program, or of a child of it that had more
 *	faults		page faults without I/O
 *	switches	voluntary context switches: threads that waited
 *	final_kb	resident at exit, KiB; -1 if it could not be read
 *	huge_kb		of it on huge pages, KiB; -1 likewise
 *	loaded		1 if LIBRARY was mapped at exit, 0 if not, -1 not known
 *
 * The last three, and the peak, are read while the program's first thread stands still in
 * its exit, where its memory is still whole: one ptrace stop in a run.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct at_exit {
	long final_kb;
	long huge_kb;
	long peak_kb;		/* of this one process, by counters; -1 if it could not be read */
	long child_faults;	/* of children it waited for; 0: it had none */
	int loaded;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

static void read_rollup(pid_t pid, struct at_exit *x)
{
	char name[64], line[256];
	FILE *f;
	long kb;

	snprintf(name, sizeof(name), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(name, "r");
	if (!f)
		return;
	x->final_kb = 0;
	x->huge_kb = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Rss: %ld", &kb) == 1)
			x->final_kb = kb;
		else if (sscanf(line, "AnonHugePages: %ld", &kb) == 1 ||
			 sscanf(line, "ShmemPmdMapped: %ld", &kb) == 1 ||
			 sscanf(line, "FilePmdMapped: %ld", &kb) == 1)
			x->huge_kb += kb;
	}
	fclose(f);
}

static void read_peak(pid_t pid, struct at_exit *x)
{
	char name[64], line[256];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
	f = fopen(name, "r");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmHWM: %ld", &x->peak_kb) == 1)
			break;
	}
	fclose(f);
	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	f = fopen(name, "r");
	if (!f)
		return;
	/* The 11th field, cminflt; the second is a name and may have blanks. */
	if (fgets(line, sizeof(line), f) && strrchr(line, ')'))
		sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %ld", &x->child_faults);
	fclose(f);
}

/*
 * ru_maxrss is read from counters of which each CPU keeps up to a batch to itself, for file,
 * anonymous and shared pages (Linux 6.2 and later): of a program of 1.5 MB a third can be missing
 * or too much. What is resident in its exit is counted page by page, and that is most
 * programs' peak; one that was higher before is read from the same counters by all.
 */
static long peak(const struct at_exit *x, const struct rusage *use)
{
	long own = x->peak_kb > x->final_kb ? x->peak_kb : x->final_kb;

	return own < 0 || (x->child_faults && use->ru_maxrss > own) ? use->ru_maxrss : own;
}

static void read_maps(pid_t pid, const char *library, struct at_exit *x)
{
	char name[64], line[PATH_MAX + 128];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	f = fopen(name, "r");
	if (!f)
		return;
	x->loaded = 0;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		const char *path = strchr(line, '/');

		if (path && !strcmp(path, library))
			x->loaded = 1;
	}
	fclose(f);
}

/* The child waits for the tracer, so that nothing of the program runs before. */
static pid_t start(char **argv, const char *library, int *go)
{
	int gate[2];
	pid_t pid;
	char c;

	if (pipe(gate))
		err(125, "pipe");
	pid = fork();
	if (pid < 0)
		err(125, "fork");
	if (!pid) {
		close(gate[1]);
		if (read(gate[0], &c, 1) != 1)
			_exit(125);
		close(gate[0]);
		if (library)
			setenv("LD_PRELOAD", library, 1);
		execvp(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	close(gate[0]);
	*go = gate[1];
	return pid;
}

static int follow(pid_t pid, const char *library, struct at_exit *x,
		  struct rusage *use)
{
	int status;

	for (;;) {
		if (wait4(pid, &status, __WALL, use) < 0) {
			if (errno == EINTR)
				continue;
			err(125, "wait4");
		}
		if (!WIFSTOPPED(status))
			return WIFEXITED(status) ? WEXITSTATUS(status)
						 : 128 + WTERMSIG(status);
		if (status >> 16 == PTRACE_EVENT_EXIT) {
			read_rollup(pid, x);
			read_peak(pid, x);
			if (library)
				read_maps(pid, library, x);
			ptrace(PTRACE_CONT, pid, 0, 0);
		} else if (status >> 16 == PTRACE_EVENT_STOP) {
			ptrace(PTRACE_LISTEN, pid, 0, 0);
		} else {
			ptrace(PTRACE_CONT, pid, 0, (long)WSTOPSIG(status));
		}
	}
}

int main(int argc, char **argv)
{
	struct at_exit x = { .final_kb = -1, .huge_kb = -1, .peak_kb = -1, .loaded = -1 };
	char real[PATH_MAX], *library = NULL;
	const char *result = NULL;
	struct rusage use;
	int opt, go, status;
	double begin, wall;
	pid_t pid;
	FILE *f;

	while ((opt = getopt(argc, argv, "+o:p:")) != -1) {
		if (opt == 'o') {
			result = optarg;
		} else if (opt == 'p') {
			library = realpath(optarg, real);
			if (!library)
				err(125, "cannot preload %s", optarg);
		} else {
			errx(125, "usage: launch -o RESULT [-p LIBRARY] -- PROGRAM [ARGUMENT]...");
		}
	}
	if (!result || optind == argc)
		errx(125, "usage: launch -o RESULT [-p LIBRARY] -- PROGRAM [ARGUMENT]...");

	pid = start(argv + optind, library, &go);
	/* Without ptrace (a container may forbid it) the last three stay -1. */
	if (ptrace(PTRACE_SEIZE, pid, 0, (long)PTRACE_O_TRACEEXIT))
		warn("no figures at exit: ptrace");
	begin = now();
	if (write(go, "", 1) != 1)
		err(125, "cannot start %s", argv[optind]);
	close(go);
	status = follow(pid, library, &x, &use);
	wall = now() - begin;

	f = fopen(result, "w");
	if (!f)
		err(125, "%s", result);
	fprintf(f, "{\"status\": %d, \"wall\": %.6f, \"user\": %.6f, \"system\": %.6f, "
		"\"peak_kb\": %ld, \"faults\": %ld, \"switches\": %ld, "
		"\"final_kb\": %ld, \"huge_kb\": %ld, \"loaded\": %d}\n",
		status, wall, seconds(use.ru_utime), seconds(use.ru_stime),
		peak(&x, &use), use.ru_minflt, use.ru_nvcsw,
		x.final_kb, x.huge_kb, x.loaded);
	if (fclose(f))
		err(125, "%s", result);
	return status;
}
