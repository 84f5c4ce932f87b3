#!/usr/bin/env python3
"""Time against threads, and time and memory against the amount of data, of programs in C on the engine; and both as plots in docs/images.

    bench/engine/scaling.py --data FOLDER --build BUILD [--small] [--rounds 3]      measure, and draw
    bench/engine/scaling.py --draw RESULTS.jsonl                                     draw what was measured

Programs (native/climate_craton.c, native/ndvi_craton.c): monthly climatology and weighted anomalies, 90th percentile over time, NDVI composite.
Threads: 1, as many as there are cores, twice and four times as many. Data: from half the memory limit to ten times it, the first days of the
file of w2. Peak: the kernel's count of the process (VmHWM). Each point is the median of the rounds, which go over all points in turn, so that a
slow moment does not fall on one of them. One JSON line per run goes to bench/results/. Run it on a machine that does nothing else.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
IMAGES = HERE.parent.parent / "docs" / "images"
sys.path.insert(0, str(HERE))
from measuring import measured  # noqa: E402

LIMIT_MIB = 128                   # of the runs against the amount of data
TIMES = (0.5, 1, 2, 4, 7, 10)     # the data, of the limit
NAMES = {"anomalies": "climatology and anomalies", "percentile": "90th percentile", "ndvi": "NDVI composite"}
COLOURS = {"anomalies": "#2a86c8", "percentile": "#c8702a", "ndvi": "#4d9a4d"}
GREY = "#7d7d7d"                  # readable on white and on black


def points(cores, day_bytes, days):
    """(plot, program, threads, memory limit, data as a multiple of it, days). --small has fewer days than it would need, and takes all it has."""
    for n in sorted({1, cores, 2 * cores, 4 * cores}):
        for program in NAMES:
            yield "threads", program, n, None, None, None
    for times in TIMES:
        for program in ("anomalies", "percentile"):
            yield "data", program, cores, LIMIT_MIB, times, min(days, int(times * (LIMIT_MIB << 20) / day_bytes))


def command(build, program, threads, limit, days, paths):
    options = ["--threads", str(threads)]
    if limit:
        options += ["--memory", str(limit), "--days", str(days)]
    if program == "ndvi":
        return [f"{build}/bench/engine/native/bench_ndvi_craton", *options, paths["w1"]]
    return [f"{build}/bench/engine/native/bench_climate_craton", *options, program, paths["w2"]]


def measure(o):
    def made(name):
        made = [sys.executable, HERE / "make_data.py", o.data, name, *(["--small"] if o.small else [])]
        return subprocess.run(made, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()

    paths, cores = {name: made(name) for name in ("w1", "w2")}, len(os.sched_getaffinity(0))
    o.output.unlink(missing_ok=True)
    shape = (730, 48, 72) if o.small else (7300, 192, 288)
    todo, same = list(points(cores, 4 * shape[1] * shape[2], shape[0])), {}
    with o.output.open("a") as f:
        for _ in range(o.rounds):
            for plot, program, threads, limit, times, days in todo:
                figures, out = measured([command(o.build, program, threads, limit, days, paths)])
                said = json.loads(out)
                # The bits of a result do not depend on threads: neither do the digits of its digest.
                key = program, days
                assert same.setdefault(key, said["result"]) == said["result"], f"{program} gives {same[key]} and {said['result']}"
                row = {"plot": plot, "program": program, "threads": threads, "limit_mib": limit, "times": times, "cores": cores, "small": o.small,
                       "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **figures, "peak_mib": said["peak_mib"]}
                f.write(json.dumps(row) + "\n")
                f.flush()
                print(f"  {plot:8} {program:10} {threads:3} threads {f'{times} x {limit} MiB' if limit else '':12} wall {row['wall_s']:6.2f} s   "
                      f"CPU {row['cpu_s']:6.2f} s   peak {row['peak_mib']:6.0f} MiB", flush=True)


def medians(rows, plot, x, y):
    """{program: ([x], [median of y])}"""
    lines = {}
    for row in rows:
        if row["plot"] == plot:
            lines.setdefault(row["program"], {}).setdefault(row[x], []).append(row[y])
    return {program: ([at for at in sorted(by)], [statistics.median(by[at]) for at in sorted(by)]) for program, by in lines.items()}


def axes(ax, x, y):
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.25)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def lines(ax, by_program):
    for program, (x, y) in by_program.items():
        ax.plot(x, y, "o-", color=COLOURS[program], label=NAMES[program], markersize=4)


def draw(rows):
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"svg.hashsalt": "craton", "svg.fonttype": "none", "font.size": 9, "axes.edgecolor": GREY, "axes.labelcolor": GREY, "text.color": GREY,
                         "xtick.color": GREY, "ytick.color": GREY, "grid.color": GREY, "legend.frameon": False, "legend.labelcolor": GREY})
    cores = rows[0]["cores"]
    IMAGES.mkdir(exist_ok=True)

    def save(figure, name):
        figure.tight_layout()
        figure.savefig(IMAGES / name, transparent=True, metadata={"Date": None})

    figure, ax = plt.subplots(figsize=(5.2, 3))
    by_program = medians(rows, "threads", "threads", "wall_s")
    lines(ax, by_program)
    ax.axvline(cores, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_xscale("log", base=2)
    ticks = sorted({n for x, _ in by_program.values() for n in x})
    ax.set_xticks(ticks, [f"{n}" for n in ticks])
    axes(ax, f"threads ({cores} cores: dotted)", "seconds")
    ax.legend()
    save(figure, "time-by-threads.svg")

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    lines(left, medians(rows, "data", "times", "wall_s"))
    axes(left, "data, in multiples of the memory limit", "seconds")
    left.legend()
    lines(right, medians(rows, "data", "times", "peak_mib"))
    limit = max(row["limit_mib"] or 0 for row in rows)
    right.axhline(limit, color=GREY, linewidth=0.8, linestyle="--")
    right.annotate(f"memory limit, {limit} MiB", (0.3, limit), (0, 3), textcoords="offset points", fontsize=8)
    axes(right, "data, in multiples of the memory limit", "peak of the process, MiB")
    save(figure, "memory-by-data.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--build", default=os.environ.get("CRATON_BUILD"))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--draw", type=Path)
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / f"scaling-{time.strftime('%Y-%m-%d')}.jsonl")
    o = parser.parse_args()
    if not o.draw:
        if not o.data or not o.build:
            parser.error("--data FOLDER and --build BUILD are needed")
        measure(o)
    # In a process of its own the drawing costs those that are measured nothing.
    draw([json.loads(line) for line in (o.draw or o.output).read_text().splitlines()])


if __name__ == "__main__":
    main()
