// SPDX-License-Identifier: MIT
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct out {
	char *buf;
	size_t size;	/* of buf, the NUL included */
	size_t len;	/* len < size */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len++] = c;
}

static void put_string(struct out *o, const char *s)
{
	for (s = s ? s : "(null)"; *s; s++)
		put(o, *s);
}

static void put_number(struct out *o, uint64_t v, unsigned int base)
{
	char digits[24];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		put(o, digits[--n]);
}

static void put_signed(struct out *o, int64_t v)
{
	if (v < 0)
		put(o, '-');
	put_number(o, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
}

size_t ash_vformat(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { .buf = buf, .size = size };

	for (; *fmt; fmt++) {
		bool wide = false;

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt++;
		for (; *fmt == 'l' || *fmt == 'z'; fmt++)
			wide = true;
		switch (*fmt) {
		case 's':
			put_string(&o, va_arg(ap, const char *));
			break;
		case 'c':
			put(&o, (char)va_arg(ap, int));
			break;
		case 'd':
			put_signed(&o, wide ? va_arg(ap, long) : va_arg(ap, int));
			break;
		case 'u':
			put_number(&o, wide ? va_arg(ap, unsigned long) :
					      va_arg(ap, unsigned int), 10);
			break;
		case 'x':
			put_number(&o, wide ? va_arg(ap, unsigned long) :
					      va_arg(ap, unsigned int), 16);
			break;
		case 'p':
			put_string(&o, "0x");
			put_number(&o, (uintptr_t)va_arg(ap, void *), 16);
			break;
		default:
			put(&o, *fmt);
			break;
		}
	}
	if (size)
		buf[o.len] = '\0';
	return o.len;
}

size_t ash_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = ash_vformat(buf, size, fmt, ap);
	va_end(ap);
	return len;
}

static void vprint_line(const char *fmt, va_list ap)
{
	char buf[512] = "ashlar: ";
	size_t len = strlen(buf);

	len += ash_vformat(buf + len, sizeof(buf) - len - 1, fmt, ap);
	buf[len++] = '\n';
	for (size_t off = 0; off < len;) {
		/* Not libc's: this may come before what others put in its place is ready. */
		long n = syscall(SYS_write, STDERR_FILENO, buf + off, len - off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		off += (size_t)n;
	}
}

void ash_warn(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	vprint_line(fmt, ap);
	va_end(ap);
	errno = saved;
}

void ash_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint_line(fmt, ap);
	va_end(ap);
	abort();
}
