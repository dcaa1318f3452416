// SPDX-License-Identifier: MIT
/*
 * Text work: split lines into words, count them in a hash of copied keys, join
 * and extend strings piece by piece, duplicate and drop them.
 */
#include "pattern.h"

#define BUCKETS	4096

struct word {
	struct word *next;
	char *text;
	unsigned long count;
};

static struct word *bucket[BUCKETS];
static uint64_t seed = 1;

static char *make_line(void)
{
	char *line = strdup("");
	size_t used = 0;
	int words = rng_size(&seed, 4, 40);

	while (words--) {
		char piece[24];
		int n = snprintf(piece, sizeof(piece), "w%llx ",
				 (unsigned long long)(rng_next(&seed) >> (44 + (seed >> 9) % 16)));

		line = realloc(line, used + n + 1);
		if (!line)
			errx(1, "no memory for a line");
		memcpy(line + used, piece, n + 1);
		used += n;
	}
	return line;
}

static void count(const char *text)
{
	uint64_t h = 5381;

	for (const char *c = text; *c; c++)
		h = h * 33 + (unsigned char)*c;
	for (struct word *w = bucket[h % BUCKETS]; w; w = w->next) {
		if (!strcmp(w->text, text)) {
			w->count++;
			return;
		}
	}
	struct word *w = malloc(sizeof(*w));

	w->text = strdup(text);
	w->count = 1;
	w->next = bucket[h % BUCKETS];
	bucket[h % BUCKETS] = w;
}

static uint64_t forget(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < BUCKETS; i++) {
		while (bucket[i]) {
			struct word *w = bucket[i];

			bucket[i] = w->next;
			sum += w->count * strlen(w->text);
			free(w->text);
			free(w);
		}
	}
	return sum;
}

int main(int argc, char **argv)
{
	long lines = work(argc, argv, 150000);
	uint64_t sum = 0;
	char *save;

	for (long n = 0; n < lines; n++) {
		char *line = make_line();

		for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
			char *copy = strdup(w);

			count(copy);
			free(copy);
		}
		free(line);
		if (n % 5000 == 4999)
			sum += forget();
	}
	print_sum(sum + forget());
}
