// SPDX-License-Identifier: MIT
/* bitmap.h against an array of bools. */
#include "fuzz.h"

#include "bitmap.h"

static bool model[BITS_COUNT];

static unsigned int count(unsigned int first, unsigned int n)
{
	unsigned int c = 0;

	for (unsigned int i = first; i < first + n; i++)
		c += model[i];
	return c;
}

static unsigned int zeroes_at(unsigned int first)
{
	unsigned int n = 0;

	while (first + n < BITS_COUNT && !model[first + n])
		n++;
	return n;
}

static unsigned int longest(void)
{
	unsigned int most = 0;

	for (unsigned int i = 0; i < BITS_COUNT; i++)
		most = most > zeroes_at(i) ? most : zeroes_at(i);
	return most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct bits b = { 0 };

	memset(model, 0, sizeof(model));
	for (unsigned int ops = 0; more(&in) && ops < 400; ops++) {
		unsigned int op = byte(&in) % 5, first = below(&in, BITS_COUNT);
		unsigned int n = below(&in, BITS_COUNT - first) + 1;
		unsigned int align = 1u << byte(&in) % 10, found;

		switch (op) {
		case 0:
			bits_set_range(&b, first, n);
			memset(model + first, true, n);
			break;
		case 1:
			bits_clear_range(&b, first, n);
			memset(model + first, false, n);
			break;
		case 2:
			bits_set(&b, first);
			model[first] = true;
			break;
		case 3:
			found = bits_find_zero_run(&b, n, align);
			if (found < BITS_COUNT)
				AGREE(found % align == 0 && found + n <= BITS_COUNT && zeroes_at(found) >= n);
			for (unsigned int i = 0; i < (found < BITS_COUNT ? found : BITS_COUNT); i += align)
				AGREE(zeroes_at(i) < n);
			break;
		case 4:
			AGREE(bits_count_range(&b, first, n) == count(first, n));
			AGREE(bits_get(&b, first) == model[first]);
			AGREE(bits_longest_zero_run(&b) == longest());
			break;
		}
	}
	for (unsigned int i = 0; i < BITS_COUNT; i++)
		AGREE(bits_get(&b, i) == model[i]);
	return 0;
}
