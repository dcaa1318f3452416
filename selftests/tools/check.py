#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a shell cannot judge: check.py json|openmetrics|prometheus|svg|terminal|top [ARGUMENT...] reads standard input."""
import json
import sys


def check_json(*keys):
    """Valid, and has these keys (of the first element where it is a list)."""
    data = json.load(sys.stdin)
    if isinstance(data, list):
        data = data[0]
    for key in keys:
        assert key in data, f"no key {key} among {sorted(data)}"


def check_metrics(parser, *families):
    text = sys.stdin.read()
    found = {f.name for f in parser(text)}
    for family in families:
        assert family in found, f"no family {family} among {sorted(found)}"


def check_openmetrics(*families):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    check_metrics(text_string_to_metric_families, *families)


def check_prometheus(*families):
    from prometheus_client.parser import text_string_to_metric_families
    check_metrics(text_string_to_metric_families, *families)


def check_svg(extents):
    """One rectangle an extent, beside the background and the ten of the legend."""
    import xml.etree.ElementTree as tree
    root = tree.parse(sys.stdin).getroot()
    rects = root.findall("{http://www.w3.org/2000/svg}rect")
    assert len(rects) == int(extents) + 11, f"{len(rects)} rectangles, {extents} extents"


def check_terminal(*command):
    """What @command prints to a terminal of its own has colours."""
    import pty
    out = b""

    def read(fd):
        nonlocal out
        data = __import__("os").read(fd, 4096)
        out += data
        return b""
    pty.spawn(command, read)
    assert b"\033[" in out, f"no colours: {out!r}"


def check_top(*command):
    """Live on a terminal: the other screen, a look, and q ends it with the first screen back."""
    import os
    import pty
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    out = b""
    asked = False
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
        if not asked and b"NODE0" in out:
            os.write(fd, b"q")
            asked = True
    status = os.waitpid(pid, 0)[1]
    assert status == 0, f"status {status}"
    assert out.startswith(b"\033[?1049h") and b"\033[?1049l" in out, out
    assert b"victim" in out, out


if __name__ == "__main__":
    globals()["check_" + sys.argv[1]](*sys.argv[2:])
