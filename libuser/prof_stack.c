// SPDX-License-Identifier: MIT
#include "prof_stack.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"

/* A static program has no use for these, and must not be made to link them. */
#pragma weak dlopen
#pragma weak dlsym
#pragma weak dl_iterate_phdr

/* glibc's: the main thread's stack begins here. */
extern void *__libc_stack_end __attribute__((weak));

typedef int (*unwinder_fn)(void **pcs, int max);

static _Atomic(unwinder_fn) unwinder;
static const char *unwinder_name = "none";

/* Our own code, whose frames nobody wants to see; empty in a static program. */
static uintptr_t own_low, own_high;

/*
 * Return addresses in which stacks begin, as the library taught us: a chain of frame
 * pointers that ends in one is whole. Racy: a lost entry is learned again.
 */
#define BASES	16u
BULK static _Atomic uintptr_t bases[BASES];
static _Atomic unsigned int nbases;

/* --- the library --------------------------------------------------------------------- */

static int find_own(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t low = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X) ||
		    (uintptr_t)prof_stack_open - low >= ph->p_memsz)
			continue;
		/* In a program of its own there is no telling our code from the rest. */
		if (info->dlpi_name && info->dlpi_name[0]) {
			own_low = low;
			own_high = low + ph->p_memsz;
		}
		return 1;
	}
	return 0;
}

void prof_stack_open(void)
{
	void *lib, *pcs[8];
	unwinder_fn fn = NULL;

	if (atomic_load(&unwinder))
		return;
	if (dl_iterate_phdr)
		dl_iterate_phdr(find_own, NULL);
	if (conf.prof_unwind == UNWIND_FRAMES || !dlopen || !dlsym)
		return;
	lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	if (lib)
		fn = (unwinder_fn)dlsym(lib, "unw_backtrace");
	if (fn) {
		unwinder_name = "libunwind";
	} else {
		/* libc is there already; its backtrace() opens a library of its own when first called. */
		fn = (unwinder_fn)dlsym(RTLD_DEFAULT, "backtrace");
		if (fn)
			unwinder_name = "backtrace";
	}
	if (fn && fn(pcs, ARRAY_SIZE(pcs)) > 0)
		atomic_store(&unwinder, fn);
	else
		unwinder_name = "none";
}

const char *prof_stack_library(void)
{
	return unwinder_name;
}

/* --- where this stack lies -------------------------------------------------------------- */

static uintptr_t parse_hex(const char **s)
{
	uintptr_t v = 0;

	for (;; (*s)++) {
		if (**s >= '0' && **s <= '9')
			v = v * 16 + (uintptr_t)(**s - '0');
		else if (**s >= 'a' && **s <= 'f')
			v = v * 16 + (uintptr_t)(**s - 'a' + 10);
		else
			return v;
	}
}

/* The readable mapping that holds @at. */
static bool find_mapping(uintptr_t at, uintptr_t *low, uintptr_t *high)
{
	char buf[2048];
	size_t len = 0;
	bool found = false, skip = false;	/* skip: in the rest of a long line */
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (!found && (n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0) {
		char *line = buf, *end;

		len += (size_t)n;
		buf[len] = '\0';
		for (; !found && (end = strchr(line, '\n')); line = end + 1) {
			const char *s = line;

			if (!skip) {
				*low = parse_hex(&s);
				s++;
				*high = parse_hex(&s);
				found = at - *low < *high - *low && s[0] == ' ' && s[1] == 'r';
			}
			skip = false;
		}
		len = strlen(line);
		if (len > sizeof(buf) / 2) {
			skip = true;
			len = 0;
		}
		memmove(buf, line, len);
	}
	close(fd);
	return found;
}

/*
 * The stack's end as far as it may be read, 0 if unknown. A thread's own stack stays where it
 * is: its bounds are kept. Others (of coroutines, of signal handlers) may be unmapped at any time.
 */
static uintptr_t stack_end(struct sampling *s, uintptr_t at)
{
	uintptr_t tp = (uintptr_t)__builtin_thread_pointer(), low, high;
	uintptr_t main_end = &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;

	if (likely(at >= s->stack_low && at < s->stack_high))
		return s->stack_high;
	if (!find_mapping(at, &low, &high))
		return 0;
	if (at < tp && tp < high)
		high = tp;	/* above it the thread's descriptor; neighbours may have merged */
	else if (!(at < main_end && main_end < high))
		return high;
	s->stack_low = low;
	s->stack_high = high;
	return high;
}

/* --- frame pointers ------------------------------------------------------------------------ */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static bool is_own(uintptr_t pc)
{
	return pc - own_low < own_high - own_low;
}

static inline bool is_base(uintptr_t pc)
{
	unsigned int n;

	/* The main thread's, as a rule. */
	if (likely(atomic_load_explicit(&bases[0], memory_order_relaxed) == pc))
		return true;
	n = min(atomic_load_explicit(&nbases, memory_order_acquire), BASES);

	for (unsigned int i = 0; i < n; i++) {
		if (atomic_load_explicit(&bases[i], memory_order_relaxed) == pc)
			return true;
	}
	return false;
}

#define HASH_FACTOR	0x9e3779b97f4a7c15u

static inline uint64_t hash_add(uint64_t h, uintptr_t pc)
{
	return (h << 7 | h >> 57) ^ pc * HASH_FACTOR;
}

static uint64_t hash_of(const struct prof_trace *t)
{
	uint64_t h = 0;

	for (unsigned int i = 0; i < t->n; i++)
		h = hash_add(h, t->pc[i]);
	return h;
}

struct frame {
	struct frame *above;
	uintptr_t pc;		/* where the function returns to */
};

/*
 * The frame above @f, if it is one: higher, aligned, and within the @left bytes that may
 * be read from @f on. Where a stack begins the saved pointer is anything.
 */
static inline bool has_above(const struct frame *f, uintptr_t left)
{
	uintptr_t gap = (uintptr_t)f->above - (uintptr_t)f;

	return likely(gap - 1 < left - sizeof(*f) && !(gap % sizeof(void *)));
}

/* Some twenty instructions a frame: a third of what a sample costs. */
void prof_stack_walk(struct sampling *s, void **frame, struct prof_trace *t)
{
	const struct frame *f = (const struct frame *)frame;
	uintptr_t left = stack_end(s, (uintptr_t)f) - (uintptr_t)f;
	uint64_t key = 0, hash = 0;
	unsigned int n = 0;

	t->n = 0;
	t->key = 0;
	if ((uintptr_t)f % sizeof(void *) || left > PTRDIFF_MAX || left < 2 * sizeof(*f))
		return;
	for (; is_own(f->pc); f = f->above) {
		if (!has_above(f, left))
			return;
		key += left;
		left -= (uintptr_t)f->above - (uintptr_t)f;
	}
	for (;; f = f->above) {
		hash = hash_add(hash, f->pc);
		t->pc[n++] = f->pc;
		if (!has_above(f, left) || n == PROF_DEPTH)
			break;
		left -= (uintptr_t)f->above - (uintptr_t)f;
		key = (key << 9 | key >> 55) ^ left;
	}
	t->hash = hash;
	t->n = n;
	/* A frame that returns to nowhere is none. */
	if (f->pc < PAGE_SIZE) {
		t->n--;
		t->hash = hash_of(t);
	} else if (conf.prof_unwind == UNWIND_FRAMES) {
		t->key = mix(hash, n) | 1;
	} else if (conf.prof_unwind == UNWIND_AUTO && is_base(f->pc)) {
		t->key = mix(hash, key) | 1;
	}
}

bool prof_stack_has_library(void)
{
	return conf.prof_unwind != UNWIND_FRAMES && atomic_load(&unwinder);
}

/* The chain ended at @last, which the library says is one of the outermost frames. */
static void learn(uintptr_t last, const struct prof_trace *t)
{
	unsigned int i;

	/* start_thread and clone; or libc's two before main, and _start. */
	for (i = t->n > 4 ? t->n - 3 : 1; i < t->n && t->pc[i] != last; i++)
		;
	if (i >= t->n || is_base(last))
		return;
	i = atomic_fetch_add_explicit(&nbases, 1, memory_order_acq_rel);
	if (i < BASES)
		atomic_store_explicit(&bases[i], last, memory_order_relaxed);
	else
		atomic_store_explicit(&nbases, BASES, memory_order_relaxed);
}

void prof_stack_unwind(void **frame, struct prof_trace *t)
{
	unwinder_fn fn = atomic_load(&unwinder);
	uintptr_t last = t->n ? t->pc[t->n - 1] : 0, caller = (uintptr_t)frame[1];
	void *pcs[PROF_DEPTH + 8];
	unsigned int n, from = 0;
	int got;

	if (!fn)
		return;
	got = fn(pcs, ARRAY_SIZE(pcs));
	if (got <= 0)
		return;
	n = (unsigned int)got;
	for (unsigned int i = 0; i < n && i < 12; i++) {
		if ((uintptr_t)pcs[i] == caller)
			from = i;
	}
	while (from < n && is_own((uintptr_t)pcs[from]))
		from++;
	if (from == n)
		return;
	t->n = min(n - from, PROF_DEPTH);
	memcpy(t->pc, pcs + from, t->n * sizeof(t->pc[0]));
	t->hash = hash_of(t);
	learn(last, t);
}
