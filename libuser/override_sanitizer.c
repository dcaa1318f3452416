// SPDX-License-Identifier: MIT
/*
 * AddressSanitizer and ThreadSanitizer see a program's mistakes through a malloc of
 * their own. In most programs built with them it comes first and ours is idle. Where ours
 * comes first (preloaded before the sanitizer's library, or pulled from libashlar.a into
 * the program), blocks of one would reach the other, and ThreadSanitizer would report
 * races in every reuse of a block: the program ends before it begins.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ashlar.h"
#include "conf.h"

/* Looked up at run time: a null address where no sanitizer is. */
extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

AT_START void conf_rival(void)
{
	/* Whose the name is in this process, and not in this file. */
	void *(*volatile first)(size_t) = malloc;

	if (likely(!__asan_init && !__tsan_init) || first != ashlar_malloc)
		return;
	ash_warn("this program was built with %sSanitizer, whose malloc must come first: do not preload "
		 "libashlar.so, and link -lashlar or libashlar-prefixed.a",
		 __asan_init ? "Address" : "Thread");
	/* Not _exit(), which is the sanitizer's, and as early as we are here not ready. */
	syscall(SYS_exit_group, 1);
}
