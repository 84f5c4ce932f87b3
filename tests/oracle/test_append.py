"""to_zarr into stores that are there: append_dim and region against xarray's own, refusals, kill -9, full disks."""
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import craton  # noqa: F401  (the accessor)

SEED = int(os.environ.get("CRATON_SEED", "20261124"))


def dataset(first, steps, rows=20, columns=30, seed=61):
    random = np.random.default_rng([SEED, seed, first])
    t = random.normal(280, 10, (steps, rows, columns)).astype("f4")
    t[random.random(t.shape) < 0.1] = np.nan
    return xr.Dataset(
        {"t": (("time", "lat", "lon"), t), "rain": (("time", "lat"), random.integers(0, 50, (steps, rows)).astype("i4")),
         "packed": (("lat", "time"), np.round(random.normal(280, 10, (rows, steps)), 2))},
        {"time": pd.date_range("2001-01-01", periods=400)[first:first + steps], "lat": np.arange(rows) * 1.5, "lon": np.arange(columns) * 2.0},
        {"from": f"day {first}"},
    )  # fmt: skip


ENCODING = {"packed": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -9999}, "time": {"units": "days since 2000-01-01"}}


def begin(path, version, chunks, steps=17):
    dataset(0, steps).chunk(chunks).to_zarr(path, zarr_format=version, consolidated=True, encoding=ENCODING)


def lazy(ds):
    return ds.chunk(chunked_array_type="craton")


def same(ours, theirs):
    xr.testing.assert_identical(xr.open_zarr(ours, chunks=None).load().drop_encoding(), xr.open_zarr(theirs, chunks=None).load().drop_encoding())
    xr.testing.assert_identical(xr.open_dataset(ours, engine="craton").load().drop_encoding(), xr.open_zarr(theirs, chunks=None).load().drop_encoding())
    for group in (zarr.open_group(ours, mode="r"), zarr.open_group(ours, mode="r", use_consolidated=False)):
        for name, array in zarr.open_group(theirs, mode="r").arrays():
            assert group[name].shape == array.shape and group[name].chunks == array.chunks and group[name].dtype == array.dtype
            np.testing.assert_array_equal(group[name][...], array[...], err_msg=name)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("case", range(4))
def test_append(tmp_path, version, case):
    """Several times, lengths that end inside of chunks, lazily or not."""
    random = np.random.default_rng([SEED, 62, version, case])
    chunks = {"time": int(random.integers(1, 12)), "lat": int(random.integers(3, 21)), "lon": 30}
    first = int(random.integers(1, 30))
    for name in ("ours", "theirs"):
        begin(tmp_path / name, version, chunks, first)
    for _ in range(3):
        steps = int(random.integers(1, 25))
        more = dataset(first, steps)
        more.to_zarr(tmp_path / "theirs", append_dim="time", mode="a", zarr_format=version)
        (lazy(more) if random.random() < 0.7 else more).craton.to_zarr(tmp_path / "ours", append_dim="time")
        first += steps
        same(tmp_path / "ours", tmp_path / "theirs")


@pytest.mark.parametrize("version", [2, 3])
def test_append_to_what_we_wrote(tmp_path, version):
    lazy(dataset(0, 17)).craton.to_zarr(tmp_path / "ours", zarr_format=version, encoding={**ENCODING, "t": {"chunks": (5, 8, 8)}})
    begin(tmp_path / "theirs", version, {"time": 5})
    more = dataset(17, 9)
    lazy(more).craton.to_zarr(tmp_path / "ours", append_dim="time", mode="a")
    more.to_zarr(tmp_path / "theirs", append_dim="time")
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "ours", chunks=None).load().drop_encoding(), xr.open_zarr(tmp_path / "theirs", chunks=None).load().drop_encoding())


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("way", ["slice", "auto", "auto in a dict"])
def test_region(tmp_path, version, way):
    for name in ("ours", "theirs"):
        begin(tmp_path / name, version, {"time": 5, "lat": 10, "lon": 15})
    part = dataset(0, 17, seed=63).isel(time=slice(5, 15), lat=slice(10, 20))
    if way == "slice":
        region = {"time": slice(5, 15), "lat": slice(10, None)}
        part = part.drop_vars("lon")
    else:
        region = "auto" if way == "auto" else {"time": "auto", "lat": slice(10, 20)}
        part = part if way == "auto" else part.drop_vars("lon")
    part.to_zarr(tmp_path / "theirs", region=region)
    lazy(part).craton.to_zarr(tmp_path / "ours", region=region)
    same(tmp_path / "ours", tmp_path / "theirs")


def test_unaligned_region(tmp_path):
    """Refused when lazy, as xarray does; made of old and new values when allowed, or when in memory."""
    for name in ("ours", "theirs"):
        begin(tmp_path / name, 3, {"time": 5, "lat": 10, "lon": 15})
    part = dataset(0, 17, seed=64).isel(time=slice(3, 12), lat=slice(4, 13), lon=slice(7, 30)).drop_vars(["rain", "packed", "lat", "lon", "time"])
    region = {"time": slice(3, 12), "lat": slice(4, 13), "lon": slice(7, 30)}
    with pytest.raises(ValueError, match="safe_chunks=False"):
        lazy(part).craton.to_zarr(tmp_path / "ours", region=region)
    with pytest.raises(ValueError, match="safe_chunks"):
        part.chunk().to_zarr(tmp_path / "theirs", region=region)
    part.to_zarr(tmp_path / "theirs", region=region)
    lazy(part).craton.to_zarr(tmp_path / "ours", region=region, safe_chunks=False)
    same(tmp_path / "ours", tmp_path / "theirs")
    begin(tmp_path / "memory", 3, {"time": 5, "lat": 10, "lon": 15})
    part.craton.to_zarr(tmp_path / "memory", region=region)
    same(tmp_path / "memory", tmp_path / "theirs")


REFUSALS = {
    "no such dimension": (lambda ds: ds, {"append_dim": "x"}),
    "another shape": (lambda ds: ds.isel(lat=slice(3)), {"append_dim": "time"}),
    "other dimensions": (lambda ds: ds.assign(t=ds.t.rename(lon="x")).drop_vars("lon"), {"append_dim": "time"}),
    "encoding again": (lambda ds: ds, {"append_dim": "time", "encoding": {"t": {"dtype": "i2"}}}),
    "region of another size": (lambda ds: ds.drop_vars(["lat", "lon"]), {"region": {"time": slice(0, 3)}}),
    "region with a step": (lambda ds: ds.drop_vars(["lat", "lon"]), {"region": {"time": slice(0, 8, 2)}}),
    "region of no dimension": (lambda ds: ds.drop_vars(["lat", "lon"]), {"region": {"x": slice(0, 4)}}),
    "region beside variables": (lambda ds: ds, {"region": {"time": slice(0, 4)}}),
    "both": (lambda ds: ds.drop_vars(["lat", "lon"]), {"region": {"time": slice(0, 4)}, "append_dim": "time"}),
    "values that are not there": (lambda ds: ds, {"region": {"time": "auto"}}),
    "a new variable in a region": (lambda ds: ds.drop_vars(["lat", "lon"]).assign(new=ds.rain), {"region": {"time": slice(0, 4)}}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_as_xarray_does(tmp_path, name):
    change, options = REFUSALS[name]
    begin(tmp_path / "store", 3, {"time": 5})
    before = {p: p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file()}
    ds = change(dataset(100, 4))
    for write in (ds.to_zarr, lazy(ds).craton.to_zarr):
        with pytest.raises((ValueError, KeyError, TypeError)):
            write(tmp_path / "store", **options)
    assert before == {p: p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file()}


def files(store):
    return {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}


REFUSED_BY_US = {
    "values that are rounded": (lambda ds: ds.assign(rain=ds.rain + 0.5), "Mismatched dtypes for variable rain"),
    "a wider type": (lambda ds: ds.assign(t=ds.t.astype("f8")), "Store has dtype float32"),
    "a new variable": (lambda ds: ds.assign(new=ds.rain), "no variables 'new'"),
    "a variable that stays short": (lambda ds: ds.drop_vars("rain"), "variables 'rain' have the dimension 'time'"),
    "other units": (lambda ds: ds.assign(t=ds.t.assign_attrs(units="degC")), "stored in 'K' and comes in 'degC'"),
    "times between those of the store": (lambda ds: ds.assign_coords(time=ds.time + np.timedelta64(6, "h")), "units of the store, 'days since"),
    "other calendar": (lambda ds: ds.assign_coords(time=xr.date_range("2001-02-01", periods=4, calendar="360_day", use_cftime=True)), "calendar 'proleptic_gregorian'"),
}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", REFUSED_BY_US)
def test_refused_where_xarray_is_silent(tmp_path, name, version):
    """xarray writes rounded values, numbers in units that the store does not have, and stores of two lengths."""
    change, reason = REFUSED_BY_US[name]
    ds = dataset(0, 17)
    ds.t.attrs["units"] = "K"
    ds.chunk(time=5).to_zarr(tmp_path / "store", zarr_format=version, consolidated=True, encoding=ENCODING)
    before = files(tmp_path / "store")
    for more in (lazy(change(dataset(17, 4))), change(dataset(17, 4))):
        with pytest.raises(ValueError, match=reason):
            more.craton.to_zarr(tmp_path / "store", append_dim="time")
    assert before == files(tmp_path / "store")


TIMES = {
    "other units of its own": ({"units": "days since 2000-01-01"}, "D", {"units": "hours since 1970-01-01"}),
    "hours into seconds": ({"units": "seconds since 1900-01-01"}, "6h", {}),
    "small whole numbers": ({"units": "days since 2000-01-01", "dtype": "i2"}, "D", {}),
    "fractions": ({"units": "days since 2000-01-01", "dtype": "f8"}, "7min", {}),
    "single precision": ({"units": "days since 2001-01-01", "dtype": "f4"}, "6h", {}),
    "a calendar": ({"units": "days since 2000-01-01", "calendar": "proleptic_gregorian"}, "D", {"calendar": "standard"}),
    "chosen by xarray": ({}, "6h", {"units": "days since 1970-01-01"}),
}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", TIMES)
def test_times_in_the_units_of_the_store(tmp_path, name, version):
    encoding, step, own = TIMES[name]
    times = pd.date_range("2001-01-01", periods=30, freq=step)
    ds = xr.Dataset({"v": ("time", np.arange(30.0)), "edges": (("time", "n"), np.stack([times, times], 1)), "late": ("time", times[::-1])}, {"time": times})
    first, more = ds.isel(time=slice(17)), ds.isel(time=slice(17, None))
    for store in ("ours", "theirs"):
        first.to_zarr(tmp_path / store, zarr_format=version, encoding={n: encoding for n in ("time", "edges", "late")})
    more.time.encoding.update(own)
    more.to_zarr(tmp_path / "theirs", append_dim="time")
    lazy(more).craton.to_zarr(tmp_path / "ours", append_dim="time")
    same(tmp_path / "ours", tmp_path / "theirs")
    seen = xr.open_zarr(tmp_path / "ours", chunks=None).load()
    for n in ("time", "edges", "late"):
        assert np.abs(seen[n].values - ds[n].values).max() <= np.timedelta64(1 if "f" in encoding.get("dtype", "") else 0, "ms")


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_times_of_other_calendars(tmp_path, calendar):
    times = xr.date_range("2001-01-15", periods=30, freq="MS", calendar=calendar, use_cftime=True)
    ds = xr.Dataset({"v": ("time", np.arange(30.0))}, {"time": times})
    for store in ("ours", "theirs"):
        ds.isel(time=slice(11)).to_zarr(tmp_path / store)
    ds.isel(time=slice(11, None)).to_zarr(tmp_path / "theirs", append_dim="time")
    lazy(ds.isel(time=slice(11, None))).craton.to_zarr(tmp_path / "ours", append_dim="time")
    same(tmp_path / "ours", tmp_path / "theirs")
    off = ds.isel(time=slice(3)).assign_coords(time=times[:3] + pd.Timedelta("90min").to_pytimedelta())
    with pytest.raises(ValueError, match=f"units of the store, 'days since.*{calendar}.*xarray would choose 'minutes"):
        lazy(off).craton.to_zarr(tmp_path / "ours", append_dim="time")
    same(tmp_path / "ours", tmp_path / "theirs")


def test_times_that_do_not_fit(tmp_path):
    """Out of the range of the stored type, and missing ones where the store has no number for them."""
    times = pd.date_range("2001-01-01", periods=5)
    ds = xr.Dataset({"v": ("time", np.arange(5.0))}, {"time": times})
    ds.to_zarr(tmp_path / "store", encoding={"time": {"units": "days since 2000-01-01", "dtype": "i2"}})
    before = files(tmp_path / "store")
    for bad in (times + pd.Timedelta(days=40000), times.where(times != times[2])):
        with pytest.raises(ValueError, match="time"):
            ds.assign_coords(time=bad).craton.to_zarr(tmp_path / "store", append_dim="time")
    assert before == files(tmp_path / "store")


def test_durations(tmp_path):
    ds = xr.Dataset({"d": ("x", pd.timedelta_range("1D", periods=9))})
    for store in ("ours", "theirs"):
        ds.isel(x=slice(4)).to_zarr(tmp_path / store, encoding={"d": {"units": "hours", "dtype": "i4"}})
    ds.isel(x=slice(4, 9)).to_zarr(tmp_path / "theirs", append_dim="x")
    ds.isel(x=slice(4, 9)).craton.to_zarr(tmp_path / "ours", append_dim="x")
    same(tmp_path / "ours", tmp_path / "theirs")
    with pytest.raises(ValueError, match="units of the store, 'hours'"):
        (ds + np.timedelta64(1, "m")).craton.to_zarr(tmp_path / "ours", append_dim="x")
    same(tmp_path / "ours", tmp_path / "theirs")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("mode", ["a", "r+"])
def test_over_what_is_there(tmp_path, mode, version):
    for store in ("ours", "theirs"):
        begin(tmp_path / store, version, {"time": 5, "lat": 20, "lon": 30})
    other = dataset(0, 17, seed=67).drop_vars("rain").assign_attrs(new="one")
    other.to_zarr(tmp_path / "theirs", mode=mode)
    lazy(other).craton.to_zarr(tmp_path / "ours", mode=mode)
    same(tmp_path / "ours", tmp_path / "theirs")
    with pytest.raises(ValueError, match="different dimension sizes"):
        lazy(dataset(0, 16)).craton.to_zarr(tmp_path / "ours", mode=mode)
    same(tmp_path / "ours", tmp_path / "theirs")


def test_modes_without_a_store(tmp_path):
    lazy(dataset(0, 5)).craton.to_zarr(tmp_path / "new", mode="a")
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "new", chunks=None).load(), dataset(0, 5))
    with pytest.raises(FileNotFoundError):
        lazy(dataset(0, 5)).craton.to_zarr(tmp_path / "none", mode="r+")
    with pytest.raises(ValueError, match="without overwrite"):
        lazy(dataset(0, 5)).craton.to_zarr(tmp_path / "new", mode="w", append_dim="time")


def test_dimensions_in_another_order(tmp_path):
    for store in ("ours", "theirs"):
        begin(tmp_path / store, 3, {"time": 5})
    more = dataset(17, 6)
    more = more.assign(t=more.t.transpose("lat", "time", "lon"))
    more.to_zarr(tmp_path / "theirs", append_dim="time")
    lazy(more).craton.to_zarr(tmp_path / "ours", append_dim="time")
    same(tmp_path / "ours", tmp_path / "theirs")


def test_one_append_at_a_time(tmp_path):
    """Another one is told so, and changes nothing; regions share."""
    begin(tmp_path / "store", 3, {"time": 5, "lat": 10, "lon": 15})
    before, store = files(tmp_path / "store"), tmp_path / "store"
    part = dataset(0, 17, seed=66).isel(time=slice(5, 10))[["t"]].drop_vars(["lat", "lon", "time"])
    fd = os.open(store, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        for options in ({"append_dim": "time"}, {"region": {"time": slice(5, 10)}}):
            with pytest.raises(BlockingIOError, match="another .* into this store is going on"):
                (lazy(part) if "region" in options else lazy(dataset(17, 3))).craton.to_zarr(store, **options)
        assert before == files(store)
        fcntl.flock(fd, fcntl.LOCK_SH)
        lazy(part).craton.to_zarr(store, region={"time": slice(5, 10)})
        np.testing.assert_array_equal(xr.open_zarr(store).t[5:10], part.t)
        before = files(store)
        with pytest.raises(BlockingIOError, match="another write into this store"):
            part.isel(time=slice(3)).craton.to_zarr(store, region={"time": slice(6, 9)})
        assert before == files(store)
    finally:
        os.close(fd)
    lazy(dataset(17, 3)).craton.to_zarr(store, append_dim="time")
    assert xr.open_zarr(store).sizes["time"] == 20


KILLED = """
import sys, numpy as np, xarray as xr, craton
craton.enable()
ds = xr.open_dataset(sys.argv[1], engine="craton", chunks={})
print("go", flush=True)
ds.craton.to_zarr(sys.argv[2], append_dim="time")
"""


@pytest.mark.parametrize("case", range(3))
def test_killed(tmp_path, case):
    """Whenever it ends: the old values are there, the length is the old one or the new one, and the same again completes it."""
    random = np.random.default_rng([SEED, 65, case])
    store = tmp_path / "store"
    old, more = dataset(0, 17), dataset(17, 100)
    begin(store, 3, {"time": 2, "lat": 5, "lon": 10})
    more.to_zarr(tmp_path / "more", encoding={"t": {"chunks": (10, 20, 30)}})
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "more", store], stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(float(random.random()) * 0.5)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    seen = xr.open_zarr(store, chunks=None).load()
    assert seen.sizes["time"] in (17, 117)
    xr.testing.assert_equal(seen.isel(time=slice(17))[["t", "rain"]], old[["t", "rain"]])
    if seen.sizes["time"] == 17:
        lazy(more).craton.to_zarr(store, append_dim="time")
    seen = xr.open_zarr(store, chunks=None).load()
    xr.testing.assert_equal(seen[["t", "rain"]], xr.concat([old, more], "time")[["t", "rain"]])


@pytest.mark.parametrize("version", [2, 3])
def test_full_disk(tmp_path, version):
    """What was there is there, byte for byte but for the rest of its last chunks, and nothing else is; the error says where."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a file system of its own")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk], check=True)
    try:
        store, old = disk / "store", dataset(0, 17)
        begin(store, version, {"time": 5})
        before = set(files(store))
        for options, steps in (({"append_dim": "time"}, 380), ({"mode": "w"}, 380), ({"append_dim": "time"}, 370)):
            more = dataset(17 if "append_dim" in options else 0, steps)
            with pytest.raises(OSError, match="[Nn]o space") as caught:
                lazy(more if "append_dim" in options else xr.concat([more, more], "time")).craton.to_zarr(store, **options)
            assert str(store) in str(caught.value)
            xr.testing.assert_equal(xr.open_zarr(store, chunks=None).load()[["t", "rain", "time"]], old[["t", "rain", "time"]])
            assert set(files(store)) == before and [p.name for p in disk.iterdir()] == ["store"]
        lazy(dataset(17, 20)).craton.to_zarr(store, append_dim="time")
        both = xr.concat([old, dataset(17, 20)], "time")
        xr.testing.assert_equal(xr.open_zarr(store, chunks=None).load()[["t", "rain", "time"]], both[["t", "rain", "time"]])
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


@pytest.mark.parametrize("version", [2, 3])
def test_scalars(tmp_path, version):
    """They are written over, as xarray does, lazily or not; "a-" keeps them."""
    for name in ("ours", "theirs"):
        begin(tmp_path / name, version, {"time": 5})
        dataset(0, 17).assign(height=2.0, mask=True).chunk(time=5).to_zarr(tmp_path / name, mode="w", zarr_format=version, encoding=ENCODING)
    first = 17
    for mode, values in (("a", 10.0), ("a", 3.0), ("a-", 4.0)):
        more = dataset(first, 4).assign(height=values, mask=False)
        more.to_zarr(tmp_path / "theirs", append_dim="time", mode=mode)
        (more if values == 10 else lazy(more)).craton.to_zarr(tmp_path / "ours", append_dim="time", mode=mode)
        same(tmp_path / "ours", tmp_path / "theirs")
        first += 4


def test_stale_consolidated_metadata(tmp_path):
    """Rows that another program appended without consolidating are not written over; an append that was killed while it says its lengths is no such."""
    store = tmp_path / "store"
    begin(store, 2, {"time": 5})
    dataset(17, 3).to_zarr(store, append_dim="time", consolidated=False)
    before = files(store)
    for options in ({"append_dim": "time"}, {"region": {"time": slice(0, 3)}}):
        more = dataset(20 if "append_dim" in options else 0, 3)
        with pytest.raises(ValueError, match=r"stale: '\w+' has the shape \(.*consolidate_metadata"):
            (more if "append_dim" in options else more.drop_vars(["lat", "lon"])).craton.to_zarr(store, **options)
    assert before == files(store)
    zarr.consolidate_metadata(store)
    lazy(dataset(20, 3)).craton.to_zarr(store, append_dim="time")
    xr.testing.assert_equal(xr.open_zarr(store, chunks=None).load()[["t", "rain"]], xr.concat([dataset(0, 17), dataset(17, 3), dataset(20, 3)], "time")[["t", "rain"]])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_interrupted_between_its_metadata(tmp_path, version, n, monkeypatch):
    """An error or Ctrl-C when some arrays say the new length already: they say the old one again. The same append was refused, with an advice that would
    have shown rows which were removed."""
    store = tmp_path / "store"
    begin(store, version, {"time": 5})
    names, old = set(files(store)), xr.open_zarr(store, consolidated=False, chunks=None).load()
    replace, left = os.replace, iter(range(n))

    def some(*arguments):
        if next(left, None) is None:
            monkeypatch.undo()
            raise KeyboardInterrupt
        replace(*arguments)

    monkeypatch.setattr(os, "replace", some)
    with pytest.raises(KeyboardInterrupt):
        lazy(dataset(17, 8)).craton.to_zarr(store, append_dim="time")
    assert set(files(store)) == names
    for consolidated in (False, None):
        xr.testing.assert_identical(xr.open_zarr(store, consolidated=consolidated, chunks=None).load(), old)
    lazy(dataset(17, 8)).craton.to_zarr(store, append_dim="time")
    assert xr.open_zarr(store).sizes["time"] == 25


KILLED_BETWEEN = """
import os, signal, sys, xarray as xr, craton
replace, left = os.replace, iter(range(int(sys.argv[3])))

def some(*names):
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*names)

os.replace = some
xr.open_dataset(sys.argv[1], engine="craton").craton.to_zarr(sys.argv[2], append_dim="time")
"""


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("replaced", [2, 4])
def test_killed_between_the_files_of_its_lengths(tmp_path, version, replaced):
    """Readers see the old length; the same again completes it, and nothing is left of what was killed."""
    store, more = tmp_path / "store", dataset(17, 9)
    begin(store, version, {"time": 5})
    more.to_zarr(tmp_path / "more")
    subprocess.run([sys.executable, "-c", KILLED_BETWEEN, tmp_path / "more", store, str(replaced)], timeout=60, check=False)
    assert xr.open_zarr(store, chunks=None).sizes["time"] == 17 and list(store.glob("**/*.tmp"))
    more.craton.to_zarr(store, append_dim="time")
    seen = xr.open_zarr(store, chunks=None).load()
    xr.testing.assert_equal(seen[["t", "rain"]], xr.concat([dataset(0, 17), more], "time")[["t", "rain"]])
    assert not list(store.glob("**/*.tmp"))


def test_path(tmp_path):
    with pytest.raises(FileNotFoundError):
        lazy(dataset(0, 3)).craton.to_zarr(Path(tmp_path) / "none", append_dim="time")


def with_more(ds):
    """New variables on old and new dimensions: numbers, packed, text, a scalar, a coordinate; and one that is there with other values."""
    rng = np.random.default_rng([SEED, 68])
    return xr.Dataset(
        {"more": (ds.t.dims, rng.random(ds.t.shape).astype("f4"), {"units": "m"}), "short": ("band", np.arange(7.0), {}, {"dtype": "i2", "scale_factor": 0.5}),
         "word": ("band", [f"b{k}" for k in range(7)]), "scalar": 5.0, "t": ds.t + 1},
        {"band": np.arange(7) * 10, "area": (("lat", "lon"), rng.random((ds.sizes["lat"], ds.sizes["lon"]))), **ds.coords}, {"title": "more"})  # fmt: skip


@pytest.mark.parametrize("group", [None, "a/b"])
@pytest.mark.parametrize("version", [2, 3])
def test_new_variables(tmp_path, version, group):
    ds = dataset(0, 17)
    for store in ("ours", "theirs"):
        ds.to_zarr(tmp_path / store, zarr_format=version, consolidated=True, encoding=ENCODING, group=group)
        if group:
            zarr.consolidate_metadata(tmp_path / store)
    more = with_more(ds)
    more.to_zarr(tmp_path / "theirs", mode="a", group=group, consolidated=group is None)
    lazy(more).craton.to_zarr(tmp_path / "ours", mode="a", group=group, encoding={"more": {"chunks": (5, 20, 30)}})
    theirs = xr.open_zarr(tmp_path / "theirs", group=group, chunks=None, consolidated=False).load()
    assert {"more", "short", "word", "scalar", "band", "area"} <= set(theirs.variables)
    for consolidated in (False, True):
        seen = xr.open_zarr(tmp_path / "ours", group=group, chunks=None, consolidated=consolidated).load()
        xr.testing.assert_identical(seen, theirs)
        assert seen.short.encoding["dtype"] == "i2" and seen.more.encoding["chunks"] == (5, 20, 30)
    assert {p.name for p in tmp_path.iterdir()} == {"ours", "theirs"} and not list(tmp_path.rglob(".craton*"))


def test_new_variables_that_do_not_fit(tmp_path):
    store = tmp_path / "store"
    begin(store, 3, {"time": 5})
    ds = dataset(0, 17)
    before = files(store)
    with pytest.raises(ValueError, match="16 elements along 'time', the store has 17"):
        ds.isel(time=slice(16))[["rain"]].rename(rain="new").drop_vars("time").craton.to_zarr(store, mode="a")
    with pytest.raises(ValueError, match="no variables 'new'"):
        ds[["rain"]].rename(rain="new").craton.to_zarr(store, mode="r+")
    assert before == files(store)
    zarr.open_group(store).create_array("new", shape=(17,), dtype="i4")        # by somebody, who did not consolidate
    before = files(store)
    with pytest.raises(FileExistsError, match="consolidate_metadata"):
        ds[["rain"]].rename(rain="new").craton.to_zarr(store, mode="a")
    assert before == files(store)


def stopped(block):
    raise RuntimeError("this block cannot be made")


UNWRITABLE = {
    "an attribute": (lambda ds: ds.assign(new=("time", np.arange(17.0), {"made": object()})), TypeError, "'made' of new"),
    "objects": (lambda ds: ds.assign(new=("time", np.array([{}] * 17, object))), ValueError, "variable 'new'"),
    "a name": (lambda ds: ds.assign({"up/../new": ("time", np.arange(17.0))}), Exception, "up/../new"),
    "an attribute of the dataset": (lambda ds: ds.assign(new=("time", np.arange(17.0))).assign_attrs(made=object()), TypeError, "'made' of the dataset"),
    "values that fail": (lambda ds: ds.assign(new=xr.apply_ufunc(stopped, ds.rain, dask="parallelized", output_dtypes=[float])), RuntimeError, "cannot be made"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNWRITABLE)
def test_old_values_stay_when_new_variables_cannot_be_written(tmp_path, what):
    change, kind, reason = UNWRITABLE[what]
    store = tmp_path / "store"
    begin(store, 3, {"time": 5})
    before = files(store)
    ds = lazy(dataset(0, 17))
    with pytest.raises(kind, match=reason):
        change(ds.assign(rain=ds.rain + 1)).craton.to_zarr(store, mode="a")
    assert before == files(store) and [p.name for p in tmp_path.iterdir()] == ["store"]


def test_new_values_of_old_ones_that_change(tmp_path):
    """Both come from what the store had before."""
    store = tmp_path / "store"
    begin(store, 3, {"time": 5})
    old = xr.open_zarr(store, chunks=None).load()
    ds = xr.open_dataset(store, engine="craton", chunks={}, chunked_array_type="craton")
    ds[["rain"]].assign(rain=ds.rain + 1, twice=2 * ds.rain).drop_encoding().craton.to_zarr(store, mode="a")
    seen = xr.open_zarr(store, chunks=None).load()
    np.testing.assert_allclose(seen.twice, 2 * old.rain, rtol=1e-6)
    np.testing.assert_allclose(seen.rain, old.rain + 1, rtol=1e-6)


ADDED = """
import sys, numpy as np, xarray as xr, craton
from craton import grouping, updating
moment = sys.argv[2]
def end(*args, **options):
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
ds = xr.Dataset({"new": ("time", np.arange(17.0)), "newer": ("time", np.arange(17))})
craton.enable()
if moment == "while it is made":
    ds = xr.apply_ufunc(end, ds.chunk(chunked_array_type="craton"), dask="parallelized", output_dtypes=[float])
elif moment == "before it is moved":
    updating.os.rename = end
elif moment == "before it is told":
    updating._say = end
ds.craton.to_zarr(sys.argv[1], mode="a")
"""


@pytest.mark.parametrize("moment", ["while it is made", "before it is moved", "before it is told", "not at all"])
def test_killed_while_variables_are_added(tmp_path, moment):
    store = tmp_path / "store"
    begin(store, 3, {"time": 5})
    old = xr.open_zarr(store, chunks=None).load()
    ended = subprocess.run([sys.executable, "-c", ADDED, store, moment], timeout=120)
    assert ended.returncode == (0 if moment == "not at all" else -signal.SIGKILL)
    seen = xr.open_zarr(store, chunks=None).load()
    xr.testing.assert_equal(seen[list(old.variables)], old)
    assert ("new" in seen) == (moment == "not at all")
    assert subprocess.run([sys.executable, "-c", ADDED, store, "not at all"], timeout=120).returncode == 0
    seen = xr.open_zarr(store, chunks=None).load()
    np.testing.assert_array_equal(seen.new, np.arange(17.0))
    assert not list(tmp_path.rglob(".craton-added")) and [p.name for p in tmp_path.iterdir()] == ["store"]


def test_into_a_store_without_variables(tmp_path):
    """Its consolidated metadata are there, and have nothing in them."""
    for version in (2, 3):
        store = tmp_path / f"store{version}"
        xr.Dataset(attrs={"title": "begun"}).to_zarr(store, zarr_format=version, consolidated=True)
        ds = xr.Dataset({"v": ("x", np.arange(5.0))})
        ds.craton.to_zarr(store, mode="a")
        same(store, store)
        xr.testing.assert_equal(xr.open_zarr(store, chunks=None).load(), ds)


def test_variables_are_added_to_several_groups_at_once(tmp_path):
    """By threads of one process: each makes its own where nobody else does."""
    store = tmp_path / "store"
    names = [f"g{k}" for k in range(6)]
    for name in names:
        xr.Dataset({"old": ("x", np.arange(5.0))}).craton.to_zarr(store, group=name)

    def add(k):
        xr.Dataset({"new": ("y", np.full(1000 + k, k)), "other": ("y", np.arange(1000 + k))}).craton.to_zarr(store, group=names[k], mode="a")

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add, range(len(names))))
    for k, name in enumerate(names):
        seen = xr.open_zarr(store, group=name, chunks=None).load()
        np.testing.assert_array_equal(seen.new, np.full(1000 + k, k))
        np.testing.assert_array_equal(seen.other, np.arange(1000 + k))
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


# ---- a store that is made of itself ----


def own(path, **names):
    shutil.rmtree(path, ignore_errors=True)
    values = np.random.default_rng(SEED).integers(0, 100, (24, 8)).astype("f8")
    xr.Dataset({n: (("t", "x"), values + k) for k, n in enumerate(["v", *names])}).chunk(t=4, x=4, chunked_array_type="craton").craton.to_zarr(path)
    return xr.open_dataset(path, engine="craton", chunks={}, chunked_array_type="craton").drop_attrs()


OWN = {
    "elementwise": (True, lambda ds: ds[["v"]] * 2 + 1),
    "anomaly": (True, lambda ds: ds[["v"]] - ds[["v"]].isel(t=slice(0, 9)).mean("t")),
    "beside what stays": (True, lambda ds: ds.assign(v=ds.v + ds.w.isel(t=slice(None, None, -1)))),
    "shifted": (False, lambda ds: ds[["v"]].shift(t=1, fill_value=0.0)),
    "turned": (False, lambda ds: ds[["v"]].isel(t=slice(None, None, -1))),
    "one row for all": (False, lambda ds: ds[["v"]] - ds[["v"]].isel(t=0)),
    "rolling": (False, lambda ds: ds[["v"]].rolling(t=3, min_periods=1).mean()),
    "each from the other": (False, lambda ds: ds.assign(v=ds.w + 1, w=ds.v - 1)),
}


@pytest.mark.parametrize("name", OWN)
def test_a_store_made_of_itself(tmp_path, name):
    """What would read chunks that are written over already is refused; with chunks of several steps and little memory it was a mixture."""
    safe, program = OWN[name]
    ds = own(tmp_path / "s.zarr", w=1)
    expected, before = program(ds.compute()), ds.compute()
    if safe:
        program(ds).craton.to_zarr(tmp_path / "s.zarr", mode="r+")
        xr.testing.assert_allclose(xr.open_zarr(tmp_path / "s.zarr").load().drop_attrs()[list(expected)], expected)
        return
    with pytest.raises(ValueError, match="made of values of the store"):
        program(ds).craton.to_zarr(tmp_path / "s.zarr", mode="r+")
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "s.zarr").load().drop_attrs(), before)
    program(ds).compute().craton.to_zarr(tmp_path / "s.zarr", mode="r+")
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "s.zarr").load().drop_attrs()[list(expected)], expected)


def test_a_region_made_of_another(tmp_path):
    ds = own(tmp_path / "s.zarr")
    ds.isel(t=slice(0, 8)).craton.to_zarr(tmp_path / "s.zarr", region={"t": slice(8, 16)})
    (ds.isel(t=slice(16, 24)) * 3).craton.to_zarr(tmp_path / "s.zarr", region={"t": slice(16, 24)})
    with pytest.raises(ValueError, match="made of values of the store"):
        ds.isel(t=slice(4, 12)).craton.to_zarr(tmp_path / "s.zarr", region={"t": slice(8, 16)})
    ds.isel(t=slice(20, 24)).shift(x=1, fill_value=0.0).craton.to_zarr(tmp_path / "s.zarr", append_dim="t", mode="a")
