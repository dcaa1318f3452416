// SPDX-License-Identifier: MIT
/* The options: each row's default, ends, words; each mistake is one line that names it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "conf.h"

static char said[4096];

/* conf_parse(), with what it wrote to standard error in said. */
static unsigned int parse(const char *text)
{
	int fds[2], saved = dup(STDERR_FILENO);
	unsigned int refused;
	ssize_t n;

	cr_assert(!pipe(fds));
	dup2(fds[1], STDERR_FILENO);
	refused = conf_parse(text, "ORIGIN");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], said, sizeof(said) - 1);
	said[n < 0 ? 0 : n] = '\0';
	close(fds[0]);
	return refused;
}

static unsigned int lines(void)
{
	unsigned int n = 0;

	for (const char *s = said; (s = strchr(s, '\n')); s++)
		n++;
	return n;
}

static void accepts(const char *text)
{
	cr_assert_eq(parse(text), 0, "\"%s\": %s", text, said);
	cr_assert_str_empty(said);
}

static void refuses(const char *text, const char *names)
{
	struct conf before = conf;

	cr_assert_eq(parse(text), 1, "\"%s\" was accepted", text);
	cr_assert_eq(lines(), 1, "\"%s\": %s", text, said);
	cr_assert(!strncmp(said, "ashlar: ORIGIN: ", 16), "%s", said);
	cr_assert(strstr(said, names), "\"%s\": %s", text, said);
	cr_assert(!memcmp(&before, &conf, sizeof(conf)), "\"%s\" changed something", text);
}

/* conf_read_file() of a file that holds @text. */
static unsigned int reads(const char *text, size_t len)
{
	static char path[40];
	int fd, fds[2], saved = dup(STDERR_FILENO);
	unsigned int refused;
	ssize_t n;

	snprintf(path, sizeof(path), "/tmp/ashlar-conf-XXXXXX");
	fd = mkstemp(path);
	cr_assert(fd >= 0 && write(fd, text, len) == (ssize_t)len && !pipe(fds));
	close(fd);
	dup2(fds[1], STDERR_FILENO);
	refused = conf_read_file(path);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], said, sizeof(said) - 1);
	said[n < 0 ? 0 : n] = '\0';
	close(fds[0]);
	unlink(path);
	return refused;
}

static const struct conf_row *row_of(const char *key)
{
	for (unsigned int i = 0; i < conf_nrows; i++) {
		if (!strcmp(conf_rows[i].key, key))
			return &conf_rows[i];
	}
	cr_assert_fail("no row %s", key);
	return NULL;
}

static int64_t value(const struct conf_row *row)
{
	return *(int64_t *)((char *)&conf + row->offset);
}

/* Options are read once: where the environment brought one along, as an emulator's small address space wants, it holds. */
static bool brought(const struct conf_row *row, const char *environment)
{
	size_t n = strlen(row->key);

	return environment && !strncmp(environment, row->key, n) && environment[n] == ':';
}

Test(conf, defaults_are_in_range)
{
	const char *environment = getenv("ASHLAR_CONF");

	environment = environment ? strdup(environment) : NULL;
	unsetenv("ASHLAR_CONF");
	conf_init();
	for (unsigned int i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];

		if (brought(row, environment))
			continue;
		if (row->flags & CONF_TEXT)
			cr_assert_str_eq((char *)&conf + row->offset, row->words);
		else
			cr_assert_eq(value(row), row->def, "%s", row->key);
		cr_assert(row->least <= row->def && row->def <= row->most, "%s", row->key);
		cr_assert_str_eq(conf_origin(row), "default");
		cr_assert(row->help[0] && row->help[strlen(row->help) - 1] == '.', "%s", row->key);
	}
}

Test(conf, every_row_takes_its_range_and_no_more)
{
	char text[128];

	for (unsigned int i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];

		if (row->words[0] || (row->flags & CONF_TEXT))
			continue;
		snprintf(text, sizeof(text), "%s:%lld", row->key, (long long)row->least);
		accepts(text);
		cr_assert_eq(value(row), row->least, "%s", text);
		snprintf(text, sizeof(text), "%s:%lld", row->key, (long long)row->most);
		accepts(text);
		cr_assert_eq(value(row), row->most, "%s", text);
		snprintf(text, sizeof(text), "%s:%lld", row->key, (long long)row->least - 1);
		refuses(text, row->key);
		snprintf(text, sizeof(text), "%s:%lld", row->key, (long long)row->most + 1);
		refuses(text, row->key);
		snprintf(text, sizeof(text), "%s:", row->key);
		refuses(text, row->key);
		snprintf(text, sizeof(text), "%s:word", row->key);
		refuses(text, row->key);
		snprintf(text, sizeof(text), "%s:99999999999999999999", row->key);
		refuses(text, row->key);
	}
}

Test(conf, every_word)
{
	char text[128], words[128];

	for (unsigned int i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];
		int64_t n = 0;

		if (!row->words[0] || (row->flags & CONF_TEXT))
			continue;
		snprintf(words, sizeof(words), "%s", row->words);
		for (char *w = strtok(words, "|"); w; w = strtok(NULL, "|"), n++) {
			snprintf(text, sizeof(text), "%s:%s", row->key, w);
			accepts(text);
			cr_assert_eq(value(row), n, "%s", text);
			snprintf(text, sizeof(text), "%s:%sx", row->key, w);
			refuses(text, row->key);
			snprintf(text, sizeof(text), "%s:%.*s", row->key, (int)strlen(w) - 1, w);
			refuses(text, row->key);
		}
		cr_assert_eq(n, row->most + 1, "%s", row->key);
		snprintf(text, sizeof(text), "%s:0", row->key);
		refuses(text, row->key);
		snprintf(text, sizeof(text), "%s:", row->key);
		refuses(text, row->key);
	}
}

Test(conf, suffixes)
{
	accepts("reserve:3");
	cr_assert_eq(conf.reserve, 3);
	accepts("reserve:3k");
	cr_assert_eq(conf.reserve, 3 << 10);
	accepts("reserve:3M");
	cr_assert_eq(conf.reserve, 3 << 20);
	accepts("reserve:3g");
	cr_assert_eq(conf.reserve, (int64_t)3 << 30);
	accepts("reserve:3T");
	cr_assert_eq(conf.reserve, (int64_t)3 << 40);
	refuses("reserve:3x", "3x");
	refuses("reserve:3kk", "3kk");
	refuses("reserve:k", "reserve");
	refuses("reserve:-", "reserve");
	refuses("reserve: 3", "reserve");
	refuses("reserve:9000000t", "reserve");
	accepts("dirty_decay_ms:-1");
	cr_assert_eq(conf.dirty_decay_ms, -1);
}

Test(conf, several)
{
	accepts("");
	accepts("narenas:3,dirty_decay_ms:0,tcache:false");
	cr_assert(conf.narenas == 3 && conf.dirty_decay_ms == 0 && !conf.tcache);
	accepts("narenas:4,,narenas:5,");
	cr_assert_eq(conf.narenas, 5);
	refuses("nothing", "nothing");
	refuses(":1", "\"\"");
	refuses("narena:1", "narena");
	refuses("narenass:1", "narenass");
	refuses("NARENAS:1", "NARENAS");
	refuses("narenas=1", "narenas=1");
	/* The right ones among the wrong ones count. */
	cr_assert_eq(parse("x:1,narenas:7,tcache:maybe,gc_events:9,y"), 3);
	cr_assert_eq(lines(), 3);
	cr_assert(conf.narenas == 7 && conf.gc_events == 9);
}

Test(conf, endless_text)
{
	char text[3000];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	cr_assert_eq(parse(text), 1);
	cr_assert_eq(lines(), 1);
	text[1500] = ':';
	cr_assert_eq(parse(text), 1);
	cr_assert_eq(lines(), 1);
	memcpy(text, "narenas:", 8);
	text[1500] = 'a';
	cr_assert_eq(parse(text), 1);
	cr_assert_eq(lines(), 1);
}

Test(conf, text)
{
	char text[CONF_TEXT_MAX + 64];

	accepts("stats_print_opts:abl,narenas:3");
	cr_assert_str_eq(conf.stats_print_opts, "abl");
	cr_assert_eq(conf.narenas, 3);
	accepts("stats_print_opts:");
	cr_assert_str_empty(conf.stats_print_opts);
	memset(text, 'x', sizeof(text));
	memcpy(text, "stats_print_opts:", 17);
	text[17 + CONF_TEXT_MAX - 1] = '\0';
	accepts(text);
	cr_assert_eq(strlen(conf.stats_print_opts), CONF_TEXT_MAX - 1);
	text[17 + CONF_TEXT_MAX - 1] = 'x';
	text[17 + CONF_TEXT_MAX] = '\0';
	refuses(text, "stats_print_opts");
}

Test(conf, shown_as_written)
{
	char text[CONF_TEXT_MAX];

	accepts("thp:never,tcache:false,dirty_decay_ms:-1,stats_print_opts:J");
	conf_show(row_of("thp"), text, sizeof(text));
	cr_assert_str_eq(text, "never");
	conf_show(row_of("tcache"), text, sizeof(text));
	cr_assert_str_eq(text, "false");
	conf_show(row_of("dirty_decay_ms"), text, sizeof(text));
	cr_assert_str_eq(text, "-1");
	conf_show(row_of("stats_print_opts"), text, sizeof(text));
	cr_assert_str_eq(text, "J");
	cr_assert_str_eq(conf_origin(row_of("thp")), "ORIGIN");
	cr_assert_str_eq(conf_origin(row_of("source")), "default");
}

Test(conf, jemallocs_keys)
{
	/* One that has no meaning here is said to be jemalloc's, not to be a slip. */
	refuses("percpu_arena:phycpu", "jemalloc's");
	refuses("retain:true", "jemalloc's");
	/* A program's malloc_conf is not our user's mistake. */
	cr_assert_eq(conf_parse_jemalloc("percpu_arena:phycpu,source:anon,nonsense,narenas:9", "X"), 0);
	cr_assert_eq(conf.narenas, 9);
	cr_assert_eq(conf.source, SOURCE_AUTO);
	cr_assert_str_eq(conf_origin(row_of("narenas")), "X");
}

Test(conf, file)
{
	static const char good[] = "# a comment, narenas:1\n\n  narenas:11  \nthp:never, tcache:false # another\n",
			  fine[] = "narenas:12\r\n\tgc_events:7,\n#narenas:13";
	static char endless[20000];

	cr_assert_eq(conf_read_file("/nonexistent/ashlar.conf"), 0);
	cr_assert_eq(reads(fine, sizeof(fine) - 1), 0, "%s", said);
	cr_assert(conf.narenas == 12 && conf.gc_events == 7);
	cr_assert_eq(reads(good, sizeof(good) - 1), 0, "%s", said);
	cr_assert(conf.narenas == 11 && conf.thp == THP_NEVER && !conf.tcache);
	cr_assert(!strncmp(conf_origin(row_of("narenas")), "/tmp/", 5));
	memset(endless, '\n', sizeof(endless));
	cr_assert_eq(reads(endless, sizeof(endless)), 1);
	cr_assert(strstr(said, "longer") && lines() == 1, "%s", said);
}
