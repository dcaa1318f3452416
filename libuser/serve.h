/* SPDX-License-Identifier: MIT */
/*
 * A socket on which a process answers questions about its own memory: what
 * `ashlarctl stats`, `map`, `purge` and `profile` talk to. Off unless
 * ctl_socket:true, and never in a set-uid program.
 *
 * The socket is PID.sock (PID-prefixed.sock for libashlar-prefixed) in the first
 * of these directories that is there or can be made, is this user's own, and is
 * closed to all others:
 *
 *	$XDG_RUNTIME_DIR/ashlar		where that variable is set
 *	/run/ashlar			for root
 *	/tmp/ashlar-UID
 *
 * Only this process's user and root are answered (SO_PEERCRED). One connection
 * is one request, a line, and one answer: "ok" and a newline, then the text up to
 * the end; or "error " and a sentence.
 *
 *	hello			version and process, one value a line
 *	totals			struct stats, one "name value" a line
 *	stats text|json|openmetrics	the report
 *	map			the report's map of extents, as JSON
 *	options			the options in force, "key:value", a tab, who set it, a line each
 *	purge			gives free memory back; says how many bytes
 *	profile			a heap profile, as prof.dump writes it
 *
 * A thread of its own serves it, asleep while nobody asks; it allocates nothing
 * from the heap that it describes. A forked child serves a socket of its own from
 * SERVE_CHILD_MS after the fork on, so that fork and exec leave nothing behind.
 */
#ifndef ASHLAR_SERVE_H
#define ASHLAR_SERVE_H

#include "util.h"

#define SERVE_CHILD_MS	200
#define SERVE_LINE	128	/* bytes of a request at the most */

/* ctl "ctl_socket": switch it while running. False: a set-uid program, or no thread. */
bool serve_set(bool on);
bool serve_running(void);

#endif /* ASHLAR_SERVE_H */
