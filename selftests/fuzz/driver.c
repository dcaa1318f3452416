// SPDX-License-Identifier: MIT
/*
 * In libFuzzer's place where clang is not: random inputs, each from a seed of its own, in
 * a child that does many; who ends badly is done again alone and its input kept.
 *
 * Usage: PROGRAM [seconds=N] [seed=S] [FILE]...	files are run once, and nothing else
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX	4096
#define BATCH		20

static uint8_t input[INPUT_MAX];

static size_t make_input(uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u | 1;
	size_t n;

	for (n = 0; n < INPUT_MAX; n += sizeof(x)) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		memcpy(input + n, &x, sizeof(x));
	}
	return x % INPUT_MAX + 1;
}

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		perror(path);
		return 1;
	}
	n = fread(input, 1, sizeof(input), f);
	fclose(f);
	return LLVMFuzzerTestOneInput(input, n);
}

/* Inputs of the seeds [from, from + n) in a child: its status. */
static int run_child(uint64_t from, unsigned int n)
{
	pid_t pid = fork();
	int status = 1;

	if (!pid) {
		for (unsigned int i = 0; i < n; i++)
			LLVMFuzzerTestOneInput(input, make_input(from + i));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void keep(const char *program, uint64_t seed)
{
	char name[64];
	FILE *f;

	snprintf(name, sizeof(name), "crash-%llu", (unsigned long long)seed);
	f = fopen(name, "wb");
	if (f && fwrite(input, 1, make_input(seed), f) && !fclose(f))
		fprintf(stderr, "%s: input kept as %s\n", program, name);
}

int main(int argc, char **argv)
{
	uint64_t seed = (uint64_t)time(NULL) * 1000003, runs = 0;
	time_t end = time(NULL) + 5;
	int files = 0, status = 0;

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "seconds=", 8))
			end = time(NULL) + atol(argv[i] + 8);
		else if (!strncmp(argv[i], "seed=", 5))
			seed = strtoull(argv[i] + 5, NULL, 0);
		else if (files++, run_file(argv[i]))
			return 1;
	}
	if (files)
		return 0;
	printf("seed=%llu\n", (unsigned long long)seed);
	do {
		status = run_child(seed + runs, BATCH);
		for (unsigned int i = 0; status && i < BATCH; i++) {
			if (run_child(seed + runs + i, 1)) {
				keep(argv[0], seed + runs + i);
				return 1;
			}
		}
		runs += BATCH;
	} while (!status && time(NULL) < end);
	printf("%llu inputs\n", (unsigned long long)runs);
	return status != 0;
}
