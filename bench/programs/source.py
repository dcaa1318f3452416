# SPDX-License-Identifier: MIT
"""Writes a large C program for the compiler: many functions of many shapes."""

import random
import sys

rng = random.Random(1)
count = max(1, 4 * int(sys.argv[1]))

print("struct node { struct node *next; int key; double weight; char name[16]; };")
for i in range(count):
    expression = "x"
    for _ in range(rng.randrange(4, 14)):
        expression = f"({expression} {rng.choice('+-*^|&')} {rng.choice(['x', 'y', 'n->key', str(rng.randrange(999))])})"
    calls = " + ".join(f"f{rng.randrange(i)}(n, x + {k}, y)" for k in range(rng.randrange(3))) \
        if i else "0"
    print(f"""
int f{i}(struct node *n, int x, int y)
{{
	int sum = 0, a[{8 + i % 24}];
	for (int i = 0; i < {8 + i % 24}; i++)
		a[i] = {expression} + i * {i};
	for (; n; n = n->next) {{
		switch (n->key % {3 + i % 9}) {{
		case 0: sum += a[x & 7]; break;
		case 1: sum ^= a[y & 7] << {i % 5}; n->weight *= {i % 7 + 0.5}; break;
		default: if (n->weight > {i}.0) sum -= n->name[x & 15]; else y++;
		}}
	}}
	return sum + {calls or 0};
}}""")
