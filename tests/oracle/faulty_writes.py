"""One write into a store or file, again and again in forked children in which one system call fails or is the last: a child each, so that hundreds take
seconds. Run by test_faulty_calls.py with faulty_calls.so preloaded:  faulty_writes.py FOLDER WRITE/ACTION/CLASS/N,N,...  and more of them

After each child the store is read by zarr or netCDF4: old values, or, chunk by chunk, new ones; then the same write goes through, undisturbed, and what it
leaves is what a first undisturbed one left. Prints one line for each thing that is not so, and at last how many writes did not go through."""

import ctypes
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import numpy as np
import xarray as xr

import craton

craton.enable()
SIZES = {"t": 12, "y": 6, "x": 8}
CHUNKS = {"t": 4, "y": 3, "x": 8}


def dataset(begin, steps, seed):
    random = np.random.default_rng(seed)
    values = {n: (("t", "y", "x"), random.normal(size=(steps, 6, 8)).astype("f4")) for n in "vw"}
    return xr.Dataset(values, {"t": np.arange(begin, begin + steps)}, {"title": f"of {seed}"})


OLD, NEW = dataset(0, 12, 1), dataset(12, 10, 2)


def lazy(ds):
    return ds.chunk({d: CHUNKS[d] for d in ds.dims}, chunked_array_type="craton")


def old_store(place, version=3, **encoding):
    lazy(OLD).craton.to_zarr(place, zarr_format=version, encoding={n: {"chunks": tuple(CHUNKS.values()), **encoding} for n in "vw"})


def other(ds, seed=3):
    return dataset(int(ds.t[0]), ds.sizes["t"], seed)


# name: (what is there before, the write, whether values of other chunks stay old when it is not finished)
WRITES = {
    "append": (old_store, lambda p: lazy(NEW).craton.to_zarr(p, append_dim="t")),
    "append 2": (lambda p: old_store(p, 2), lambda p: lazy(NEW).craton.to_zarr(p, append_dim="t")),
    "append shards": (lambda p: old_store(p, shards=(8, 6, 8)), lambda p: lazy(NEW).craton.to_zarr(p, append_dim="t")),
    "region": (old_store, lambda p: lazy(other(OLD).isel(t=slice(4, 12)).drop_vars("t")).craton.to_zarr(p, region={"t": slice(4, 12)})),
    "partly": (old_store, lambda p: other(OLD).isel(t=slice(3, 9)).drop_vars("t").craton.to_zarr(p, region={"t": slice(3, 9)})),
    "over": (old_store, lambda p: lazy(other(OLD)).craton.to_zarr(p, mode="a")),
    "new variable": (old_store, lambda p: lazy(other(OLD)[["v"]].rename(v="z")).craton.to_zarr(p, mode="a")),
    "store": (old_store, lambda p: lazy(other(OLD)).craton.to_zarr(p, mode="w")),
    "resumed": (lambda p: OLD.to_netcdf(f"{p}.nc"), lambda p: _resumed(p)),
    "group": (old_store, lambda p: lazy(other(OLD)).craton.to_zarr(p, group="a/b", mode="w")),
    "file": (lambda p: lazy(OLD).craton.to_netcdf(p), lambda p: lazy(other(OLD)).craton.to_netcdf(p, mode="w")),
    "file, added": (lambda p: lazy(OLD).craton.to_netcdf(p), lambda p: lazy(other(OLD)[["v"]].rename(v="z")).craton.to_netcdf(p, mode="a")),
    "file, group": (lambda p: lazy(OLD).craton.to_netcdf(p), lambda p: lazy(other(OLD)).craton.to_netcdf(p, group="a", mode="a")),
}


def _resumed(place):
    ds = xr.open_dataset(f"{place}.nc", engine="craton", chunks={"t": 2})
    (ds * 2).chunk({"t": 3, "y": 3, "x": 4}).craton.to_zarr(place, resume=True, mode="w")


def view(place):
    """What other programs see, in all groups."""
    engine = "zarr" if place.is_dir() else "netcdf4"
    groups = xr.open_groups(place, engine=engine, **({"chunks": None} if engine == "zarr" else {}))
    return {name: ds.load().drop_encoding() for name, ds in groups.items()}


def is_old(place, before, after):
    """Values of before; of chunks that are replaced in place, those of before or after."""
    seen = view(place)
    for group, ds in before.items():
        if group not in seen:
            return f"the group {group} is gone"
        for name, variable in ds.variables.items():
            if name not in seen[group].variables:
                return f"{name} is gone"
            now = seen[group].variables[name]
            part = {d: slice(0, n) for d, n in variable.sizes.items()}
            new = after[group].variables[name].isel(part) if group in after and name in after[group].variables else variable
            if any(now.sizes[d] < n for d, n in variable.sizes.items()):
                return f"{name} is shorter"
            now = now.isel(part).values
            if not np.all((now == variable.values) | (now == new.values)):
                return f"{name} has values that are neither old nor new"
    return None


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def remove(folder):
    for p in folder.iterdir():
        shutil.rmtree(p) if p.is_dir() and not p.is_symlink() else p.unlink()


def in_child(function, arm):
    """Its wait status. The child computes on threads of its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            FAULTY.faulty_arm(arm.encode())
            function()
            code = 0
        except (OSError, RuntimeError, craton.FormatError, ValueError) as error:
            code = 3 if str(error) else 4
        except BaseException:
            traceback.print_exc()
        finally:
            FAULTY.faulty_arm(b"count b 0 0")
            os._exit(code)
    return os.waitpid(child, 0)[1]


def attempt(folder, name, action, what, n):
    prepare, write = WRITES[name]
    place = folder / "d"
    remove(folder)
    prepare(place)
    before = view(place) if place.exists() else None
    status = in_child(lambda: write(place), f"{action} {what} {n} {n}")
    MET.append(status != 0)
    say = lambda *text: print(name, action, what, n, "status", status, *text, flush=True)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
        return say("crashed")
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status) not in (0, 3):
        return say("no error that says why")
    finished = status == 0
    if action in ("short", "eintr") and not finished:
        return say("failed")
    if not finished and before is None and place.exists() and not same(view(place), AFTER[name][0]):
        return say("is there, and not whole")
    if not finished and before is not None:
        problem = "it is gone" if not place.exists() else is_old(place, before, AFTER[name][0])
        if problem:
            return say(problem)
    if not finished and not os.WIFSIGNALED(status) and name != "resumed":
        extra = {p.name for p in folder.iterdir()} - {"d", "d.nc"}
        if extra:
            return say("left", extra)
    if not finished and not (name.startswith("append") and view(place)["/"].sizes["t"] == 22):
        write(place)
    if not same(view(place), AFTER[name][0]):
        return say("is not what an undisturbed one leaves")
    if {p.split("/")[0] for p in files(folder)} != AFTER[name][1]:
        say("left after the same again", sorted({p.split("/")[0] for p in files(folder)} - AFTER[name][1]))
    return None


def same(a, b):
    return a.keys() == b.keys() and all(a[k].identical(b[k]) for k in a)


AFTER, MET = {}, []
if __name__ == "__main__":
    FAULTY = ctypes.CDLL(os.environ["LD_PRELOAD"])
    for i, wanted in enumerate(sys.argv[2:]):
        name, action, what, numbers = wanted.split("/")
        folder = Path(sys.argv[1]) / str(i)
        folder.mkdir()
        prepare, write = WRITES[name]
        prepare(folder / "d")
        in_child(lambda: write(folder / "d"), "count w 0 0")
        AFTER[name] = view(folder / "d"), {p.split("/")[0] for p in files(folder)}
        for n in map(int, numbers.split(",")):
            attempt(folder, name, action, what, n)
    print("met", sum(MET), "of", len(MET))
