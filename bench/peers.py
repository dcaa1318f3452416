# SPDX-License-Identifier: MIT
"""The allocators to compare: what Debian installed, and what is named by path."""

import hashlib
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

# By soname. Debian 12 has the first three: libjemalloc2, libmimalloc2.0, libtcmalloc-minimal4.
KNOWN = {
    "jemalloc": ["libjemalloc.so.2"],
    "mimalloc": ["libmimalloc.so.3", "libmimalloc.so.2.0", "libmimalloc.so.2"],
    "tcmalloc": ["libtcmalloc_minimal.so.4", "libtcmalloc.so.4"],
    "snmalloc": ["libsnmallocshim.so"],
    "rpmalloc": ["librpmalloc.so"],
}

# Asks a library for its version in the three ways there are; run preloaded into a process of its own.
ASK = """
import ctypes
lib = ctypes.CDLL(None)
if hasattr(lib, "mi_version"):
    v = lib.mi_version()
    print("%d.%d.%d" % ((v // 10000, v // 100 % 100, v % 100) if v >= 10000 else
                        (v // 100, v // 10 % 10, v % 10)))
elif hasattr(lib, "tc_version"):
    lib.tc_version.restype = ctypes.c_char_p
    print(lib.tc_version(None, None, None).decode())
else:
    p, n = ctypes.c_char_p(), ctypes.c_size_t(8)
    if not lib.mallctl(b"version", ctypes.byref(p), ctypes.byref(n), None, 0):
        print(p.value.decode().split("-")[0])
"""


def die(sentence):
    sys.exit("bench: " + sentence)


class Allocator:
    """A name, the library to preload, variables for it, and what is known of its version."""

    def __init__(self, name, path, env=None):
        self.name = name
        self.env = env or {}
        self.path = os.path.realpath(path)
        self.digest = self._digest()
        self.version = self._version()

    def _digest(self):
        with open(self.path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()[:12]

    def changed(self):
        """True if the library was built anew since: figures before and after do not mix."""
        return self._digest() != self.digest

    def _version(self):
        if self.name == "glibc":
            return os.confstr("CS_GNU_LIBC_VERSION").split()[1]
        if self.path.startswith(os.path.join(TOP, "build", "")):
            return "commit " + commit()
        if self.name.startswith(tuple(KNOWN)):
            try:
                asked = subprocess.run([sys.executable, "-c", ASK], capture_output=True,
                                       text=True, check=False, timeout=60,
                                       env=dict(os.environ, LD_PRELOAD=self.path))
            except subprocess.TimeoutExpired:
                return "sha256 " + self.digest
            if asked.returncode == 0 and asked.stdout.strip():
                return asked.stdout.strip()
        return "sha256 " + self.digest


def commit():
    """The commit that is checked out, with a + when files differ from it."""
    def git(*args):
        return subprocess.run(["git", "-C", TOP, *args], capture_output=True, text=True,
                              check=False).stdout.strip()
    return (git("log", "-1", "--format=%h") or "unknown") + \
           ("+" if git("status", "--porcelain", "-uno") else "")


def library_path(soname):
    """Where the loader would find a library, or None."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        words = line.split()
        if words and words[0] == soname:
            return words[-1]
    return None


def glibc():
    # Preloaded like the others: a program linked to an allocator must not keep it.
    return Allocator("glibc", library_path("libc.so.6"))


def add_options(parser):
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=LIBRARY",
                        help="an allocator by path; may be repeated. Takes the place of Debian's "
                        "of the same name")
    parser.add_argument("--peers", metavar="DIRECTORY",
                        help="every library of that directory, by the name of its file: "
                        "DIRECTORY/rpmalloc.so is rpmalloc")
    parser.add_argument("--ashlar", default=os.path.join(TOP, "build", "libashlar.so"),
                        metavar="LIBRARY", help="the library under test (default: build/libashlar.so)")
    parser.add_argument("--only", metavar="NAME,...",
                        help="these allocators; glibc is always among them")


def chosen(args):
    """The allocators of one run, glibc first, Ashlar second."""
    paths = {"ashlar": args.ashlar}
    if not os.path.exists(args.ashlar):
        die(f"{args.ashlar} is not there; build it with 'make lib'")
    for name, sonames in KNOWN.items():
        for soname in sonames:
            path = library_path(soname)
            if path:
                paths[name] = path
                break
    if args.peers and not os.path.isdir(args.peers):
        die(f"--peers {args.peers}: wanted a directory")
    if args.peers:
        for file in sorted(os.listdir(args.peers)):
            if file.endswith(".so"):
                paths[file[:-3]] = os.path.join(args.peers, file)
    for peer in args.peer:
        name, _, path = peer.partition("=")
        if not name or not os.path.isfile(path):
            die(f"--peer {peer}: wanted NAME=LIBRARY, and the library to exist")
        paths[name] = path
    if args.only:
        names = args.only.split(",")
        for name in names:
            if name not in paths and name != "glibc":
                die(f"--only {name}: no such allocator; there are glibc, {', '.join(paths)}")
        paths = {n: p for n, p in paths.items() if n in names}
    return [glibc()] + [Allocator(n, p) for n, p in paths.items()]
