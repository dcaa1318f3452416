/* SPDX-License-Identifier: MIT */
/* A file's lines, one after the other, without memory of ours or libc's; its caller's alone. */
#ifndef ASHLAR_LINES_H
#define ASHLAR_LINES_H

#include "os.h"

struct lines {
	int fd;			/* < 0: there is no such file */
	size_t at, have;	/* in buf: read so far, and filled */
	char buf[1024];
};

/* From the start of the file; lines_close() also if there is none. */
void lines_open(struct lines *l, const char *path);
void lines_close(struct lines *l);

/* The next line without its end, cut to @size; false: there is none, or no file. */
bool lines_next(struct lines *l, char *line, size_t size);

#endif /* ASHLAR_LINES_H */
