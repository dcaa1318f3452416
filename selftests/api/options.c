// SPDX-License-Identifier: MIT
/*
 * Who sets an option last: the program's string, then /etc/ashlar.conf, then
 * ASHLAR_CONF; and in a set-uid program never the environment, and nothing that writes
 * files or opens sockets. Runs as root in a guest, where /etc is nobody's.
 */
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ashlar.h>

#include "tap.h"

#define FILE_NAME	"/etc/ashlar.conf"

extern const char *ashlar_conf;
const char *ashlar_conf = "gc_events:33,ncached_max:33,tcache_bytes:33k,prof_final:true";

struct seen {
	size_t gc_events, ncached_max, tcache_bytes;
	bool prof_final, ctl_socket, secure;
	char said[1000];	/* on standard error */
};

static int show(void)
{
	struct seen s = { .secure = getauxval(AT_SECURE) };
	size_t z = sizeof(size_t), b = sizeof(bool);

	if (ashlar_ctl("opt.gc_events", &s.gc_events, &z, NULL, 0) ||
	    ashlar_ctl("opt.ncached_max", &s.ncached_max, &z, NULL, 0) ||
	    ashlar_ctl("opt.tcache_bytes", &s.tcache_bytes, &z, NULL, 0) ||
	    ashlar_ctl("opt.prof_final", &s.prof_final, &b, NULL, 0) ||
	    ashlar_ctl("opt.ctl_socket", &s.ctl_socket, &b, NULL, 0))
		return 1;
	return write(1, &s, offsetof(struct seen, said)) < 0;
}

/* What @program sees with @conf in the environment (NULL: without). */
static struct seen run(const char *program, const char *conf)
{
	struct seen s = { 0 };
	int out[2], err[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe(out) || pipe(err))
		abort();
	pid = fork();
	if (!pid) {
		dup2(out[1], 1);
		dup2(err[1], 2);
		if (conf)
			setenv("ASHLAR_CONF", conf, 1);
		else
			unsetenv("ASHLAR_CONF");
		execl(program, program, "show", (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	n = read(out[0], &s, offsetof(struct seen, said));
	waitpid(pid, &status, 0);
	if (n != offsetof(struct seen, said) || status)
		s.gc_events = 0;
	n = read(err[0], s.said, sizeof(s.said) - 1);
	s.said[n < 0 ? 0 : n] = '\0';
	close(out[0]);
	close(err[0]);
	return s;
}

static void write_file(const char *text)
{
	FILE *f = fopen(FILE_NAME, "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static void copy(const char *from, const char *to)
{
	char buf[4096];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0) {
		if (write(out, buf, (size_t)n) != n)
			abort();
	}
	close(in);
	close(out);
}

int main(int argc, char **argv)
{
	static const char setuid_copy[] = "/bin/ashlar-options-setuid";
	struct seen s;

	if (argc > 1)
		return show();
	setvbuf(stdout, NULL, _IONBF, 0);
	unlink(FILE_NAME);
	s = run(argv[0], NULL);
	OK(s.gc_events == 33 && s.ncached_max == 33 && s.tcache_bytes == 33 * KB && s.prof_final && !s.secure &&
	   !s.said[0], "ashlar_conf", "%zu %zu %zu %s", s.gc_events, s.ncached_max, s.tcache_bytes, s.said);
	write_file("# what the machine says\ngc_events:44\n\n\tncached_max:44, ctl_socket:true # both\n");
	s = run(argv[0], NULL);
	OK(s.gc_events == 44 && s.ncached_max == 44 && s.tcache_bytes == 33 * KB && s.ctl_socket && !s.said[0],
	   FILE_NAME " overrides it", "%zu %zu %zu %s", s.gc_events, s.ncached_max, s.tcache_bytes, s.said);
	s = run(argv[0], "gc_events:55");
	OK(s.gc_events == 55 && s.ncached_max == 44 && s.tcache_bytes == 33 * KB && !s.said[0],
	   "ASHLAR_CONF overrides both", "%zu %zu %zu %s", s.gc_events, s.ncached_max, s.tcache_bytes, s.said);

	copy(argv[0], setuid_copy);
	if (chown(setuid_copy, 12345, 12345) || chmod(setuid_copy, 04755))
		abort();
	s = run(setuid_copy, "gc_events:55,nonsense:1,prof_final:true,ctl_socket:true");
	OK(s.secure, "a set-uid program");
	OK(s.gc_events == 44 && s.ncached_max == 44 && s.tcache_bytes == 33 * KB && !s.said[0],
	   "does not look at the environment", "%zu %zu %zu %s", s.gc_events, s.ncached_max, s.tcache_bytes, s.said);
	OK(!s.prof_final && !s.ctl_socket, "nor writes files or opens sockets, whoever asks");
	unlink(setuid_copy);

	write_file("gc_events:many\nnonsense:1\nretain:true\nncached_max:44\n");
	s = run(argv[0], NULL);
	OK(s.gc_events == 33 && s.ncached_max == 44 && strstr(s.said, FILE_NAME ": option gc_events takes") &&
	   strstr(s.said, FILE_NAME ": there is no option \"nonsense\"") &&
	   strstr(s.said, FILE_NAME ": option retain is jemalloc's"), "mistakes there are told by line", "%s", s.said);
	unlink(FILE_NAME);
	return tap_end();
}
