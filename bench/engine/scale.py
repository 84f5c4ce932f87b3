#!/usr/bin/env python3
"""w8: a graph over a million chunks, from opening the store to ready to run. w9: 240 files of a time series opened as one dataset.

    bench/engine/scale.py --data FOLDER [--small] [--pairs 5] [w8 w9]

What is measured is the step alone, in a process that has imported everything and done the same to something small before: `step_cpu_s` and
`step_wall_s`. The figures of the whole process stand beside them. w8: the store is there but for its chunks; Craton's graph is ready when its
plan is made (craton.explain), dask's when it is optimized and every task is made, as the scheduler gets it. w9: peers are netcdf4 and h5netcdf with and
without parallel=True, each with the settings with which xarray compares least; each is tried once, the one with least CPU time is the peer of the
pairs, and one that fails (threads in netCDF4) is named and takes no part. Both must say the same. One JSON line per run goes to bench/results/. Run it on a machine that does nothing else.
"""
import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from measuring import Failed, compile_modules, measured  # noqa: E402

PEERS = {"w8": ["dask"], "w9": ["netcdf4", "h5netcdf", "netcdf4-parallel", "h5netcdf-parallel"]}
LEAST = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override", "combine": "nested", "concat_dim": "time"}


def make_w8(folder, small):
    import numpy as np
    import zarr
    edge = 20 if small else 100
    for n in (2, edge):                       # the small one to warm up
        path = f"{folder}/w8-{n}.zarr"
        if not os.path.exists(path):
            root = zarr.open_group(path + ".part", mode="w", zarr_format=3)
            root.create_array("v", shape=(64 * n, 128 * n, 32 * n), chunks=(64, 128, 32), dtype="f4", fill_value=np.nan, dimension_names=("time", "lat", "lon"))
            os.rename(path + ".part", path)
    return [f"{folder}/w8-2.zarr", path]


def make_w9(folder, small):
    import netCDF4
    import numpy as np
    paths = [f"{folder}/w9-{i:03}.nc" for i in range(12 if small else 240)]
    for i, path in enumerate(paths):
        if os.path.exists(path):
            continue
        with netCDF4.Dataset(path + ".part", "w") as nc:
            for name, n in (("time", None), ("lat", 90), ("lon", 180)):
                nc.createDimension(name, n)
                v = nc.createVariable(name, "f8", (name,))
                v[:] = np.arange(n or 30) + (30 * i if n is None else 0)
            nc["time"].setncatts({"units": "days since 2000-01-01", "calendar": "noleap", "standard_name": "time"})
            for name in ("tas", "pr"):
                v = nc.createVariable(name, "f4", ("time", "lat", "lon"), zlib=True, complevel=1, shuffle=True, chunksizes=(30, 90, 180))
                v.setncatts({"units": "1", "long_name": name})
                v[:] = np.float32(i)
        os.rename(path + ".part", path)
    return paths


def graph(variant, path):
    import xarray as xr
    ds = xr.open_dataset(path, engine="craton", chunks={}) if variant == "craton" else xr.open_zarr(path, consolidated=False)
    result = (ds.v * 2 + 1).mean("time")
    if variant == "craton":
        import craton
        craton.explain(result)
    else:
        import dask
        ready, = dask.optimize(result.data)
        assert len(dict(ready.__dask_graph__())) >= ds.v.data.npartitions
    chunks = 1
    for c in ds.v.chunks:
        chunks *= len(c)
    return [chunks, *result.shape]


def opened(variant, paths):
    import xarray as xr
    if variant == "craton":
        ds = xr.open_mfdataset(paths, engine="craton", **LEAST)
    else:
        engine, _, how = variant.partition("-")
        ds = xr.open_mfdataset(paths, engine=engine, parallel=how == "parallel", **LEAST)
    return [ds.sizes["time"], float(ds.lat[-1]), str(ds.time[-1].values), sorted(ds.data_vars)]


def program(workload, variant, paths):
    if variant == "craton":
        import craton
        craton.enable()
    step, few, all_ = (graph, paths[0], paths[-1]) if workload == "w8" else (opened, paths[:2], paths)
    step(variant, few)
    wall, cpu = time.perf_counter(), time.process_time()
    result = step(variant, all_)
    print(json.dumps({"step_cpu_s": time.process_time() - cpu, "step_wall_s": time.perf_counter() - wall, "result": result}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*")
    parser.add_argument("--data")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--program")
    parser.add_argument("--variant")
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / f"scale-{time.strftime('%Y-%m-%d')}.jsonl")
    o = parser.parse_args()
    if o.program:
        return program(o.program, o.variant, o.workloads)
    if not o.data:
        parser.error("--data FOLDER is needed")
    os.makedirs(o.data, exist_ok=True)
    compile_modules(o.data)
    for workload in o.workloads or ["w8", "w9"]:
        paths = {"w8": make_w8, "w9": make_w9}[workload](o.data, o.small)

        def keep(role, variant):
            figures, out = measured([[sys.executable, __file__, "--program", workload, "--variant", variant, *paths]])
            figures = {"workload": workload, "variant": variant, "role": role, "small": o.small, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                       **figures, **json.loads(out)}
            with o.output.open("a") as f:
                f.write(json.dumps(figures) + "\n")
            print(f"  {variant:16} step: wall {figures['step_wall_s']:7.3f} s   CPU {figures['step_cpu_s']:7.3f} s   process: peak {figures['peak_mib']:6.0f} MiB", flush=True)
            return figures

        print(workload)
        tried = []
        for variant in PEERS[workload]:
            try:
                tried.append(keep("tried", variant))
            except Failed as e:
                print(f"  {variant:16} failed: {' '.join(str(e).split()[-12:])}")
        peer = min(tried, key=lambda r: r["step_cpu_s"])["variant"]
        pairs = []
        for _ in range(o.pairs):
            ours, theirs = keep("pair", "craton"), keep("pair", peer)
            assert ours["result"] == theirs["result"], f"{ours['result']} and {theirs['result']}"
            pairs.append((ours, theirs))
        for what in ("step_wall_s", "step_cpu_s", "peak_mib"):
            ratios = sorted(theirs[what] / ours[what] for ours, theirs in pairs)
            low = statistics.quantiles(ratios, n=4)[0] if len(ratios) > 1 else ratios[0]
            print(f"  {what:11} {peer} / craton: {statistics.median(ratios):.1f} ({low:.1f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
