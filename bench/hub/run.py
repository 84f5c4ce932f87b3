#!/usr/bin/env python3
"""Thirty people at once: Craton beside JupyterHub with configurable-http-proxy, the same JupyterLab environment on both sides.

    bench/hub/run.py --prefix /opt/craton --build build [--people 30] [--pairs 3] [--sides craton,jupyterhub,craton-plain]
    bench/hub/run.py ... --minutes 10       everybody works with a kernel for ten minutes: memory of a server in use
    bench/hub/run.py ... --memory 4G        as many idle people as this memory holds

As root, on a machine that does nothing else. Each run starts its side from nothing, makes the accounts, and lets all people sign in, start
their server and run a cell at the same moment; clients speak HTTP and websockets as a browser does. Counted are seconds until the own
server answers and until the first cell has run, CPU seconds without the clients (of the side, and of the whole machine), and the
proportional memory (PSS) of an idle server and of the control plane. Sides alternate. One JSON object per run goes to bench/results/.
How each side is set up is said in sides.py, what people do in people.py.
"""
import argparse
import json
import os
import platform as machine
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import procs
import sides
from people import DATA, Visitor, Worker

FLOOR_MIB = 1024        # of the machine's memory stays free, whatever --memory says
BATCH = 4               # people who come at the same moment when memory is filled


def median(values):
    values = list(values)
    return statistics.median(values) if values else None


def spread(values):
    values = [v for v in values if v]
    return {"median": statistics.median(values), "max": max(values)} if values else None


class Run:
    """One side, from nothing to its end."""

    def __init__(self, kind, options):
        self.kind, self.options = kind, options
        self.folder = Path(tempfile.mkdtemp(prefix="craton-bench-", dir="/tmp"))
        os.chmod(self.folder, 0o755)
        self.cpu = procs.CpuGroup()
        self.side = sides.make(kind, options, self.folder)

    def __enter__(self):
        self.before_mib = procs.available_mib()
        try:
            self.side.start(self.cpu, ("--room", "1024G") if self.options.memory else ())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.side.stop()
        self.cpu.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def mark(self, control):
        return procs.cpu_seconds() - procs.own_cpu(), self.cpu.seconds(), procs.process_cpu(control), time.monotonic()

    def since(self, mark, control, what):
        now = self.mark(control)
        names = "machine_cpu_s", "cpu_s", "control_cpu_s", "wall_s"
        return {f"{what}_{name}": b - a for name, a, b in zip(names, mark, now)}


def start_all(run, people):
    """All come at the same moment. Returns what was measured until the last one has a server."""
    control = run.side.control()
    mark = run.mark(control)
    people[0].begin.set()
    people[0].at_ready.wait(2 * len(people) + 800)
    return run.since(mark, control, "start")


def memory_of(run):
    """Of each person's processes, and of the control plane. Medians over the people."""
    kinds, sums = {}, []
    found = run.side.people()
    for these in found.values():
        of = {}
        for pid in these:
            line = procs.command(pid)
            kind = "server" if "jupyterhub-singleuser" in line else "kernel" if "ipykernel_launcher" in line else "other"
            of[kind] = of.get(kind, 0) + procs.pss_mib(pid)
        sums.append(sum(of.values()))
        for kind, mib in of.items():
            kinds.setdefault(kind, []).append(mib)
    return {"servers": len(found), "person_pss_mib": median(sums), **{f"{kind}_pss_mib": median(of) for kind, of in kinds.items()},
            "control_pss_mib": sum(procs.pss_mib(pid) for pid in run.side.control())}


def gather(run, kind_of_person, *more):
    options = run.options
    begin, ready, go = threading.Event(), threading.Barrier(options.people + 1), threading.Event()
    people = [kind_of_person(run.side, f"guest{i}", begin, ready, go, *more) for i in range(options.people)]
    for one in people:
        run.side.add(one.name_of)
    for one in people:
        one.start()
    time.sleep(2)
    return people


def outcome(people):
    return {"failures": [v.error for v in people if v.error], "ready_s": spread(v.seconds_ready for v in people)}


def start_and_first_cell(run):
    """What thirty people cost who come at once."""
    people = gather(run, Visitor)
    result = start_all(run, people)
    time.sleep(8)
    result |= memory_of(run)
    control = run.side.control()
    mark = run.mark(control)
    people[0].go.set()
    for one in people:
        one.join(600)
    return result | run.since(mark, control, "cell") | {"cell_s": spread(v.seconds_cell for v in people)} | outcome(people)


def minutes_of_work(run):
    """What a server takes that is used."""
    data = run.folder / "tos.nc"
    subprocess.run([run.options.prefix / "env/current/bin/python3", "-c", DATA, data], check=True, cwd="/")
    os.chmod(data, 0o644)
    people = gather(run, Worker, run.options.minutes, str(data))
    result = start_all(run, people)
    control = run.side.control()
    mark = run.mark(control)
    people[0].go.set()
    for one in people:
        one.worked.wait(run.options.minutes * 60 + 600)
    result |= run.since(mark, control, "work") | memory_of(run)
    for one in people:
        one.measured.set()
    for one in people:
        one.join(120)
    return result | {"minutes": run.options.minutes, "cells": sum(one.cells for one in people)} | outcome(people)


def fill(run):
    """How many idle people the memory holds: they come a few at a time until all processes of the side together take so much."""
    begun, failures, taken, free = 0, [], 0.0, procs.available_mib()
    most_mib = run.options.memory / 2**20
    points = []
    while not failures and free > FLOOR_MIB and begun < run.options.people_most:
        begin, ready, go = threading.Event(), threading.Barrier(BATCH + 1), threading.Event()
        people = [Visitor(run.side, f"guest{begun + i}", begin, ready, go) for i in range(BATCH)]
        for one in people:
            run.side.add(one.name_of)
            one.then = lambda: None
            one.start()
        begin.set()
        ready.wait(900)
        go.set()
        failures = [one.error for one in people if one.error]
        everybody = [pid for these in run.side.people().values() for pid in these] + run.side.control()
        taken, free = sum(map(procs.pss_mib, everybody)), procs.available_mib()
        if taken > most_mib:
            break
        begun += BATCH
        points.append([begun, round(taken)])
    return {"memory_mib": most_mib, "idle_people": begun, "mib_of_people": points, "machine_mib": run.before_mib - free, "failures": failures,
            "stopped_by": "failure" if failures else "memory" if taken > most_mib else "the machine" if free <= FLOOR_MIB else "--people-most"}


def size(text):
    found = re.fullmatch(r"(\d+)([MG])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is no size such as 512M or 4G")
    return int(found[1]) << (20 if found[2] == "M" else 30)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prefix", type=Path, default=Path("/opt/craton"))
    parser.add_argument("--build", type=Path, default=sides.ROOT / "build")
    parser.add_argument("--work", type=Path, default=Path("/var/tmp/craton-bench"))
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--sides", default="craton,jupyterhub")
    parser.add_argument("--minutes", type=float, help="everybody works for so long; then memory is measured")
    parser.add_argument("--memory", type=size, help="idle people come until control plane and servers together take so much, such as 4G")
    parser.add_argument("--people-most", type=int, default=2000, help="with --memory: not more than this many")
    parser.add_argument("--output", type=Path, default=sides.ROOT / "bench/results" / f"hub-{time.strftime('%Y-%m-%d')}.jsonl")
    options = parser.parse_args()
    if options.minutes and options.memory:
        parser.error("--minutes and --memory are two different measurements")
    options.work.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # what was started is stopped
    what = minutes_of_work if options.minutes else fill if options.memory else start_and_first_cell
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    about = {"cpus": os.cpu_count(), "cpu": model, "kernel": machine.release(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    for pair in range(options.pairs):
        for kind in options.sides.split(","):
            with Run(kind, options) as run:
                measured = what(run)
            people = {} if options.memory else {"people": options.people}
            result = {**about, "pair": pair, "side": kind, "measured": what.__name__, **people, **measured}
            with options.output.open("a") as f:
                f.write(json.dumps(result) + "\n")
            print(json.dumps({k: v for k, v in result.items() if k not in about}), flush=True)
            if measured["failures"]:
                print(f"{kind}: {len(measured['failures'])} failed", file=sys.stderr)


if __name__ == "__main__":
    main()
