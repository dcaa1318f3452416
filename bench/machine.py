# SPDX-License-Identifier: MIT
"""What a figure depends on besides the code: printed with every table."""

import os
import subprocess

import peers


def read(path, default="unknown"):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return default


def cpu_model():
    for line in read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return os.uname().machine


def first_line(*command):
    out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return out.splitlines()[0] if out else "unknown"


def describe():
    """Pairs of what and value, for people."""
    memory = next(l for l in read("/proc/meminfo").splitlines() if l.startswith("MemTotal"))
    thp = read("/sys/kernel/mm/transparent_hugepage/enabled")
    facts = [
        ("CPU", f"{cpu_model()}, {len(os.sched_getaffinity(0))} usable"),
        ("memory", f"{int(memory.split()[1]) / 2**20:.0f} GiB"),
        ("kernel", os.uname().release),
        ("governor", read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                          "none (a virtual machine, or fixed)")),
        ("transparent huge pages", thp[thp.find("[") + 1:thp.find("]")] if "[" in thp else thp),
        ("compiler", first_line(os.environ.get("CC", "gcc"), "--version")),
        ("load before", read("/proc/loadavg").split()[0]),
        ("commit", peers.commit()),
        ("device", "/dev/ashlar" if os.path.exists("/dev/ashlar") else "none: anonymous memory"),
    ]
    if os.environ.get("ASHLAR_CONF"):
        facts.append(("ASHLAR_CONF", os.environ["ASHLAR_CONF"]))
    return facts
