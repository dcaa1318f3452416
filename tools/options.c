// SPDX-License-Identifier: MIT
/* ashlarctl options: the library's own table of options, or what a process has them set to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "conf.h"

static const char *default_text(const struct conf_row *row)
{
	static char out[CONF_TEXT_MAX];

	conf_show_default(row, out, sizeof(out));
	return out;
}

static const char *range_text(const struct conf_row *row)
{
	static char out[64];

	if (row->flags & CONF_TEXT)
		return "text";
	if (row->words[0])
		return row->words;
	snprintf(out, sizeof(out), "%lld to %lld", (long long)row->least, (long long)row->most);
	return out;
}

static struct json_object *table_json(void)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < conf_nrows; i++) {
		struct json_object *row = json_object_new_object();

		json_text(row, "key", conf_rows[i].key);
		json_text(row, "default", default_text(&conf_rows[i]));
		json_text(row, "values", range_text(&conf_rows[i]));
		json_flag(row, "jemalloc", conf_rows[i].flags & CONF_JEMALLOC);
		json_text(row, "help", conf_rows[i].help);
		json_object_array_add(list, row);
	}
	return list;
}

static int of_process(pid_t pid)
{
	char *text = ask_or_fail(pid, "options", NULL), *rest, *line;
	struct json_object *object;

	if (!want_json) {
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			int width = (int)strcspn(line, "\t");

			printf("%-40.*s  %s\n", width, line, line[width] ? line + width + 1 : "");
		}
		free(text);
		return 0;
	}
	object = json_object_new_object();
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *colon = strchr(line, ':'), *tab = strrchr(line, '\t');
		struct json_object *option;

		if (!colon || !tab)
			continue;
		*colon = *tab = '\0';
		option = json_object_new_object();
		json_text(option, "value", colon + 1);
		json_text(option, "set_by", tab + 1);
		json_object_object_add(object, line, option);
	}
	print_json(object);
	free(text);
	return 0;
}

static int run(void)
{
	if (narguments)
		return of_process(pid_argument(0));
	if (want_json) {
		print_json(table_json());
		return 0;
	}
	for (unsigned int i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];

		printf("%s%s%s:%s  (%s%s)\n    %s\n", sgr("1"), row->key, sgr("0"), default_text(row),
		       range_text(row), row->flags & CONF_JEMALLOC ? "; as jemalloc's" : "", row->help);
	}
	return 0;
}

const struct command cmd_options = {
	.name = "options", .args = "[PID]", .most = 1, .run = run,
	.text = "List the library's options with defaults and ranges, or a process's values.",
};
