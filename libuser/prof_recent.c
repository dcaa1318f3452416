// SPDX-License-Identifier: MIT
#include "prof_recent.h"

#include <string.h>

#include "os.h"
#include "prof_table.h"

BULK static uint32_t ring[PROF_RECENT_MOST];	/* records; oldest at head */
static uint32_t head, count, most;
BULK static struct prof_lifetime lifetimes[PROF_LIFETIMES];

/* --- the ring --------------------------------------------------------------------------- */

uint32_t prof_recent_max(void)
{
	return most;
}

static void drop_oldest(void)
{
	prof_block_put(ring[head]);
	head = (head + 1) % PROF_RECENT_MOST;
	count--;
}

void prof_recent_set_max(uint32_t n)
{
	most = min(n, PROF_RECENT_MOST);
	while (count > most)
		drop_oldest();
}

void prof_recent_add(uint32_t i)
{
	if (!most)
		return;
	while (count >= most)
		drop_oldest();
	prof_block_at(i)->uses++;
	ring[(head + count++) % PROF_RECENT_MOST] = i;
}

bool prof_recent_holds(const struct prof_block *b)
{
	return b->uses > 1;
}

/* --- lifetimes ---------------------------------------------------------------------------- */

void prof_lifetime_add(const struct prof_block *b)
{
	uint64_t us = (b->died - b->born) / 1000;
	unsigned int i = us ? min(log2_floor(us) + 1, PROF_LIFETIMES - 1) : 0;

	lifetimes[i].blocks += b->weight;
	lifetimes[i].bytes += b->weight * (double)b->size;
}

void prof_lifetime_get(unsigned int bucket, struct prof_lifetime *out)
{
	*out = lifetimes[bucket];
}

void prof_lifetimes_clear(void)
{
	memset(lifetimes, 0, sizeof(lifetimes));
}

/* --- as JSON -------------------------------------------------------------------------------- */

struct json {
	void (*write)(void *arg, const char *text);
	void *arg;
	const char *comma;
};

static void put(struct json *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct json *j, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	ash_vformat(text, sizeof(text), fmt, ap);
	va_end(ap);
	j->write(j->arg, text);
}

/* Names hold no control characters; quotes and what is not ASCII are made harmless. */
static void put_name(struct json *j, const char *key, const char *name)
{
	char safe[PROF_NAME_BYTES];
	size_t i;

	for (i = 0; name[i] && i < sizeof(safe) - 1; i++)
		safe[i] = name[i] == '"' || name[i] == '\\' || name[i] & 0x80 ? '?' : name[i];
	safe[i] = '\0';
	put(j, ",\"%s\":\"%s\"", key, safe);
}

/* A copy of a record's stack, for the time after the lock. */
struct copied {
	unsigned int n;
	uintptr_t pc[PROF_DEPTH];
};

static void copy_stack(struct copied *c, uint32_t stack)
{
	const struct prof_stack *s = prof_stack_at(stack);

	c->n = s->n;
	memcpy(c->pc, prof_stack_pcs(s), s->n * sizeof(c->pc[0]));
}

static void put_stack(struct json *j, const char *key, const struct copied *c)
{
	put(j, ",\"%s\":[", key);
	for (unsigned int i = 0; i < c->n; i++)
		put(j, "%s\"0x%lx\"", i ? "," : "", (unsigned long)c->pc[i]);
	put(j, "]");
}

static void put_block(struct json *j, const struct prof_block *b, const struct copied *born,
		      const struct copied *died, const char *name, const char *free_name)
{
	put(j, "%s\n{\"address\":\"0x%lx\",\"size\":%zu,\"usize\":%zu,\"released\":%s,\"alloc_time\":%lu",
	    j->comma, (unsigned long)b->addr, b->size, b->usable, b->died ? "true" : "false",
	    (unsigned long)b->born);
	put_name(j, "alloc_thread_name", name);
	put_stack(j, "alloc_trace", born);
	if (b->died) {
		put(j, ",\"dalloc_time\":%lu", (unsigned long)b->died);
		put_name(j, "dalloc_thread_name", free_name);
		put_stack(j, "dalloc_trace", died);
	}
	put(j, "}");
	j->comma = ",";
}

/* The block of place @at in the ring; false: there is none. */
static bool put_place(struct json *j, uint32_t at)
{
	struct copied born, died;
	struct prof_block b;

	lock_take(&prof_lock);
	if (at >= count) {
		lock_drop(&prof_lock);
		return false;
	}
	b = *prof_block_at(ring[(head + at) % PROF_RECENT_MOST]);
	copy_stack(&born, b.stack);
	copy_stack(&died, b.free_stack);
	lock_drop(&prof_lock);
	put_block(j, &b, &born, &died, prof_table_name_at(b.name), prof_table_name_at(b.free_name));
	return true;
}

void prof_recent_write(void (*write)(void *arg, const char *text), void *arg)
{
	struct json j = { .write = write, .arg = arg, .comma = "" };

	put(&j, "{\"sample_interval\":%ld,\"recent_alloc_max\":%u,\"now\":%lu,\"recent_alloc\":[",
	    (long)atomic_load(&sample_mean[SAMPLE_PROFILE]), most, (unsigned long)os_now_ns());
	for (uint32_t at = 0; put_place(&j, at); at++)
		;
	put(&j, "\n],\"lifetimes\":[");
	j.comma = "";
	for (unsigned int i = 0; i < PROF_LIFETIMES; i++) {
		struct prof_lifetime l;

		lock_take(&prof_lock);
		l = lifetimes[i];
		lock_drop(&prof_lock);
		if (l.blocks < 0.5)
			continue;
		put(&j, "%s\n{\"below_us\":%lu,\"objects\":%lu,\"bytes\":%lu}", j.comma, 1ul << i,
		    (unsigned long)l.blocks, (unsigned long)l.bytes);
		j.comma = ",";
	}
	put(&j, "\n]}\n");
}
