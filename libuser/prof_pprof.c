// SPDX-License-Identifier: MIT
#include "prof_pprof.h"

#include <string.h>
#include <time.h>

/* Numbers of fields in profile.proto. */
enum { PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE, PROFILE_MAPPING, PROFILE_LOCATION,
       PROFILE_STRING = 6, PROFILE_TIME = 9, PROFILE_PERIOD_TYPE = 11, PROFILE_PERIOD,
       PROFILE_DEFAULT_TYPE = 14 };
enum { TYPE_TYPE = 1, TYPE_UNIT };
enum { SAMPLE_LOCATIONS = 1, SAMPLE_VALUES, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_TEXT };
enum { MAPPING_ID = 1, MAPPING_START, MAPPING_LIMIT, MAPPING_OFFSET, MAPPING_FILE,
       MAPPING_BUILD_ID };
enum { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS };

/* The string table: these, two for each module, the threads' names. */
enum { TEXT_NONE, TEXT_ALLOC_OBJECTS, TEXT_ALLOC_SPACE, TEXT_INUSE_OBJECTS, TEXT_INUSE_SPACE,
       TEXT_COUNT, TEXT_BYTES, TEXT_SPACE, TEXT_THREAD, TEXT_MODULES };
static const char *const texts[TEXT_MODULES] = {
	"", "alloc_objects", "alloc_space", "inuse_objects", "inuse_space", "count", "bytes",
	"space", "thread",
};

/* --- the wire's format -------------------------------------------------------------------- */

/* One message: the longest is a sample's, 128 addresses and four values. */
struct message {
	size_t len;
	uint8_t bytes[2048];
};

static void varint(struct message *m, uint64_t v)
{
	for (; v > 0x7f && m->len < sizeof(m->bytes) - 1; v >>= 7)
		m->bytes[m->len++] = (uint8_t)(v | 0x80);
	if (m->len < sizeof(m->bytes))
		m->bytes[m->len++] = (uint8_t)v;
}

static void number(struct message *m, unsigned int field, uint64_t v)
{
	if (v) {
		varint(m, field << 3);
		varint(m, v);
	}
}

static void bytes(struct message *m, unsigned int field, const void *data, size_t len)
{
	varint(m, field << 3 | 2);
	varint(m, len);
	len = min(len, sizeof(m->bytes) - m->len);
	memcpy(m->bytes + m->len, data, len);
	m->len += len;
}

static void nested(struct message *m, unsigned int field, const struct message *inner)
{
	bytes(m, field, inner->bytes, inner->len);
}

/* A field of the profile itself. */
static void put_bytes(struct prof_out *o, unsigned int field, const void *data, size_t len)
{
	struct message head = { 0 };

	varint(&head, field << 3 | 2);
	varint(&head, len);
	prof_out_bytes(o, head.bytes, head.len);
	prof_out_bytes(o, data, len);
}

static void put_message(struct prof_out *o, unsigned int field, const struct message *m)
{
	put_bytes(o, field, m->bytes, m->len);
}

static void put_number(struct prof_out *o, unsigned int field, uint64_t v)
{
	struct message m = { 0 };

	number(&m, field, v);
	prof_out_bytes(o, m.bytes, m.len);
}

/* --- the parts ------------------------------------------------------------------------------- */

static void put_type(struct prof_out *o, unsigned int field, unsigned int type, unsigned int unit)
{
	struct message m = { 0 };

	number(&m, TYPE_TYPE, type);
	number(&m, TYPE_UNIT, unit);
	put_message(o, field, &m);
}

static unsigned int text_of_module(uint32_t i)
{
	return TEXT_MODULES + 2 * i;
}

static unsigned int text_of_name(const struct prof_snap *s, uint32_t name)
{
	return text_of_module(s->nmodules) + name;
}

static void put_texts(struct prof_out *o, const struct prof_snap *s, uint32_t names)
{
	for (unsigned int i = 0; i < TEXT_MODULES; i++)
		put_bytes(o, PROFILE_STRING, texts[i], strlen(texts[i]));
	for (uint32_t i = 0; i < s->nmodules; i++) {
		const struct prof_module *m = &s->modules[i];
		char id[2 * PROF_BUILD_ID + 1];

		for (unsigned int k = 0; k < m->id_bytes; k++) {
			id[2 * k] = "0123456789abcdef"[m->id[k] >> 4];
			id[2 * k + 1] = "0123456789abcdef"[m->id[k] & 15];
		}
		put_bytes(o, PROFILE_STRING, m->path, strlen(m->path));
		put_bytes(o, PROFILE_STRING, id, 2 * m->id_bytes);
	}
	for (uint32_t i = 0; i < names; i++)
		put_bytes(o, PROFILE_STRING, prof_table_name_at(i), strlen(prof_table_name_at(i)));
}

static void put_mappings(struct prof_out *o, const struct prof_snap *s)
{
	for (uint32_t i = 0; i < s->nmodules; i++) {
		const struct prof_module *m = &s->modules[i];
		struct message out = { 0 };

		number(&out, MAPPING_ID, i + 1);
		number(&out, MAPPING_START, m->low);
		number(&out, MAPPING_LIMIT, m->high);
		number(&out, MAPPING_OFFSET, m->offset);
		number(&out, MAPPING_FILE, text_of_module(i));
		number(&out, MAPPING_BUILD_ID, text_of_module(i) + 1);
		put_message(o, PROFILE_MAPPING, &out);
	}
}

/* A return address is behind the call: one less is in its line. */
static uint64_t call_at(uintptr_t pc)
{
	return pc - 1;
}

static void put_location(struct prof_out *o, const struct prof_snap *s, uintptr_t pc)
{
	const struct prof_module *m = prof_snap_module(s, pc);
	struct message out = { 0 };

	number(&out, LOCATION_ID, call_at(pc));
	number(&out, LOCATION_MAPPING, m ? (uint64_t)(m - s->modules) + 1 : 0);
	number(&out, LOCATION_ADDRESS, call_at(pc));
	put_message(o, PROFILE_LOCATION, &out);
}

/* Each address once: @seen is a table of @room places, a power of two, half of them free at least. */
static void put_locations(struct prof_out *o, const struct prof_snap *s, uintptr_t *seen,
			  size_t room)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct prof_stack *stack = prof_stack_at(s->sites[i].stack);

		for (uint32_t k = 0; k < stack->n; k++) {
			uintptr_t pc = prof_stack_pcs(stack)[k];
			size_t at = (pc * 0x9e3779b97f4a7c15u >> 20) & (room - 1);

			while (seen[at] && seen[at] != pc)
				at = (at + 1) & (room - 1);
			if (seen[at])
				continue;
			seen[at] = pc;
			put_location(o, s, pc);
		}
	}
}

static uint64_t rounded(double v)
{
	return v > 0 ? (uint64_t)(v + 0.5) : 0;
}

static void put_sample(struct prof_out *o, const struct prof_snap *s, const struct prof_snap_site *site)
{
	const struct prof_stack *stack = prof_stack_at(site->stack);
	struct message out = { 0 }, inner = { 0 };

	for (uint32_t i = 0; i < stack->n; i++)
		varint(&inner, call_at(prof_stack_pcs(stack)[i]));
	nested(&out, SAMPLE_LOCATIONS, &inner);
	inner.len = 0;
	varint(&inner, rounded(site->made.all_blocks));
	varint(&inner, rounded(site->made.all_bytes));
	varint(&inner, rounded(site->live.all_blocks));
	varint(&inner, rounded(site->live.all_bytes));
	nested(&out, SAMPLE_VALUES, &inner);
	inner.len = 0;
	number(&inner, LABEL_KEY, TEXT_THREAD);
	number(&inner, LABEL_TEXT, text_of_name(s, site->name));
	nested(&out, SAMPLE_LABEL, &inner);
	put_message(o, PROFILE_SAMPLE, &out);
}

void prof_pprof_write(struct prof_out *o, const struct prof_snap *s)
{
	size_t room = (size_t)2 << log2_floor(2 * prof_table_pcs() + 64);
	uintptr_t *seen = prof_scratch(room * sizeof(*seen));
	struct timespec now;

	put_type(o, PROFILE_SAMPLE_TYPE, TEXT_ALLOC_OBJECTS, TEXT_COUNT);
	put_type(o, PROFILE_SAMPLE_TYPE, TEXT_ALLOC_SPACE, TEXT_BYTES);
	put_type(o, PROFILE_SAMPLE_TYPE, TEXT_INUSE_OBJECTS, TEXT_COUNT);
	put_type(o, PROFILE_SAMPLE_TYPE, TEXT_INUSE_SPACE, TEXT_BYTES);
	put_mappings(o, s);
	if (seen) {
		put_locations(o, s, seen, room);
		for (uint32_t i = 0; i < s->n; i++) {
			if (s->sites[i].made.blocks)
				put_sample(o, s, &s->sites[i]);
		}
	}
	put_texts(o, s, prof_table_names());
	clock_gettime(CLOCK_REALTIME, &now);
	put_number(o, PROFILE_TIME, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	put_type(o, PROFILE_PERIOD_TYPE, TEXT_SPACE, TEXT_BYTES);
	put_number(o, PROFILE_PERIOD, (uint64_t)s->mean);
	put_number(o, PROFILE_DEFAULT_TYPE, TEXT_INUSE_SPACE);
	prof_scratch_free(seen, room * sizeof(*seen));
}
