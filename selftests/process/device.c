// SPDX-License-Identifier: MIT
/* In a guest with the module loaded: a heap past its small start lies on the device. */
#include "check.h"

/* Kilobytes of mappings of the device that are resident. */
static long device_kb(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	bool ours = false;
	long kb = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			ours = strstr(line, "/dev/ashlar");
		else if (ours && !strncmp(line, "Rss:", 4))
			kb += atol(line + 4);
	}
	fclose(f);
	return kb;
}

int main(void)
{
	enum { N = 2000 };
	static char *p[N];

	guard(120);
	CHECK(!access("/dev/ashlar", R_OK | W_OK), "no device here");
	for (int i = 0; i < N; i++) {
		p[i] = malloc(32 * KB);
		memset(p[i], i, 32 * KB);
	}
	printf("%ld KB on the device\n", device_kb());
	CHECK(device_kb() > 50 * 1024, "the heap is not on the device");
	for (int i = 0; i < N; i++) {
		CHECK(p[i][0] == (char)i && p[i][32 * KB - 1] == (char)i);
		free(p[i]);
	}
	malloc_trim(0);
	CHECK(device_kb() < 20 * 1024, "freed memory stayed: %ld KB", device_kb());
	exercise(1, 20);
	return 0;
}
