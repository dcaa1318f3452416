// SPDX-License-Identifier: MIT
/*
 * malloc before main: in the resolver of an indirect function of the program
 * (before its thread-local storage is set up), in preinit_array, in constructors.
 * After main: in atexit handlers and destructors. Blocks cross all borders.
 */
#include "check.h"

static char *from_resolver, *from_preinit, *from_constructor, *from_main, *from_thread_local;
static __thread char *mine;

static int answer(void)
{
	return 42;
}

static int (*resolve(void))(void)
{
	void *gone = malloc(1000);

	from_resolver = malloc(200);
	if (from_resolver)
		from_resolver[0] = from_resolver[199] = 'r';
	free(gone);
	gone = realloc(calloc(3, 30), 40000);
	free(gone);
	return answer;
}

int indirect(void) __attribute__((ifunc("resolve")));

static void preinit(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	from_preinit = malloc(300);
	from_preinit[0] = 'p';
	mine = malloc(20);
	mine[0] = 'm';
	free(malloc(100000));
}

__attribute__((section(".preinit_array"), used))
static void (*const preinit_entry)(int, char **, char **) = preinit;

__attribute__((constructor(101))) static void first_constructor(void)
{
	from_constructor = malloc(70);
	from_constructor[0] = 'c';
	free(from_preinit);
	from_preinit = NULL;
}

static void at_exit(void)
{
	if (from_main[0] != 'x')
		fail("the atexit handler's block changed");
	free(from_main);
	from_main = malloc(5000);
	exercise(5, 5);
}

__attribute__((destructor)) static void last(void)
{
	free(from_main);
	exercise(6, 5);
}

int main(void)
{
	guard(30);
	CHECK(indirect() == 42);
	CHECK(from_resolver && from_resolver[0] == 'r' && from_resolver[199] == 'r');
	CHECK(mine && mine[0] == 'm');
	CHECK(from_constructor[0] == 'c');
	exercise(1, 10);
	/* Still there after others came and went. */
	CHECK(from_resolver[0] == 'r' && from_resolver[199] == 'r');
	free(from_resolver);
	free(from_constructor);
	free(mine);
	from_main = malloc(10);
	from_main[0] = 'x';
	from_thread_local = NULL;
	atexit(at_exit);
	exercise(2, 10);
	return 0;
}
