// SPDX-License-Identifier: MIT
/* Built as a user of the installed library would build it: says its version and whether it serves malloc. */
#include <ashlar.h>
#include <linux/ashlar.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	const char *version = NULL;
	size_t len = sizeof(version), before, after;
	void *p = malloc(100000), *q = ashlar_malloc(100);

	before = len;
	after = ashlar_nallocx(100, 0);
	if (!p || !q || ashlar_ctl("version", &version, &len, NULL, 0) || len != before || after < 100)
		return 1;
	ashlar_free(q);
	free(p);
	printf("%s, extents of %lu bytes\n", version, ASHLAR_EXTENT_SIZE);
	return 0;
}
