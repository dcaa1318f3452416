// SPDX-License-Identifier: MIT
#include "sample.h"

#include <string.h>

#include "os.h"

#define LN2	0.69314718055994530942

_Atomic int64_t sample_mean[SAMPLE_KINDS];
_Atomic bool sample_used;
_Atomic int64_t sample_latest = TCACHE_EVENT_MOST;

/* Counts changes of sample_mean[]. */
static _Atomic uint32_t epoch;

/* State that threads' own are made from. */
static _Atomic uint64_t seeds;

void sample_changed(void)
{
	atomic_fetch_add_explicit(&epoch, 1, memory_order_release);
	atomic_store(&sample_used, true);
	atomic_store(&sample_latest, TCACHE_EVENT_BYTES);
}

void sample_seed(uint64_t seed)
{
	if (!seed)
		seed = os_now_ns() ^ (uintptr_t)&seed;
	atomic_store(&seeds, seed);
}

/* Steele's splitmix: neighbouring states give unrelated numbers. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t draw(struct sampling *s)
{
	if (unlikely(!s->random))
		s->random = mix(atomic_fetch_add(&seeds, 0x9e3779b97f4a7c15u)) | 1;
	s->random += 0x9e3779b97f4a7c15u;
	return mix(s->random);
}

/* ln(x), x > 0 and normal, to about 1e-5: without libm, which would be one more library. */
static double ln(double x)
{
	uint64_t bits;
	double m, q, r;
	int exponent;

	memcpy(&bits, &x, sizeof(bits));
	exponent = (int)(bits >> 52) - 1023;
	bits = (bits & 0xfffffffffffffu) | 0x3ff0000000000000u;
	memcpy(&m, &bits, sizeof(m));
	q = (m - 1) / (m + 1);
	r = q * q;
	return 2 * q * (1 + r * (1.0 / 3 + r * (1.0 / 5 + r * (1.0 / 7)))) + exponent * LN2;
}

/* Bytes to the next sample: exponentially distributed, at least 1. */
static int64_t distance(struct sampling *s, int64_t mean)
{
	/* 53 bits, never 0. */
	double u = (double)((draw(s) >> 11) + 1) * 0x1p-53;

	return (int64_t)(-ln(u) * (double)mean) + 1;
}

int64_t sample_draw(struct sampling *s, int64_t passed, int64_t most, unsigned int *due)
{
	uint32_t now = atomic_load_explicit(&epoch, memory_order_acquire);
	int64_t wait = most;
	bool fresh = s->epoch != now || !s->wait;

	*due = 0;
	for (unsigned int k = 0; k < SAMPLE_KINDS; k++) {
		int64_t mean = atomic_load_explicit(&sample_mean[k], memory_order_relaxed);

		if (!mean)
			continue;
		s->left[k] -= passed;
		if (unlikely(fresh) || s->left[k] < 0) {
			*due |= (unsigned int)!fresh << k;
			s->left[k] = distance(s, mean);
		}
		wait = min(wait, s->left[k]);
	}
	s->epoch = now;
	s->wait = wait;
	return wait;
}

/* exp(-x), 0 <= x <= 50, to about 1e-9: halved until a short series will do, then squared. */
static double exp_minus(double x)
{
	double y = x / 64, e = 1 - y * (1 - y / 2 * (1 - y / 3 * (1 - y / 4 * (1 - y / 5 *
			   (1 - y / 6 * (1 - y / 7 * (1 - y / 8)))))));

	for (int i = 0; i < 6; i++)
		e *= e;
	return e;
}

double sample_weight(size_t size, int64_t mean)
{
	double x = (double)max(size, (size_t)1) / (double)max(mean, (int64_t)1);

	if (x > 40)
		return 1;
	/* By its own series where the difference would lose digits. */
	if (x < 0.25)
		return 1 / x + 0.5 + x * (1.0 / 12 - x * x * (1.0 / 720));
	return 1 / (1 - exp_minus(x));
}
