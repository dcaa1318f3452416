// SPDX-License-Identifier: MIT
/*
 * Any text as options: no crash, every value in its row's range, and what conf_show() writes
 * is what conf_parse() reads. The first byte says in whose name.
 */
#include "fuzz.h"

#include "conf.h"

static void values_in_range(void)
{
	for (unsigned int i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];
		const char *at = (const char *)&conf + row->offset;
		char value[CONF_TEXT_MAX], pair[CONF_TEXT_MAX + 64], again[CONF_TEXT_MAX];
		size_t n = conf_show(row, value, sizeof(value));

		AGREE(n == strlen(value));
		if (row->flags & CONF_TEXT) {
			AGREE(memchr(at, '\0', CONF_TEXT_MAX));
			continue;
		}
		AGREE(*(const int64_t *)at >= row->least && *(const int64_t *)at <= row->most);
		snprintf(pair, sizeof(pair), "%s:%s", row->key, value);
		AGREE(!conf_parse(pair, "fuzz"));
		conf_show(row, again, sizeof(again));
		AGREE(!strcmp(value, again));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool done;
	char *text = malloc(size + 1);

	if (!done)
		conf_init();
	done = true;
	memcpy(text, data, size);
	text[size] = '\0';
	if (size && *data & 1)
		conf_parse_jemalloc(text + 1, "fuzz");
	else
		conf_parse(text + (size > 0), "fuzz");
	free(text);
	values_in_range();
	return 0;
}
