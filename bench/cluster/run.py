#!/usr/bin/env python3
"""The same xarray programs on one Dask cluster: Craton beside dask, alternating; and Craton without the cluster.

    bench/cluster/run.py --data FOLDER [--small] [--pairs 5] [--workers 2] [w1 w2 ensemble]

The programs and data are those of bench/engine; "ensemble" is w2 of 25 files, links to the same one, each scanned by itself: a job of about a minute,
for what the cluster costs over local threads, and not for dask. Tasks are counted by the scheduler; CPU seconds are of the workers and the scheduler, which
is a process of its own; "local" has as many threads as the workers together. Results of all are compared. One JSON line per run goes
to bench/results/; the table gives medians. Run it on a machine that does nothing else, in the environment of the notebooks.
"""
import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "engine"))
from make_data import path_of  # noqa: E402
from program import digest, w1, w2  # noqa: E402

WORKLOADS = {"w1": w1, "w2": w2}
VARIANTS = {"w1": ("craton", "dask", "local"), "w2": ("craton", "dask", "local"), "ensemble": ("craton", "local")}
MEMBERS, MEMBERS_SMALL = 25, 3
WAIT_S = 120
STOP_S = 10


def cpu_seconds():
    used = os.times()
    return used.user + used.system


def tasks_done(dask_scheduler):
    """Every task passes once through these; the scheduler forgets them afterwards."""
    if not hasattr(dask_scheduler, "counted"):
        class Count:
            n = 0

            def transition(self, key, start, finish, *args, **kwargs):
                self.n += start == "processing" and finish == "memory"

        from distributed.diagnostics.plugin import SchedulerPlugin

        dask_scheduler.counted = type("Counted", (Count, SchedulerPlugin), {})()
        dask_scheduler.add_plugin(dask_scheduler.counted, name="counted")
    return dask_scheduler.counted.n


def used(client):
    workers = client.run(cpu_seconds)
    return {"workers_s": sum(workers.values()), "scheduler_s": client.run_on_scheduler(cpu_seconds), "tasks": client.run_on_scheduler(tasks_done)}


def members(path, small):
    """Links to the file, which the engine takes for files of their own."""
    links = [Path(f"{path}.member{i}") for i in range(MEMBERS_SMALL if small else MEMBERS)]
    for link in links:
        if not link.exists():
            os.link(path, link)
    return links


def compute(workload, path, variant, client):
    import xarray as xr

    xr.set_options(use_bottleneck=False, use_flox=True)
    if workload == "ensemble":
        with contextlib.ExitStack() as files:
            each = [w2(files.enter_context(xr.open_dataset(p, engine="craton", chunks={})), variant) for p in path]
            all_of_them = xr.Dataset({f"{name}{i}": v for i, ds in enumerate(each) for name, v in ds.data_vars.items()})
            return all_of_them.compute(**({"cluster": client} if variant == "craton" else {}))
    if variant == "dask":
        with xr.open_dataset(path, engine="netcdf4", chunks={}, chunked_array_type="dask") as ds:
            return client.compute(WORKLOADS[workload](ds, variant)).result()
    with xr.open_dataset(path, engine="craton", chunks={}) as ds:
        return WORKLOADS[workload](ds, variant).compute(**({"cluster": client} if variant == "craton" else {}))


def run(workload, path, variant, client):
    before, begin, own = used(client), time.monotonic(), cpu_seconds()
    result = compute(workload, path, variant, client)
    wall, own, after = time.monotonic() - begin, cpu_seconds() - own, used(client)
    return {"workload": workload, "variant": variant, "wall_s": wall, "client_s": own, **{k: after[k] - before[k] for k in after},
            "result": {name: digest(v.values) for name, v in result.data_vars.items()}}


def same(a, b):
    for name in a:
        assert a[name][2:] == b[name][2:], f"{name}: missing values or shape differ: {a[name]} {b[name]}"
        for x, y in zip(a[name][:2], b[name][:2]):
            assert abs(x - y) <= 1e-5 * max(abs(x), abs(y), 1), f"{name}: {x} and {y}"


def start(folder, workers):
    """Scheduler and workers as processes of their own, so that their CPU time can be told apart."""
    file = Path(folder) / "scheduler.json"
    command = [sys.executable, "-m", "dask"]
    processes = [subprocess.Popen([*command, "scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", file],
                                  cwd=folder, stderr=subprocess.DEVNULL)]
    processes += [subprocess.Popen([*command, "worker", "--no-nanny", "--nthreads", "1", "--no-dashboard", "--scheduler-file", file],
                                   cwd=folder, stderr=subprocess.DEVNULL) for _ in range(workers)]
    return file, processes


def stop(processes):
    """Workers first; one that waits for a scheduler that has forgotten it is not waited for."""
    for p in reversed(processes):
        p.terminate()
        try:
            p.wait(STOP_S)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


def measure(o, client):
    import craton

    craton.enable()
    craton.set_options(threads=o.workers)
    client.wait_for_workers(o.workers, timeout=WAIT_S)
    lines = []
    for workload in o.workloads:
        path = path_of(o.data, "w2" if workload == "ensemble" else workload, o.small)
        if workload == "ensemble":
            path = members(path, o.small)
        for variant in VARIANTS[workload]:  # once before: imports, page cache
            run(workload, path, variant, client)
        for pair in range(o.pairs):
            variants = VARIANTS[workload]
            here = [run(workload, path, v, client) for v in (variants if pair % 2 == 0 else variants[::-1])]
            for line in here[1:]:
                same(here[0]["result"], line["result"])
            lines += [{**line, "pair": pair, "small": o.small, "workers": o.workers, "machine": platform.machine()} for line in here]
    return lines


def table(lines, workloads):
    print(f"{'':8} {'':8} {'wall s':>8} {'workers s':>10} {'scheduler s':>12} {'client s':>9} {'tasks':>6}")
    for workload in workloads:
        walls = {}
        for variant in VARIANTS[workload]:
            runs = [x for x in lines if x["workload"] == workload and x["variant"] == variant]
            m = {k: statistics.median(r[k] for r in runs) for k in ("wall_s", "workers_s", "scheduler_s", "client_s", "tasks")}
            walls[variant] = m["wall_s"]
            print(f"{workload:8} {variant:8} {m['wall_s']:8.2f} {m['workers_s']:10.2f} {m['scheduler_s']:12.2f} {m['client_s']:9.2f} {m['tasks']:6.0f}")
        print(f"{workload:8} on the cluster {100 * (walls['craton'] / walls['local'] - 1):+.0f} % of the time of local threads")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=["w1", "w2", "ensemble"])
    parser.add_argument("--data", required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / f"cluster-{time.strftime('%Y-%m-%d')}.jsonl")
    o = parser.parse_args()
    os.makedirs(o.data, exist_ok=True)
    from distributed import Client

    with tempfile.TemporaryDirectory() as folder:
        file, processes = start(folder, o.workers)
        try:
            end = time.monotonic() + WAIT_S
            while not file.exists() and time.monotonic() < end:
                time.sleep(0.1)
            with Client(scheduler_file=str(file)) as client:
                lines = measure(o, client)
            with open(o.output, "a", encoding="utf-8") as f:
                for line in lines:
                    f.write(json.dumps(line) + "\n")
            table(lines, o.workloads)
        finally:
            stop(processes)


if __name__ == "__main__":
    main()
