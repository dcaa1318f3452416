// SPDX-License-Identifier: MIT
/* Options zero, junk, xmalloc and zero_realloc, each in a process of its own. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ashlar.h>

#include "tap.h"

static const size_t sizes[] = { 1, 8, 100, 1000, 5000, 14336, 20000, 300000, 1 << 20, 5 << 20 };

static bool all(const unsigned char *p, int value, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (p[i] != value)
			return false;
	}
	return true;
}

/* Each kind of new block reads as @value, calloc's as zero. */
static bool new_blocks(int value)
{
	bool ok = true;

	for (int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			size_t n = sizes[i], had;
			unsigned char *p = HIDE(malloc(n)), *q = HIDE(calloc(1, n));

			ok &= all(p, value, 0, n) && all(q, 0, 0, n);
			memset(q, 1, n);
			free(q);
			q = HIDE(aligned_alloc(64, (n + 63) & ~(size_t)63));
			ok &= all(q, value, 0, n);
			memset(q, 2, n);
			free(q);
			q = ashlar_mallocx(n, ASHLAR_MALLOCX_TCACHE_NONE);
			ok &= all(q, value, 0, n);
			memset(q, 3, n);
			ashlar_dallocx(q, ASHLAR_MALLOCX_TCACHE_NONE);
			q = ashlar_mallocx(n, ASHLAR_MALLOCX_ZERO);
			ok &= all(q, 0, 0, n);
			free(q);
			had = ashlar_malloc_usable_size(p);
			memset(p, 7, had);
			p = HIDE(realloc(p, had * 3));
			ok &= all(p, 7, 0, had) && all(p, value, had, had * 3);
			memset(p, 8, had * 3);
			free(p);
		}
	}
	return ok;
}

/* A freed block's memory, which nobody else takes here meanwhile. */
static bool freed_blocks(void)
{
	bool ok = true;

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *p = HIDE(malloc(sizes[i])), *keep = HIDE(malloc(sizes[i]));

		memset(p, 1, sizes[i]);
		free(HIDE(p));
		ok &= all(HIDE(p), 0x5a, 0, sizes[i]);
		free(keep);
	}
	return ok;
}

static int check(const char *what)
{
	bool off = false, on = true;
	size_t len = sizeof(on);
	void *p;

	if (!strcmp(what, "zero"))
		return !new_blocks(0);
	if (!strcmp(what, "new"))
		return !new_blocks(0xa5);
	if (!strcmp(what, "both"))
		return !(new_blocks(0xa5) && freed_blocks());
	if (!strcmp(what, "freed"))
		return !freed_blocks();
	if (!strcmp(what, "cache")) {
		ashlar_ctl("thread.tcache.enabled", NULL, NULL, &on, sizeof(on));
		return ashlar_ctl("thread.tcache.enabled", &off, &len, NULL, 0) || off || !new_blocks(0);
	}
	if (!strcmp(what, "huge"))
		return HIDE(malloc(HIDE((size_t)1 << 60))) != NULL;
	p = HIDE(malloc(100));
	memset(p, 1, 100);
	p = HIDE(realloc(p, HIDE((size_t)0)));
	return !p || ashlar_malloc_usable_size(p) < 1;
}

/* Status of this program run as @what with @conf; *@said is what it wrote to standard error. */
static int run(const char *self, const char *conf, const char *what, char *said)
{
	int err[2], status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(err))
		abort();
	pid = fork();
	if (!pid) {
		dup2(err[1], 2);
		setenv("ASHLAR_CONF", conf, 1);
		execl(self, self, what, (char *)NULL);
		_exit(127);
	}
	close(err[1]);
	n = read(err[0], said, 999);
	said[n < 0 ? 0 : n] = '\0';
	close(err[0]);
	waitpid(pid, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *conf, *what, *name, *words;
	} tests[] = {
		{ "zero:true", "zero", "zero:true", "" },
		{ "zero:true,junk:alloc", "zero", "zero goes before junk", "" },
		{ "junk:alloc", "new", "junk:alloc", "" },
		{ "junk:true", "both", "junk:true", "" },
		{ "junk:free", "freed", "junk:free", "" },
		{ "zero:true,tcache:true", "cache", "no cache can be had then", "" },
		{ "xmalloc:false", "huge", "without xmalloc NULL", "" },
		{ "zero_realloc:alloc", "realloc", "zero_realloc:alloc", "" },
		{ "xmalloc:true", "huge", "xmalloc:true ends the process",
		  "ashlar: option xmalloc: there is no memory for 1152921504606846976 bytes\n" },
		{ "zero_realloc:abort", "realloc", "zero_realloc:abort", "ashlar: option zero_realloc: realloc of block" },
	};

	if (argc > 1)
		return check(argv[1]);
	for (unsigned int i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		char said[1000];
		int status = run(argv[0], tests[i].conf, tests[i].what, said);
		bool dies = tests[i].words[0];

		OK((dies ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT : !status) &&
		   !strncmp(said, tests[i].words, dies ? strlen(tests[i].words) : 1), tests[i].name,
		   "%x: %s", (unsigned int)status, said);
	}
	OK(run(argv[0], "zero_realloc:free", "realloc", (char[1000]){ 0 }) != 0, "zero_realloc:free gives nothing");
	return tap_end();
}
