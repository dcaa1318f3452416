// SPDX-License-Identifier: MIT
/*
 * Names of ctl made of true and false parts, by name and by number, with buffers of all
 * sizes: no crash, no byte written past what was offered, and an errno of those documented.
 */
#include "fuzz.h"

#include <errno.h>

#include "ashlar.h"
#include "fake.h"

/* Nothing that writes files or starts threads. */
static const char *const parts[] = {
	"version", "epoch", "stats", "allocated", "active", "resident", "arenas", "arena", "thread",
	"tcache", "opt", "narenas", "decay", "dirty_decay_ms", "muzzy_decay_ms", "purge", "bin", "bins",
	"lextents", "nbins", "0", "1", "4095", "4096", "-1", "99999999999999999999", "size", "nregs",
	"i", "config", "mutexes", "enabled", "flush", "max", "ncached_max", "small", "large", "nmalloc",
	"source", "approximate_stats", "smaps", "create", "allocatedp", "lookup", "quantum", "page", "",
};

static void make_name(struct input *in, char *name, size_t room)
{
	unsigned int n = byte(in) % 6 + 1;
	size_t len = 0;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int pick = byte(in);
		const char *part = parts[pick % (sizeof(parts) / sizeof(parts[0]))];
		char odd[3] = { (char)byte(in), (char)pick, '\0' };

		len += (size_t)snprintf(name + len, room - len, "%s%s", i ? "." : "", pick < 230 ? part : odd);
	}
}

static void errno_known(int err)
{
	AGREE(err == 0 || err == ENOENT || err == EINVAL || err == EPERM || err == EFAULT ||
	      err == EAGAIN || err == ENOMEM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	static bool done;

	if (!done)
		fake_start("source:anon");
	done = true;
	while (more(&in)) {
		unsigned int len = byte(&in) % 40, newlen = byte(&in) % 24, how = byte(&in);
		unsigned char *old = malloc(64), fresh[24];
		char name[256] = "";
		size_t mib[8] = { 0 }, depth = byte(&in) % 9, oldlen = len;

		memset(old, 0xee, 64);
		for (unsigned int i = 0; i < sizeof(fresh); i++)
			fresh[i] = (unsigned char)byte(&in);
		make_name(&in, name, sizeof(name));
		/* Where a new value is an address, a wrong one is a crime. */
		if (strstr(name, "lookup") || strstr(name, "hooks"))
			newlen = 0;
		errno_known(ashlar_ctl(name, how & 1 ? old : NULL, how & 2 ? &oldlen : NULL,
				       how & 4 ? fresh : NULL, how & 4 ? newlen : 0));
		for (unsigned int i = len; i < 64; i++)
			AGREE(old[i] == 0xee);
		if (!ashlar_ctlnametomib(name, mib, &depth)) {
			AGREE(depth <= 8);
			for (size_t i = 0; i < depth; i++)
				mib[i] += how & 8 ? byte(&in) : 0;
			oldlen = len;
			errno_known(ashlar_ctlbymib(mib, depth, old, &oldlen, NULL, 0));
		}
		free(old);
	}
	return 0;
}
