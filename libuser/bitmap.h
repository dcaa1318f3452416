/* SPDX-License-Identifier: MIT */
/*
 * Fixed bitmaps of 512 bits, one bit a page of an extent or a slot of a slab,
 * and growing ones of any length. Pure functions; the caller guards.
 */
#ifndef ASHLAR_BITMAP_H
#define ASHLAR_BITMAP_H

#include "util.h"

#define BITS_WORDS	8
#define BITS_COUNT	(BITS_WORDS * 64u)

struct bits {
	uint64_t w[BITS_WORDS];
};

static inline bool bits_get(const struct bits *b, unsigned int i)
{
	return b->w[i / 64] >> (i % 64) & 1;
}

static inline void bits_set(struct bits *b, unsigned int i)
{
	b->w[i / 64] |= 1ull << (i % 64);
}

static inline void bits_clear(struct bits *b, unsigned int i)
{
	b->w[i / 64] &= ~(1ull << (i % 64));
}

/* The bits of word @word, one of the range's, that lie in [first, first + n). */
static inline uint64_t bits_mask(unsigned int word, unsigned int first, unsigned int n)
{
	unsigned int last = first + n - 1;
	uint64_t mask = ~0ull;

	if (word == first / 64)
		mask <<= first % 64;
	if (word == last / 64)
		mask &= ~0ull >> (63 - last % 64);
	return mask;
}

#define bits_for_words(word, first, n)					\
	for (unsigned int word = (first) / 64; word <= ((first) + (n) - 1) / 64; word++)

/* Ranges hold at least one bit. */
static inline void bits_set_range(struct bits *b, unsigned int first, unsigned int n)
{
	unsigned int last = first + n - 1, i = first / 64, end = last / 64;
	uint64_t from = ~0ull << (first % 64), upto = ~0ull >> (63 - last % 64);

	if (i == end) {
		b->w[i] |= from & upto;
		return;
	}
	b->w[i] |= from;
	while (++i < end) {
		b->w[i] = ~0ull;
		__asm__("" : "+r"(i));	/* no call of memset for a word or two */
	}
	b->w[end] |= upto;
}

static inline void bits_clear_range(struct bits *b, unsigned int first, unsigned int n)
{
	bits_for_words(i, first, n)
		b->w[i] &= ~bits_mask(i, first, n);
}

static inline bool bits_any_range(const struct bits *b, unsigned int first, unsigned int n)
{
	uint64_t any = 0;

	bits_for_words(i, first, n)
		any |= b->w[i] & bits_mask(i, first, n);
	return any;
}

static inline unsigned int bits_count_range(const struct bits *b, unsigned int first,
					    unsigned int n)
{
	unsigned int count = 0;

	bits_for_words(i, first, n)
		count += (unsigned int)__builtin_popcountll(b->w[i] & bits_mask(i, first, n));
	return count;
}

static inline unsigned int bits_count(const struct bits *b)
{
	return bits_count_range(b, 0, BITS_COUNT);
}

/* First bit at or after @from that equals @value; BITS_COUNT if none. */
static inline unsigned int bits_next(const struct bits *b, unsigned int from, bool value)
{
	for (unsigned int i = from / 64; i < BITS_WORDS; i++) {
		uint64_t w = value ? b->w[i] : ~b->w[i];

		if (i == from / 64)
			w &= ~0ull << (from % 64);
		if (w)
			return i * 64 + (unsigned int)__builtin_ctzll(w);
	}
	return BITS_COUNT;
}

/* The run of set bits after [*first, *first + *n): for each of them, from 0 and 0 on. False if there is none. */
static inline bool bits_next_run(const struct bits *b, unsigned int *first, unsigned int *n)
{
	*first = bits_next(b, *first + *n, true);
	if (*first == BITS_COUNT)
		return false;
	*n = bits_next(b, *first, false) - *first;
	return true;
}

/* One more than the last set bit before @before; 0 if none. */
static inline unsigned int bits_end_before(const struct bits *b, unsigned int before)
{
	unsigned int i = before / 64;
	uint64_t w = before % 64 ? b->w[i] & ~(~0ull << (before % 64)) : 0;

	while (!w && i)
		w = b->w[--i];
	return w ? i * 64 + 64 - (unsigned int)__builtin_clzll(w) : 0;
}

/* Length of the run of zero bits that [first, first + n), itself zero, is part of. */
static inline unsigned int bits_zero_run_at(const struct bits *b, unsigned int first, unsigned int n)
{
	unsigned int end = first + n;

	if (end < BITS_COUNT)
		end = bits_next(b, end, true);
	return end - bits_end_before(b, first);
}

/*
 * First run of at least @n zero bits whose start is a multiple of @align (a
 * power of two); BITS_COUNT if none.
 */
static inline unsigned int bits_find_zero_run(const struct bits *b, unsigned int n,
					      unsigned int align)
{
	unsigned int start, end;

	for (start = bits_next(b, 0, false); start < BITS_COUNT;
	     start = bits_next(b, end, false)) {
		unsigned int at = round_up(start, align);

		end = bits_next(b, start, true);
		if (at + n <= end)
			return at;
		if (end == BITS_COUNT)
			break;
	}
	return BITS_COUNT;
}

/* Length of the longest run of zero bits. */
static inline unsigned int bits_longest_zero_run(const struct bits *b)
{
	unsigned int best = 0, start, end;

	for (start = bits_next(b, 0, false); start < BITS_COUNT;
	     start = bits_next(b, end, false)) {
		end = bits_next(b, start, true);
		best = max(best, end - start);
		if (end == BITS_COUNT)
			break;
	}
	return best;
}

#endif /* ASHLAR_BITMAP_H */
