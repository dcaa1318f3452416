// SPDX-License-Identifier: MIT
#include "lines.h"

#include <errno.h>

void lines_open(struct lines *l, const char *path)
{
	l->fd = os_open(path, 0);
	l->at = l->have = 0;
}

void lines_close(struct lines *l)
{
	if (l->fd >= 0)
		os_close(l->fd);
}

static bool fill(struct lines *l)
{
	ssize_t got;

	do
		got = os_read(l->fd, l->buf, sizeof(l->buf));
	while (got < 0 && errno == EINTR);
	l->at = 0;
	l->have = got > 0 ? (size_t)got : 0;
	return got > 0;
}

bool lines_next(struct lines *l, char *line, size_t size)
{
	size_t n = 0;
	bool any = false;

	while (l->fd >= 0 && (l->at < l->have || fill(l))) {
		char c = l->buf[l->at++];

		any = true;
		if (c == '\n')
			break;
		if (n < size - 1)
			line[n++] = c;
	}
	line[n] = '\0';
	return any;
}
