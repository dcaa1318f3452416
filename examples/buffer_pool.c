// SPDX-License-Identifier: MIT
/*
 * A pool of equal buffers on huge pages, without malloc: one extent of 2 MB is
 * cut into buffers, which wait in a list while nobody uses them.
 *
 *	gcc -o buffer_pool buffer_pool.c -lashlar && ./buffer_pool
 */
#include <ashlar.h>
#include <stdio.h>
#include <string.h>

#define BUFFER	65536

struct buffer {
	struct buffer *next;	/* while it waits; its user may write here */
};

/* All buffers of a fresh extent, as a list. */
static struct buffer *cut(char *extent)
{
	struct buffer *list = NULL;

	for (size_t at = 0; at < ASHLAR_EXTENT_BYTES; at += BUFFER) {
		struct buffer *b = (struct buffer *)(extent + at);

		b->next = list;
		list = b;
	}
	return list;
}

int main(void)
{
	struct ashlar_extents *range = ashlar_extents_open(16);	/* up to 32 MB */
	char *extent = range ? ashlar_extents_alloc(range, 1, -1) : NULL;
	struct buffer *pool, *mine;

	if (!extent) {
		perror("buffer_pool");	/* no module? No such device */
		return 1;
	}
	pool = cut(extent);
	mine = pool;		/* take a buffer ... */
	pool = mine->next;
	memset(mine, 'x', BUFFER);
	mine->next = pool;	/* ... and put it back */
	pool = mine;
	printf("%zu buffers on one huge page at %p\n", ASHLAR_EXTENT_BYTES / BUFFER, (void *)extent);
	ashlar_extents_close(range);
	return 0;
}
