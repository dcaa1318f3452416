// SPDX-License-Identifier: MIT
/*
 * Profiling through ctl while the program runs, in the directory that is the first
 * argument. ASHLAR_CONF is set by the driver: prof:true and a high rate of samples.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar.h"

static int tests, failures;

static bool ok(bool good, const char *what)
{
	failures += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	fflush(stdout);
	return good;
}

static int set(const char *name, void *value, size_t size)
{
	return ashlar_ctl(name, NULL, NULL, value, size);
}

static bool get_bool(const char *name)
{
	bool v = false;
	size_t size = sizeof(v);

	return !ashlar_ctl(name, &v, &size, NULL, 0) && v;
}

static int set_bool(const char *name, bool v)
{
	return set(name, &v, sizeof(v));
}

static const char *get_text(const char *name)
{
	const char *v = NULL;
	size_t size = sizeof(v);

	return ashlar_ctl(name, &v, &size, NULL, 0) ? NULL : v;
}

static int dump(const char *name)
{
	return name ? set("prof.dump", &name, sizeof(name)) :
		      ashlar_ctl("prof.dump", NULL, NULL, NULL, 0);
}

static int count(const char *pattern)
{
	glob_t g;
	int n = glob(pattern, 0, NULL, &g) ? 0 : (int)g.gl_pathc;

	if (n)
		globfree(&g);
	return n;
}

/* The four numbers of a profile's first line. */
static bool totals(const char *name, long *v)
{
	FILE *f = fopen(name, "re");
	bool good;

	if (!f)
		return false;
	good = fscanf(f, "heap profile: %ld: %ld [%ld: %ld] @ heap_v2/", v, v + 1, v + 2, v + 3) == 4;
	fclose(f);
	return good;
}

static void *volatile sink;

__attribute__((noinline)) static void work(int n, size_t size, bool keep)
{
	for (int i = 0; i < n; i++) {
		void *p = malloc(size);

		sink = p;
		if (!keep)
			free(p);
	}
}

static void test_files(void)
{
	struct stat st;
	long v[4];

	work(20000, 100, true);
	ok(!dump("a.heap") && totals("a.heap", v) && v[0] > 350 && v[0] < 650 && v[1] >= v[0] * 100,
	   "a dump on demand holds the samples");
	ok(!stat("a.heap", &st) && (st.st_mode & 07777) == 0600, "it is its owner's alone");
	ok(dump("a.heap") == EEXIST, "it is never written twice");
	ok(!symlink("elsewhere", "link.heap") && dump("link.heap") == EEXIST && access("elsewhere", F_OK),
	   "a symbolic link is not followed");
	ok(dump("no/such/place.heap") == ENOENT, "a name that cannot be made is an error");
	ok(!dump(NULL) && count("own.*.m0.heap") == 1, "a dump without a name takes the next one");
	ok(!dump("b.pb") && !dump("b.pb.gz"), "the name says the format");
}

static void *thread_is_active(void *arg)
{
	free(malloc(100));
	*(bool *)arg = get_bool("thread.prof.active");
	return NULL;
}

static bool in_new_thread(void *(*fn)(void *arg))
{
	bool result = false;
	pthread_t t;

	if (!pthread_create(&t, NULL, fn, &result))
		pthread_join(t, NULL);
	return result;
}

static void test_switches(void)
{
	const char *name = "worker";
	long before[4], after[4];

	ok(get_bool("prof.active") && get_bool("thread.prof.active"), "sampling is on");
	ok(!set_bool("prof.active", false) && !dump("c.heap"), "and can be switched off");
	work(20000, 100, false);
	ok(!dump("d.heap") && totals("c.heap", before) && totals("d.heap", after) &&
	   before[2] == after[2], "nothing is sampled then");
	ok(!set_bool("prof.active", true) && !set_bool("thread.prof.active", false), "on, but not this thread");
	work(40000, 100, false);
	ok(!dump("e.heap") && totals("e.heap", after) && before[2] == after[2], "nor is this thread then");
	ok(!set_bool("thread.prof.active", true), "on again");
	work(40000, 100, false);
	ok(!dump("f.heap") && totals("f.heap", after) && after[2] > before[2] + 100, "samples again");
	ok(!set("thread.prof.name", &name, sizeof(name)) && get_text("thread.prof.name") &&
	   !strcmp(get_text("thread.prof.name"), name), "a thread has a name");
	ok(!set_bool("prof.thread_active_init", false) && !in_new_thread(thread_is_active) &&
	   !set_bool("prof.thread_active_init", true) && in_new_thread(thread_is_active),
	   "threads to come begin as they are told");
	name = "a\nb";
	ok(set("thread.prof.name", &name, sizeof(name)) == EINVAL, "that can be printed");
}

static void test_reset(void)
{
	static void *kept[1000];
	size_t lg = 10, now = 0, size = sizeof(now);
	long v[4];

	for (int i = 0; i < 1000; i++)
		kept[i] = malloc(1000);
	ok(!set("prof.reset", &lg, sizeof(lg)) && !dump("g.heap") && totals("g.heap", v) && !v[0] && !v[2],
	   "a reset forgets everything");
	for (int i = 0; i < 1000; i++)
		free(kept[i]);
	ok(!dump("h.heap") && totals("h.heap", v) && v[0] >= 0 && v[1] >= 0,
	   "blocks of before are not missed when they are freed");
	ok(!ashlar_ctl("prof.lg_sample", &now, &size, NULL, 0) && now == 10, "the rate is the new one");
	work(1000, 2 << 20, false);	/* past the wait that the old rate set */
	ok(!ashlar_ctl("prof.reset", NULL, NULL, NULL, 0), "a reset without a value keeps the rate");
	work(100000, 100, true);
	ok(!dump("i.heap") && totals("i.heap", v) && v[0] > 8000 && v[0] < 11500,
	   "10,000,000 bytes at one sample each 1,024 are about 9,310 samples");
	lg = 99;
	ok(set("prof.reset", &lg, sizeof(lg)) == EINVAL, "a rate out of range: EINVAL");
}

static char *recent;

static void take(void *arg, const char *text)
{
	strcat(arg, text);
}

static void test_recent(void)
{
	struct {
		void (*write)(void *arg, const char *text);
		void *arg;
	} writer = { take, NULL };
	ssize_t most = 20, now = 0;
	size_t size = sizeof(now);
	const char *text;
	uint64_t objects, sum = 0;
	FILE *f;

	ok(!set("experimental.prof_recent.alloc_max", &most, sizeof(most)) &&
	   !ashlar_ctl("experimental.prof_recent.alloc_max", &now, &size, NULL, 0) && now == 20,
	   "the ring's length can be set");
	work(50000, 777, false);
	text = get_text("prof.recent");
	f = fopen("recent.json", "we");
	ok(text && f && fputs(text, f) >= 0, "the ring is JSON");
	if (f)
		fclose(f);
	recent = writer.arg = calloc(1, 4 << 20);
	ok(!set("experimental.prof_recent.alloc_dump", &writer, sizeof(writer)) &&
	   !strncmp(recent, "{\"sample_interval\":", 19), "and comes in pieces, as from jemalloc");
	for (unsigned int i = 0; i < 44; i++) {
		char name[64];

		snprintf(name, sizeof(name), "prof.lifetimes.%u.objects", i);
		size = sizeof(objects);
		if (!ashlar_ctl(name, &objects, &size, NULL, 0))
			sum += objects;
	}
	ok(sum > 48000 && sum < 60000, "lifetimes are counted");
}

static void *churn(void *arg)
{
	volatile bool *stop = arg;

	while (!*stop)
		work(1000, 300, false);
	return NULL;
}

/* Threads that sample, dumps, forks whose children sample and dump. */
static void test_fork(void)
{
	static bool stop;
	pthread_t t[4];
	int good = 0;

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, churn, &stop);
	for (int i = 0; i < 50; i++) {
		char name[32];
		int status;
		pid_t pid = fork();

		if (!pid) {
			alarm(20);
			work(2000, 300, false);
			snprintf(name, sizeof(name), "child%d.heap", i);
			_exit(dump(name));
		}
		snprintf(name, sizeof(name), "parent%d.heap", i);
		good += !dump(name);
		good += waitpid(pid, &status, 0) == pid && !status;
	}
	stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ok(good == 100, "fork and dump while others allocate");
}

/* The library's own thread answers within a second or so. */
static void test_signal(void)
{
	int before = count("own.*.m*.heap");

	raise(SIGUSR2);
	for (int i = 0; i < 200 && count("own.*.m*.heap") == before; i++)
		usleep(50000);
	ok(count("own.*.m*.heap") == before + 1, "a signal asks an idle process for a dump");
}

static void test_due(void)
{
	int before = count("own.*.i*.heap"), after;

	work(64, 1 << 20, false);
	after = count("own.*.i*.heap");
	ok(after >= before + 3 && after <= before + 5, "64 MB make four dumps by interval of 16 MB");
	ok(!set_bool("prof.gdump", true) && get_bool("prof.gdump"), "gdump is switched on");
	before = count("own.*.u*.heap");
	free(malloc(200 << 20));
	work(100, 100000, false);
	ok(count("own.*.u*.heap") > before, "a new peak makes a dump");
}

int main(int argc, char **argv)
{
	if (argc < 2 || chdir(argv[1]))
		return 2;
	test_files();
	test_switches();
	test_reset();
	test_recent();
	test_fork();
	test_signal();
	test_due();
	printf("1..%d\n", tests);
	return failures != 0;
}
