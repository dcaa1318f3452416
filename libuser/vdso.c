// SPDX-License-Identifier: MIT
#include "vdso.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "util.h"

#if defined(__aarch64__)
AT_HAND static const char clock_name[] = "__kernel_clock_gettime";
#else
AT_HAND static const char clock_name[] = "__vdso_clock_gettime";
#endif

/* What its dynamic section tells, as addresses. */
struct image {
	uintptr_t bias;
	const ElfW(Sym) *symbols;
	const char *strings;
	size_t nsymbols, nstrings;	/* the latter in bytes */
};

AT_START static void read_dynamic(struct image *v, const ElfW(Dyn) *d)
{
	for (; d->d_tag != DT_NULL; d++) {
		const void *at = (const void *)(v->bias + d->d_un.d_ptr);

		if (d->d_tag == DT_SYMTAB)
			v->symbols = at;
		else if (d->d_tag == DT_STRTAB)
			v->strings = at;
		else if (d->d_tag == DT_STRSZ)
			v->nstrings = d->d_un.d_val;
		else if (d->d_tag == DT_HASH)
			v->nsymbols = ((const uint32_t *)at)[1];
	}
	/* Without the old hash table, as linkers lay them out: the strings follow the symbols. */
	if (!v->nsymbols && (uintptr_t)v->strings > (uintptr_t)v->symbols)
		v->nsymbols = (size_t)(v->strings - (const char *)v->symbols) / sizeof(*v->symbols);
}

AT_START static void read_headers(struct image *v, const ElfW(Ehdr) *eh)
{
	const ElfW(Phdr) *ph = (const void *)((const char *)eh + eh->e_phoff), *dynamic = NULL;
	bool loaded = false;

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !loaded) {
			v->bias = (uintptr_t)eh + ph[i].p_offset - ph[i].p_vaddr;
			loaded = true;
		} else if (ph[i].p_type == PT_DYNAMIC) {
			dynamic = &ph[i];
		}
	}
	if (loaded && dynamic)
		read_dynamic(v, (const void *)(v->bias + dynamic->p_vaddr));
}

AT_START vdso_clock *vdso_find_clock(void)
{
	const ElfW(Ehdr) *eh = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct image v = { 0 };

	if (eh)
		read_headers(&v, eh);
	if (!v.symbols || !v.strings)
		return NULL;
	for (size_t i = 0; i < v.nsymbols; i++) {
		const ElfW(Sym) *s = &v.symbols[i];

		if (s->st_shndx != SHN_UNDEF && s->st_name < v.nstrings &&
		    !strcmp(v.strings + s->st_name, clock_name))
			return (vdso_clock *)(v.bias + s->st_value);
	}
	return NULL;
}
