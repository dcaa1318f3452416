// SPDX-License-Identifier: MIT
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#include <asm/prctl.h>
#endif

#include "arenas.h"
#include "background.h"
#include "conf.h"
#include "extents.h"
#include "hollow.h"
#include "os.h"
#include "prof.h"
#include "source_dev.h"

BULK struct tcache ash_unset;
BULK struct tcache ash_dead;
__thread struct tcache *ash_tls __attribute__((tls_model("initial-exec"))) = &ash_unset;

/*
 * The loader fills in TLS after it has relocated the program, and zeroes it
 * before; a resolver of an indirect function in the program runs in between and
 * may call malloc. This library is relocated before the program is, so a
 * resolver of its own gets there first and saves the fast paths a test.
 */
#if defined(__GLIBC__)
/* Nothing that a compiler adds to functions works that early. */
#define PLAIN	__attribute__((no_sanitize("address", "thread", "undefined"), no_stack_protector))

static void nothing(void)
{
}

/*
 * A static program's resolvers run before there is any thread pointer; nothing
 * can call malloc that early, and TLS will be right without our help. Asked without
 * libc, whose functions may not be relocated yet.
 */
PLAIN static bool have_tls(void)
{
#if defined(__x86_64__)
	unsigned long fs = 0;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"((long)SYS_arch_prctl), "D"((long)ARCH_GET_FS), "S"(&fs)
			 : "rcx", "r11", "memory");
	return ret == 0 && fs;
#else
	return __builtin_thread_pointer();
#endif
}

PLAIN __attribute__((used)) static void (*resolve_early(void))(void)
{
	if (have_tls() && !ash_tls)
		ash_tls = &ash_unset;
	return nothing;
}

__attribute__((ifunc("resolve_early"), used)) static void early(void);
__attribute__((used)) static void (*volatile const early_user)(void) = early;
#endif

enum { INIT_NOT, INIT_DONE, INIT_FAILED };

static struct lock init_lock = LOCK_INIT(RANK_INIT);
static _Atomic int init_state;
static pthread_key_t exit_key;

static struct lock threads_lock = LOCK_INIT(RANK_THREADS);
/* Both guarded by threads_lock. */
static struct tcache *threads;
static unsigned int nthreads;

static void thread_exit(void *arg);

static bool init_once(void)
{
	if (os_page_size() != PAGE_SIZE)
		ash_fatal("the pages of this system have %zu bytes, and this allocator knows only those of %zu: "
			  "run the program without it", os_page_size(), PAGE_SIZE);
	conf_init();
	if (!pageheaps_init() || pthread_key_create(&exit_key, thread_exit))
		return false;
	prof_init();
	return true;
}

bool thread_ready(void)
{
	int state = atomic_load_explicit(&init_state, memory_order_acquire);

	if (likely(state == INIT_DONE))
		return true;
	lock_take(&init_lock);
	if (init_state == INIT_NOT)
		atomic_store_explicit(&init_state, init_once() ? INIT_DONE : INIT_FAILED,
				      memory_order_release);
	state = init_state;
	lock_drop(&init_lock);
	return state == INIT_DONE;
}

/* --- list of caches ------------------------------------------------------------------ */

static void list_add(struct tcache *t)
{
	t->prev = NULL;
	t->next = threads;
	if (threads)
		threads->prev = t;
	threads = t;
	nthreads++;
}

static void list_del(struct tcache *t)
{
	if (t->next)
		t->next->prev = t->prev;
	if (t->prev)
		t->prev->next = t->next;
	else
		threads = t->next;
	nthreads--;
}

void thread_for_each(void (*fn)(struct tcache *t, void *arg), void *arg)
{
	lock_take(&threads_lock);
	for (struct tcache *t = threads; t; t = t->next)
		fn(t, arg);
	lock_drop(&threads_lock);
}

/* --- first use and exit ---------------------------------------------------------------- */

/*
 * The cache that this very thread made before: an allocation in an IFUNC
 * resolver happens before the loader fills in TLS, which clears our pointer.
 * Only the first thread can be that early.
 */
static struct tcache *find_early(uint64_t self)
{
	struct tcache *t = NULL;

	lock_take(&threads_lock);
	if (nthreads == 1 && threads->owner == self)
		t = threads;
	lock_drop(&threads_lock);
	return t;
}

static struct tcache *cache_create(uint64_t self)
{
	struct arena *a = arena_choose(os_current_node());
	struct tcache *t;

	if (!a)
		return NULL;
	t = meta_alloc(sizeof(*t));
	if (!t) {
		arena_leave(a);
		return NULL;
	}
	t->enabled = true;
	t->owner = self;
	t->sampling.silent = !conf.prof_thread_active_init;
	tcache_bind(t, a);
	lock_take(&threads_lock);
	list_add(t);
	lock_drop(&threads_lock);
	return t;
}

static void cache_destroy(struct tcache *t)
{
	tcache_destroy(t);
	lock_take(&threads_lock);
	list_del(t);
	lock_drop(&threads_lock);
	arena_leave(t->arena);
	meta_free(t, sizeof(*t));
}

static void thread_exit(void *arg)
{
	struct tcache *t = arg;

	/* What other destructors still free goes straight to the slabs. */
	ash_tls = &ash_dead;
	cache_destroy(t);
}

static struct tcache *cache_install(void)
{
	uint64_t self = (uint64_t)pthread_self();
	struct tcache *t = find_early(self);

	if (!t)
		t = cache_create(self);
	if (!t)
		return &ash_dead;
	/* First, because pthread_setspecific() may allocate. */
	ash_tls = t;
	pthread_setspecific(exit_key, t);
	return t;
}

struct tcache *thread_cache(void)
{
	struct tcache *t = ash_tls;
	int saved = errno;

	if (likely(t != &ash_unset))
		return t;
	if (!thread_ready())
		return &ash_dead;
	if (conf.tcache)
		t = cache_install();
	else
		t = ash_tls = &ash_dead;
	errno = saved;
	return t;
}

struct arena *thread_arena(struct tcache *t)
{
	struct arena *a;

	if (t && t->arena)
		return t->arena;
	if (!thread_ready())
		return NULL;
	a = atomic_load_explicit(&ash_arenas[0], memory_order_acquire);
	return a ? a : arena_choose(os_current_node());
}

RARE bool thread_cache_enable(bool on)
{
	struct tcache *t = thread_cache();
	bool was = t->enabled;

	if (was == on || (on && conf_fills()))
		return was;
	if (on) {
		cache_install();
	} else {
		ash_tls = &ash_dead;
		pthread_setspecific(exit_key, NULL);
		cache_destroy(t);
	}
	return was;
}

RARE bool thread_set_arena(unsigned int index)
{
	struct tcache *t = thread_cache();
	struct arena *a;

	if (index >= atomic_load(&ash_narenas))
		return false;
	a = ash_arenas[index];
	if (!t->enabled || t->arena == a)
		return true;
	tcache_flush_all(t);
	arena_leave(t->arena);
	atomic_fetch_add(&a->nthreads, 1);
	tcache_bind(t, a);
	return true;
}

/* --- fork ---------------------------------------------------------------------------------- */

/*
 * glibc's fork takes stdio's list of files after the handlers below have run. Whoever
 * holds that list may wait for a file whose reader waits in malloc for fork to
 * end: so the list, which is recursive, is taken before ours. Its lock is reset in the
 * child by fork itself.
 */
extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));

/*
 * Without other threads nothing of this is needed, and some of it is wrong: fork then does
 * not reset the list's lock in the child, and a signal's handler that forks in the
 * middle of malloc would wait for itself. glibc's own word, which its fork goes by.
 */
extern char __libc_single_threaded __attribute__((weak));

/* From prefork() to postfork: there are no others. */
static bool alone;

static void prefork(void)
{
	alone = &__libc_single_threaded && __libc_single_threaded;
	if (alone)
		return;
	if (_IO_list_lock)
		_IO_list_lock();
	background_prefork();
	lock_check_fork(true);
	lock_take(&init_lock);
	lock_take(&threads_lock);
	hollow_prefork();
	arenas_prefork();
	pageheaps_prefork();
	prof_prefork();
	lock_take(&meta_lock);
	extents_prefork();
	source_device_prefork();
}

static void postfork_parent(void)
{
	if (alone)
		return;
	source_device_fork(false);
	extents_postfork(false);
	lock_drop(&meta_lock);
	prof_postfork(false);
	pageheaps_postfork(false);
	arenas_postfork(false);
	hollow_postfork(false);
	lock_drop(&threads_lock);
	lock_drop(&init_lock);
	lock_check_fork(false);
	background_postfork(false);
	if (_IO_list_unlock)
		_IO_list_unlock();
}

/*
 * Only this thread lives on. The others' caches cannot be used: fork copies
 * their pages one after another while they run, so that a block may stand in
 * two of them. They are forgotten, at the cost of what they held.
 */
static void forget_others(void)
{
	struct tcache *self = ash_tls, *next;

	for (struct tcache *t = threads; t; t = next) {
		next = t->next;
		if (t == self)
			continue;
		list_del(t);
		atomic_fetch_sub(&t->arena->nthreads, 1);
	}
}

static void postfork_child(void)
{
	if (alone)
		return;
	source_device_fork(true);
	extents_postfork(true);
	lock_init(&meta_lock, RANK_META);
	prof_postfork(true);
	pageheaps_postfork(true);
	arenas_postfork(true);
	hollow_postfork(true);
	lock_init(&threads_lock, RANK_THREADS);
	lock_init(&init_lock, RANK_INIT);
	lock_check_fork(false);
	forget_others();
	background_postfork(true);
}

__attribute__((constructor)) static void start(void)
{
	os_settled();
	if (!thread_ready())
		return;
	pthread_atfork(prefork, postfork_parent, postfork_child);
	prof_start();
	background_start();
}
