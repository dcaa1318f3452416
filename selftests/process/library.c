// SPDX-License-Identifier: MIT
/* The library that dlopen.c opens: uses malloc when loaded, called, and unloaded. */
#include <stdlib.h>
#include <string.h>

static char *kept;
static __thread char *per_thread;

__attribute__((constructor)) static void load(void)
{
	kept = malloc(100);
	strcpy(kept, "kept");
}

__attribute__((destructor)) static void unload(void)
{
	free(kept);
}

char *library_copy(const char *text);
char *library_copy(const char *text)
{
	char *p = malloc(strlen(text) + strlen(kept) + 1);

	free(per_thread);
	per_thread = malloc(50);
	strcpy(p, text);
	return strcat(p, kept);
}

void library_end_thread(void);
void library_end_thread(void)
{
	free(per_thread);
	per_thread = NULL;
}
