// SPDX-License-Identifier: MIT
#include "report.h"

#include <errno.h>

#include "conf.h"
#include "report_parts.h"
#include "thread.h"

void report_print(void (*write)(void *arg, const char *text), void *arg, const char *opts)
{
	int saved = errno;
	struct sink out;

	if (!thread_ready())
		return;
	opts = opts ? opts : "";
	sink_init(&out, write, arg);
	if (asked(opts, 'O'))
		asked(opts, 'J') ? report_options_json(&out) : report_options_text(&out);
	else if (asked(opts, 'J'))
		report_json(&out, opts);
	else if (asked(opts, 'M') || asked(opts, 'P'))
		report_metrics(&out, opts, asked(opts, 'M'));
	else
		report_text(&out, opts);
	sink_flush(&out);
	errno = saved;
}

void report_to_fd(int fd, const char *opts)
{
	report_print(sink_to_fd, (void *)(intptr_t)fd, opts);
}

__attribute__((destructor)) static void print_at_exit(void)
{
	if (conf.stats_print)
		report_print(NULL, NULL, conf.stats_print_opts);
}
