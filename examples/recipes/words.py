# SPDX-License-Identifier: MIT
"""Many small objects, and their going: what Python's own allocator would keep from malloc."""
import random

rng = random.Random(1)
table = {}
for i in range(600_000):
    table[f"word{rng.randrange(300_000)}"] = [i, str(i), (i, i + 1)]
    if i % 3 == 0:
        table.pop(f"word{rng.randrange(300_000)}", None)
groups = {}
for word, value in table.items():
    groups.setdefault(word[-2:], []).append((word, value))
print(len(table), sum(len(g) for g in groups.values()), sum(v[0] for _, v in groups["07"]) % 1_000_003)
