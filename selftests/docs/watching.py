#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds alert rules, dashboard and unit files against what ashlarctl prints. Prints TAP.

Usage: watching.py ASHLARCTL DIRECTORY

A directory like sysfs's, with every file that kmod/sysfs.c makes, stands for the module, and a
process with a socket for all others. What only Prometheus can judge, promtool judges where it is
installed; systemd-analyze the units.
"""
import json
import os
import re
import shutil
import subprocess
import sys

ctl, out = sys.argv[1:]
RULES = "packaging/monitoring/ashlar.rules.yml"
DASHBOARD = "packaging/monitoring/ashlar-dashboard.json"
UNITS = ["packaging/boot/ashlar-metrics.service.in", "packaging/boot/ashlar-metrics.timer"]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def printed_names():
    """Every series that `ashlarctl metrics` prints, with the module and one process that answers."""
    sysfs = os.path.join(out, "sysfs", "node0")
    os.makedirs(sysfs, exist_ok=True)
    for name in re.findall(r'^\t{ { "([a-z_]+)", 0[0-9]+ }', read("kmod/sysfs.c"), re.M):
        with open(os.path.join(sysfs, name), "w", encoding="utf-8") as file:
            file.write("1\n")
    env = dict(os.environ, ASHLARCTL_SYSFS=os.path.dirname(sysfs), XDG_RUNTIME_DIR=out)
    names = set()
    with subprocess.Popen([ctl, "run", "--", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=env) as victim:
        victim.stdin.write(b"ready\n")
        victim.stdin.flush()
        victim.stdout.readline()
        # Its socket takes a moment after its start.
        for _ in range(100):
            text = subprocess.run([ctl, "metrics", "--prometheus"], env=env, check=True,
                                  stdout=subprocess.PIPE, text=True).stdout
            names = set(re.findall(r"^(ashlar_[a-z_]+)", text, re.M))
            if 'ashlar_heap_mapped_bytes{name="cat"}' in text:
                break
        victim.stdin.close()
    assert "ashlar_heap_mapped_bytes" in names, "the process did not tell of its heap"
    return names


def expressions(dashboard):
    return [t["expr"] for p in dashboard["panels"] for t in p["targets"]]


def unknown(text, names):
    # What the module does not have yet, the tool has a row for: `lazy` shows with it.
    told = set(re.findall(r'{ "([a-z_]+)", (?:true|false), "', read("tools/metrics.c")))
    names = names | {f"ashlar_pool_{t}_extents" for t in told}
    return sorted(set(re.findall(r"\bashlar_[a-z_]+", text)) - names)


def test_alerts_name_what_is_printed():
    text = read(RULES)
    exprs = "\n".join(re.findall(r"expr: (?:>-\n)?((?:.*\n)+?)\s+(?:for|labels):", text))
    assert exprs.count("ashlar_") > 10, "no expressions found"
    missing = unknown(exprs, printed_names())
    assert not missing, f"not printed: {missing}"
    for word in ("misses", "fails", "lazy", "quarantined", "heap_mapped"):
        assert word in exprs, f"no alert on {word}"
    alerts = text.count("- alert:")
    assert text.count("description: >-") == alerts and text.count("summary:") == alerts, "an alert has no reason"


def test_dashboard_names_what_is_printed():
    dashboard = json.loads(read(DASHBOARD))
    missing = unknown("\n".join(expressions(dashboard)), printed_names())
    assert not missing, f"not printed: {missing}"
    ids = [p["id"] for p in dashboard["panels"]]
    assert len(ids) == len(set(ids)) > 10
    assert all(p["description"] for p in dashboard["panels"])
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(places) == len(set(places)), "two panels in one place"


def test_prometheus_understands_them():
    if not shutil.which("promtool"):
        return "promtool is not installed (Debian's package prometheus)"
    subprocess.run(["promtool", "check", "rules", RULES], check=True, stdout=subprocess.DEVNULL)
    # The dashboard's expressions, as rules.
    panels = os.path.join(out, "panels.yml")
    with open(panels, "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "panels", "rules": [
            {"record": f"panel:{i}", "expr": e.replace("$instance", ".*")}
            for i, e in enumerate(expressions(json.loads(read(DASHBOARD))))]}]}, file)
    subprocess.run(["promtool", "check", "rules", panels], check=True, stdout=subprocess.DEVNULL)
    return None


def unit_name(path):
    return os.path.basename(path).removesuffix(".in")


def test_systemd_understands_the_units():
    if not shutil.which("systemd-analyze"):
        return "systemd-analyze is not installed"
    directory = os.path.join(out, "units")
    os.makedirs(directory, exist_ok=True)
    for unit in UNITS:
        text = read(unit)
        # Not installed here: the program and its manual page.
        text = text.replace("ExecStart=@PREFIX@/bin/ashlarctl", f"ExecStart={os.path.abspath(ctl)}")
        text = re.sub(r"(?m)^Documentation=.*\n", "", text)
        with open(os.path.join(directory, unit_name(unit)), "w", encoding="utf-8") as file:
            file.write(text)
    done = subprocess.run(["systemd-analyze", "verify"] + [os.path.join(directory, unit_name(u)) for u in UNITS],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    complaints = [l for l in done.stdout.splitlines() if "ashlar-metrics" in l]
    assert done.returncode == 0 and not complaints, done.stdout
    return None


def test_the_command_of_the_timer_works():
    """As the service runs it, but into a directory of ours."""
    command = re.search(r"^ExecStart=@PREFIX@/bin/ashlarctl (.*)$", read(UNITS[0]), re.M).group(1)
    path = re.search(r"--textfile=(\S+)", command).group(1)
    assert os.path.dirname(path) in read(UNITS[0]).split("ReadWritePaths=")[1].split("\n")[0]
    mine = os.path.join(out, "ashlar.prom")
    subprocess.run([ctl] + command.replace(path, mine).split(), check=True)
    assert "ashlar_module_loaded" in read(mine)
    assert oct(os.stat(mine).st_mode)[-3:] == "644", "node_exporter could not read it"


def test_commands_that_pages_name_exist():
    """Each `ashlarctl COMMAND --option` in code of a page."""
    commands = {c["name"]: {o["name"] for o in c["options"]}
                for c in json.loads(subprocess.run([ctl, "help", "--json"], check=True, stdout=subprocess.PIPE).stdout)}
    everywhere = {"json", "color", "help", "version"}
    pages = subprocess.run(["git", "ls-files", "*.md"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    seen, wrong = 0, []
    for page in pages:
        text = read(page)
        code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^    .*", text, re.M)
        for line in code:
            for name, rest in re.findall(r"\bashlarctl ([a-z]+)\b([^;|#]*)", line):
                seen += 1
                if name not in commands:
                    wrong.append(f"{page}: ashlarctl {name}")
                    continue
                # Behind -- they are the program's.
                for option in re.findall(r"(?<!\S)--([a-z][a-z-]+)", rest.split(" -- ")[0]):
                    if option not in commands[name] | everywhere:
                        wrong.append(f"{page}: ashlarctl {name} --{option}")
    assert seen > 30 and not wrong, f"{seen} seen; {wrong}"


tests = [(n[5:], f) for n, f in list(globals().items()) if n.startswith("test_")]
print(f"1..{len(tests)}")
failed = 0
for number, (name, function) in enumerate(tests, 1):
    try:
        skip = function()
        print(f"ok {number} - {name}" + (f" # SKIP {skip}" if skip else ""))
    except (AssertionError, subprocess.CalledProcessError) as problem:
        print("# " + str(problem).replace("\n", "\n# "))
        print(f"not ok {number} - {name}")
        failed = 1
sys.exit(failed)
