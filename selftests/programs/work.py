# SPDX-License-Identifier: MIT
"""Work for Python's allocator: every object by malloc. Prints checksums. Usage: work.py SCALE"""

import collections
import concurrent.futures
import gc
import hashlib
import json
import multiprocessing
import os
import random
import re
import sys
import threading

SCALE = int(sys.argv[1])


def report(name, value):
    digest = hashlib.sha256(repr(value).encode()).hexdigest()[:16]
    print(name, digest, flush=True)


def containers():
    rng = random.Random(1)
    table = {}
    for i in range(SCALE * 5000):
        table[f"key{i}"] = [i] * rng.randrange(20)
        if i % 3 == 0:
            table.pop(f"key{rng.randrange(i + 1)}", None)
    words = sorted(table, key=lambda k: (len(table[k]), k))
    counts = collections.Counter(len(v) for v in table.values())
    return words[:: 97], sorted(counts.items())


def strings():
    text = "".join(f"line {i} of {i * i}\n" for i in range(SCALE * 3000))
    text = re.sub(r"(\d+)5 of", r"<\1>", text)
    grown = bytearray()
    for i in range(SCALE * 2000):
        grown += bytes([i % 256]) * (i % 70)
        if i % 400 == 0:
            del grown[: len(grown) // 3]
    return hashlib.md5(text.encode()).hexdigest(), hashlib.md5(grown).hexdigest()


def documents():
    data = {"n": [{"i": i, "s": "x" * (i % 50), "f": i / 7} for i in range(SCALE * 1000)]}
    for _ in range(3):
        data = json.loads(json.dumps(data))
    return json.dumps(data, sort_keys=True)


class Node:
    def __init__(self, value, parent):
        self.value = value
        self.parent = parent
        self.children = []


def cycles():
    total = 0
    for r in range(SCALE * 3):
        root = Node(0, None)
        nodes = [root]
        for i in range(500):
            node = Node(i, nodes[i * 7 % len(nodes)])
            node.parent.children.append(node)
            nodes.append(node)
        total += sum(len(n.children) for n in nodes)
    gc.collect()
    return total


def threads():
    out = [None] * 6

    def work(k):
        rng = random.Random(k)
        kept = [bytes(rng.randrange(3000)) for _ in range(SCALE * 200)]
        out[k] = sum(len(b) for b in kept)

    for _ in range(3):
        ts = [threading.Thread(target=work, args=(k,)) for k in range(6)]
        for t in ts:
            t.start()
        for t in ts:
            t.join()
    return out


def in_child(n):
    return hashlib.md5(b"".join(bytes([i % 256]) * (i % 90) for i in range(n))).hexdigest()


def forks():
    with multiprocessing.get_context("fork").Pool(3) as pool:
        hashes = pool.map(in_child, [SCALE * 100 * i for i in range(1, 10)])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        hashes += pool.map(in_child, [SCALE * 50 * i for i in range(1, 10)])
    for _ in range(10):
        pid = os.fork()
        if not pid:
            junk = [bytes(i) for i in range(1000)]
            os._exit(len(junk) == 1000 and 7)
        hashes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return hashes


def memory_error():
    try:
        bytearray(1 << 46)
    except MemoryError:
        return "MemoryError"
    return "no error"


for function in containers, strings, documents, cycles, threads, forks, memory_error:
    report(function.__name__, function())
