#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reads the profiles of programs with known leaks with the tools that people have.

What a tool says of a function must be what the function did, within the error of
sampling: of n blocks of s bytes, each sampled with the chance p = 1 - exp(-s / mean), the
estimate's deviation is s * sqrt(n * (1 - p) / p). Five of them are allowed, with the
options' seed (SEED) fixed.
"""

import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys

TOP, OUT, PART = sys.argv[1:4]
LIBRARY = os.path.join(TOP, "build", "libashlar.so")
SEED = os.environ.get("SEED", "11")
MEAN = 1 << 19
tests = failures = 0


def ok(good, what, why=""):
    global tests, failures
    tests += 1
    failures += not good
    print(f"{'' if good else 'not '}ok {tests} - {what}")
    for line in ([] if good else str(why).splitlines()[:20]):
        print(f"# {line}")
    sys.stdout.flush()


def skip(what, why):
    global tests
    tests += 1
    print(f"ok {tests} - {what} # SKIP {why}")


def run(command, conf=None, **more):
    env = dict(os.environ)
    if conf:
        env.update(LD_PRELOAD=LIBRARY, ASHLAR_CONF=conf)
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False,
                          timeout=120, **more)


def profile(program, name, options):
    """Runs the program; (its profile, what it says it did, what it said on stderr)."""
    prefix = os.path.join(OUT, name)
    done = run([os.path.join(OUT, program)],
               f"prof:true,prof_final:true,prof_prefix:{prefix},prof_seed:{SEED},{options}")
    files = glob.glob(prefix + ".*.f0.*")
    truth = {}
    for line in done.stdout.splitlines():
        function, kept, made, size = line.split()
        truth[function] = [int(kept), int(made), int(size)]
    return (files[0] if len(files) == 1 else None), truth, done.stderr


# --- the readers: bytes by function, the functions that it called included ---

def pprof(program, path, index):
    text = run(["go", "tool", "pprof", "-symbolize=local", "-top", "-cum", "-unit=B", "-nodecount=1000",
                "-nodefraction=0", f"-sample_index={index}_space", program, path]).stdout
    return {m[2]: float(m[1]) for m in
            re.finditer(r"\s([\d.]+)B?\s+[\d.]+%\s+(\w+)(?: \(inline\))?$", text, re.M)}


def perl(tool, program, path, index):
    what = {"inuse": "--inuse_space", "alloc": "--alloc_space"}[index]
    text = run([tool, "--text", "--cum", "--show_bytes", "--nodecount=1000", "--nodefraction=0", what,
                program, path]).stdout
    return {m[2]: float(m[1]) for m in
            re.finditer(r"^\s*\d+\s+[\d.]+%\s+[\d.]+%\s+(\d+)\s+[\d.]+%\s+(\w+)", text, re.M)}


READERS = {
    "pprof": pprof,
    "jeprof": lambda *a: perl("jeprof", *a),
    "google-pprof": lambda *a: perl("google-pprof", *a),
}
TOOLS = {"pprof": "go", "jeprof": "jeprof", "google-pprof": "google-pprof"}


def wrong(seen, truth, index):
    """Sentences on what is not as it should be."""
    said = []
    for function, (kept, made, size) in truth.items():
        n = kept if index == "inuse" else made
        if index == "alloc" and function == "leak_realloc":
            continue    # two sizes
        p = 1 - math.exp(-size / MEAN)
        error = 5 * size * math.sqrt(n * (1 - p) / p) + size
        got = seen.get(function, 0)
        if abs(got - n * size) > error:
            said.append(f"{function}: {index} {got:.0f} bytes, is {n * size} +- {error:.0f}")
    return "\n".join(said)


def check(reader, program, path, truth, what):
    if not shutil.which(TOOLS[reader]):
        skip(what, f"{reader} is not installed")
        return
    said = "there is no profile"
    if path:
        said = wrong(READERS[reader](program, path, "inuse"), truth, "inuse")
        said = said or wrong(READERS[reader](program, path, "alloc"), truth, "alloc")
    ok(not said, what, said)


def readers():
    print(f"# SEED={SEED}")
    for build, unwind in (("frames", "auto"), ("plain", "auto"), ("plain", "library"), ("frames", "frames")):
        program = os.path.join(OUT, f"leaks-{build}")
        for fmt, tools in (("heap_v2", READERS), ("pprof", ["pprof"])):
            name = f"{build}-{unwind}-{fmt}"
            path, truth, _ = profile(f"leaks-{build}", name, f"prof_unwind:{unwind},prof_format:{fmt}")
            if unwind == "frames":
                # libc has no frame pointers: whoever called strdup cannot be told
                truth.pop("leak_strdup", None)
            for reader in tools:
                if reader != "pprof" and unwind != "auto":
                    continue    # the same text by another way: one reader is enough
                check(reader, program, path, truth,
                      f"{reader} reads {fmt}: {build}, unwound by {unwind}")
    path = glob.glob(os.path.join(OUT, "frames-auto-pprof.*"))[0]
    raw = run(["go", "tool", "pprof", "-raw", path]).stdout
    note = run(["readelf", "-n", os.path.join(OUT, "leaks-frames")]).stdout
    build_id = re.search(r"Build ID: (\w+)", note)[1]
    ok(build_id in raw, "the profile holds the program's build id", raw[-2000:])
    ok("thread:[leaker]" in raw, "and the names of threads", raw[:2000])
    with open(path, "rb") as f:
        ok(f.read(2) == b"\x1f\x8b", "it is gzip'd")


def cost():
    """Instructions of a sample, by callgrind: with sampling on less off, many rounds less few."""
    if not shutil.which("valgrind"):
        skip("instructions of a sample", "valgrind is not installed")
        return

    def count(program, unwind, rounds, active):
        done = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                    os.path.join(OUT, program), str(rounds)],
                   f"prof:true,prof_seed:{SEED},lg_prof_sample:10,prof_unwind:{unwind},prof_active:{active}")
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])

    few, many = 20000, 60000
    samples = (many - few) * (1 - math.exp(-64 / 1024))
    for program, unwind, most in (("deep-frames", "frames", 1000), ("deep-frames", "auto", 1000),
                                  ("deep-plain", "auto", 5000), ("deep-plain", "library", 5000)):
        each = (count(program, unwind, many, "true") - count(program, unwind, many, "false") -
                count(program, unwind, few, "true") + count(program, unwind, few, "false")) / samples
        print(f"# {program}, prof_unwind:{unwind}: {each:.0f} instructions")
        ok(0 < each <= most, f"a sample takes at most {most} instructions: {program}, {unwind}", each)


def at_exit():
    """Reports, and what is in the ring's JSON."""
    _, truth, said = profile("leaks-frames", "exit", "prof_leak:true")
    ok(re.search(r"^ashlar: live at exit: ~\d+ bytes in ~\d+ blocks from \d+ places", said, re.M) and
       "leak_small" in said and "churn" not in said, "the leak report names who leaked, and not who freed", said)
    done = run([os.path.join(OUT, "leaks-plain")], "prof:true,prof_leak:true,prof_leak_error:true")
    ok(done.returncode == 1, "prof_leak_error is the exit status", done.returncode)
    done = run(["/bin/true"], "prof:true,prof_final:true,prof_prefix:/no/such/place/x")
    ok("cannot be written" in done.stderr and done.returncode == 0,
       "a place that does not exist is one sentence, and no failure", done.stderr)
    path = os.path.join(OUT, "live", "recent.json")
    if os.path.exists(path):
        with open(path) as f:
            recent = json.load(f)
        blocks = recent["recent_alloc"]
        ok(len(blocks) == 20 and all(b["size"] == 777 and b["usize"] == 896 and b["released"] and
                                     b["alloc_trace"] and b["dalloc_trace"] and
                                     b["dalloc_time"] >= b["alloc_time"] for b in blocks[1:]),
           "prof.recent tells the last blocks with both stacks", blocks[:3])
        ok(sum(l["objects"] for l in recent["lifetimes"]) > 45000, "and how long blocks live",
           recent["lifetimes"])
    for target in ("python3", "sqlite3"):
        if not shutil.which(target):
            continue
        program = [target, "-c", "print(sum(len(str(i)) for i in range(100000)))"] if target == "python3" \
            else [target, ":memory:", "create table t(a); with recursive n(i) as (select 1 union all "
                  "select i + 1 from n where i < 50000) insert into t select i from n; select count(*) from t"]
        plain, profiled = run(program), run(program, "prof:true,lg_prof_sample:8,guard_sample:100000")
        ok(profiled.stdout == plain.stdout and profiled.returncode == 0 and profiled.stdout,
           f"{target} runs with a sample each 256 bytes, some of them guarded", profiled.stderr)


parts = {"readers": readers, "cost": cost, "exit": at_exit}
for name, part in parts.items():
    if PART in (name, "all"):
        part()
print(f"1..{tests}")
sys.exit(failures != 0)
