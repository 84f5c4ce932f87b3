"""Computations whose reductions are larger than the memory limit: these go through scratch files. Bits are those of a computation with room for everything, explain
says what will be done, memory stays within the limit, and of the files nothing stays, whatever happens."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()
SHAPE, GROUPS = (240, 64, 96), 120
LAYOUTS = {"maps": (1, 64, 96), "months": (20, 64, 96), "series": (240, 8, 16), "cubes": (20, 16, 24)}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("staged")
    rng = np.random.default_rng(5)
    values = rng.normal(size=SHAPE).astype("f4")
    values[rng.random(SHAPE) < 0.02] = np.nan
    coords = {"time": np.arange(SHAPE[0]), "day": ("time", np.arange(SHAPE[0]) % GROUPS), "w": ("y", np.cos(np.linspace(-1.5, 1.5, SHAPE[1])))}
    ds = xr.Dataset({"t": (("time", "y", "x"), values)}, coords)
    for name, chunks in LAYOUTS.items():
        ds.to_zarr(folder / name, encoding={"t": {"chunks": chunks}})
    return folder, ds


def with_days(path):
    ds = xr.open_dataset(path, engine="craton", chunks={})
    return ds.assign_coords(day=ds.day.compute())


def opened(path):
    ds = with_days(path)
    return ds.assign_coords(w=ds.w.compute())


def anomaly(ds):
    return (ds.t.groupby("day") - ds.t.groupby("day").mean()).drop_vars("day")


def series(ds):
    return anomaly(ds).weighted(ds.w).mean(("y", "x"))


def spread(ds):
    return anomaly(ds).std("time")


def standardised(ds):
    by_day = ds.t.groupby("day")
    return ((by_day - by_day.max()).groupby("day") / (by_day.max() - by_day.min() + 1)).drop_vars("day")


def percentile(ds):
    a = anomaly(ds)
    return (a.chunk(time=-1) if a.chunks else a).quantile(0.9, "time")


def twice(ds):
    """A reduction of what is made of another one."""
    a = anomaly(ds).assign_coords(day=ds.day)
    return (abs(a).groupby("day") / ((a**2).groupby("day").mean() + 1)).max("time")


def medians(ds):
    return (ds.t.groupby("day") - ds.t.groupby("day").median()).max("time")


PROGRAMS = [anomaly, series, spread, standardised, percentile, twice, medians]


def staged(text):
    """Bytes, and how often what is read is decoded, by explain."""
    found = re.search(r"beforehand, since it does not fit into memory: (\S+) MiB to scratch files in", text)
    return found and (float(found[1]), [float(k) for k in re.findall(r"what is read for it (\S+) times", text)])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_bits(sources, layout, program):
    folder, whole = sources
    lazy = program(opened(folder / layout))
    with craton.set_options(memory_limit="2 MiB", threads=2):
        bytes_, reads = staged(craton.explain(lazy))
        little = lazy.compute()
    with craton.set_options(memory_limit="1 GiB"):
        assert staged(craton.explain(program(opened(folder / layout)))) is None
        much = program(opened(folder / layout)).compute()
    assert little.values.tobytes() == much.values.tobytes()
    assert 2.8 <= bytes_ <= 18 and max(reads) <= 3
    expected = program(whole)
    xr.testing.assert_allclose(little.drop_attrs(), expected.transpose(*little.dims).drop_attrs().astype(little.dtype), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("write", ["to_zarr", "to_netcdf"])
@pytest.mark.parametrize("chunks", [(1, 64, 96), (240, 16, 24)], ids=["maps", "series"])
def test_written(tmp_path, sources, chunks, write):
    folder, whole = sources
    sizes = {"time": chunks[0], "y": chunks[1], "x": chunks[2]}
    values = {}
    for limit in ("2 MiB", "1 GiB"):
        lazy = standardised(opened(folder / "months")).rename("v").to_dataset()
        encoding = {"v": {"chunks" if write == "to_zarr" else "chunksizes": tuple(sizes[d] for d in lazy.v.dims)}}
        with craton.set_options(memory_limit=limit, threads=2):
            getattr(lazy.craton, write)(tmp_path / limit[:1], encoding=encoding)
        with xr.open_dataset(tmp_path / limit[:1], engine="zarr" if write == "to_zarr" else "netcdf4") as ds:
            values[limit] = ds.v.load()
    assert values["2 MiB"].values.tobytes() == values["1 GiB"].values.tobytes()
    xr.testing.assert_allclose(values["2 MiB"].drop_attrs(), standardised(whole).drop_attrs().rename("v"), rtol=1e-5)


@pytest.mark.parametrize("seed", range(24 if os.environ.get("CRATON_LONG") else 6))
def test_random(tmp_path, seed):
    """Programs that anyone could write, over chunks of any shape, against NumPy."""
    rng = np.random.default_rng(seed + 100 * int(os.environ.get("CRATON_SEED", 0)))
    shape = (int(rng.integers(40, 120)), int(rng.integers(20, 60)), int(rng.integers(40, 90)))
    chunks = tuple(int(rng.integers(1, min(n, 24) + 1)) for n in shape)
    groups = int(rng.integers(shape[0] // 2, shape[0] + 1))
    codes = rng.integers(0, groups, shape[0])
    values = rng.normal(size=shape)
    xr.Dataset({"t": (("time", "y", "x"), values)}).to_zarr(tmp_path / "s", encoding={"t": {"chunks": chunks}})

    def program(t, pick=np.random.default_rng(seed)):
        for _ in range(int(pick.integers(1, 3))):
            by = t.assign_coords(g=("time", codes)).groupby("g")
            made = getattr(by, str(pick.choice(["mean", "max", "sum", "first"])))()
            t = (by - made if pick.random() < 0.7 else by + made * 2).drop_vars("g")
            if pick.random() < 0.3:
                t = t.isel(y=slice(None, None, -1), x=slice(1, None, 2))
        return [t, t.mean(("y", "x")), t.std("time"), t.isel(time=slice(3, None, 4)), t.max("y")][int(pick.integers(5))]

    lazy = program(xr.open_dataset(tmp_path / "s", engine="craton", chunks={}).t)
    with craton.set_options(memory_limit="1 MiB", threads=2):
        little = lazy.compute()
    with craton.set_options(memory_limit="1 GiB"):
        much = program(xr.open_dataset(tmp_path / "s", engine="craton", chunks={}).t, np.random.default_rng(seed)).compute()
    expected = program(xr.DataArray(values, dims=("time", "y", "x")), np.random.default_rng(seed))
    assert little.values.tobytes() == much.values.tobytes(), (shape, chunks, groups)
    np.testing.assert_allclose(little.values, expected.transpose(*little.dims).values, rtol=1e-9, atol=1e-9)


def test_cells_are_those_of_what_is_read(tmp_path):
    """A climatology of more bytes, in other chunks, than what it is taken from: in a scratch file too it is a result, by which no cell is cut."""
    rng = np.random.default_rng(9)
    day = {"day": ("time", np.arange(SHAPE[0]) % GROUPS)}
    less, more = (xr.Dataset({"t": (("time", "y", "x"), v)}, day) for v in (rng.integers(0, 999, SHAPE, "i2"), rng.normal(size=SHAPE)))
    less.to_zarr(tmp_path / "less", encoding={"t": {"chunks": (1, 64, 96)}})
    more.to_zarr(tmp_path / "more", encoding={"t": {"chunks": (20, 8, 12)}})

    def program(a, b):
        return (a.t.groupby("day") - b.t.groupby("day").mean()).mean(("y", "x"))

    values = {}
    for limit in ("4 MiB", "1 GiB"):
        with craton.set_options(memory_limit=limit, threads=2):
            lazy = program(*(with_days(tmp_path / n) for n in ("less", "more")))
            assert bool(staged(craton.explain(lazy))) == (limit == "4 MiB")
            values[limit] = lazy.compute().values
    assert values["4 MiB"].tobytes() == values["1 GiB"].tobytes()
    np.testing.assert_allclose(values["1 GiB"], program(less, more).values, rtol=1e-12)


@pytest.mark.parametrize("part", [slice(1, None, 2), slice(None, 100, -8), [4099, 3, 4100, 8190, 4095, 4096, 9999, 0], slice(5000, 5001)], ids=str)
def test_parts_of_long_rows(tmp_path, part):
    """Of rows that are not read at once; elements that do not follow each other are read by the piece."""
    values = np.arange(40 * 3 * 10000, dtype="f4").reshape(40, 3, 10000) % 8191
    xr.Dataset({"t": (("time", "y", "x"), values)}).to_zarr(tmp_path / "s", encoding={"t": {"chunks": (1, 3, 10000)}})

    def program(t):
        by = t.assign_coords(g=("time", np.arange(40) % 20)).groupby("g")
        return (by - by.max()).drop_vars("g").isel(x=part)

    with craton.set_options(memory_limit="2 MiB", threads=2):
        lazy = program(xr.open_dataset(tmp_path / "s", engine="craton", chunks={}).t)
        assert part == slice(5000, 5001) or staged(craton.explain(lazy))
        np.testing.assert_array_equal(lazy.compute().values, program(xr.DataArray(values, dims=("time", "y", "x"))).values)


# ---- files ----


CHILD = textwrap.dedent("""
    import sys, numpy as np, xarray as xr, craton
    craton.enable()
    craton.set_options(memory_limit="8 MiB", threads=2)
    ds = xr.open_dataset(sys.argv[1], engine="craton", chunks={})
    ds = ds.assign_coords(day=ds.day.compute())
    import resource
    a = ds.t.groupby("day") - ds.t.groupby("day").mean()
    result = np.empty(64)
    peak = lambda: int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) << 10
    xr.open_dataset(sys.argv[1], engine="craton", chunks={}).t[0].mean().compute()
    before = peak()
    print("ready", flush=True)
    a.std("time").mean().compute()
    print(peak() - before, flush=True)
""")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A climatology of 64 MiB."""
    path = tmp_path_factory.mktemp("large") / "s"
    rng = np.random.default_rng(1)
    values = rng.integers(0, 1000, (512, 128, 256), "i2").astype("f4")
    xr.Dataset({"t": (("time", "y", "x"), values)}, {"day": ("time", np.arange(512) % 256)}).to_zarr(path, encoding={"t": {"chunks": (4, 128, 256)}})
    return path


def test_memory_stays(tmp_path, large):
    """A scratch file is no memory of the process: a climatology eight times the limit adds little more than the limit to it."""
    run = subprocess.run([sys.executable, "-c", CHILD, large], env={**os.environ, "CRATON_SCRATCH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert int(run.stdout.split()[1]) < 24 << 20
    assert not list(tmp_path.iterdir())


def scratch_file(pid, folder):
    """A file without a name in that folder, that the process has open."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith(str(folder)):
            return target
    return None


def test_killed(tmp_path, large):
    run = subprocess.Popen([sys.executable, "-c", CHILD, large], env={**os.environ, "CRATON_SCRATCH": str(tmp_path)}, stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "ready\n"
    while not (seen := scratch_file(run.pid, tmp_path)) and run.poll() is None:
        pass
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert seen and seen.endswith("(deleted)")
    assert not list(tmp_path.iterdir())


def test_no_directory(tmp_path, sources, monkeypatch):
    monkeypatch.setenv("CRATON_SCRATCH", str(tmp_path / "none"))
    with craton.set_options(memory_limit="2 MiB", threads=2):
        with pytest.raises(FileNotFoundError, match="no scratch file for it can be made in") as e:
            spread(opened(sources[0] / "maps")).compute()
    assert "set CRATON_SCRATCH to a directory" in str(e.value)


def test_full_disk(sources, monkeypatch, tmp_path):
    """A limit on the size of files is what a process without rights can set: taking the room fails before anything is computed."""
    monkeypatch.setenv("CRATON_SCRATCH", str(tmp_path))
    code = textwrap.dedent("""
        import resource, signal, sys, xarray as xr, craton
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        craton.enable()
        craton.set_options(memory_limit="2 MiB", threads=2)
        ds = xr.open_dataset(sys.argv[1], engine="craton", chunks={})
        ds = ds.assign_coords(day=ds.day.compute())
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            (ds.t.groupby("day") - ds.t.groupby("day").mean()).std("time").compute()
        except OSError as e:
            print(e)
    """)
    run = subprocess.run([sys.executable, "-c", code, sources[0] / "maps"], env={**os.environ}, capture_output=True, text=True, check=True)
    assert "MiB for it has no room in" in run.stdout and "raise the memory limit" in run.stdout, run.stdout + run.stderr
    assert not list(tmp_path.iterdir())


# ---- progress ----


@pytest.mark.parametrize("way", ["compute", "write"])
def test_the_bar_goes_on_while_scratch_files_are_made(sources, tmp_path, monkeypatch, way):
    import craton.progressbar as progress

    seen = []

    class Recorded(progress.Bar):
        def __call__(self, done, total, phase, n_phases):
            super().__call__(done, total, phase, n_phases)
            seen.append(self.fraction)

    monkeypatch.setattr(progress, "Bar", Recorded)
    ds = opened(sources[0] / "maps")
    with craton.set_options(memory_limit="2 MiB", threads=2), craton.progress():
        # The function is called every tenth of a second; machines are of any speed.
        for times in (1, 4, 16, 64):
            much, began = xr.concat([ds] * times, "time") if times > 1 else ds, time.monotonic()
            seen.clear()
            if way == "compute":
                spread(much).compute()
            else:
                anomaly(much).to_dataset(name="t").craton.to_zarr(tmp_path / f"out-{times}")
            if time.monotonic() - began > 1:
                break
    assert seen[0] < 0.2 and seen == sorted(seen) and seen.index(1.0) == len(seen) - 1 and len(seen) > 2, seen


# ---- planning ----


def test_shifts_of_shifts_are_planned_once_each():
    """Each is made of three parts of the one before; places that several ways lead to are there once."""
    values = np.random.default_rng(8).normal(size=1000)
    a, want = xr.DataArray(values, dims="t").chunk({"t": 100}), xr.DataArray(values, dims="t")
    for _ in range(40):
        a, want = ((x.shift(t=1, fill_value=0) + x + x.shift(t=-1, fill_value=0)) / 3 for x in (a, want))
    with craton.set_options(memory_limit="32 MiB"):
        xr.testing.assert_identical(a.compute(), want)


def test_shifts_that_do_not_meet_are_refused_within_memory():
    """Of each all ways lead to places of their own."""
    a = xr.DataArray(np.zeros(1_000_000, "f4"), dims="t").chunk({"t": 100_000})
    for k in range(12):
        a = (a.shift(t=3**k, fill_value=0) + a + a.shift(t=-(3**k), fill_value=0)) / 3
    with craton.set_options(memory_limit="32 MiB"):
        with pytest.raises(craton.LimitError, match="more than planning may hold"):
            craton.explain(a)


def test_a_list_over_many_arrays():
    """Positions in their own arrays were a list for each run of the list: more than planning may hold."""
    values = np.arange(9000.0).reshape(2250, 4)
    order = np.random.default_rng(4).permutation(9000)
    a = xr.concat([xr.DataArray(v, dims="t").chunk({"t": 4}) for v in values], "t").isel(t=order)
    assert np.array_equal(a.compute().values, values.ravel()[order])
