/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls, one function each: @arg is as the caller filled it, as far as it is
 * known here, and goes back to the caller where 0 is returned.
 */
#ifndef ASHLAR_CALL_H
#define ASHLAR_CALL_H

#include <linux/ashlar.h>

union ashlar_arg {
	struct ashlar_info info;
	struct ashlar_alloc alloc;
	struct ashlar_free free;
	struct ashlar_purge purge;
	struct ashlar_stat stat;
	struct ashlar_punch punch;
	struct ashlar_mend mend;
};

int ashlar_call_alloc(union ashlar_arg *arg);
int ashlar_call_free(union ashlar_arg *arg);
int ashlar_call_purge(union ashlar_arg *arg);
int ashlar_call_stat(union ashlar_arg *arg);
int ashlar_call_punch(union ashlar_arg *arg);
int ashlar_call_mend(union ashlar_arg *arg);

#endif /* ASHLAR_CALL_H */
