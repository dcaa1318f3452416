// SPDX-License-Identifier: MIT
/*
 * Ordered trees of small nodes with lists hanging from them, built, searched,
 * thinned and dropped: the mix of an optimiser or a simulation, where nearness
 * of what was allocated together decides as much as the allocator's own time.
 */
#include "pattern.h"

struct item {
	struct item *next;
	uint64_t weight;
};

struct node {
	struct node *child[2];
	uint64_t key;
	struct item *items;
	char *label;
};

static uint64_t seed = 1;

static void insert(struct node **root, uint64_t key)
{
	struct node *n;
	struct item *it;

	while (*root && (*root)->key != key)
		root = &(*root)->child[key > (*root)->key];
	if (!*root) {
		n = calloc(1, sizeof(*n));
		n->key = key;
		n->label = malloc(12 + key % 20);
		mark(n->label, 12 + key % 20, key);
		*root = n;
	}
	it = malloc(sizeof(*it));
	it->weight = key ^ seed;
	it->next = (*root)->items;
	(*root)->items = it;
}

static uint64_t thin(struct node *n)
{
	uint64_t sum = 0;
	struct item **it;

	if (!n)
		return 0;
	for (it = &n->items; *it;) {
		struct item *x = *it;

		sum += x->weight;
		if (x->weight & 1) {
			*it = x->next;
			free(x);
		} else {
			it = &x->next;
		}
	}
	return sum + thin(n->child[0]) + thin(n->child[1]);
}

static uint64_t drop(struct node *n)
{
	uint64_t sum;

	if (!n)
		return 0;
	sum = drop(n->child[0]) + drop(n->child[1]) + check(n->label, 12 + n->key % 20);
	while (n->items) {
		struct item *x = n->items;

		n->items = x->next;
		free(x);
	}
	free(n->label);
	free(n);
	return sum;
}

int main(int argc, char **argv)
{
	long trees = work(argc, argv, 220);
	uint64_t sum = 0;

	while (trees--) {
		struct node *root = NULL;

		for (int i = 0; i < 30000; i++)
			insert(&root, rng_next(&seed) % 12000);
		sum += thin(root);
		sum += drop(root);
	}
	print_sum(sum);
}
