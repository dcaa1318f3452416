// SPDX-License-Identifier: MIT
/*
 * Thousands of small random programs against the device: mmap, munmap, mremap,
 * mprotect, madvise, fork, pins, valid and hostile ioctls, several processes and
 * threads at once. Each process knows what it must find (fuzz-model.h) and looks.
 *
 * Usage: fuzz [--seconds N] [--seed S] [--program K]
 *   --seconds N   how long; 5, or 60 where the kernel has kmemleak
 *   --seed S      the sequence; else SEED of the environment, else the clock
 *   --program K   only this program of it
 *
 * Prints its seed and TAP. The same seed and program make the same calls; how
 * processes interleave is the kernel's choice.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "delay.h"
#include "fuzz-ioctls.h"

#define MOST_PROCESSES	4	/* of one program at a time */
#define MOST_CALLS	40	/* of one process */
#define STORM_EXTENTS	2
#define PATIENCE	120	/* seconds for one program */

static int depth;
static unsigned int seed;
static unsigned int program;

/* --- threads that do as they like, on a heap of their own --- */

struct storm {
	int fd;
	char *p;
	uint32_t rng;
	uint32_t mark;	/* the upper half of each word that may be found */
	volatile bool stop;
	volatile uint32_t strange;
};

static void *storm_thread(void *arg)
{
	struct storm *storm = arg;
	uint32_t state = __atomic_add_fetch(&storm->rng, 0x9e3779b9,
					    __ATOMIC_RELAXED) | 1;

	while (!storm->stop) {
		size_t at = random_next(&state) % STORM_EXTENTS;
		char *p = storm->p + at * EXTENT;
		char *q = p + random_next(&state) % PAGES * PAGE;
		uint32_t value;

		switch (random_next(&state) % 12) {
		case 0: dev_alloc_on(storm->fd, p, 1, ASHLAR_NODE_LOCAL,
				     random_next(&state) & ASHLAR_ALLOC_POPULATE,
				     NULL);
			break;
		case 1: dev_free(storm->fd, p, 1, NULL); break;
		case 2: dev_purge(storm->fd, storm->p, STORM_EXTENTS, NULL); break;
		case 3: madvise(q, PAGE, MADV_POPULATE_WRITE); break;
		case 4: if (!munmap(p, EXTENT))
				dev_map_at(storm->fd, p, 1, at);
			break;
		case 5: mprotect(q, PAGE, PROT_READ);
			mprotect(p, EXTENT, PROT_READ | PROT_WRITE);
			break;
		case 6: case 7:
			word_write(q, storm->mark | (state & 0xffff));
			break;
		case 9: dev_purge_as(storm->fd, p, 1, ASHLAR_PURGE_LAZY, NULL);
			break;
		case 10: dev_alloc_on(storm->fd, p, 1, ASHLAR_NODE_LOCAL,
				      ASHLAR_ALLOC_KEEP, NULL);
			break;
		case 11: {
			struct ashlar_range pages = { (uintptr_t)q, PAGE };
			struct ashlar_punch punch = {
				.size = sizeof(punch), .nr_ranges = 1,
				.ranges = (uintptr_t)&pages };

			dev_call(storm->fd, ASHLAR_IOC_PUNCH, &punch);
			break;
		}
		case 8: if (!word_read(q, &value) && value &&
			    (value & 0xffff0000) != storm->mark)
				storm->strange = value;
			break;
		}
	}
	return NULL;
}

static void call_storm(void)
{
	struct storm storm = { .fd = any_fd(), .rng = random_next(&rng),
			       .mark = (uint32_t)getpid() << 16 };
	pthread_t threads[3];
	struct ashlar_stat stat;
	int i, forks = below(3);

	storm.fd = dev_open();
	storm.p = dev_map(storm.fd, STORM_EXTENTS);
	if (!storm.p)
		wrong("mmap: %s", strerror(errno));
	for (i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, storm_thread, &storm))
			wrong("pthread_create");
	for (i = 0; i < forks; i++) {
		pid_t pid = fork();

		if (!pid) {
			uint32_t value;

			for (i = 0; i < STORM_EXTENTS; i++)
				if (!word_read(storm.p + i * EXTENT, &value))
					word_write(storm.p + i * EXTENT, 1);
			_exit(0);
		}
		if (pid > 0 && child_status(pid))
			wrong("the child of a storm failed");
	}
	usleep(1000 + below(4000));
	storm.stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	if (storm.strange)
		wrong("a storm found %#x", storm.strange);
	if (dev_free(storm.fd, storm.p, STORM_EXTENTS, NULL) ||
	    dev_stat(storm.fd, storm.p, &stat) || stat.committed || stat.purged)
		wrong("after a storm and FREE something is left");
	munmap(storm.p, STORM_EXTENTS * EXTENT);
	close(storm.fd);
}

/* --- processes --- */

static void run_process(void);

static int children;

static void call_fork(void)
{
	uint32_t child_rng = random_next(&rng) | 1;
	pid_t pid;

	if (depth >= 3 || __atomic_add_fetch(&shared->processes, 1,
					     __ATOMIC_SEQ_CST) > MOST_PROCESSES) {
		__atomic_sub_fetch(&shared->processes, 1, __ATOMIC_SEQ_CST);
		return;
	}
	pid = fork();
	if (pid < 0)
		wrong("fork: %s", strerror(errno));
	if (!pid) {
		alarm(PATIENCE);
		depth++;
		children = 0;
		rng = child_rng;
		model_forked();
		run_process();
	}
	children++;
}

static void reap(int flags)
{
	int status;

	while (children && waitpid(-1, &status, flags) > 0) {
		children--;
		if (status)
			wrong("a child ended with status %#x", status);
	}
}

static void call_one(void)
{
	switch (below(39)) {
	case 0 ... 3: call_mmap(); break;
	case 4: call_munmap(); break;
	case 5: call_mprotect(); break;
	case 6: call_madvise(); break;
	case 7: call_mremap(); break;
	case 8 ... 13: call_alloc(); break;
	case 14: case 15: call_give(false, 0); break;
	case 16: call_give(true, ASHLAR_PURGE_FORCED); break;
	case 17: if (abilities & ASHLAR_CAN_PURGE_LAZY)
			call_give(true, ASHLAR_PURGE_LAZY);
		break;
	case 18: call_stat(); break;
	case 19: case 20: call_hostile(); break;
	case 21: call_pin(); break;
	case 22: call_levels(); break;
	case 23: if (!below(8))
			call_storm();
		break;
	case 24: case 25: call_fork(); break;
	case 26: reap(WNOHANG); break;
	case 27: case 28: call_check(); break;
	case 29: case 30: call_punch(); break;
	case 31: call_mend(); break;
	default: call_write(); break;
	}
}

/* Never returns. */
static void run_process(void)
{
	int calls = 10 + below(MOST_CALLS - 10);

	while (calls-- && !shared->failed) {
		call_one();
		__atomic_add_fetch(&shared->calls, 1, __ATOMIC_RELAXED);
	}
	call_check();
	/* Half of them leave their children behind. */
	if (!depth || below(2))
		reap(0);
	__atomic_sub_fetch(&shared->processes, 1, __ATOMIC_SEQ_CST);
	_exit(0);
}

static void begin(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	int i;

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	for (i = 0; i < FILES; i++)
		fds[i] = dev_open();
	area = mmap(NULL, (SLOTS + 1) * EXTENT, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		wrong("mmap of the area");
	area = (char *)(((uintptr_t)area + EXTENT - 1) & ~(EXTENT - 1));
	model_unmap(0, SLOTS * PAGES);
	rng = (seed * 2654435761u ^ (program + 1) * 40503u) | 1;
	alarm(PATIENCE);
	run_process();
}

/* All processes of a program, those left behind too; true if all was well. */
static bool run_program(void)
{
	pid_t pid;
	int status, first = -1, delay = -1;

	shared->processes = 1;
	/* A fault in one program of four takes its time where it is delicate. */
	if (program % 4 == 3)
		delay = delay_begin("ashlar_fault");
	pid = fork();
	if (!pid)
		begin();
	while ((pid = wait(&status)) > 0)
		if (status && first <= 0)
			first = status;
	delay_end(delay);
	if (first > 0 && !shared->failed) {
		shared->failed = true;
		snprintf(shared->why, sizeof(shared->why),
			 "a process ended with status %#x%s", first,
			 WIFSIGNALED(first) && WTERMSIG(first) == SIGALRM ?
			 ": it took too long" : "");
	}
	return !shared->failed;
}

static unsigned long number(const char *option, const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (*end || !*text) {
		fprintf(stderr, "fuzz: --%s %s: give a number\n", option, text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'r' },
		{ "program", required_argument, NULL, 'p' },
		{}
	};
	long seconds = access("/sys/kernel/debug/kmemleak", F_OK) ? 5 : 60;
	struct ashlar_info info = { .size = sizeof(info) };
	long one = -1, out = nodes_sum("out");
	time_t end;
	int option;

	seed = getenv("SEED") ? number("seed", getenv("SEED")) : time(NULL);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 's': seconds = number("seconds", optarg); break;
		case 'r': seed = number("seed", optarg); break;
		case 'p': one = number("program", optarg); break;
		default: return 2;
		}
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	option = dev_open();
	if (dev_call(option, ASHLAR_IOC_INFO, &info))
		return 1;
	close(option);
	abilities = info.abilities;
	/* Who is left behind is ours to wait for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	printf("1..2\n# seed %u\n", seed);
	end = time(NULL) + seconds;
	for (program = one < 0 ? 0 : one; time(NULL) < end; program++) {
		if (!run_program())
			break;
		if (one >= 0)
			program = one - 1;
	}
	printf("# %u programs, %lu calls\n", program, shared->calls);
	if (shared->failed)
		printf("# %s\nnot ok 1 - fuzz: again with --seed %u --program %u\n",
		       shared->why, seed, program);
	else
		printf("ok 1 - fuzz: each process found what it expected\n");
	option = out_returns_to(out);
	printf("%s 2 - fuzz: every extent came back\n", option ? "ok" : "not ok");
	return shared->failed || !option;
}
