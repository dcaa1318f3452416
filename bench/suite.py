# SPDX-License-Identifier: MIT
"""What bench/run times: the patterns of patterns/ and programs of Debian, with fixed work."""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import peers

HERE = os.path.dirname(os.path.realpath(__file__))
BIN = os.path.join(peers.TOP, "build", "bench")
FLAGS = "-O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wundef -Werror".split()
# one order of hashes, sorting by bytes, and Python's objects from malloc
ENVIRONMENT = {"LC_ALL": "C", "PYTHONHASHSEED": "0", "PERL_HASH_SEED": "0",
               "PERL_PERTURB_KEYS": "0", "PYTHONMALLOC": "malloc"}


def build():
    """The launcher and the patterns, when older than their sources."""
    os.makedirs(BIN, exist_ok=True)
    header = os.path.join(HERE, "patterns", "pattern.h")
    sources = glob.glob(os.path.join(HERE, "patterns", "*.c")) + [os.path.join(HERE, "launch.c")]
    for source in sources:
        binary = os.path.join(BIN, os.path.basename(source)[:-2])
        newest = max(os.path.getmtime(source), os.path.getmtime(header))
        if not os.path.exists(binary) or os.path.getmtime(binary) < newest:
            subprocess.run([os.environ.get("CC", "gcc"), *FLAGS, source, "-o", binary,
                            "-lpthread", "-lm"], check=True)


# A run that takes longer hangs; the slowest takes a few seconds.
HANGS = 300


class Failure(Exception):
    """A run that gives no figure; one sentence why."""


class Job:
    """One program with fixed work. command(directory, percent) is its argv."""

    def __init__(self, name, kind, command, *, needs=(), make=None, stdin=None):
        self.name, self.kind = name, kind
        self.command, self.needs, self.make, self.stdin = command, needs, make, stdin

    def missing(self):
        """Programs that are not installed, for the sentence why this one is skipped."""
        return [p for p in self.needs if not shutil.which(p)]

    def prepare(self, directory, percent):
        if self.make:
            script, file = self.make
            with open(os.path.join(directory, file), "w") as f:
                subprocess.run([sys.executable, os.path.join(HERE, "programs", script),
                                str(percent)], stdout=f, check=True)

    def launch(self, argv, allocator, directory, **streams):
        result = os.path.join(directory, "result")
        if os.path.exists(result):
            os.unlink(result)
        env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        return subprocess.Popen([os.path.join(BIN, "launch"), "-o", result, "-p", allocator.path,
                                 "--", *argv], cwd=directory,
                                env=dict(env, **ENVIRONMENT, **allocator.env),
                                start_new_session=True, **streams)

    @staticmethod
    def end(process):
        """The launcher and what it runs, a session of their own."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def result(self, directory):
        try:
            with open(os.path.join(directory, "result")) as f:
                figures = json.load(f)
        except (OSError, ValueError):
            raise Failure("left no figures: the launcher failed") from None
        if figures["status"]:
            raise Failure(f"ended with status {figures['status']}")
        if figures["loaded"] == 0:
            raise Failure("ran without the allocator")
        figures["cpu"] = figures["user"] + figures["system"]
        return figures

    def run(self, allocator, directory, percent):
        """(figures, output) of one run; Failure if there is none."""
        out, errors = (os.path.join(directory, f) for f in ("output", "errors"))
        stdin = os.path.join(directory, self.stdin) if self.stdin else os.devnull
        with open(stdin) as i, open(out, "wb") as o, open(errors, "wb") as e:
            process = self.launch(self.command(directory, percent), allocator, directory,
                                  stdin=i, stdout=o, stderr=e)
            try:
                process.wait(HANGS)
            except subprocess.TimeoutExpired:
                raise Failure(f"did not end within {HANGS} s") from None
            finally:
                self.end(process)
        try:
            figures = self.result(directory)
        except Failure as failure:
            with open(errors, errors="replace") as e:
                said = e.read().strip().splitlines()
            raise Failure(f"{failure}: {said[-1]}" if said else str(failure)) from None
        with open(out, "rb") as o:
            return figures, o.read()


class Redis(Job):
    """The server counts; redis-cli feeds it, and its output is the digest of the data."""

    def __init__(self):
        super().__init__("redis", "program", None, needs=("redis-server", "redis-cli"),
                         make=("commands.py", "commands"))

    def run(self, allocator, directory, percent):
        socket = os.path.join(directory, "socket")
        server = self.launch(
            ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", directory,
             "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"],
            allocator, directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

        def cli(*args, **more):
            return subprocess.run(["redis-cli", "-s", socket, *args], capture_output=True,
                                  check=False, timeout=120, **more)
        try:
            for _ in range(1000):
                if cli("PING").stdout == b"PONG\n":
                    break
                if server.poll() is not None:
                    self.result(directory)
                time.sleep(0.01)
            else:
                raise Failure("the server did not answer")
            with open(os.path.join(directory, "commands"), "rb") as f:
                cli("--pipe", stdin=f)
            for command in ("SORT l7 ALPHA", "ZREVRANGE z9 0 -1", "KEYS *1*", "SUNION nil"):
                cli(*command.split())
            digest = cli("DEBUG", "DIGEST").stdout + cli("DBSIZE").stdout
            cli("SHUTDOWN", "NOSAVE")
        except subprocess.TimeoutExpired:
            raise Failure("the server stopped answering") from None
        finally:
            # the launcher ends with the server; it is ours, so end it if it does not
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                pass
            self.end(server)
        return self.result(directory), digest


def pattern(name, binary, *variant):
    return Job(name, "pattern",
               lambda d, percent: [os.path.join(BIN, binary), str(percent), *variant])


def script(file):
    return os.path.join(HERE, "programs", file)


def compiler(directory, _):
    # the compiler proper: the driver called gcc would hide it behind a fork
    proper = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True,
                            check=True).stdout.strip()
    return [proper, "-quiet", "-O1", os.path.join(directory, "large.c"), "-o", "-"]


JOBS = [
    pattern("simple", "simple"),
    pattern("random small", "random", "small"),
    pattern("random medium", "random", "medium"),
    pattern("random wide", "random", "wide"),
    pattern("batch", "batch"),
    pattern("buffers", "simple", "buffers"),
    pattern("large", "large"),
    pattern("grow", "grow"),
    pattern("zero", "zero"),
    pattern("trees", "trees"),
    pattern("strings", "strings"),
    pattern("day", "day"),
    pattern("day large", "day", "large"),
    pattern("burst", "burst"),
    pattern("tiny", "tiny"),
    pattern("parallel", "parallel"),
    pattern("shuffle", "shuffle", "own"),
    pattern("shuffle pass", "shuffle", "pass"),
    pattern("handover", "handover"),
    pattern("crossfree", "crossfree"),
    pattern("blocked", "blocked"),
    pattern("spawn", "spawn"),
    pattern("crowd", "crowd"),
    pattern("lines", "lines"),
    Redis(),
    Job("sqlite3", "program", lambda d, p: ["sqlite3", ":memory:"], needs=["sqlite3"],
        make=("queries.py", "queries"), stdin="queries"),
    Job("python3", "program", lambda d, p: ["/usr/bin/python3", script("server.py"), str(p)],
        needs=["/usr/bin/python3"]),
    Job("gcc", "program", compiler, needs=["gcc"], make=("source.py", "large.c")),
    Job("lua", "program", lambda d, p: ["lua5.4", script("tables.lua"), str(p)],
        needs=["lua5.4"]),
    Job("perl", "program", lambda d, p: ["perl", script("words.pl"), str(p)], needs=["perl"]),
    Job("gawk", "program", lambda d, p: ["gawk", "-v", f"percent={p}", "-f", script("fields.awk")],
        needs=["gawk"]),
]

# Not in the usual set, since it mostly sleeps: one decay time, then what is left.
IDLE = pattern("burst idle", "burst", "12")
