// SPDX-License-Identifier: MIT
#include "prof_snap.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "prof_block.h"
#include "prof_out.h"

#pragma weak dl_iterate_phdr

/* --- modules -------------------------------------------------------------------------- */

struct collecting {
	struct prof_module *m;
	unsigned int n, max;
};

static void find_build_id(struct prof_module *m, const char *notes, size_t len)
{
	while (len >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)notes;
		size_t name = round_up((size_t)note->n_namesz, 4), desc = round_up((size_t)note->n_descsz, 4);
		const char *text = notes + sizeof(*note);

		if (name + desc + sizeof(*note) > len)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(text, "GNU", 4)) {
			m->id_bytes = min(note->n_descsz, PROF_BUILD_ID);
			memcpy(m->id, text + name, m->id_bytes);
			return;
		}
		notes += sizeof(*note) + name + desc;
		len -= sizeof(*note) + name + desc;
	}
}

static void set_path(struct prof_module *m, const char *name)
{
	ssize_t n;

	if (name && name[0]) {
		ash_format(m->path, sizeof(m->path), "%s", name);
		return;
	}
	n = readlink("/proc/self/exe", m->path, sizeof(m->path) - 1);
	m->path[max(n, (ssize_t)0)] = '\0';
}

static int collect(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct collecting *c = arg;
	unsigned int first = c->n;

	(void)size;
	for (unsigned int i = 0; i < info->dlpi_phnum && c->n < c->max; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		struct prof_module *m = &c->m[c->n];
		uintptr_t low = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		memset(m, 0, sizeof(*m));
		m->bias = info->dlpi_addr;
		m->low = round_down(low, PAGE_SIZE);
		m->offset = round_down(ph->p_offset, PAGE_SIZE);
		m->high = round_up(low + ph->p_memsz, PAGE_SIZE);
		set_path(m, info->dlpi_name);
		c->n++;
	}
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		for (unsigned int k = first; ph->p_type == PT_NOTE && k < c->n; k++) {
			if (!c->m[k].id_bytes)
				find_build_id(&c->m[k], (char *)info->dlpi_addr + ph->p_vaddr, ph->p_memsz);
		}
	}
	return c->n == c->max;
}

unsigned int prof_modules(struct prof_module *m, unsigned int max)
{
	struct collecting c = { .m = m, .max = max };

	if (dl_iterate_phdr)
		dl_iterate_phdr(collect, &c);
	return c.n;
}

const struct prof_module *prof_snap_module(const struct prof_snap *s, uintptr_t pc)
{
	for (uint32_t i = 0; i < s->nmodules; i++) {
		if (pc - s->modules[i].low < s->modules[i].high - s->modules[i].low)
			return &s->modules[i];
	}
	return NULL;
}

/* --- counts ---------------------------------------------------------------------------- */

static void copy_site(struct prof_snap_site *out, const struct prof_site *s)
{
	*out = (struct prof_snap_site){
		.made = s->made, .stack = s->stack, .name = s->name,
		.live.blocks = s->made.blocks - s->gone.blocks,
		.live.bytes = s->made.bytes - s->gone.bytes,
	};
	/* Sums of fractions do not come to nothing by themselves. */
	if (out->live.blocks) {
		out->live.all_blocks = s->made.all_blocks - s->gone.all_blocks;
		out->live.all_bytes = s->made.all_bytes - s->gone.all_bytes;
	}
}

struct prof_snap *prof_snap_take(void)
{
	size_t modules = PROF_MODULES * sizeof(struct prof_module);
	uint32_t room = prof_table_sites() + 64;
	size_t size = sizeof(struct prof_snap) + modules + room * sizeof(struct prof_snap_site);
	struct prof_snap *s = prof_scratch(size);

	if (!s)
		return NULL;
	s->size = size;
	s->modules = (struct prof_module *)(s + 1);
	s->sites = (struct prof_snap_site *)(s->modules + PROF_MODULES);
	s->nmodules = prof_modules(s->modules, PROF_MODULES);
	lock_take(&prof_lock);
	s->n = min(prof_table_sites(), room);
	s->nstacks = prof_table_stacks();
	for (uint32_t i = 0; i < s->n; i++)
		copy_site(&s->sites[i], prof_site_at(i));
	lock_drop(&prof_lock);
	s->mean = atomic_load(&prof_table_mean);
	return s;
}

void prof_snap_free(struct prof_snap *s)
{
	prof_scratch_free(s, s->size);
}
