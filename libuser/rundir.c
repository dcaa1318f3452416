// SPDX-License-Identifier: MIT
#include "rundir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

/* @dir is ours alone: made here, or found to be. No one else can replace it then. */
static bool own_directory(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return false;
	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 077) == 0;
}

bool rundir_choose(char *dir, size_t size)
{
	const char *run = secure_getenv("XDG_RUNTIME_DIR");

	if (run && *run == '/' && strlen(run) < size - 32) {
		ash_format(dir, size, "%s/ashlar", run);
		if (own_directory(dir))
			return true;
	}
	if (geteuid() == 0 && own_directory("/run/ashlar")) {
		ash_format(dir, size, "/run/ashlar");
		return true;
	}
	ash_format(dir, size, "/tmp/ashlar-%u", (unsigned int)geteuid());
	return own_directory(dir);
}
