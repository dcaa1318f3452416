// SPDX-License-Identifier: MIT
#include "prof_table.h"

#include <string.h>

#include "meta.h"
#include "os.h"

/* Bounds; address space until they are used. */
#define STACKS_MAX	(1u << 17)
#define SITES_MAX	(1u << 18)
#define PCS_MAX		(1u << 22)
#define NAMES_MAX	1024u

/* Chains; 32 K entries of each are 128 KB, touched as they are used. */
#define CHAINS		(1u << 15)

/* Chains of frame pointers that are remembered, one at each place. */
#define KNOWN		(1u << 14)

_Atomic int64_t prof_table_mean;

static struct growing stacks, sites, pcs, names, stack_chains, site_chains, known;
static uint32_t nstacks, nsites, nnames;
static size_t npcs, lost;
static uint32_t clearing = 1;

static size_t room_of(struct growing *g, char *base, size_t at, size_t size)
{
	g->base = base ? base + at : NULL;
	g->size = round_up(size, PAGE_SIZE);
	g->committed = 0;
	/* A page without access between two. */
	return at + g->size + PAGE_SIZE;
}

static size_t place(char *base)
{
	size_t at = 0;

	at = room_of(&stacks, base, at, STACKS_MAX * sizeof(struct prof_stack));
	at = room_of(&sites, base, at, SITES_MAX * sizeof(struct prof_site));
	at = room_of(&pcs, base, at, PCS_MAX * sizeof(uintptr_t));
	at = room_of(&names, base, at, NAMES_MAX * PROF_NAME_BYTES);
	at = room_of(&stack_chains, base, at, CHAINS * sizeof(uint32_t));
	at = room_of(&site_chains, base, at, CHAINS * sizeof(uint32_t));
	return room_of(&known, base, at, KNOWN * sizeof(struct prof_known));
}

static void entry_zero(void)
{
	struct prof_site *other = prof_site_at(0);

	memset(prof_stack_at(0), 0, sizeof(struct prof_stack));
	memset(other, 0, sizeof(*other));
	nstacks = nsites = 1;
	npcs = 0;
	lost = 0;
}

bool prof_table_open(void)
{
	char *base;

	if (nstacks)
		return true;
	base = os_reserve(round_up(place(NULL), EXTENT_SIZE));
	if (!base)
		return false;
	place(base);
	if (!growing_need(&stack_chains, stack_chains.size) ||
	    !growing_need(&site_chains, site_chains.size) || !growing_need(&known, known.size) ||
	    !growing_need(&stacks, sizeof(struct prof_stack)) ||
	    !growing_need(&sites, sizeof(struct prof_site)) ||
	    !growing_need(&names, PROF_NAME_BYTES))
		return false;
	memcpy(names.base, "other", 6);
	nnames = 1;
	entry_zero();
	return true;
}

struct prof_stack *prof_stack_at(uint32_t stack)
{
	return (struct prof_stack *)stacks.base + stack;
}

struct prof_site *prof_site_at(uint32_t site)
{
	return (struct prof_site *)sites.base + site;
}

const uintptr_t *prof_stack_pcs(const struct prof_stack *s)
{
	return (uintptr_t *)pcs.base + s->first;
}

const char *prof_table_name_at(uint32_t name)
{
	return names.base + (size_t)name * PROF_NAME_BYTES;
}

/* --- stacks ------------------------------------------------------------------------- */

static uint32_t none(void)
{
	lost++;
	return 0;
}

uint32_t prof_table_stack(const struct prof_trace *t)
{
	uint64_t hash = t->hash;
	uint32_t *chain = (uint32_t *)stack_chains.base + hash % CHAINS;
	struct prof_stack *s;

	if (!t->n)
		return 0;
	for (uint32_t i = *chain; i; i = s->next) {
		s = prof_stack_at(i);
		if (s->hash == hash && s->n == t->n &&
		    !memcmp(prof_stack_pcs(s), t->pc, t->n * sizeof(t->pc[0])))
			return i;
	}
	if (nstacks == STACKS_MAX || npcs + t->n > PCS_MAX ||
	    !growing_need(&stacks, (nstacks + 1) * sizeof(*s)) ||
	    !growing_need(&pcs, (npcs + t->n) * sizeof(uintptr_t)))
		return none();
	s = prof_stack_at(nstacks);
	*s = (struct prof_stack){ .hash = hash, .next = *chain, .first = (uint32_t)npcs, .n = t->n };
	memcpy((uintptr_t *)pcs.base + npcs, t->pc, t->n * sizeof(t->pc[0]));
	npcs += t->n;
	*chain = nstacks;
	return nstacks++;
}

static struct prof_known *known_at(uint64_t key)
{
	return (struct prof_known *)known.base + (key >> 20) % KNOWN;
}

struct prof_known *prof_table_known(uint64_t key)
{
	struct prof_known *k = known_at(key);

	return key && k->key == key && k->clearing == clearing ? k : NULL;
}

struct prof_known *prof_table_remember(uint64_t key, uint32_t stack)
{
	if (!key || !stack)
		return NULL;
	*known_at(key) = (struct prof_known){ .key = key, .stack = stack, .clearing = clearing };
	return known_at(key);
}

/* --- names and sites ------------------------------------------------------------------- */

uint32_t prof_table_name(const char *name)
{
	char padded[PROF_NAME_BYTES] = { 0 };

	for (unsigned int i = 0; i < sizeof(padded) - 1 && name[i]; i++)
		padded[i] = name[i] >= ' ' && name[i] != 0x7f ? name[i] : '?';
	for (uint32_t i = 0; i < nnames; i++) {
		if (!memcmp(prof_table_name_at(i), padded, sizeof(padded)))
			return i;
	}
	if (nnames == NAMES_MAX || !growing_need(&names, (nnames + 1) * PROF_NAME_BYTES))
		return 0;
	memcpy(names.base + nnames * PROF_NAME_BYTES, padded, sizeof(padded));
	return nnames++;
}

uint32_t prof_table_site(uint32_t stack, uint32_t name)
{
	uint32_t hash = (stack * 0x9e3779b1u ^ name * 0x85ebca6bu) >> 7;
	uint32_t *chain = (uint32_t *)site_chains.base + hash % CHAINS;
	struct prof_site *s;

	for (uint32_t i = *chain; i; i = s->next) {
		s = prof_site_at(i);
		if (s->stack == stack && s->name == name)
			return i;
	}
	if (nsites == SITES_MAX || !growing_need(&sites, (nsites + 1) * sizeof(*s)))
		return none();
	s = prof_site_at(nsites);
	*s = (struct prof_site){ .stack = stack, .name = name, .next = *chain };
	*chain = nsites;
	return nsites++;
}

uint32_t prof_table_stacks(void)
{
	return nstacks;
}

uint32_t prof_table_sites(void)
{
	return nsites;
}

uint32_t prof_table_names(void)
{
	return nnames;
}

size_t prof_table_pcs(void)
{
	return npcs;
}

size_t prof_table_lost(void)
{
	return lost;
}

void prof_table_clear(void)
{
	memset(stack_chains.base, 0, stack_chains.committed);
	memset(site_chains.base, 0, site_chains.committed);
	clearing++;
	entry_zero();
}
