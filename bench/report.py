# SPDX-License-Identifier: MIT
"""Tables and the picture of a run of bench/run."""

import csv
import json
import math
import os
import shutil
import statistics
import subprocess

# key of a figure, what it is, unit, unit in terms of the key's
FIGURES = [
    ("cpu", "CPU time", "s", 1),
    ("wall", "wall time", "s", 1),
    ("peak_kb", "peak resident memory", "MB", 1 / 1024),
    ("final_kb", "resident memory at exit", "MB", 1 / 1024),
]


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


class Report:
    """runs[job][allocator] is a list of figures, one of each round; glibc is first."""

    def __init__(self, facts, allocators, runs, errors):
        self.facts, self.allocators, self.runs, self.errors = facts, allocators, runs, errors
        self.names = [a.name for a in allocators]

    def median(self, job, name, key):
        values = [f[key] for f in self.runs[job].get(name, []) if f[key] >= 0]
        return statistics.median(values) if values else None

    def relative(self, job, name, key):
        base, value = self.median(job, "glibc", key), self.median(job, name, key)
        return value / base if base and value else None

    def spread(self, job, name, key):
        """Half the range over the median, in percent: how far to believe it."""
        values = [f[key] for f in self.runs[job].get(name, []) if f[key] >= 0]
        middle = statistics.median(values) if values else 0
        return 50 * (max(values) - min(values)) / middle if middle else 0

    def mean(self, name, key):
        """Over the jobs that all finished who finished any: the same set for each."""
        alive = [n for n in self.names if any(self.runs[j].get(n) for j in self.runs)]
        common = [j for j in self.runs if all(self.relative(j, n, key) for n in alive)]
        return geometric_mean([self.relative(j, name, key) for j in common]) \
            if name in alive else float("nan")

    def huge_share(self, name):
        final = sum(self.median(j, name, "final_kb") or 0 for j in self.runs)
        huge = sum(self.median(j, name, "huge_kb") or 0 for j in self.runs)
        return huge / final if final else float("nan")

    def rows(self, key, unit, factor):
        """Head, a row for each job, and the geometric means."""
        yield ["glibc = 1", *self.names, "glibc is", "spread"]
        for job in self.runs:
            values = [self.relative(job, n, key) for n in self.names]
            base = self.median(job, "glibc", key)
            spread = max(self.spread(job, n, key) for n in self.names)
            yield [job, *("fails" if v is None else f"{v:.2f}" for v in values),
                   "" if base is None else f"{base * factor:.2f} {unit}", f"{spread:.0f} %"]
        yield ["geometric mean", *(f"{self.mean(n, key):.3f}" for n in self.names), "", ""]

    def sections(self):
        for key, title, unit, factor in FIGURES:
            yield title, list(self.rows(key, unit, factor))
        yield "Share of the memory at exit on huge pages", list(self.huge_rows())

    def huge_rows(self):
        """The programs in which some allocator had any, and the sum of all."""
        yield ["", *self.names]
        for job in self.runs:
            shares = []
            for n in self.names:
                final, huge = self.median(job, n, "final_kb"), self.median(job, n, "huge_kb")
                shares.append(None if not final or huge is None else 100 * huge / final)
            if any(shares):
                yield [job, *("fails" if s is None else f"{s:.0f} %" for s in shares)]
        yield ["over all", *(f"{100 * self.huge_share(n):.0f} %" for n in self.names)]

    def text(self):
        lines = [f"{k + ':':24}{v}" for k, v in self.facts]
        lines += [f"{a.name + ':':24}{a.version}" for a in self.allocators]
        for title, rows in self.sections():
            widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
            lines += ["", title]
            for r in rows:
                lines.append("  ".join([r[0].ljust(widths[0])] +
                                       [c.rjust(w) for c, w in zip(r[1:], widths[1:])]))
        lines += [""] * bool(self.errors) + [f"error: {e}" for e in self.errors]
        lines += ["", *self.behind()]
        return "\n".join(lines) + "\n"

    def behind(self):
        """Where Ashlar is not the first, by more than the runs' own spread."""
        if "ashlar" not in self.names:
            return
        for key, title, _, _ in FIGURES:
            lost = []
            for job in self.runs:
                values = {n: v for n in self.names if (v := self.median(job, n, key))}
                if "ashlar" not in values:
                    continue
                best = min(values, key=values.get)
                ratio = values["ashlar"] / values[best]
                noise = max(self.spread(job, "ashlar", key), self.spread(job, best, key)) / 100
                if ratio > 1 + max(noise, 0.02):
                    lost.append((ratio, f"{job} ({ratio:.2f} x {best})"))
            said = ", ".join(text for _, text in sorted(lost, reverse=True)) or "nowhere"
            yield f"Ashlar is behind in {title}, by more than the spread: {said}"

    def markdown(self):
        lines = [f"- {k}: {v}" for k, v in self.facts]
        lines += [f"- {a.name}: {a.version}" for a in self.allocators]
        for title, rows in self.sections():
            lines += ["", f"**{title}**", ""]
            lines += ["| " + " | ".join(r) + " |" for r in rows[:1]]
            lines += ["|---" + "|---:" * (len(rows[0]) - 1) + "|"]
            lines += ["| " + " | ".join(r) + " |" for r in rows[1:]]
        lines += [""] + [f"- {sentence}." for sentence in [*self.errors, *self.behind()]]
        return "\n".join(lines) + "\n"

    def picture(self, directory):
        """Time across, memory up, a dot for each allocator: lower left is better."""
        if not shutil.which("gnuplot"):
            return "no picture: gnuplot is not installed (package gnuplot-nox)"
        with open(os.path.join(directory, "bench.gp"), "w") as f:
            f.write('set terminal svg size 640,480 font "sans,13" background "white"\n'
                    f'set output "{os.path.join(directory, "bench.svg")}"\n'
                    'set xlabel "CPU time, geometric mean, glibc = 1"\n'
                    'set ylabel "peak resident memory, geometric mean, glibc = 1"\n'
                    'set title "Lower left is better"\nset grid\nset offsets 0.08, 0.12, 0.08, 0.08\n'
                    "unset key\n$means << END\n")
            for n in self.names:
                if math.isnan(self.mean(n, "cpu") * self.mean(n, "peak_kb")):
                    continue
                f.write(f'"{n}" {self.mean(n, "cpu"):.4f} {self.mean(n, "peak_kb"):.4f} '
                        f'{1 if n == "ashlar" else 2}\n')
            f.write("END\nplot $means using 2:3:4 with points pt 7 ps 1.2 lc variable, "
                    '"" using 2:3:1 with labels left offset 1,0.4\n')
        drawn = subprocess.run(["gnuplot", os.path.join(directory, "bench.gp")],
                               capture_output=True, text=True, check=False)
        return f"no picture: {drawn.stderr.strip()}" if drawn.returncode else None

    def write(self, directory):
        """All forms into directory; the text is returned."""
        text = self.text()
        with open(os.path.join(directory, "bench.txt"), "w") as f:
            f.write(text)
        with open(os.path.join(directory, "bench.md"), "w") as f:
            f.write(self.markdown())
        with open(os.path.join(directory, "bench.json"), "w") as f:
            json.dump({"machine": dict(self.facts), "runs": self.runs, "errors": self.errors,
                       "allocators": {a.name: {"version": a.version, "sha256": a.digest}
                                      for a in self.allocators}}, f, indent=1)
        with open(os.path.join(directory, "bench.csv"), "w", newline="") as f:
            keys = ["cpu", "user", "system", "wall", "peak_kb", "final_kb", "huge_kb", "faults",
                    "switches"]
            out = csv.writer(f)
            out.writerow(["job", "allocator", "round", *keys])
            for job, by_name in self.runs.items():
                for name, all_rounds in by_name.items():
                    for i, figures in enumerate(all_rounds):
                        out.writerow([job, name, i + 1, *(figures[k] for k in keys)])
        complaint = self.picture(directory)
        return text + (f"\n{complaint}\n" if complaint else "")
