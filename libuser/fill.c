// SPDX-License-Identifier: MIT
#include "fill.h"

#include <string.h>

#include "conf.h"
#include "redzone.h"

void fill_new(char *p, size_t from, size_t to, bool *zeroed)
{
	if (conf.zero && !*zeroed) {
		memset(p + from, 0, to - from);
		*zeroed = true;
	} else if (!conf.zero && (conf.junk == JUNK_BOTH || conf.junk == JUNK_ALLOC)) {
		memset(p + from, 0xa5, to - from);
		*zeroed = false;
	}
}

void fill_freed(void *p, const struct window *w, size_t size)
{
	if (conf.redzone) {
		redzone_check("free", w, p, size);
		redzone_forget(w, p);
	}
	if (conf.junk == JUNK_BOTH || conf.junk == JUNK_FREE)
		memset(p, 0x5a, size);
}
