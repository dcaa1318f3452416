/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzers share. Each is one file with LLVMFuzzerTestOneInput(): the input is a
 * program of operations on one part, which a simple model does as well; they must agree
 * after each. What an input has taken it gives back, so that each finds the same part.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input that is being read. An empty one gives zeroes. */
struct input {
	const uint8_t *at, *end;
};

static inline bool more(const struct input *in)
{
	return in->at < in->end;
}

static inline unsigned int byte(struct input *in)
{
	return more(in) ? *in->at++ : 0;
}

static inline unsigned int word(struct input *in)
{
	unsigned int low = byte(in);

	return low | byte(in) << 8;
}

/* Below @n. */
static inline unsigned int below(struct input *in, unsigned int n)
{
	return word(in) % n;
}

#define AGREE(cond)								\
	do {									\
		if (!(cond)) {							\
			fprintf(stderr, "%s:%d: the model does not agree: %s\n",	\
				__FILE__, __LINE__, #cond);			\
			abort();						\
		}								\
	} while (0)

#endif /* FUZZ_H */
