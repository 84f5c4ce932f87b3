#!/usr/bin/env python3
"""xarray programs on Craton beside the same programs on dask and other tools, whole processes with start-up, alternating.

    bench/engine/run.py --data FOLDER [--small] [--pairs 5] [w1 w2 w4 w5 w6 w7-maps w7-series]

Every variant of a peer (program.py; CDO and nccopy where they are installed) is tried once, and the one with least wall time is the peer of
the pairs. Results of both sides are compared. One JSON line per run goes to bench/results/; the table gives medians and, in brackets, the
pessimistic quartile of the ratios. Run it on a machine that does nothing else, in the environment of the notebooks.
"""
import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from measuring import Failed, measured  # noqa: E402

DASK = ["dask-native", "dask-auto"]
# Workload: its data (make_data.py), ours, the peers.
WORKLOADS = {
    "w1": (["w1"], ["craton"], [*DASK, "dask-noflox"]),
    "w2": (["w2"], ["craton"], [*DASK, "dask-noflox", "cdo"]),
    "w4": (["maps"], ["craton", "craton-rechunk"], [*DASK, "dask-years", "dask-bands", "nccopy"]),
    "w5": (["w2"], ["craton"], DASK),
    "w6": (["w1", "regions"], ["craton"], [*DASK, "dask-mapreduce"]),
    "w7-maps": (["maps"], ["craton"], ["lazy", *DASK]),
    "w7-series": (["series"], ["craton"], ["lazy", "by-station", *DASK]),
}
TOOLS = {"cdo": "cdo", "nccopy": "nccopy", "craton-rechunk": "craton"}  # variants that are no Python program


def commands(workload, variant, paths, scratch):
    """What is run for it, and the files that it writes."""
    if variant == "cdo":
        # The weights are those of the xarray program: cos(latitude), and not CDO's areas.
        clim, series, weights = (f"{scratch}/{name}.nc" for name in ("climatology", "series", "weights"))
        weigh = ["cdo", "-s", "-O", "-expr,area=cos(clat(tas)*3.141592653589793/180)", "-seltimestep,1", paths[0], weights]
        return [["cdo", "-s", "-O", "ymonmean", paths[0], clim], weigh,
                ["cdo", "-s", "-O", "-b", "F64", "fldmean", f"-setgridarea,{weights}", "-ymonsub", paths[0], clim, series]], [clim, series]
    if variant == "nccopy":
        new = f"{scratch}/new.nc"
        return [["nccopy", "-c", "time/,lat/24,lon/36", "-m", "1G", "-h", "2G", "-d", "1", "-s", *paths, new]], [new]
    if variant == "craton-rechunk":
        new = f"{scratch}/new.zarr"
        return [["craton", "rechunk", *paths, new, "--chunks", "time=-1,lat=24,lon=36", "--codec", "zstd", "--level", "1"]], [new]
    new = [f"{scratch}/new.zarr"] if workload == "w4" else []
    return [[sys.executable, HERE / "program.py", workload, variant, *paths, *new]], new


def run(workload, variant, paths, scratch):
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    try:
        todo, written = commands(workload, variant, paths, scratch)
        figures, out = measured(todo)
        if written:
            out = subprocess.run([sys.executable, HERE / "written.py", workload, *written], stdout=subprocess.PIPE, check=True).stdout
        return {"workload": workload, "variant": variant, **figures, "result": json.loads(out)}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def same(a, b):
    assert a.keys() == b.keys(), f"{list(a)} and {list(b)}"
    for name in a:
        for x, y in zip(a[name], b[name], strict=True):
            near = isinstance(x, float) and abs(x - y) <= 1e-5 * max(abs(x), abs(y), 1)
            assert near or x == y, f"{name}: {x} and {y}"


def quartile(values):
    return statistics.quantiles(values, n=4)[0] if len(values) > 1 else values[0]


def best_peer(workload, peers, paths, scratch, keep):
    """Each peer is tried once; who fails, or needs more than half an hour, is left out and said."""
    tried = []
    for peer in peers:
        if peer in TOOLS and not shutil.which(TOOLS[peer]):
            print(f"  {peer:14} is not installed")
            continue
        try:
            tried.append(keep("tried", run(workload, peer, paths, scratch)))
        except Failed as error:
            print(f"  {peer:14} {error}", flush=True)
    for other in tried[1:]:
        same(tried[0]["result"], other["result"])
    return min(tried, key=lambda r: r["wall_s"])["variant"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--data", required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / f"engine-{time.strftime('%Y-%m-%d')}.jsonl")
    o = parser.parse_args()
    os.makedirs(o.data, exist_ok=True)
    os.environ["PATH"] += f":{os.path.dirname(sys.executable)}/../../../bin"  # PREFIX/bin, where the command is
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    about = {"cpus": os.cpu_count(), "cpu": model, "python": platform.python_version(), "xarray": importlib.metadata.version("xarray"),
             "dask": importlib.metadata.version("dask"), "small": o.small, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}

    def keep(role, result):
        with o.output.open("a") as f:
            f.write(json.dumps({**about, "role": role, **result}) + "\n")
        print(f"  {result['variant']:14} wall {result['wall_s']:7.2f} s   CPU {result['cpu_s']:7.2f} s   peak {result['peak_mib']:6.0f} MiB", flush=True)
        return result

    def made(name):
        command = [sys.executable, HERE / "make_data.py", o.data, name, *(["--small"] if o.small else [])]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()

    for workload in o.workloads:
        data, ours, peers = WORKLOADS[workload]
        paths, scratch = [made(name) for name in data], os.path.join(o.data, "scratch")
        print(workload, f"({os.path.getsize(paths[0]) >> 20} MiB)", flush=True)
        peer = best_peer(workload, peers, paths, scratch, keep)
        rounds = []
        for _ in range(o.pairs):
            row = {variant: keep("pair", run(workload, variant, paths, scratch)) for variant in [*ours, peer]}
            for variant in ours:
                same(row[variant]["result"], row[peer]["result"])
            rounds.append(row)
        for variant in ours:
            for what in ("wall_s", "cpu_s", "peak_mib"):
                ratios = [row[peer][what] / row[variant][what] for row in rounds]
                print(f"  {what:9} {peer} / {variant}: {statistics.median(ratios):.1f} ({quartile(ratios):.1f})")


if __name__ == "__main__":
    main()
