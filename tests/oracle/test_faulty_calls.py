"""System calls that fail, are cut short, or at which the process ends (kill -9), one after the other, in everything that writes: what was there before is
there, or all of the new; never a part of it, never a crash; an error has a message and leaves nothing behind; what is cut short or interrupted goes on;
and the same write again, undisturbed, leaves what it leaves without all this.

A few calls of each kind, others for every seed, more with CRATON_LONG; CRATON_FAULTY=all takes every call."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import faulty_writes

BUILD = Path(os.environ["CRATON_BUILD"])
CRATON, LIBRARY = BUILD / "src/cli/craton", BUILD / "tests/faulty_calls.so"
SEED = int(os.environ.get("CRATON_SEED", "20261124"))
LONG = bool(os.environ.get("CRATON_LONG"))
ALL = os.environ.get("CRATON_FAULTY") == "all"
CALLS = 6 if LONG else 2
ACTIONS = {"kill": "w", "torn": "w", "eio": "w", "from-enospc": "w", "eintr": "b", "short": "b"}


def chosen(n_calls, *what):
    """Numbers of calls."""
    if ALL:
        return range(1, n_calls + 2)
    return sorted({int(n) for n in np.random.default_rng([SEED, 583, *map(len, what)]).integers(1, n_calls + 1, CALLS)})


# ---- the command ----

COMMANDS = {
    "zarr 3": ("rechunk in.nc out.zarr --chunks time=5,lat=8,lon=8 --overwrite", 1),
    "zarr 2": ("rechunk in.nc out.zarr --chunks time=5,lat=8,lon=8 --overwrite --format zarr2", 1),
    "in two steps": ("rechunk in.nc out.zarr --chunks time=-1,lat=4,lon=4 --overwrite --memory 1M", 1),
    "shards": ("rechunk in.nc out.zarr --chunks time=5,lat=4,lon=4 --shards time=10,lat=8,lon=8 --overwrite", 1),
    "netcdf": ("rechunk in.nc out.nc --chunks time=5,lat=8,lon=8 --overwrite --format netcdf4", 0),
    "calc": ("calc v*2 in.nc -o out.nc --force", 0),
    "calc, zarr": ("calc v*2 in.nc -o out.zarr --force", 0),
    "regrid": ("calc 'v | regrid r12x8' in.nc -o out.nc --force", 0),
}


def run(folder, words, fault=None):
    env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    if fault:
        env.update(LD_PRELOAD=str(LIBRARY), FAULTY_CALLS=fault, FAULTY_COUNT=str(folder.parent / "count"))
    return subprocess.run([CRATON, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def seen(path):
    with xr.open_dataset(path, **({"engine": "zarr", "chunks": None} if path.is_dir() else {"engine": "netcdf4"})) as ds:
        return ds.load()


@pytest.mark.parametrize("action", ACTIONS if ALL else [None])
@pytest.mark.parametrize("name", COMMANDS if LONG or ALL else [n for i, n in enumerate(COMMANDS) if (i + SEED) % 2])
def test_command(tmp_path, name, action):
    line, resumes = COMMANDS[name]
    action = action or list(ACTIONS)[(SEED + len(name)) % len(ACTIONS)]
    folder, words = tmp_path / "d", [*shlex.split(line), "--threads", "2"]
    out = folder / next(w for w in words if w.startswith("out."))
    folder.mkdir()
    values = np.random.default_rng([SEED, 584]).normal(size=(20, 16, 24)).astype("f4")
    values[:5] = np.nan
    coordinates = {"time": np.arange(20), "lat": ("lat", np.linspace(-80, 80, 16), {"units": "degrees_north"}),
                   "lon": ("lon", np.arange(24) * 15.0, {"units": "degrees_east"})}  # fmt: skip
    ds = xr.Dataset({"v": (("time", "lat", "lon"), values), "s": ("time", np.array([f"t{i}" for i in range(20)], object))}, coordinates)
    ds.to_netcdf(folder / "in.nc", encoding={"v": {"chunksizes": (1, 16, 24), "zlib": True}})
    answer = run(folder, words, f"count {ACTIONS[action]} 0 0")
    assert answer.returncode == 0, answer.stderr
    expected, n_calls = seen(out), int((tmp_path / "count").read_text())
    old = xr.Dataset({"old": ("x", np.arange(100.0))})
    for n in chosen(n_calls, name, action):
        (subprocess.run(["rm", "-rf", out], check=True) if out.is_dir() else out.unlink())
        old.to_zarr(out) if out.suffix == ".zarr" else old.to_netcdf(out)
        answer = run(folder, words, f"{action} {ACTIONS[action]} {n} {n}")
        which, present = (n, answer.returncode, answer.stderr), seen(out)
        if answer.returncode == 0:
            xr.testing.assert_identical(present, expected)
        else:
            assert action not in ("short", "eintr") and (answer.returncode == -signal.SIGKILL) == (action in ("kill", "torn")), which
            # Complete, and only syncing its directory failed; or the old one.
            assert present.identical(expected) or present.equals(old), which
            if answer.returncode > 0:
                assert "craton: " in answer.stderr and {p.name for p in folder.iterdir()} == {"in.nc", out.name}, which
        answer = run(folder, [*words, *(["--resume"] if resumes and n % 2 else [])])
        assert answer.returncode == 0, (which, answer.stderr)
        xr.testing.assert_identical(seen(out), expected)
        assert {p.name for p in folder.iterdir()} == {"in.nc", out.name}, which


@pytest.mark.parametrize("action", ["eio", "from-enospc"])
def test_every_call_of_a_netcdf_file(tmp_path, action):
    """libnetcdf crashed where it closes what it could not write."""
    folder = tmp_path / "d"
    folder.mkdir()
    xr.Dataset({"v": ("x", np.arange(12.0))}).to_netcdf(folder / "in.nc")
    words = "calc v*2 in.nc -o out.nc".split()
    assert run(folder, words, "count w 0 0").returncode == 0
    for n in range(1, int((tmp_path / "count").read_text()) + 1):
        (folder / "out.nc").unlink(missing_ok=True)
        answer = run(folder, words, f"{action} w {n} 0")
        assert answer.returncode > 0 and "craton: " in answer.stderr, (n, answer)
        assert {p.name for p in folder.iterdir()} <= {"in.nc", "out.nc"}, n


# ---- from Python ----


def write_with(folder, wanted):
    """In forked children of one process: faulty_writes.py. How many did not go through."""
    program = [sys.executable, "-W", "ignore", faulty_writes.__file__, folder, *wanted]
    answer = subprocess.run(program, env={**os.environ, "LD_PRELOAD": str(LIBRARY)}, capture_output=True, text=True, timeout=3000)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("met "), answer.stdout
    return int(answer.stdout.split()[1])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", faulty_writes.WRITES if ALL else ["each"])
def test_write(tmp_path, name):
    actions = list(ACTIONS.items())
    if ALL:
        wanted = [f"{name}/{action}/{what}/{','.join(map(str, range(1, 161)))}" for action, what in actions]
    else:
        picked = {name: actions[(SEED + i) % 4] for i, name in enumerate(faulty_writes.WRITES)}
        wanted = [f"{name}/{action}/{what}/{','.join(map(str, chosen(40, name, action)))}" for name, (action, what) in picked.items()]
    assert write_with(tmp_path, wanted) >= len(wanted) // 2
