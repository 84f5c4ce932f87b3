#!/usr/bin/env python3
"""xarray programs on Craton beside the same programs on dask, whole processes with start-up, alternating.

    bench/engine/run.py --data FOLDER [--small] [--pairs 5] [w1 w2 w5]

Every variant of dask (program.py) is tried once, and the one with least wall time is the peer of the pairs. Results of both sides are
compared. One JSON line per run goes to bench/results/; the table gives medians and, in brackets, the pessimistic quartile of the ratios.
Run it on a machine that does nothing else, in the environment of the notebooks.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from make_data import path_of  # noqa: E402

PEERS = ["dask-native", "dask-auto", "dask-noflox"]


def run(workload, path, variant):
    begin = time.monotonic()
    process = subprocess.Popen([sys.executable, HERE / "program.py", workload, path, variant], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{workload} {variant} failed:\n{err.decode()[-2000:]}")
    return {"workload": workload, "variant": variant, "wall_s": time.monotonic() - begin, "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_mib": usage.ru_maxrss / 1024, "result": json.loads(out)}


def same(a, b):
    for name in a:
        assert a[name][2:] == b[name][2:], f"{name}: missing values or shape differ: {a[name]} {b[name]}"
        for x, y in zip(a[name][:2], b[name][:2]):
            assert abs(x - y) <= 1e-5 * max(abs(x), abs(y), 1), f"{name}: {x} and {y}"


def quartile(values):
    return statistics.quantiles(values, n=4)[0] if len(values) > 1 else values[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=["w1", "w2", "w5"])
    parser.add_argument("--data", required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / f"engine-{time.strftime('%Y-%m-%d')}.jsonl")
    o = parser.parse_args()
    os.makedirs(o.data, exist_ok=True)
    import dask
    import xarray
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    about = {"cpus": os.cpu_count(), "cpu": model, "python": platform.python_version(), "xarray": xarray.__version__, "dask": dask.__version__,
             "small": o.small, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}

    def keep(role, result):
        with o.output.open("a") as f:
            f.write(json.dumps({**about, "role": role, **result}) + "\n")
        print(f"  {result['variant']:12} wall {result['wall_s']:7.2f} s   CPU {result['cpu_s']:7.2f} s   peak {result['peak_mib']:6.0f} MiB", flush=True)
        return result

    for workload in o.workloads:
        path = path_of(o.data, {"w5": "w2"}.get(workload, workload), o.small)
        print(workload, f"({os.path.getsize(path) >> 20} MiB)")
        tried = [keep("tried", run(workload, path, peer)) for peer in PEERS]
        peer = min(tried, key=lambda r: r["wall_s"])["variant"]
        pairs = []
        for _ in range(o.pairs):
            ours, theirs = keep("pair", run(workload, path, "craton")), keep("pair", run(workload, path, peer))
            same(ours["result"], theirs["result"])
            pairs.append((ours, theirs))
        for what in ("wall_s", "cpu_s", "peak_mib"):
            ratios = [theirs[what] / ours[what] for ours, theirs in pairs]
            print(f"  {what:9} {peer} / craton: {statistics.median(ratios):.1f} ({quartile(ratios):.1f})")


if __name__ == "__main__":
    main()
