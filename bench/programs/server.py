# SPDX-License-Identifier: MIT
"""Object churn as in a web service: parse, index, transform, print. Prints a sum."""

import collections
import json
import random
import sys
import zlib

rounds = max(1, 24 * int(sys.argv[1]) // 100)
rng = random.Random(1)
names = ["n%05d" % rng.randrange(100000) for _ in range(3000)]
total = 0

for r in range(rounds):
    records = [{"id": i, "name": rng.choice(names), "tags": [str(i % k) for k in (3, 5, 7)],
                "body": "x" * rng.randrange(8, 400)} for i in range(6000)]
    text = json.dumps(records)
    back = json.loads(text)
    index = collections.defaultdict(list)
    for record in back:
        index[record["name"]].append(record)
        for tag in record["tags"]:
            index[tag].append(record["id"])
    lines = ["%s:%d" % (k, len(v)) for k, v in sorted(index.items())]
    total = zlib.crc32("\n".join(lines).encode(), total)
    total = zlib.crc32(text.encode(), total)

print("%08x" % total)
