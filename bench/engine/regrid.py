#!/usr/bin/env python3
"""w3: ten models regridded to 1 degree, and their mean and spread, whole processes with start-up, alternating.

    bench/engine/regrid.py --data FOLDER [--build BUILD] [--small] [--pairs 5] [bilinear conservative]

Craton's program is xarray with ds.craton.regrid. Peers: xarray's interp on NumPy and on dask (bilinear), xarray-regrid where it can be imported (pip install
--target FOLDER xarray-regrid, and PYTHONPATH=FOLDER), and CDO (remapbil, remapcon, ensmean, ensstd) where it is installed; each is tried once, and the one with least CPU time is the peer of the pairs. Results are compared between 60 S and 60 N, where
all of them mean the same. One JSON line per run goes to bench/results/. Run it on a machine that does nothing else.
"""
import argparse
import importlib
import importlib.util
import json
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from measuring import compile_modules, measured  # noqa: E402

# What of a source cell lies in a target cell: xarray-regrid counts degrees of latitude, CDO and Craton area.
ALIKE = {"xarray-regrid": 3e-4}
GRIDS = [(96, 144), (90, 144), (128, 256), (145, 192), (160, 320), (64, 128), (143, 144), (192, 288), (96, 192), (80, 96)]


def make(folder, months):
    import netCDF4
    import numpy as np
    paths = []
    for i, (ny, nx) in enumerate(GRIDS):
        paths.append(f"{folder}/w3-{months}-{i}.nc")
        if os.path.exists(paths[-1]):
            continue
        rng = np.random.default_rng(30 + i)
        nc = netCDF4.Dataset(paths[-1] + ".part", "w")
        for name, n in (("time", None), ("lat", ny), ("lon", nx), ("bnds", 2)):
            nc.createDimension(name, n)
        edges = {"lat": np.linspace(-90, 90, ny + 1), "lon": np.linspace(0, 360, nx + 1)}
        for name, e in edges.items():
            v = nc.createVariable(name, "f8", (name,))
            v.setncatts({"standard_name": name + ("itude" if name == "lat" else "gitude"), "bounds": name + "_bnds",
                         "units": "degrees_" + ("north" if name == "lat" else "east")})
            v[:] = (e[1:] + e[:-1]) / 2
            nc.createVariable(name + "_bnds", "f8", (name, "bnds"))[:] = np.stack([e[:-1], e[1:]], -1)
        t = nc.createVariable("time", "f8", ("time",))
        t.setncatts({"units": "days since 2000-01-01", "calendar": "360_day", "standard_name": "time"})
        t[:] = np.arange(months) * 30 + 15
        tas = nc.createVariable("tas", "f4", ("time", "lat", "lon"), zlib=True, complevel=1, shuffle=True, chunksizes=(1, ny, nx))
        tas.setncatts({"units": "K", "standard_name": "air_temperature"})
        lat = np.deg2rad(nc["lat"][:])[:, None]
        for k in range(months):
            tas[k] = 250 + 45 * np.cos(lat) - 8 * np.cos(2 * np.pi * k / 12) * np.sin(lat) + rng.normal(0, 1, (ny, nx))
        nc.close()
        os.rename(paths[-1] + ".part", paths[-1])
    return paths


def program(method, variant, paths):
    import numpy as np
    import xarray as xr
    if variant == "craton":
        import craton
        craton.enable()
        models = [xr.open_dataset(p, engine="craton", chunks={}).tas.craton.regrid(1.0, method) if method == "bilinear"
                  else xr.open_dataset(p, engine="craton", chunks={})[["tas", "lat_bnds", "lon_bnds"]].craton.regrid(1.0, method).tas for p in paths]
    elif variant == "xarray-regrid":
        importlib.import_module("xarray_regrid")  # the accessor
        target = xr.Dataset(coords={"lat": np.arange(-89.5, 90), "lon": np.arange(0.5, 360)})
        how = {"bilinear": "linear", "conservative": "conservative"}[method]
        models = [getattr(xr.open_dataset(p)[["tas"]].regrid, how)(target).tas for p in paths]
    else:
        lat, lon = np.arange(-89.5, 90), np.arange(0.5, 360)
        models = []
        for p in paths:
            t = xr.open_dataset(p, chunks={"time": 12} if variant == "interp-dask" else None).tas
            wide = xr.concat([t.isel(lon=[-1]).assign_coords(lon=t.lon[[-1]] - 360), t, t.isel(lon=[0]).assign_coords(lon=t.lon[[0]] + 360)], "lon")
            models.append(wide.interp(lat=lat, lon=lon))
    models = xr.concat(models, "model", coords="minimal", compat="override")
    result = xr.Dataset({"mean": models.mean("model"), "std": models.std("model")}).compute()
    print(json.dumps({n: spread(v.transpose("time", "lat", "lon").values[:, 30:150]) for n, v in result.data_vars.items()}))


def spread(values):
    """[mean, standard deviation]; map by map, so that looking at it takes no memory worth speaking of."""
    import numpy as np
    total = squares = 0.0
    for field in values:
        field = field.astype("f8")
        total, squares = total + float(field.sum()), squares + float(np.square(field).sum())
    mean = total / values.size
    return [mean, (squares / values.size - mean * mean) ** 0.5]


def cdo(method, paths, scratch):
    """The shell user's way; the digest is made by Craton's reader outside of what is measured."""
    remap = {"bilinear": "remapbil", "conservative": "remapcon"}[method]
    # One process for each model, as CDO's manual advises; the target is the same grid.
    grid = f"{scratch}/grid.txt"
    Path(grid).write_text("gridtype = lonlat\nxsize = 360\nysize = 180\nxfirst = 0.5\nxinc = 1\nyfirst = -89.5\nyinc = 1\n")
    parts = [f"{scratch}/part{i}.nc" for i in range(len(paths))]
    commands = [["cdo", "-s", "-O", f"{remap},{grid}", "-selname,tas", p, q] for p, q in zip(paths, parts)]
    return commands + [["cdo", "-s", "-O", what, *parts, f"{scratch}/{what}.nc"] for what in ("ensmean", "ensstd")]


def run(method, variant, paths, folder):
    if variant != "cdo":
        figures, out = measured([[sys.executable, __file__, "--program", method, "--variant", variant, *paths]])
        return {**figures, "result": json.loads(out)}
    import xarray as xr
    figures, _ = measured(cdo(method, paths, folder))
    result = {}
    for name, what in (("mean", "ensmean"), ("std", "ensstd")):
        result[name] = spread(xr.open_dataset(f"{folder}/{what}.nc").tas.transpose("time", "lat", "lon").values[:, 30:150])
    return {**figures, "result": result}


def limit(method, paths, build, about):
    """What no program on xarray and these files can do without (run.py), for the table."""
    start, _ = measured([[sys.executable, HERE / "program.py", "open", "craton", paths[0]]])
    decode, _ = measured([[f"{build}/bench/engine/native/bench_decode_hand", "tas", p] for p in paths])
    return [{"workload": "w3-" + method, "variant": variant, "role": "limit", **about, **figures} for variant, figures in (("start", start), ("decode", decode))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--data")
    parser.add_argument("--build", default=os.environ.get("CRATON_BUILD"))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--program")
    parser.add_argument("--variant")
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / f"regrid-{time.strftime('%Y-%m-%d')}.jsonl")
    o = parser.parse_args()
    if o.program:
        return program(o.program, o.variant, o.methods)
    if not o.data:
        parser.error("--data FOLDER is needed")
    os.makedirs(o.data, exist_ok=True)
    compile_modules(o.data)
    paths = make(o.data, 12 if o.small else 144)

    def keep(role, method, variant):
        figures = {"workload": "w3-" + method, "variant": variant, "role": role, "small": o.small, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                   **run(method, variant, paths, o.data)}
        with o.output.open("a") as f:
            f.write(json.dumps(figures) + "\n")
        print(f"  {variant:12} wall {figures['wall_s']:7.2f} s   CPU {figures['cpu_s']:7.2f} s   peak {figures['peak_mib']:6.0f} MiB", flush=True)
        return figures

    for method in o.methods or ["bilinear", "conservative"]:
        peers = ["interp", "interp-dask"] if method == "bilinear" else []
        peers += ["xarray-regrid"] if importlib.util.find_spec("xarray_regrid") else []
        peers += ["cdo"] if shutil.which("cdo") else []
        print("w3", method)
        if not peers:
            print("  no peer: neither CDO nor xarray-regrid is installed")
            keep("alone", method, "craton")
            continue
        if o.build:
            with o.output.open("a") as f:
                f.writelines(json.dumps(row) + "\n" for row in limit(method, paths, o.build, {"small": o.small}))
        peer = min((keep("tried", method, p) for p in peers), key=lambda r: r["cpu_s"])["variant"]
        pairs = []
        for _ in range(o.pairs):
            ours, theirs = keep("pair", method, "craton"), keep("pair", method, peer)
            for name, values in ours["result"].items():
                for x, y in zip(values, theirs["result"][name]):
                    assert abs(x - y) <= ALIKE.get(peer, 1e-4) * max(abs(x), abs(y)), f"{name}: {x} and {y}"
            pairs.append((ours, theirs))
        for what in ("wall_s", "cpu_s", "peak_mib"):
            ratios = sorted(theirs[what] / ours[what] for ours, theirs in pairs)
            low = statistics.quantiles(ratios, n=4)[0] if len(ratios) > 1 else ratios[0]
            print(f"  {what:9} {peer} / craton: {statistics.median(ratios):.1f} ({low:.1f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
