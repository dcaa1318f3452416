// SPDX-License-Identifier: MIT
#include "prof_out.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "os.h"

#pragma weak dlopen
#pragma weak dlsym

/* --- zlib, as much of its interface as we call: it is opened, not linked ------------------ */

struct z_stream {
	const unsigned char *next_in;
	unsigned int avail_in;
	unsigned long total_in;
	unsigned char *next_out;
	unsigned int avail_out;
	unsigned long total_out;
	const char *msg;
	void *state;
	void *(*zalloc)(void *arg, unsigned int items, unsigned int size);
	void (*zfree)(void *arg, void *p);
	void *arg;
	int data_type;
	unsigned long adler, reserved;
};

#define Z_DEFLATED	8
#define Z_GZIP_WINDOW	(15 + 16)	/* 32 KB, and gzip's header and trailer around */
#define Z_NO_FLUSH	0
#define Z_FINISH	4

static _Atomic(int (*)(struct z_stream *, int, int, int, int, int, const char *, int)) deflate_init;
static int (*deflate_some)(struct z_stream *, int);
static const char *(*zlib_version)(void);

/* Its own memory: about 268 KB for a window of 32 KB. */
#define ZIP_BYTES	(512 * KB)

struct prof_gzip {
	struct z_stream z;
	size_t used;
	unsigned char out[16 * KB];
	char heap[];
};

bool prof_out_open_zlib(void)
{
	void *lib;

	if (atomic_load(&deflate_init))
		return true;
	lib = dlopen && dlsym ? dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL) : NULL;
	if (!lib)
		return false;
	deflate_some = (int (*)(struct z_stream *, int))dlsym(lib, "deflate");
	zlib_version = (const char *(*)(void))dlsym(lib, "zlibVersion");
	if (deflate_some && zlib_version)
		atomic_store(&deflate_init, (int (*)(struct z_stream *, int, int, int, int, int,
						     const char *, int))dlsym(lib, "deflateInit2_"));
	return prof_out_can_zip();
}

bool prof_out_can_zip(void)
{
	return atomic_load(&deflate_init);
}

static void *zip_alloc(void *arg, unsigned int items, unsigned int size)
{
	struct prof_gzip *g = arg;
	size_t bytes = round_up((size_t)items * size, 64);
	void *p = g->heap + g->used;

	if (bytes > ZIP_BYTES - sizeof(*g) - g->used)
		return NULL;
	g->used += bytes;
	return p;
}

static void zip_free(void *arg, void *p)
{
	(void)arg;
	(void)p;
}

static struct prof_gzip *zip_begin(void)
{
	struct prof_gzip *g = prof_scratch(ZIP_BYTES);

	if (!g)
		return NULL;
	g->z.zalloc = zip_alloc;
	g->z.zfree = zip_free;
	g->z.arg = g;
	if (atomic_load(&deflate_init)(&g->z, 6, Z_DEFLATED, Z_GZIP_WINDOW, 8, 0, zlib_version(),
				       (int)sizeof(g->z))) {
		prof_scratch_free(g, ZIP_BYTES);
		return NULL;
	}
	return g;
}

/* --- scratch memory ---------------------------------------------------------------------- */

void *prof_scratch(size_t size)
{
	size_t whole = round_up(size, EXTENT_SIZE);
	char *p = os_reserve(whole);

	if (p && !os_commit(p, round_up(size, PAGE_SIZE))) {
		os_unreserve(p, whole);
		return NULL;
	}
	return p;
}

void prof_scratch_free(void *p, size_t size)
{
	if (p)
		os_unreserve(p, round_up(size, EXTENT_SIZE));
}

/* --- writing -------------------------------------------------------------------------------- */

static void put(struct prof_out *o, const void *bytes, size_t len)
{
	const char *s = bytes;

	while (len && !o->err) {
		ssize_t n = write(o->fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			o->err = n < 0 ? errno : ENOSPC;
			return;
		}
		s += n;
		len -= (size_t)n;
	}
}

static void zip(struct prof_out *o, int flush)
{
	struct prof_gzip *g = o->gzip;

	g->z.next_in = (const unsigned char *)o->text;
	g->z.avail_in = (unsigned int)o->len;
	do {
		g->z.next_out = g->out;
		g->z.avail_out = sizeof(g->out);
		if (deflate_some(&g->z, flush) < 0 && !o->err)
			o->err = EIO;
		put(o, g->out, sizeof(g->out) - g->z.avail_out);
	} while (!g->z.avail_out && !o->err);
}

static void flush(struct prof_out *o, bool last)
{
	if (o->gzip)
		zip(o, last ? Z_FINISH : Z_NO_FLUSH);
	else
		put(o, o->text, o->len);
	o->len = 0;
}

struct prof_out *prof_out_begin(int fd, bool want_zip)
{
	struct prof_out *o = prof_scratch(sizeof(*o));

	if (!o)
		return NULL;
	o->fd = fd;
	if (want_zip && prof_out_can_zip())
		o->gzip = zip_begin();
	return o;
}

int prof_out_end(struct prof_out *o)
{
	int err;

	flush(o, true);
	err = o->err;
	prof_scratch_free(o->gzip, ZIP_BYTES);
	prof_scratch_free(o, sizeof(*o));
	return err;
}

void prof_out_bytes(struct prof_out *o, const void *bytes, size_t len)
{
	const char *s = bytes;

	while (len) {
		size_t n = min(len, sizeof(o->text) - o->len);

		memcpy(o->text + o->len, s, n);
		o->len += n;
		s += n;
		len -= n;
		if (o->len == sizeof(o->text))
			flush(o, false);
	}
}

void prof_out_text(struct prof_out *o, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = ash_vformat(text, sizeof(text), fmt, ap);
	va_end(ap);
	prof_out_bytes(o, text, n);
}

void prof_out_maps(struct prof_out *o)
{
	char buf[4096];
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		prof_out_bytes(o, buf, (size_t)n);
	close(fd);
}
