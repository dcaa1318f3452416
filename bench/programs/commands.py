# SPDX-License-Identifier: MIT
"""Writes commands for redis-server, in its protocol: strings, lists, hashes, sets."""

import random
import sys

rng = random.Random(1)
out = sys.stdout.buffer


def send(*words):
    out.write(b"*%d\r\n" % len(words))
    for w in words:
        w = str(w).encode()
        out.write(b"$%d\r\n%s\r\n" % (len(w), w))


for n in range(2500 * int(sys.argv[1])):
    kind = rng.randrange(10)
    key = rng.randrange(60000)
    if kind < 4:
        send("SET", f"s{key}", "v" * int(2 ** rng.uniform(3, 10)))
    elif kind < 5:
        send("APPEND", f"s{key}", "more" * rng.randrange(1, 20))
    elif kind < 6:
        send("LPUSH", f"l{key % 2000}", *("e" * rng.randrange(4, 60) for _ in range(4)))
    elif kind < 7:
        send("HSET", f"h{key % 5000}", f"f{rng.randrange(200)}", "w" * rng.randrange(8, 90))
    elif kind < 8:
        send("ZADD", f"z{key % 500}", rng.randrange(10 ** 6), f"m{rng.randrange(4000)}")
    else:
        send("DEL", f"s{key}")
