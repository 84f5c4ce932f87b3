#!/usr/bin/env python3
"""xarray programs on Craton beside the same programs on dask and other tools, and programs in C beside hand-written loops, whole processes
with start-up, alternating.

    bench/engine/run.py --data FOLDER [--build BUILD] [--small] [--pairs 5] [w1 w1-zarr w2 w4 w4-default w5 w5-rolling w6 w7-maps w7-series c-w1 c-w2 c-climatology]

Every variant of a peer (program.py; native/ for the workloads c-...; CDO, NCO and nccopy where they are installed) is tried once, and the one
with least wall time is the peer of the pairs (of each kind, see KIND). BUILD is where meson built Craton with its tests; without it the workloads
in C are left out. Results of both sides are compared. One JSON line per run goes to bench/results/; the table gives medians and, in brackets, the
pessimistic quartile of the ratios. Run it on a machine that does nothing else, in the environment of the notebooks.
"""
import argparse
import importlib.metadata
import itertools
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
from measuring import Failed, compile_modules, measured  # noqa: E402

DASK = ["dask-native", "dask-auto"]
# Workload: its data (make_data.py), ours, the peers.
WORKLOADS = {
    "w1": (["w1"], ["craton"], [*DASK, "dask-noflox"]),
    "w1-zarr": (["w1-zarr"], ["craton"], [*DASK, "dask-noflox"]),
    "w2": (["w2"], ["craton"], [*DASK, "dask-noflox", "cdo"]),
    "w4": (["maps"], ["craton", "craton-rechunk"], [*DASK, "dask-years", "dask-bands", "nccopy"]),
    "w4-default": (["maps"], ["craton", "craton-rechunk"], [*DASK, "dask-years", "dask-bands", "dask-blosc", "dask-years-blosc"]),
    "w5": (["w2"], ["craton"], DASK),
    "w5-rolling": (["w2"], ["craton"], [*DASK, "dask-columns"]),
    "w6": (["w1", "regions"], ["craton"], [*DASK, "dask-mapreduce"]),
    "w7-maps": (["maps"], ["craton"], DASK),  # without dask each station reads each map: more than ten minutes
    "w7-series": (["series"], ["craton"], ["lazy", "by-station", *DASK]),
    "c-w1": (["w1"], ["c-craton", "c-craton-lean"], ["c-hand"]),
    "c-w2": (["w2"], ["c-craton", "c-craton-lean", "c-craton-keep"], ["c-hand", "c-hand-keep"]),
    "c-climatology": (["records"], ["c-craton"], ["nco", "cdo"]),
}
TOOLS = {"cdo": "cdo", "nco": "ncra", "nccopy": "nccopy", "craton-rechunk": "craton"}  # variants that are no Python program
# Peers that are not measured by one another: what is asked of w2 is about the same program on dask; and of two loops each is for those who have as
# much memory, who keep the decoded chunks of all times or decode them again.
KIND = {"w2": lambda peer: "tool" if peer in TOOLS else "dask", "c-w2": lambda peer: peer}
# Programs of native/: their arguments but for the file. lean: a memory limit; keep: as much of decoded chunks as the loop that keeps them.
NATIVE = {"c-w1": ("ndvi", []), "c-w2": ("climate", ["anomalies"]), "c-climatology": ("climate", ["climatology"])}
NATIVE_OPTIONS = {"c-craton": ("craton", []), "c-craton-lean": ("craton", ["--memory", "100"]), "c-craton-keep": ("craton", ["--keep"]),
                  "c-hand": ("hand", []), "c-hand-keep": ("hand", ["--keep"])}
# What the limit of a workload decodes: variables of its first file. None: only some chunks of it, which are not worth speaking of.
DECODED = {"w1": "red,nir", "w2": "tas", "w4": "tas", "w4-default": "tas", "w5": "tas", "w5-rolling": "tas", "w6": "red,nir", "w7-maps": "tas", "w7-series": None}
# How w4 compresses. Its limit has the moving and the compressing in it: each chunk decoded once and encoded once, with all of it in memory.
REWRITTEN = {"w4": "zstd", "w4-default": "blosc"}
MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def commands(workload, variant, paths, scratch, build):
    """What is run for it, and the files that it writes."""
    if variant in NATIVE_OPTIONS:
        program, what = NATIVE[workload]
        way, options = NATIVE_OPTIONS[variant]
        return [[f"{build}/bench/engine/native/bench_{program}_{way}", *options, *what, *paths]], []
    if variant == "nco":
        # A month of all years at a time: every 365 days so many in a row.
        new = [f"{scratch}/month{i}.nc" for i in range(12)]
        return [["ncra", "-O", "-h", "-v", "tas", "-d", f"time,{sum(MONTHS[:i])},,365,{n}", *paths, new[i]] for i, n in enumerate(MONTHS)], new
    if workload == "c-climatology" and variant == "cdo":
        new = f"{scratch}/climatology.nc"
        return [["cdo", "-s", "-O", "ymonmean", *paths, new]], [new]
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
        codec = ["--codec", "zstd", "--level", "1"] if workload == "w4" else []
        return [["craton", "rechunk", *paths, new, "--chunks", "time=-1,lat=24,lon=36", *codec]], [new]
    new = [f"{scratch}/new.zarr"] if workload.startswith("w4") else []
    return [[sys.executable, HERE / "program.py", workload, variant, *paths, *new]], new


def run(workload, variant, paths, scratch, build=None):
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    try:
        todo, written = commands(workload, variant, paths, scratch, build)
        figures, out = measured(todo)
        if written:
            figures["stored_mib"] = round(sum(map(stored_bytes, written)) / 2**20, 1)
            out = subprocess.run([sys.executable, HERE / "written.py", workload, *written], stdout=subprocess.PIPE, check=True).stdout
        said = json.loads(out)
        if variant in NATIVE_OPTIONS:
            said, figures["peak_mib"] = said["result"], said["peak_mib"]
        return {"workload": workload, "variant": variant, **figures, "result": said}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def limit(workload, paths, scratch, build, keep):
    """What no program on xarray and this file can do without: start, imports and opening, and each chunk decoded once (w4: and encoded)."""
    if workload not in DECODED or not build:
        return
    keep("limit", {"workload": workload, "variant": "start", **measured([[sys.executable, HERE / "program.py", "open", "craton", paths[0]]])[0]})
    if DECODED[workload] and workload not in REWRITTEN:
        figures, _ = measured([[f"{build}/bench/engine/native/bench_decode_hand", DECODED[workload], paths[0]]])
        keep("limit", {"workload": workload, "variant": "decode", **figures})
    if workload in REWRITTEN:
        figures, _ = measured([[f"{build}/bench/engine/native/bench_rechunk_hand", REWRITTEN[workload], paths[0]]])
        keep("limit", {"workload": workload, "variant": "decode", **figures})


def same(a, b):
    assert a.keys() == b.keys(), f"{list(a)} and {list(b)}"
    for name in a:
        for x, y in zip(a[name], b[name], strict=True):
            near = isinstance(x, float) and abs(x - y) <= 1e-5 * max(abs(x), abs(y), 1)
            assert near or x == y, f"{name}: {x} and {y}"


def quartile(values):
    return statistics.quantiles(values, n=4)[0] if len(values) > 1 else values[0]


def stored_bytes(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def best_peers(workload, peers, paths, scratch, build, keep):
    """Each peer is tried once; who fails, or needs more than half an hour, is left out and said. The fastest of each kind (KIND)."""
    tried = []
    for peer in peers:
        if peer in TOOLS and not shutil.which(TOOLS[peer]):
            print(f"  {peer:14} is not installed")
            continue
        try:
            tried.append(keep("tried", run(workload, peer, paths, scratch, build)))
        except Failed as error:
            print(f"  {peer:14} {error}", flush=True)
    for other in tried[1:]:
        same(tried[0]["result"], other["result"])
    kinds = {}
    for row in tried:
        kinds.setdefault(KIND.get(workload, lambda peer: "any")(row["variant"]), []).append(row)
    return [min(kind, key=lambda r: r["wall_s"])["variant"] for kind in kinds.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--data", required=True)
    parser.add_argument("--build", default=os.environ.get("CRATON_BUILD"))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / f"engine-{time.strftime('%Y-%m-%d')}.jsonl")
    o = parser.parse_args()
    os.makedirs(o.data, exist_ok=True)
    compile_modules(o.data)
    os.environ["PATH"] += f":{os.path.dirname(sys.executable)}/../../../bin"  # PREFIX/bin, where the command is
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    about = {"cpus": os.cpu_count(), "cpu": model, "python": platform.python_version(), "xarray": importlib.metadata.version("xarray"),
             "dask": importlib.metadata.version("dask"), "small": o.small, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}

    def keep(role, result, **more):
        with o.output.open("a") as f:
            f.write(json.dumps({**about, "role": role, **more, **result}) + "\n")
        print(f"  {result['variant']:14} wall {result['wall_s']:7.2f} s   CPU {result['cpu_s']:7.2f} s   peak {result['peak_mib']:6.0f} MiB", flush=True)
        return result

    def made(name):
        command = [sys.executable, HERE / "make_data.py", o.data, name, *(["--small"] if o.small else [])]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()

    for workload in o.workloads:
        data, ours, peers = WORKLOADS[workload]
        if workload in NATIVE and not o.build:
            print(workload, "is left out: --build BUILD says where the programs are")
            continue
        paths, scratch = [made(name) for name in data], os.path.join(o.data, "scratch")
        print(workload, f"({stored_bytes(paths[0]) >> 20} MiB)", flush=True)
        best = best_peers(workload, peers, paths, scratch, o.build, keep)
        if not best:
            print("  no peer: only Craton is run")
        limit(workload, paths, scratch, o.build, keep)
        rounds = []
        for _ in range(o.pairs):
            row = {variant: keep("pair", run(workload, variant, paths, scratch, o.build)) for variant in [*ours, *best]}
            for variant in ours if best else []:
                same(row[variant]["result"], row[best[0]]["result"])
            rounds.append(row)
        for variant, peer in itertools.product(ours, best):
            for what in ("wall_s", "cpu_s", "peak_mib"):
                ratios = [row[peer][what] / row[variant][what] for row in rounds]
                print(f"  {what:9} {peer} / {variant}: {statistics.median(ratios):.2f} ({quartile(ratios):.2f})")


if __name__ == "__main__":
    main()
