// SPDX-License-Identifier: MIT
/* The tree of names: what is there, who may read and write, and that it says the truth. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <ashlar.h>

#include "tap.h"

static int read_as(const char *name, void *value, size_t size)
{
	size_t len = size;
	int err = ashlar_ctl(name, value, &len, NULL, 0);

	return err ? err : len != size;
}

static size_t size_of(const char *name)
{
	size_t v = 0;

	return read_as(name, &v, sizeof(v)) ? SIZE_MAX : v;
}

static void epoch(void)
{
	uint64_t e = 1;
	size_t len = sizeof(e);

	ashlar_ctl("epoch", &e, &len, &e, sizeof(e));
}

static int act(const char *name)
{
	return ashlar_ctl(name, NULL, NULL, NULL, 0);
}

static void rules(void)
{
	uint64_t e1 = 1, e2 = 1;
	size_t len = sizeof(e1), z = 5;
	char byte;
	int err;

	OK(ashlar_ctl("no.such.name", NULL, NULL, NULL, 0) == ENOENT &&
	   ashlar_ctl("", NULL, NULL, NULL, 0) == ENOENT &&
	   ashlar_ctl("stats", NULL, NULL, NULL, 0) == ENOENT &&
	   ashlar_ctl("epoch.", NULL, NULL, NULL, 0) == ENOENT &&
	   ashlar_ctl("prof.no_such", NULL, NULL, NULL, 0) == ENOENT, "names that are none: ENOENT");
	ashlar_ctl("epoch", &e1, &len, &e1, sizeof(e1));
	ashlar_ctl("epoch", &e2, &len, &e2, sizeof(e2));
	OK(e2 == e1 + 1, "epoch advances", "%lu, %lu", e1, e2);
	len = sizeof(byte);
	err = ashlar_ctl("stats.allocated", &byte, &len, NULL, 0);
	OK(err == EINVAL && len == sizeof(byte), "a short result: EINVAL");
	OK(ashlar_ctl("stats.allocated", NULL, NULL, &z, sizeof(z)) == EPERM, "a figure cannot be set: EPERM");
	OK(ashlar_ctl("epoch", NULL, NULL, &byte, 1) == EINVAL, "a new value of the wrong size: EINVAL");
	len = sizeof(z);
	OK(ashlar_ctl("tcache.flush", &z, &len, NULL, 0) == EPERM, "what is only written cannot be read");
	OK(ashlar_ctl("arena.0.purge", &z, &len, NULL, 0) == EPERM, "an action takes no value");
	OK(act("arena.0.reset") == EFAULT && act("arena.0.destroy") == EFAULT && act("arena.4096.reset") == EFAULT,
	   "an arena that threads share cannot be reset");
	OK(act("arena.4000.purge") == ENOENT && act("arena.99999999999.purge") == ENOENT &&
	   act("arena.-1.purge") == ENOENT && act("arena.x.purge") == ENOENT, "an arena that is not there");
}

static void mibs(void)
{
	size_t mib[6], len = 6, size, one, two = 2, v, nbins;
	bool same = true;
	unsigned int n;

	OK(!ashlar_ctlnametomib("arenas.bin.0.size", mib, &len) && len == 4 && mib[2] == 0, "name to MIB");
	read_as("arenas.nbins", &n, sizeof(n));
	nbins = n;
	for (mib[2] = 0; mib[2] < nbins; mib[2]++) {
		char name[64];

		snprintf(name, sizeof(name), "arenas.bin.%zu.size", mib[2]);
		size = sizeof(v);
		same &= !ashlar_ctlbymib(mib, len, &v, &size, NULL, 0) && v == size_of(name) &&
			v == ashlar_nallocx(v, 0);
	}
	OK(same, "a MIB's index may be changed");
	size = sizeof(v);
	OK(ashlar_ctlbymib(mib, len, &v, &size, NULL, 0) == ENOENT, "but not beyond the last");
	OK(ashlar_ctlbymib(mib, 3, &v, &size, NULL, 0) == ENOENT, "nor may components be missing");
	OK(!ashlar_ctlnametomib("stats.allocated", &one, (size_t[]){ 1 }), "a short MIB is cut");
	mib[0] = 100000;
	OK(ashlar_ctlbymib(mib, two, &v, &size, NULL, 0) == ENOENT, "a MIB from nowhere");
}

static void names(void)
{
	static const struct {
		const char *name;
		size_t size;
	} all[] = {
		{ "version", 8 }, { "config.stats", 1 }, { "config.prof", 1 }, { "config.fill", 1 },
		{ "opt.narenas", 4 }, { "opt.dirty_decay_ms", 8 }, { "opt.muzzy_decay_ms", 8 },
		{ "opt.tcache", 1 }, { "opt.background_thread", 1 }, { "opt.abort", 1 },
		{ "opt.abort_conf", 1 }, { "opt.confirm_conf", 1 }, { "opt.stats_print", 1 },
		{ "opt.tcache_max", 8 }, { "opt.dss", 8 }, { "opt.retain", 1 }, { "opt.source", 8 },
		{ "background_thread", 1 }, { "max_background_threads", 8 }, { "thread.arena", 4 },
		{ "thread.allocated", 8 }, { "thread.allocatedp", 8 }, { "thread.deallocated", 8 },
		{ "thread.deallocatedp", 8 }, { "thread.tcache.enabled", 1 },
		{ "arena.0.initialized", 1 }, { "arena.0.dirty_decay_ms", 8 },
		{ "arena.0.muzzy_decay_ms", 8 }, { "arenas.narenas", 4 }, { "arenas.quantum", 8 },
		{ "arenas.page", 8 }, { "arenas.tcache_max", 8 }, { "arenas.nbins", 4 },
		{ "arenas.nhbins", 4 }, { "arenas.nlextents", 4 }, { "arenas.bin.0.size", 8 },
		{ "arenas.bin.0.nregs", 4 }, { "arenas.bin.0.slab_size", 8 },
		{ "arenas.lextent.0.size", 8 }, { "arenas.dirty_decay_ms", 8 },
		{ "arenas.muzzy_decay_ms", 8 }, { "stats.allocated", 8 }, { "stats.active", 8 },
		{ "stats.metadata", 8 }, { "stats.resident", 8 }, { "stats.mapped", 8 },
		{ "stats.retained", 8 }, { "stats.zero_reallocs", 8 },
		{ "stats.background_thread.num_threads", 8 }, { "stats.arenas.0.nthreads", 4 },
		{ "stats.arenas.0.pactive", 8 }, { "stats.arenas.0.pdirty", 8 },
		{ "stats.arenas.0.pmuzzy", 8 }, { "stats.arenas.0.mapped", 8 },
		{ "stats.arenas.0.retained", 8 }, { "stats.arenas.0.resident", 8 },
		{ "stats.arenas.4096.small.allocated", 8 }, { "stats.arenas.0.small.nmalloc", 8 },
		{ "stats.arenas.0.small.ndalloc", 8 }, { "stats.arenas.0.small.nrequests", 8 },
		{ "stats.arenas.0.large.allocated", 8 }, { "stats.arenas.0.large.nmalloc", 8 },
		{ "stats.arenas.0.bins.0.nmalloc", 8 }, { "stats.arenas.0.bins.38.curregs", 8 },
		{ "stats.arenas.0.bins.0.curslabs", 8 }, { "stats.arenas.0.bins.0.nonfull_slabs", 8 },
		{ "stats.arenas.0.lextents.0.curlextents", 8 }, { "source.backend", 8 },
		{ "source.device.extents", 8 }, { "source.fallbacks", 8 }, { "node.0.active", 8 },
		{ "node.0.dirty", 8 }, { "node.0.retained", 8 }, { "node.0.extents", 8 }, { "node.0.muzzy", 8 }, { "node.0.pinned", 8 }, { "stats.pinned", 8 }, { "stats.lazy", 8 },
		{ "stats.muzzy", 8 }, { "stats.dirty", 8 }, { "stats.cached", 8 }, { "approximate_stats.active", 8 },
		{ "source.lazy", 8 }, { "source.pinned", 8 }, { "opt.stats_print_opts", 8 }, { "node.0.huge", 8 },
	};
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		uint64_t room;

		if (read_as(all[i].name, &room, all[i].size)) {
			printf("# %s of %zu bytes cannot be read\n", all[i].name, all[i].size);
			wrong++;
		}
	}
	OK(!wrong, "the names, each with its type");
}

static size_t ncached_max(size_t size)
{
	size_t n = 0, len = sizeof(n);

	return ashlar_ctl("thread.tcache.ncached_max.read_sizeclass", &n, &len, &size, sizeof(size)) ? SIZE_MAX : n;
}

static int bound(const char *ranges)
{
	return ashlar_ctl("thread.tcache.ncached_max.write", NULL, NULL, &ranges, sizeof(ranges));
}

static void bounds(void)
{
	size_t max = 1024, was = size_of("thread.tcache.max"), usual = ncached_max(64);

	OK(was == size_of("opt.tcache_max") && usual > 0, "thread.tcache.max");
	OK(!bound("50-200:10|16384-16384:2") && ncached_max(48) == usual && ncached_max(64) == 10 &&
	   ncached_max(200) == 10 && ncached_max(256) != 10 && ncached_max(16384) == 2, "thread.tcache.ncached_max.write");
	OK(bound("50-200") == EINVAL && bound("") == EINVAL && bound("9-8:1") == EINVAL && bound("1-2:x") == EINVAL &&
	   bound("1-2:7|") == EINVAL && ncached_max(1) != 7, "not what is no range");
	free(HIDE(malloc(64)));
	OK(!ashlar_ctl("thread.tcache.max", NULL, NULL, &max, sizeof(max)) && size_of("thread.tcache.max") == 1024 &&
	   ncached_max(1025) == 0 && ncached_max(1024) > 0, "thread.tcache.max set");
	free(HIDE(malloc(5000)));
	ashlar_ctl("thread.tcache.max", NULL, NULL, &was, sizeof(was));
}

/* Memory pressure, where we may make some: in a guest. */
static void press(void)
{
	int fd = access("/dev/ashlar", F_OK) ? -1 : open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd >= 0) {
		if (write(fd, "2", 1) != 1)
			printf("# no memory pressure: %s\n", strerror(errno));
		close(fd);
	}
}

/* Lazily purged memory is still counted, and still usable. */
static void muzzy(void)
{
	ssize_t zero = 0, never = -1, dirty_was, muzzy_was;
	size_t was = size_of("approximate_stats.muzzy"), lazy;
	char *p;

	read_as("arenas.dirty_decay_ms", &dirty_was, sizeof(dirty_was));
	read_as("arenas.muzzy_decay_ms", &muzzy_was, sizeof(muzzy_was));
	OK(!ashlar_ctl("arena.4096.muzzy_decay_ms", NULL, NULL, &never, sizeof(never)) &&
	   !read_as("arena.0.muzzy_decay_ms", &zero, sizeof(zero)) && zero == -1, "arena.<i>.muzzy_decay_ms");
	zero = 0;
	p = HIDE(malloc(20 * MB));
	memset(p, 1, 20 * MB);
	free(p);
	ashlar_ctl("arenas.dirty_decay_ms", NULL, NULL, &zero, sizeof(zero));
	act("arena.4096.decay");
	epoch();
	lazy = size_of("stats.muzzy");
	if (size_of("source.device.extents"))
		OK(lazy >= was + 18 * MB && size_of("stats.dirty") == 0, "free memory is muzzy", "%zu, lazy %zu", lazy, size_of("stats.lazy"));
	else
		OK(lazy >= was + 20 * MB && size_of("stats.dirty") == 0 && size_of("source.smaps.lazy_free") >= 20 * MB,
		   "free memory is muzzy, and the kernel knows", "%zu, lazy free %zu", lazy, size_of("source.smaps.lazy_free"));
	/* Used again, whole and in part, and once more after the system took what it could. */
	for (int i = 0; i < 2; i++) {
		p = HIDE(malloc(20 * MB));
		memset(p, i + 2, 20 * MB);
		OK(p[0] == i + 2 && p[20 * MB - 1] == i + 2, "muzzy memory is used again");
		free(p);
		act("arena.4096.decay");
		press();
	}
	act("arena.4096.purge");
	epoch();
	OK(size_of("stats.muzzy") == 0 && size_of("stats.dirty") == 0, "purge takes it");
	ashlar_ctl("arenas.dirty_decay_ms", NULL, NULL, &dirty_was, sizeof(dirty_was));
	ashlar_ctl("arenas.muzzy_decay_ms", NULL, NULL, &muzzy_was, sizeof(muzzy_was));
}

static void settings(void)
{
	ssize_t ms = 1234, was, now;
	size_t len = sizeof(ms);
	bool on = true, off = false, is;

	read_as("arena.0.dirty_decay_ms", &was, sizeof(was));
	OK(!ashlar_ctl("arena.0.dirty_decay_ms", &now, &len, &ms, sizeof(ms)) && now == was &&
	   !read_as("arena.0.dirty_decay_ms", &now, sizeof(now)) && now == 1234,
	   "arena.0.dirty_decay_ms: the old value out, the new one in");
	ms = -2;
	OK(ashlar_ctl("arena.0.dirty_decay_ms", NULL, NULL, &ms, sizeof(ms)) == EFAULT, "-2 is refused");
	OK(!ashlar_ctl("arenas.dirty_decay_ms", NULL, NULL, &was, sizeof(was)) &&
	   !read_as("arena.0.dirty_decay_ms", &now, sizeof(now)) && now == was, "arenas.dirty_decay_ms");

	OK(!ashlar_ctl("background_thread", NULL, NULL, &on, 1) && !read_as("background_thread", &is, 1) && is &&
	   size_of("stats.background_thread.num_threads") == 1, "background_thread on");
	OK(!ashlar_ctl("background_thread", NULL, NULL, &off, 1) && !read_as("background_thread", &is, 1) && !is &&
	   size_of("stats.background_thread.num_threads") == 0, "and off");

	OK(!ashlar_ctl("thread.tcache.enabled", NULL, NULL, &off, 1) && act("thread.tcache.flush") == EFAULT,
	   "thread.tcache.enabled off");
	free(HIDE(malloc(100)));
	OK(!ashlar_ctl("thread.tcache.enabled", NULL, NULL, &on, 1) && !act("thread.tcache.flush") &&
	   !act("thread.idle"), "and on");
	bounds();
	muzzy();
}

static void *elsewhere(void *arg)
{
	unsigned int index = *(unsigned int *)arg, is = 99;

	ashlar_ctl("thread.arena", NULL, NULL, &index, sizeof(index));
	read_as("thread.arena", &is, sizeof(is));
	*(unsigned int *)arg = is;
	free(HIDE(malloc(100)));
	return NULL;
}

static size_t bytes_now(void)
{
	epoch();
	return size_of("stats.allocated");
}

/* Blocks of all kinds in arena @index, some freed again; what is left goes at once. */
static void discard(unsigned int index)
{
	static const size_t sizes[] = { 1, 24, 500, 5000, 14336, 16384, 100000, 1835008, 3 << 20, 9 << 20 };
	int flags = ASHLAR_MALLOCX_ARENA(index) | ASHLAR_MALLOCX_TCACHE_NONE;
	enum { EACH = 60 };
	static void *others[10][5], *p[10][EACH];
	bool kept = true, zero = true, found = true;
	unsigned int again, where;
	size_t before, len, n = 0;
	char name[64];

	act("thread.tcache.flush");
	for (int round = 0; round < 3; round++) {
		n = 0;
		for (int i = 0; i < 10; i++) {
			for (int k = 0; k < 5; k++)
				memset(others[i][k] = ashlar_mallocx(sizes[i], ASHLAR_MALLOCX_TCACHE_NONE), i, sizes[i]);
		}
		before = bytes_now();
		for (int i = 0; i < 10; i++) {
			int each = sizes[i] > MB ? 3 : EACH;

			for (int k = 0; k < each; k++) {
				p[i][k] = ashlar_mallocx(sizes[i], flags);
				memset(p[i][k], 0xee, sizes[i]);
				len = sizeof(where);
				found &= !ashlar_ctl("arenas.lookup", &where, &len, &p[i][k], sizeof(void *)) &&
					 where == index;
				n += ashlar_sallocx(p[i][k], 0);
			}
			for (int k = 0; k < each; k += 3) {
				n -= ashlar_sallocx(p[i][k], 0);
				ashlar_dallocx(p[i][k], flags);
			}
		}
		OK(bytes_now() - before == n, "an arena's blocks are counted", "%zu, not %zu", bytes_now() - before, n);
		snprintf(name, sizeof(name), "arena.%u.%s", index, round == 2 ? "destroy" : "reset");
		OK(!act(name), round == 2 ? "destroy" : "reset");
		OK(bytes_now() == before, "and none is left of them", "%zu, not %zu", bytes_now(), before);
		for (int i = 0; i < 10; i++) {
			for (int k = 0; k < 5; k++) {
				for (size_t at = 0; at < sizes[i]; at += sizes[i] / 7 + 1)
					kept &= ((char *)others[i][k])[at] == i;
				ashlar_dallocx(others[i][k], ASHLAR_MALLOCX_TCACHE_NONE);
			}
		}
		for (int i = 0; i < 10 && round < 2; i++) {
			char *q = ashlar_mallocx(sizes[i], flags | ASHLAR_MALLOCX_ZERO);

			for (size_t at = 0; at < sizes[i]; at++)
				zero &= !q[at];
			q = ashlar_rallocx(q, sizes[i] * 2, flags);
			ashlar_dallocx(q, flags);
		}
	}
	OK(found, "arenas.lookup knows them");
	OK(kept, "blocks of other arenas are not touched");
	OK(zero, "a reset arena serves on");
	snprintf(name, sizeof(name), "arena.%u.purge", index);
	OK(act(name) == ENOENT && !ashlar_mallocx(100, flags), "a destroyed one is none");
	len = sizeof(again);
	OK(!ashlar_ctl("arenas.create", &again, &len, NULL, 0) && again == index, "until it is made again");
	ashlar_dallocx(HIDE(ashlar_mallocx(100, flags)), flags);
}

static void arenas(void)
{
	unsigned int n, more, index;
	size_t len = sizeof(n);
	pthread_t t;

	read_as("arenas.narenas", &n, sizeof(n));
	OK(!ashlar_ctl("arenas.create", &index, &len, NULL, 0) && index == n &&
	   !read_as("arenas.narenas", &more, sizeof(more)) && more == n + 1, "arenas.create");
	n = index;
	pthread_create(&t, NULL, elsewhere, &index);
	pthread_join(t, NULL);
	OK(index == n, "thread.arena", "%u, not %u", index, n);
	discard(n);
	index = 4000;
	OK(ashlar_ctl("thread.arena", NULL, NULL, &index, sizeof(index)), "not one that is not there");
}

/* What a thread allocates and frees, by its own count. */
static void *count(void *arg)
{
	uint64_t a0, a1, d0, d1, *ap;
	enum { N = 3000 };
	static void *p[N];
	size_t asked = 0, usable = 0;

	(void)arg;
	free(HIDE(malloc(100)));
	read_as("thread.allocated", &a0, 8);
	read_as("thread.deallocated", &d0, 8);
	for (int i = 0; i < N; i++) {
		size_t n = (size_t)i * 7 % 3000 + (i % 100 == 0 ? 50000 : 1);

		p[i] = malloc(n);
		asked += n;
		usable += ashlar_malloc_usable_size(p[i]);
	}
	read_as("thread.allocated", &a1, 8);
	OK(a1 - a0 == asked, "thread.allocated: bytes asked for, exactly", "%lu, not %zu", a1 - a0, asked);
	read_as("thread.allocatedp", &ap, 8);
	OK(*ap == a1, "thread.allocatedp points to it");
	for (int i = 0; i < N; i++)
		free(p[i]);
	read_as("thread.deallocated", &d1, 8);
	OK(d1 - d0 >= asked - asked / 50 && d1 - d0 <= usable, "thread.deallocated: within the sizes' rounding",
	   "%lu, not %zu to %zu", d1 - d0, asked, usable);
	return NULL;
}

static void allocated(void)
{
	size_t before, after, n = 20000;
	void **p = malloc(n * sizeof(*p)), *big;

	act("thread.tcache.flush");
	epoch();
	before = size_of("stats.allocated");
	for (size_t i = 0; i < n; i++)
		p[i] = malloc(256);
	epoch();
	after = size_of("stats.allocated");
	OK(after - before == n * 256, "stats.allocated counts live blocks, exactly", "%zu, not %zu", after - before,
	   n * 256);
	big = HIDE(malloc(5 * MB));
	epoch();
	OK(size_of("stats.allocated") - after == 5 * MB, "large ones too");
	free(big);
	for (size_t i = 0; i < n; i++)
		free(p[i]);
	epoch();
	OK(size_of("stats.allocated") == before, "freed ones no more, wherever they are kept", "%zu, not %zu",
	   size_of("stats.allocated"), before);
	before = size_of("stats.zero_reallocs");
	if (realloc(HIDE(malloc(10)), HIDE((size_t)0)))
		abort();
	OK(size_of("stats.zero_reallocs") == before + 1, "stats.zero_reallocs");
	free(p);
}

static void bins(void)
{
	uint64_t made, gone;
	size_t now, n = 5000;
	void **p = malloc(n * sizeof(*p));

	/* 384 bytes is class 15, bin 14: nobody else here uses it. */
	for (size_t i = 0; i < n; i++)
		p[i] = malloc(384);
	act("thread.tcache.flush");
	read_as("stats.arenas.4096.bins.14.nmalloc", &made, 8);
	read_as("stats.arenas.4096.bins.14.ndalloc", &gone, 8);
	now = size_of("stats.arenas.4096.bins.14.curregs");
	OK(now == n && made - gone == n && made >= n, "a bin's blocks", "%zu now, %lu - %lu", now, made, gone);
	OK(size_of("stats.arenas.4096.bins.14.curslabs") * 4096 * 8 >= n * 384, "and its slabs");
	for (size_t i = 0; i < n; i++)
		free(p[i]);
	act("thread.tcache.flush");
	OK(size_of("stats.arenas.4096.bins.14.curregs") == 0, "and none when they are freed");
	free(p);
}

static void sums(void)
{
	size_t pages = 0, small = 0, large = 0;
	unsigned int n;

	epoch();
	read_as("arenas.narenas", &n, sizeof(n));
	for (unsigned int i = 0; i < n; i++) {
		char name[64];

		snprintf(name, sizeof(name), "stats.arenas.%u.pactive", i);
		pages += size_of(name);
		snprintf(name, sizeof(name), "stats.arenas.%u.small.allocated", i);
		small += size_of(name);
		snprintf(name, sizeof(name), "stats.arenas.%u.large.allocated", i);
		large += size_of(name);
	}
	OK(pages * 4096 == size_of("stats.active") && pages == size_of("stats.arenas.4096.pactive"),
	   "the arenas' pages are all pages");
	OK(small + large == size_of("stats.allocated"), "and their blocks all blocks", "%zu + %zu, not %zu", small,
	   large, size_of("stats.allocated"));
}

int main(void)
{
	pthread_t t;

	setvbuf(stdout, NULL, _IONBF, 0);
	rules();
	mibs();
	names();
	pthread_create(&t, NULL, count, NULL);
	pthread_join(t, NULL);
	allocated();
	bins();
	sums();
	settings();
	arenas();
	return tap_end();
}
