/* SPDX-License-Identifier: MIT */
/*
 * A file being written from memory that is not the heap's, with gzip around it if zlib is
 * there. Errors are kept until the end.
 */
#ifndef ASHLAR_PROF_OUT_H
#define ASHLAR_PROF_OUT_H

#include "util.h"

#define PROF_OUT_BYTES	(32 * KB)

struct prof_out {
	int fd, err;		/* err: the first errno, 0 while all is well */
	size_t len;		/* bytes in text[] */
	struct prof_gzip *gzip;	/* NULL: plain */
	char text[PROF_OUT_BYTES];
};

/* Opens zlib, which may allocate. False: there is none. */
bool prof_out_open_zlib(void);
bool prof_out_can_zip(void);

/* Memory for the time of a dump, zeroed; NULL if there is none. */
void *prof_scratch(size_t size);
void prof_scratch_free(void *p, size_t size);

/* To @fd, which stays the caller's. NULL: no memory. */
struct prof_out *prof_out_begin(int fd, bool zip);
/* 0 or the first errno. */
int prof_out_end(struct prof_out *o);

void prof_out_bytes(struct prof_out *o, const void *bytes, size_t len);
void prof_out_text(struct prof_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What /proc/self/maps says. */
void prof_out_maps(struct prof_out *o);

#endif /* ASHLAR_PROF_OUT_H */
