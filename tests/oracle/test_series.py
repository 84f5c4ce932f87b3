"""open_mfdataset with engine="craton" against xarray's own engine on dask: series of like files, which are joined before they are decoded, and
files that are odd in every way that comes to mind, which have to end as with xarray, be it in the same error."""

import os
import pickle
import threading
import warnings

import netCDF4
import numpy as np
import pytest
import xarray as xr

import craton
from craton import series
from craton.array import Array

craton.enable()

NESTED = {"combine": "nested", "concat_dim": "time"}
LEAST = {**NESTED, "data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override"}
MINIMAL = {**NESTED, "data_vars": "minimal", "coords": "minimal"}
BY_COORDS = {"combine": "by_coords"}
ALL = {"least": LEAST, "nested": NESTED, "minimal": MINIMAL, "by_coords": BY_COORDS, "exact": {**BY_COORDS, "join": "exact", "coords": "minimal"}}


def write(path, i, n=5, units="days since 2000-01-01", calendar="noleap", attrs=None, lat=None, change=None, times=None, dtype="f4"):
    with netCDF4.Dataset(path, "w") as nc:
        nc.title, nc.number = f"file {i}", i
        for name, size in (("time", None), ("lat", 4), ("lon", 3), ("nv", 2)):
            nc.createDimension(name, size)
        time = nc.createVariable("time", "f8", ("time",))
        time.setncatts({"units": units, "calendar": calendar, "bounds": "time_bnds"})
        time[:] = np.arange(n) + 5 * i if times is None else times
        nc.createVariable("time_bnds", "f8", ("time", "nv"))[:] = time[:][:, None] + np.array([0.0, 1.0])
        nc.createVariable("lat", "f8", ("lat",))[:] = np.arange(4) * 10 if lat is None else lat
        nc.createVariable("lon", "f4", ("lon",))[:] = np.arange(3)
        height = nc.createVariable("height", "f8", ())
        height.units = "m"
        height[:] = 2.0
        v = nc.createVariable("tas", dtype, ("time", "lat", "lon"), chunksizes=(2, 4, 3), zlib=True)
        v.setncatts({"units": "K", "coordinates": "height", **(attrs or {})})
        v[:] = np.random.default_rng(i).normal(280, 5, (n, 4, 3))
        p = nc.createVariable("packed", "i2", ("lat", "time"), fill_value=-9)
        p.setncatts({"scale_factor": 0.1, "add_offset": 3.0})
        p.set_auto_maskandscale(False)
        p[:] = np.random.default_rng(i + 99).integers(-9, 90, (4, n))
        if change is not None:
            change(nc, i)


def files(folder, count=4, **how):
    """how: an option of write, or a function of the number of the file that gives one."""
    paths = [str(folder / f"{i}.nc") for i in range(count)]
    for i, path in enumerate(paths):
        write(path, i, **{k: v(i) if callable(v) and k != "change" else v for k, v in how.items()})
    return paths


def outcome(paths, **options):
    """What comes of it: a dataset in memory, or the kind of the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with xr.open_mfdataset(paths, **options) as ds:
                return ds.load()
        except Exception as error:
            return type(error)


def check_same(paths, **options):
    answer, expected = outcome(paths, engine="craton", **options), outcome(paths, engine="netcdf4", chunked_array_type="dask", **options)
    if isinstance(expected, type) or isinstance(answer, type):
        assert answer == expected
        return
    xr.testing.assert_identical(answer, expected)
    assert list(answer.variables) == list(expected.variables)
    if "group" not in options:      # netCDF4 does not say so for a dimension that is inherited
        assert answer.encoding.get("unlimited_dims") == expected.encoding.get("unlimited_dims")
    for name, variable in expected.variables.items():
        assert answer.variables[name].dtype == variable.dtype, name
        for word in ("units", "calendar", "scale_factor", "_FillValue", "dtype"):
            assert answer.variables[name].encoding.get(word) == variable.encoding.get(word), (name, word)


@pytest.fixture
def taken(monkeypatch):
    """Counts the datasets that were made in one go."""
    made, dataset = [], series.Series.dataset

    def counted(self, *args):
        ds = dataset(self, *args)
        made.append(ds)
        return ds

    monkeypatch.setattr(series.Series, "dataset", counted)
    return made


@pytest.mark.parametrize("how", ALL)
def test_like_files(tmp_path, how, taken):
    options = ALL[how]
    for n in (5, lambda i: i % 3 + 1):
        paths = files(tmp_path, n=n)
        check_same(paths, **options)
    assert len(taken) == 2


@pytest.mark.parametrize("how", ALL)
@pytest.mark.parametrize("decoding", [{"decode_times": False}, {"mask_and_scale": False}, {"decode_cf": False}, {"decode_coords": "all"},
                                      {"drop_variables": ["packed"]}, {"chunks": {"lat": 2}}])
def test_options_of_decoding(tmp_path, how, decoding, taken):
    check_same(files(tmp_path, calendar="standard"), **ALL[how], **decoding)
    # Undecoded, the height is data like others, of which all are repeated along time unless data_vars is given.
    assert len(taken) == (0 if "decode_cf" in decoding and "data_vars" not in ALL[how] else 1)


def test_as_if_opened_one_by_one(tmp_path, taken):
    """Encodings, chunks and the way to close are those of xarray's own way with our engine."""
    one_by_one = xr.backends.api.open_mfdataset.__wrapped__
    paths = files(tmp_path, n=lambda i: i + 3)
    for options in ALL.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer, expected = (f(paths, engine="craton", **options) for f in (xr.open_mfdataset, one_by_one))
        assert answer.encoding == expected.encoding
        for name in expected.variables:
            variable = expected[name]
            assert answer[name].encoding == variable.encoding and answer[name].chunks == variable.chunks, name
            assert isinstance(answer[name].variable._data, Array) == isinstance(variable.variable._data, Array), name
        xr.testing.assert_identical(pickle.loads(pickle.dumps(answer)).compute(), expected.compute())
        answer.close()
    assert len(taken) == len(ALL)


@pytest.mark.parametrize("calendar", ["noleap", "standard"])
def test_times_counted_from_another_date_in_each_file(tmp_path, calendar, taken):
    """They are moved to the date of the first file, bounds too, and stay lazy where xarray leaves them so."""
    paths = files(tmp_path, calendar=calendar, units=lambda i: f"days since {2003 - i}-03-01", times=lambda i: np.arange(5) + 0.25)
    for options in ALL.values():
        check_same(paths, **options)
        check_same(paths, **options, decode_times=False)
    # Undecoded they are the same numbers: xarray finds nothing to sort by, and the exact join no reason to refuse.
    assert len(taken) == len(ALL) + 3
    whole = xr.open_mfdataset(paths, engine="craton", **LEAST)
    assert isinstance(whole.time_bnds.variable._data, Array) == (calendar == "standard")     # objects are loaded
    xr.testing.assert_identical(pickle.loads(pickle.dumps(whole)).load(), whole.load())


@pytest.mark.parametrize("case", ["lose digits", "whole numbers", "too far for whole numbers", "another unit", "filled"])
def test_times_that_may_not_be_moved(tmp_path, case, taken):
    how = {"units": lambda i: f"days since {2000 + i}-01-01", "calendar": "standard", "times": lambda i: np.arange(5.0)}
    if case == "lose digits":
        how |= {"units": lambda i: f"days since {1600 + 100 * i}-01-01", "times": lambda i: np.arange(5) / 7e5 + 110000 - 36524 * i}
    elif case == "another unit":
        how["units"] = lambda i: f"{('days', 'hours')[i % 2]} since {2000 + i}-01-01"

    def change(nc, i):
        # Other variables of the same dimension, with units of their own.
        of = {"whole numbers": "i4", "too far for whole numbers": "i1", "filled": "f8"}.get(case)
        if of:
            v = nc.createVariable("when", of, ("time",), fill_value=1 if case == "filled" else None)
            v.setncatts({"units": f"days since {2000 + i}-01-01", "calendar": "standard"})
            v.set_auto_maskandscale(False)
            v[:] = np.arange(5)
    paths = files(tmp_path, change=change, **how)
    for options in (LEAST, BY_COORDS):
        check_same(paths, **options)
    assert len(taken) == (2 if case == "whole numbers" else 0)


def add(name, dims, when=lambda i: True, value=lambda i: i):
    def change(nc, i):
        if when(i):
            nc.createVariable(name, "f8", dims)[:] = value(i)
    return change


ODD = {
    "attributes": {"attrs": lambda i: {"note": f"n{i}"}},
    "scales": {"change": lambda nc, i: nc["packed"].setncattr("scale_factor", 0.1 * (i + 1))},
    "units of time": {"units": lambda i: f"days since 200{i}-01-01"},
    "calendars": {"calendar": lambda i: ("noleap", "standard")[i % 2]},
    "a variable more": {"change": add("more", ("time", "lat"), lambda i: i == 2)},
    "a variable less at first": {"change": add("more", ("time", "lat"), lambda i: i > 0)},
    "unsorted": {"times": lambda i: np.array([0.0, 1, 2, 3, 4]) + 5 * ((i + 2) % 4)},
    "unsorted within": {"times": lambda i: np.array([0.0, 3, 2, 1, 4]) + 5 * i},
    "falling": {"times": lambda i: np.array([4.0, 3, 2, 1, 0]) - 5 * i},
    "overlapping": {"times": lambda i: np.arange(5.0) + 3 * i},
    "the same times": {"times": np.arange(5.0)},
    "NaN among times": {"times": lambda i: np.array([0, 1, np.nan, 3, 4]) + 5 * i},
    "other latitudes": {"lat": lambda i: np.arange(4) * 10.0 + (i == 3)},
    "types": {"dtype": lambda i: ("f4", "f8")[i % 2]},
    "one is empty": {"n": lambda i: 0 if i == 1 else 5},
    "data without time": {"change": add("orography", ("lat", "lon"), value=lambda i: 7)},
    "data without time, differing": {"change": add("orography", ("lat", "lon"))},
    "a scalar coordinate, differing": {"change": lambda nc, i: nc["height"].__setitem__(Ellipsis, i)},
    "beyond nanoseconds": {"calendar": "standard", "times": lambda i: np.arange(5.0) + 60000 * i},
    "far before": {"calendar": "standard", "units": "days since 0001-01-01", "times": lambda i: np.arange(5.0) + 5 * i},
    "fractions of days": {"calendar": "standard", "times": lambda i: np.arange(5) / 7 + i},
    "coordinates of the file": {"change": lambda nc, i: nc.setncattr("coordinates", "packed" if i else "height")},
}


@pytest.mark.parametrize("how", ALL if os.environ.get("CRATON_LONG") else ["least", "minimal", "by_coords"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_files(tmp_path, odd, how):
    check_same(files(tmp_path, **ODD[odd]), **ALL[how])


def test_texts_and_groups(tmp_path, taken):
    def change(nc, i):
        nc.createVariable("station", str, ("lat",))[:] = np.array(list("abcd"), object)
        group = nc.createGroup("below")
        group.createVariable("depth", "f8", ("time",))[:] = np.arange(5) + i
    paths = files(tmp_path, change=change)
    check_same(paths, **LEAST)
    check_same(paths, **BY_COORDS)
    check_same(paths, **NESTED, group="below")
    assert len(taken) == 2      # texts are not compared


def test_what_is_left_to_xarray(tmp_path, taken):
    paths = files(tmp_path)
    check_same(paths, **LEAST, preprocess=lambda ds: ds.isel(lat=0))
    check_same([paths[:2], paths[2:]], combine="nested", concat_dim=["lat", "time"], data_vars="minimal", coords="minimal", compat="override")
    check_same(paths, **LEAST, chunks={"time": 2})
    check_same(paths, **LEAST, attrs_file=paths[2])
    check_same(paths, **{**LEAST, "concat_dim": "member"})
    check_same(paths, **NESTED, combine_attrs="drop_conflicts")
    check_same([*paths, str(tmp_path / "none.nc")], **LEAST)
    assert not taken


def test_zarr(tmp_path, taken):
    paths = []
    for i, path in enumerate(files(tmp_path)):
        with xr.open_dataset(path, decode_times=False) as ds:
            paths.append(str(tmp_path / f"{i}.zarr"))
            ds.drop_encoding().to_zarr(paths[-1], consolidated=False)
    for options in ALL.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = xr.open_mfdataset(paths, engine="craton", **options).compute()
            expected = xr.open_mfdataset(paths, engine="zarr", chunked_array_type="dask", consolidated=False, **options).compute()
        xr.testing.assert_identical(answer, expected)
    assert len(taken) == len(ALL)


def test_interrupt_while_opening(tmp_path, monkeypatch):
    """Ctrl-C between two files ends it, and is not taken for a reason to let xarray try."""
    paths, opened = files(tmp_path), []

    class Interrupted:
        def __init__(self, *args, **kwargs):
            opened.append(args)
            raise KeyboardInterrupt

    monkeypatch.setattr(series._craton, "File", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        xr.open_mfdataset(paths, engine="craton", **LEAST)
    assert len(opened) == 1


def test_small_reads_while_another_thread_computes(tmp_path):
    """A short read takes turns with what runs in the same context, whoever is first."""
    (path, *_) = files(tmp_path, count=1)
    expected = xr.open_dataset(path, engine="netcdf4").load()
    long = xr.open_dataset(path, engine="craton", chunks={}).tas
    problems = []

    def compute():
        try:
            for _ in range(30):
                xr.testing.assert_identical(long.compute(), expected.tas)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        xr.testing.assert_identical(xr.open_dataset(path, engine="craton").load(), expected)
    for thread in threads:
        thread.join()
    assert not problems


def test_values_that_are_kept_are_not_shared(tmp_path):
    (path, *_) = files(tmp_path, count=1)
    data = xr.open_dataset(path, engine="craton", decode_cf=False, create_default_indexes=False, cache=False)
    first = data.variables["lat"].values
    first[:] = -1
    assert data.variables["lat"].values.tolist() == [0, 10, 20, 30]
