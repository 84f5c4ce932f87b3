"""Labelled arrays in C against xarray on NumPy: random small files, and on each of them every operation in a random form.

A file is a cell (cells.py): element type, calendar, kind of chunks and pattern of missing values of its variable a. ./check takes a sample in which every
operation meets all of each, CRATON_CELLS=all takes every cell; the counts are checked at the end.

The C side runs tests/unit/engine/labels_run.c, which knows public headers only. Values of float32 fields are compared with xarray's in
float64 where xarray accumulates (its own float32 sums are less exact); names, dimensions, coordinates, attributes and element types
are those of the plain program.
"""
import dataclasses
import itertools
import json
import os
import subprocess
import warnings
from pathlib import Path

import cells
import numpy as np
import pandas as pd
import pytest
import xarray as xr

SEED = int(os.environ.get("CRATON_SEED", "1"))
BUILD = Path(os.environ["CRATON_BUILD"])
CALENDARS = ["standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day"]
FORMATS = ["netcdf4", "netcdf3", "zarr2", "zarr3"]
GROUPS = ["time.month", "time.season", "time.year", "time.day", "time.dayofyear", "time.hour", "region", "tag"]


def run(*script):
    """The results of a script; each line is a tuple of words."""
    text = "".join("\t".join(map(str, line)) + "\n" for line in script)
    env = {**os.environ, "LD_LIBRARY_PATH": str(BUILD / "src/engine")}
    answer = subprocess.run([BUILD / "tests/unit/engine/labels_run"], input=text, capture_output=True, text=True, timeout=120, env=env)
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def rng_of(*key):
    return np.random.default_rng([SEED, *key])


# ---- files -------------------------------------------------------------------------------------------------------------


def field(rng, shape, dtype, missing=None):
    if np.dtype(dtype).kind == "b":
        return rng.random(shape) < 0.5
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    values = (rng.integers(-400, 400, shape) / 8 + 270).astype(dtype)
    values[cells.missing(rng, shape, missing or str(rng.choice(cells.MISSING[:-1])))] = np.nan
    return values


def dataset(rng, calendar, dtype=None, missing=None):
    n = int(rng.integers(6, 40)), int(rng.integers(2, 7)), int(rng.integers(2, 7))
    freq = str(rng.choice(["D", "5D", "MS", "6h", "QS", "37h"]))
    year = int(rng.integers(1600, 2200)) if calendar not in ("standard", "proleptic_gregorian") else int(rng.integers(1900, 2200))
    time = xr.date_range(f"{year}-{int(rng.integers(1, 13)):02d}-{int(rng.integers(1, 28)):02d}", periods=n[0], freq=freq, calendar=calendar,
                         use_cftime=True)  # fmt: skip
    if rng.random() < 0.3:  # months and days without any time
        first = int(rng.integers(1, n[0] - 2))
        time = time.delete(slice(first, int(rng.integers(first + 1, n[0] - 1))))
        n = (len(time), *n[1:])
    lat = np.sort(rng.choice(np.arange(-80, 81, 5), n[1], replace=False)).astype(str(rng.choice(["f4", "f8"])))
    if rng.random() < 0.5:
        lat = lat[::-1]
    dims = ("time", "lat", "lon")
    ds = xr.Dataset(
        {
            "a": (dims, field(rng, n, dtype or str(rng.choice(["f4", "f8"])), missing), {"units": "K", "long_name": "first", "levels": np.array([1, 2], "i4")}),
            "b": (dims, field(rng, n, str(rng.choice(["f4", "f8", "i2", "i4", "u1"]))), {"units": "m", "long_name": "first"}),
            "c": (dims[1:], field(rng, n[1:], "f8"), {"units": "K"}),
        },
        coords={"time": ("time", time, {"axis": "T"}), "lat": ("lat", lat, {"units": "degrees_north"}), "lon": np.arange(n[2]) * 10,
                "height": 2.0, "area": (("lat", "lon"), np.abs(field(rng, n[1:], "i4")) + 1.0),
                "region": ("time", rng.integers(0, 4, n[0]), {"about": "random"}),
                "tag": ("time", np.where(rng.random(n[0]) < 0.2, np.nan, rng.integers(0, 3, n[0])).astype("f8"))},
        attrs={"source": "oracle"},
    )  # fmt: skip
    order = [dims[i] for i in rng.permutation(3)]
    return ds.transpose(*order) if rng.random() < 0.3 else ds


def encoding(rng, ds, calendar, fmt, chunks):
    result = {"time": {"units": f"{rng.choice(['days', 'hours', 'minutes'])} since {ds.time.values[0].year}-01-01", "calendar": calendar,
                       "dtype": str(rng.choice(["f8", "i4"]))}}  # fmt: skip
    if result["time"]["dtype"] == "i4":
        result["time"]["units"] = result["time"]["units"].replace("days", "hours")
    kind = rng.integers(0, 4) if ds.a.dtype.kind == "f" else 0
    if ds.a.dtype == "f2":  # packed, it would be read as float32
        kind = 4 * (kind // 2)
    if kind == 1:
        result["a"] = {"dtype": "i2", "scale_factor": 0.125, "add_offset": 270.0, "_FillValue": -32768}
    elif kind == 2:
        result["a"] = {"dtype": "i4", "scale_factor": np.float32(0.125), "_FillValue": -9999}
    elif kind == 3:
        result["a"] = {"dtype": str(ds.a.dtype), "_FillValue": 1e20 if ds.a.dtype == "f8" else np.float32(1e20)}
    elif kind == 4:
        result["a"] = {"dtype": "f2", "_FillValue": np.float16(6e4)}
    if ds.b.dtype == "i2" and rng.random() < 0.5:
        result["b"] = {"_FillValue": 17}
    for name in ("a", "b"):
        if fmt != "netcdf3" and (chunks or rng.random() < 0.7):
            kind = chunks if chunks and name == "a" else str(rng.choice(cells.CHUNKS))
            result.setdefault(name, {})["chunks" if fmt.startswith("zarr") else "chunksizes"] = cells.chunk_sizes(rng, ds[name].shape, kind)
    if fmt == "netcdf3":
        for name in ("b", "region", "lon"):
            if ds[name].dtype in ("i8", "u1"):
                result.setdefault(name, {})["dtype"] = "i4"
    return result


def write(rng, ds, path, calendar, fmt, chunks=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if fmt.startswith("zarr"):
            ds.to_zarr(path, zarr_format=int(fmt[-1]), encoding=encoding(rng, ds, calendar, fmt, chunks), consolidated=fmt == "zarr2")
        else:
            ds.to_netcdf(path, format="NETCDF4" if fmt == "netcdf4" else "NETCDF3_64BIT", engine="netcdf4", encoding=encoding(rng, ds, calendar, fmt, chunks))


def opened(path, fmt):
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    return xr.open_dataset(path, engine="zarr" if fmt.startswith("zarr") else "netcdf4", decode_times=coder).load()


# ---- comparing ---------------------------------------------------------------------------------------------------------


def number(v):
    return float(v) if isinstance(v, str) else v


def attrs_of(attrs):
    return {k: [v] if isinstance(v, str) else np.ravel(v).tolist() for k, v in attrs.items()}


def same_values(ours, theirs, where, tolerance):
    values = np.asarray(theirs).ravel()
    if values.dtype.kind == "O" and len(values) and hasattr(values[0], "calendar"):
        dates = [[d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond] for d in values]
        assert ours["values"] == dates, where
        assert ours["dtype"] == {"gregorian": "standard"}.get(values[0].calendar, values[0].calendar), where
    elif values.dtype.kind in "OUT":
        assert ours["values"] == [str(v) for v in values], where
    else:
        numbers = [int(v) % 2**64 for v in ours["values"]] if values.dtype == "u8" else [number(v) for v in ours["values"]]  # JSON's whole numbers have signs
        np.testing.assert_allclose(np.array(numbers, values.dtype if values.dtype.kind in "biu" else "f8"), values,
                                   rtol=tolerance, atol=tolerance, equal_nan=True, err_msg=where)  # fmt: skip


def same(ours, theirs, where, exact=None, tolerance=None):
    """exact: the same result computed in float64, for its values."""
    assert "error" not in ours, f"{where}: {ours}"
    assert ours["name"] == theirs.name, where
    assert tuple(ours["dims"]) == theirs.dims, where
    assert tuple(ours["shape"]) == theirs.shape, where
    if theirs.dtype.kind in "biuf":
        assert ours["dtype"] == str(theirs.dtype), where
    tolerance = tolerance or {"float16": 2e-3, "float32": 2e-6}.get(str(theirs.dtype), 1e-12)
    same_values(ours, theirs.values if exact is None else exact.values, where, tolerance)
    attrs = attrs_of(theirs.attrs)
    assert set(ours["attrs"]) == set(attrs), where
    for key, value in attrs.items():
        assert ours["attrs"][key] == value, f"{where}: attribute {key}"
    assert set(ours["coords"]) == set(theirs.coords), where
    for name, coord in theirs.coords.items():
        one = ours["coords"][name]
        assert tuple(one["dims"]) == coord.dims, f"{where}: {name}"
        if coord.dtype.kind in "biuf":
            assert one["dtype"] == str(coord.dtype), f"{where}: {name}"
        same_values(one, coord.values, f"{where}: {name}", 1e-12)
        assert one["attrs"] == attrs_of(coord.attrs), f"{where}: {name}"


def wide(da):
    """The same in float64, for values that float32 or float16 would round on the way."""
    return da.astype("f8") if da.dtype in ("f4", "f2") else da


# ---- operations: (script of the C side, result, result in float64 or None) ----------------------------------------------


def op_open(rng, ds):
    name = str(rng.choice(["a", "b", "c", "time", "area", "region"]))
    return [("get", name)], ds[name], None


def op_isel(rng, ds):
    dim = str(rng.choice(["time", "lat", "lon"]))
    n = ds.sizes[dim]
    kind = rng.integers(0, 3)
    if kind == 0:
        at = int(rng.integers(-n, n))
        return [("get", "a"), ("isel", dim, at)], ds.a.isel({dim: at}), None
    if kind == 1:
        at = rng.integers(-n, n, int(rng.integers(1, 5))).tolist()
        return [("get", "a"), ("isel_list", dim, ",".join(map(str, at)))], ds.a.isel({dim: at}), None
    step = int(rng.choice([1, 2, 3, -1, -2]))
    start, stop = (int(rng.integers(-n - 2, n + 3)) if rng.random() < 0.7 else None for _ in range(2))
    line = ("isel_range", dim, *("-" if v is None else v for v in (start, stop)), step)
    return [("get", "a"), line], ds.a.isel({dim: slice(start, stop, step)}), None


def op_sel(rng, ds):
    kind = rng.integers(0, 4)
    labels = ds.lat.values
    if kind == 0:
        label = float(rng.choice(labels))
        return [("get", "a"), ("sel", "lat", label, "exact")], ds.a.sel(lat=label), None
    if kind == 1:
        label = float(rng.integers(-90, 91)) / 2
        if rng.random() < 0.5 and len(labels) > 1:  # as near to one label as to the next
            k = int(rng.integers(1, len(labels)))
            label = (float(labels[k - 1]) + float(labels[k])) / 2
        return [("get", "a"), ("sel", "lat", label, "nearest")], ds.a.sel(lat=label, method="nearest"), None
    if kind == 2:
        low, high = np.sort(rng.integers(-90, 91, 2)).astype(float)
        if len(labels) > 1 and labels[0] > labels[1]:
            low, high = high, low
        return [("get", "a"), ("sel_range", "lat", low, high)], ds.a.sel(lat=slice(low, high)), None
    wanted = rng.choice(labels, 3).astype(float)
    return [("get", "a"), ("sel_list", "lat", ",".join(map(repr, wanted.tolist())), "exact")], ds.a.sel(lat=wanted), None


def date_text(rng, time):
    d = time[int(rng.integers(0, len(time)))]
    text = f"{d.year:04d}-{d.month:02d}-{d.day:02d}T{d.hour:02d}:{d.minute:02d}"
    return text[: int(rng.choice([4, 7, 10, 13, 16]))]


def op_sel_time(rng, ds):
    time = ds.time.values
    if rng.random() < 0.5:
        text = date_text(rng, time)
        return [("get", "a"), ("sel_text", "time", text, "exact")], ds.a.sel(time=slice(text, text)), None
    first, last = sorted(date_text(rng, time) for _ in range(2))
    return [("get", "a"), ("sel_text_range", "time", first, last)], ds.a.sel(time=slice(first, last)), None


def op_arithmetic(rng, ds):
    op = str(rng.choice(["add", "subtract", "multiply", "divide", "less", "greater_equal", "equal", "maximum"]))
    kind = rng.integers(0, 4)
    if kind == 0:
        one, two = ("a", "c") if rng.random() < 0.5 else ("c", "a")
        return [("get", one), ("get", two), ("map", op)], operate(op, ds[one], ds[two]), None
    if kind == 1:
        return [("get", "a"), ("get", "b"), ("map", op)], operate(op, ds.a, ds.b), None
    if kind == 2:
        return [("get", "a"), ("number", 1.5), ("map", op)], operate(op, ds.a, 1.5), None
    i, j = (int(rng.integers(0, ds.sizes["time"])) for _ in range(2))
    script = [("get", "a"), ("isel", "time", i), ("get", "b"), ("isel", "time", j), ("map", op)]
    return script, operate(op, ds.a.isel(time=i), ds.b.isel(time=j)), None


def operate(op, one, two):
    """By operator where there is one: ufuncs on DataArrays keep attributes by another rule."""
    operators = {"add": "__add__", "subtract": "__sub__", "multiply": "__mul__", "divide": "__truediv__", "less": "__lt__",
                 "greater_equal": "__ge__", "equal": "__eq__"}  # fmt: skip
    if op in operators:
        return getattr(one, operators[op])(two)
    like = one + two
    return like.copy(data=np.maximum(one, two).transpose(*like.dims).values)


def op_unary(rng, ds):
    op = str(rng.choice(["negative", "absolute", "sqrt", "cos", "isnan"][3 * (ds.a.dtype == bool) :]))  # booleans have no negative; cos of them is float16
    op = "isnan" if ds.a.dtype.itemsize == 1 and op in ("sqrt", "cos") else op
    f = {"negative": lambda x: -x, "absolute": abs, "sqrt": np.sqrt, "cos": np.cos, "isnan": np.isnan}[op]
    with np.errstate(all="ignore"):
        return [("get", "a"), ("map", op)], f(ds.a), f(wide(ds.a)) if op == "cos" else None


def op_where(rng, ds):
    name = str(rng.choice(["a", "b"]))
    limit = float(rng.integers(230, 310)) if ds.a.size else 0.0
    condition = [("get", "a"), ("number", limit), ("map", "greater")]
    if rng.random() < 0.5:
        return [("get", name), *condition, ("where",)], ds[name].where(ds.a > limit), None
    return [*condition, ("get", "a"), ("get", "c"), ("map", "where")], ds.a.where(ds.a > limit, ds.c), None


REDUCTIONS = ["mean", "sum", "min", "max", "std", "count"]


def dims_of(rng, ds):
    n = int(rng.integers(0, 4))
    return [str(d) for d in rng.choice(["time", "lat", "lon"], n, replace=False)]


def reduced(da, name, dims, skipna, ddof=0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "count":
            return da.count(dims)
        options = {"ddof": ddof} if name == "std" else {}
        return getattr(da, name)(dims, skipna=skipna, **options)


def op_reduce(rng, ds):
    name, var, dims = str(rng.choice(REDUCTIONS)), str(rng.choice(["a", "b"])), dims_of(rng, ds)
    skipna = bool(rng.random() < 0.7)
    ddof = int(rng.integers(0, 2)) if name == "std" else 0
    da, over = ds[var], dims or list(ds[var].dims)
    script = [("get", var), ("reduce", name, ",".join(dims), "skipna" if skipna else "-", ddof)]
    return script, reduced(da, name, over, skipna, ddof), reduced(wide(da), name, over, skipna, ddof)


def op_least(rng, ds):
    """As many valid elements as there are somewhere, or one more, have to be there."""
    name, var, dims = str(rng.choice(["mean", "sum", "std"])), "b" if ds.a.dtype == bool else str(rng.choice(["a", "b"])), dims_of(rng, ds)
    over = dims or list(ds[var].dims)
    count = ds[var].count(over)
    least = max(1, int(rng.choice(np.unique(count))) + int(rng.integers(0, 2)))
    script = [("get", var), ("reduce", name, ",".join(dims), "skipna", 0, least)]
    return script, reduced(ds[var], name, over, True).where(count >= least), reduced(wide(ds[var]), name, over, True).where(count >= least)


def grouped(da, by, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        g = da.groupby(by)
        return g.count() if name == "count" else getattr(g, name)()


def op_group(rng, ds):
    name, var, by = str(rng.choice(REDUCTIONS)), str(rng.choice(["a", "b"])), str(rng.choice(GROUPS))
    script = [("get", var), ("group", name, by, "skipna", 0)]
    return script, grouped(ds[var], by, name), grouped(wide(ds[var]), by, name)


def op_anomaly(rng, ds):
    by = str(rng.choice(GROUPS))
    # xarray repeats scalar coordinates of the second side along the dimension; Craton does not (dataset.h).
    ds = ds.drop_vars("height")
    name = by.split(".")[-1]
    part = rng.random() < 0.3
    script = [("get", "a"), ("get", "a"), ("group", "mean", by, "skipna", 0)]

    def answer(da):
        # The mean is rounded to the type of a field of floats before it is subtracted.
        mean = grouped(wide(da), by, "mean")
        if ds.a.dtype.kind == "f":
            mean = mean.astype(ds.a.dtype).astype(da.dtype)
        if part:
            mean = mean.isel({name: slice(1, None)})
        return da.groupby(by) - mean

    if part:
        if grouped(ds.a, by, "mean").sizes[name] < 2:
            part = False
        else:
            script.append(("isel_range", name, 1, "-", 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [*script, ("group_map", "subtract", by)], answer(ds.a), answer(wide(ds.a))


def op_weighted(rng, ds):
    dims = dims_of(rng, ds)
    weights = np.cos(np.deg2rad(ds.lat)).astype("f8")
    script = [("get", "a"), ("get", "lat"), ("map", "deg2rad"), ("map", "cos")]
    if rng.random() < 0.4:
        weights, script = ds.area, [("get", "a"), ("get", "area")]
    elif ds.lat.dtype == "f4":
        weights = np.cos(np.deg2rad(ds.lat))
    script.append(("weighted", ",".join(dims)))
    return script, ds.a.weighted(weights).mean(dims or None), wide(ds.a).weighted(wide(weights)).mean(dims or None)


def op_align(rng, ds):
    n = ds.sizes["time"]
    cuts = [sorted(rng.choice(n, int(rng.integers(1, n)), replace=False).tolist()) for _ in range(2)]
    if rng.random() < 0.3:
        cuts[0] = cuts[0][::-1]
    script = [("get", "a"), ("isel_list", "time", ",".join(map(str, cuts[0]))), ("get", "b"), ("isel_list", "time", ",".join(map(str, cuts[1]))),
              ("align",), ("map", "add")]  # fmt: skip
    with xr.set_options(arithmetic_join="inner"):
        return script, ds.a.isel(time=cuts[0]) + ds.b.isel(time=cuts[1]), None


def op_times(rng, ds):
    name = str(rng.choice(["min", "max", "count"]))
    time = ds.time.values
    answer = {"min": time.min, "max": time.max, "count": lambda: np.int64(len(time))}[name]()
    result = xr.DataArray(answer, coords={"height": ds.height}, name="time", attrs=ds.time.attrs)
    return [("get", "time"), ("reduce", name, "", "skipna", 0)], result, None


def op_chain(rng, ds):
    """Selecting, arithmetic and a group in a row."""
    half = ds.sizes["time"] // 2
    script = [("get", "a"), ("isel_range", "time", half, "-", 1), ("get", "c"), ("map", "subtract"), ("group", "max", "time.month", "skipna", 0),
              ("reduce", "mean", "lat", "skipna", 0)]  # fmt: skip

    def answer(a):
        part = a.isel(time=slice(half, None)) - ds.c
        return reduced(grouped(part, "time.month", "max"), "mean", "lat", True)

    return script, answer(ds.a), answer(wide(ds.a))


OPERATIONS = {f.__name__[3:]: f for f in (op_open, op_isel, op_sel, op_sel_time, op_arithmetic, op_unary, op_where, op_reduce, op_group,
                                          op_anomaly, op_weighted, op_align, op_times, op_chain, op_least)}  # fmt: skip


@pytest.fixture(autouse=True)
def options():
    with xr.set_options(use_bottleneck=False, use_flox=False):
        yield


def left_out(operation, dtype):
    return "in C, times are coordinates: op_times, and arithmetic with them is refused (test_refusals_name_what_is_wrong)" if dtype in cells.TIMES else None


def formats():
    """A format for each cell: NetCDF-3 has no chunks to count, and no NetCDF has float16."""
    turn = itertools.cycle([f for f in FORMATS if f != "netcdf3"])
    return lambda dtype: next(f for f in turn if dtype != "f2" or f.startswith("zarr"))


next_format = formats()
# And a file of NetCDF-3 of each calendar.
FILES = [*(dataclasses.replace(c, operation=next_format(c.dtype)) for c in cells.chosen(["file"], CALENDARS, left_out)),
         *(cells.Cell("netcdf3", "f4", c, "", "scattered") for c in CALENDARS)]  # fmt: skip
COUNTS = cells.Counts([dataclasses.replace(f, operation=o) for f in FILES if f.chunks for o in OPERATIONS], cells.every(OPERATIONS, CALENDARS, left_out))


@pytest.mark.parametrize("cell", FILES, ids=str)
def test_program_in_c(cell, tmp_path):
    fmt, case = cell.operation, [*str(cell).encode()]
    rng = rng_of(*case)
    path = tmp_path / "file"
    write(rng, dataset(rng, cell.calendar, cell.dtype, cell.missing), path, cell.calendar, fmt, cell.chunks)
    ds = opened(path, fmt)
    for k, (name, operation) in enumerate(OPERATIONS.items()):
        for repeat in range(1 if cells.ALL else 2):
            where = f"seed {SEED}, {cell}: {name}"
            script, theirs, exact = operation(rng_of(*case, k, repeat), ds)
            (ours,) = run(("open", path), *script, ("emit",))
            if name == "where" and theirs.dtype == object:  # xarray makes booleans with gaps Python objects
                assert ours.get("error") == "TYPE", f"{where}: {ours}"
                continue
            if name == "anomaly":
                ours["coords"].pop("height", None)
            same(ours, theirs, f"{where}: {script}", exact, 2e-6 if name == "weighted" and ds.lat.dtype == "f4" else None)
        if cell.chunks:
            COUNTS.add(dataclasses.replace(cell, operation=name))


def test_no_cell_is_empty(request):
    if sum(item.originalname == "test_program_in_c" for item in request.session.items) == len(FILES):
        COUNTS.check("test_labels")


# ---- writing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("target", ["netcdf4", "zarr2", "zarr3"])
def test_what_is_written_is_read_by_xarray(calendar, target, tmp_path):
    rng = rng_of(77, CALENDARS.index(calendar), len(target))
    fmt = FORMATS[int(rng.integers(0, 4))]
    path, out = tmp_path / "file", tmp_path / "out"
    write(rng, dataset(rng, calendar), path, calendar, fmt)
    ds = opened(path, fmt)
    script = [("get", "a"), ("isel_range", "time", 1, "-", 2), ("get", "a"), ("group", "mean", "time.month", "skipna", 0), ("name", "mean"),
              ("get", "c"), ("get", "a"), ("isel", "time", 0), ("number", 270), ("map", "greater"), ("name", "warm")]  # fmt: skip
    # Times differ between the variables: those with a time coordinate of their own go into files of their own.
    run(("open", path), *script[:2], ("write", target, out))
    back = opened(out, target)
    xr.testing.assert_identical(back.a, ds.a.isel(time=slice(1, None, 2)))
    assert back.a.encoding.get("scale_factor") == ds.a.encoding.get("scale_factor")
    assert back.time.encoding["units"] == ds.time.encoding["units"]
    run(("open", path), *script[2:6], ("write", target, out))
    back = opened(out, target)
    theirs = grouped(ds.a, "time.month", "mean").rename("mean")
    xr.testing.assert_allclose(back["mean"], theirs, rtol=2e-6)
    xr.testing.assert_identical(back["mean"].coords.to_dataset(), theirs.coords.to_dataset())
    assert back["mean"].attrs.keys() == theirs.attrs.keys()
    assert back.c.attrs == ds.c.attrs
    xr.testing.assert_identical(back.c.drop_vars("height"), ds.c.drop_vars("height"))
    run(("open", path), *script[6:], ("write", target, out))
    xr.testing.assert_identical(opened(out, target).warm, (ds.a.isel(time=0) > 270).rename("warm"))


# ---- what is refused ---------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.nc"
    time = xr.date_range("2001-01-01", periods=12, freq="MS", calendar="360_day", use_cftime=True)
    ds = xr.Dataset({"a": (("time", "x"), np.arange(36.0).reshape(12, 3))}, coords={"time": time, "x": [1.5, 2.5, 2.5]})
    ds.to_netcdf(path)
    return path


@pytest.mark.parametrize(
    "script, status, words",
    [
        ([("get", "b")], "NOT_FOUND", "variable b"),
        ([("get", "a"), ("isel", "y", 0)], "NOT_FOUND", "no dimension y"),
        ([("get", "a"), ("sel", "x", 7, "exact")], "NOT_FOUND", "no label 7"),
        ([("get", "a"), ("sel", "x", 2.5, "exact")], "INVALID", "more than once"),
        ([("get", "a"), ("sel", "time", 7, "exact")], "TYPE", "cr_sel_text"),
        ([("get", "a"), ("sel_text", "time", "2003", "exact")], "NOT_FOUND", "no time in 2003"),
        ([("get", "a"), ("sel_text", "time", "2001-02-31", "exact")], "RANGE", "no day 31 in the 360_day calendar"),
        ([("get", "a"), ("sel_text", "time", "yesterday", "exact")], "INVALID", "no date"),
        ([("get", "a"), ("get", "a"), ("isel_range", "time", 0, 5, 1), ("map", "add")], "INVALID", "there are 12 and 5"),
        ([("get", "a"), ("isel_range", "time", 0, 5, 1), ("get", "a"), ("isel_range", "time", 2, 7, 1), ("map", "add")], "INVALID", "position 0: 2001-01-01"),
        ([("get", "a"), ("group", "mean", "time.fortnight", "skipna", 0)], "INVALID", "fortnight"),
        ([("get", "a"), ("group", "mean", "basin", "skipna", 0)], "NOT_FOUND", "no coordinate basin"),
        ([("get", "time"), ("number", 1), ("map", "add")], "TYPE", "add of times"),
        ([("get", "time"), ("reduce", "mean", "", "skipna", 0)], "TYPE", "mean of times"),
    ],
)
def test_refusals_name_what_is_wrong(small, script, status, words):
    answer = run(("open", small), *script, ("emit",))
    assert answer[-1].get("error") == status, answer
    assert words in answer[-1]["message"]


def test_unreadable_index_times_are_an_error(tmp_path):
    path = tmp_path / "bad.nc"
    ds = xr.Dataset(coords={"time": ("time", np.array([0, 2**62]), {"units": "days since 2000-01-01"})})
    ds.to_netcdf(path)
    (answer,) = run(("open", path))
    assert answer["error"] == "RANGE" and "position 1" in answer["message"]


# ---- the examples, on real data ----------------------------------------------------------------------------------------


def example(name, *arguments):
    env = {**os.environ, "LD_LIBRARY_PATH": str(BUILD / "src/engine")}
    answer = subprocess.run([BUILD / "examples" / f"example_{name}", *arguments], capture_output=True, text=True, timeout=120, env=env)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture
def data():
    return Path(os.environ["CRATON_DATA"])


@pytest.mark.parametrize("out", ["out.nc", "out.zarr"])
def test_climatology_example_on_ostia(data, tmp_path, out):
    text = example("climatology", data / "ostia_monthly.nc", "surface_temperature", "time", tmp_path / out)
    assert "climatology (month: 12, latitude: 18, longitude: 432) float32" in text
    sst = xr.open_dataset(data / "ostia_monthly.nc", engine="netcdf4").surface_temperature.load()
    mean = sst.astype("f8").groupby("time.month").mean()
    back = xr.open_dataset(tmp_path / out, engine="netcdf4" if out.endswith("nc") else "zarr").load()
    np.testing.assert_allclose(back.climatology, mean, rtol=1e-7)
    np.testing.assert_allclose(back.anomaly, sst.groupby("time.month") - mean.astype("f4"), atol=4e-5)
    assert back.anomaly.dims == sst.dims and back.anomaly.attrs == sst.attrs
    xr.testing.assert_identical(back.time.reset_coords(drop=True), sst.time.reset_coords(drop=True))


def test_area_mean_example_on_hadgem(data):
    lines = example("area_mean", data / "A1B_north_america.nc", "air_temperature", "latitude", "longitude").splitlines()
    air = xr.open_dataset(data / "A1B_north_america.nc", engine="netcdf4").air_temperature.load()
    series = air.astype("f8").weighted(np.cos(np.deg2rad(air.latitude.astype("f8")))).mean(("latitude", "longitude"))
    assert [line.split("\t")[0] for line in lines] == [f"{t.year:04d}-{t.month:02d}-{t.day:02d}" for t in air.time.values]
    np.testing.assert_allclose([float(line.split("\t")[1]) for line in lines], series, rtol=1e-6)


def test_zonal_mean_example(data, tmp_path):
    example("zonal_mean", data / "A1B_north_america.nc", "air_temperature", "longitude", "time", tmp_path / "out.nc")
    air = xr.open_dataset(data / "A1B_north_america.nc", engine="netcdf4").air_temperature.load()
    back = xr.open_dataset(tmp_path / "out.nc", engine="netcdf4").air_temperature
    assert back.dims == ("latitude",) and back.attrs == air.attrs
    np.testing.assert_allclose(back, air.astype("f8").mean(["longitude", "time"]), rtol=1e-6)


def test_place_series_example(data):
    lines = example("place_series", data / "ostia_monthly.nc", "surface_temperature", "latitude=1.2", "longitude=200").splitlines()
    sst = xr.open_dataset(data / "ostia_monthly.nc", engine="netcdf4").surface_temperature.sel(latitude=1.2, longitude=200, method="nearest").load()
    assert lines[0] == "time,surface_temperature" and [line[:10] for line in lines[1:]] == [str(t)[:10] for t in sst.time.values]
    np.testing.assert_array_equal([np.float32(line.split(",")[1]) for line in lines[1:]], sst.values)


def test_coarse_example(tmp_path):
    """Whole cells into larger ones: means by area, of what is not missing."""
    rng = np.random.default_rng(9)
    lat, lon = np.arange(-85.0, 90, 10), np.arange(5.0, 360, 10)
    ds = xr.Dataset({"t": (("time", "y", "x"), rng.random((3, 18, 36)), {"units": "K"})}, {"y": lat, "x": lon, "time": [1, 2, 3], "area": (("y", "x"), rng.random((18, 36)))})
    ds.t.values[:, 4:8, 4:8] = np.nan
    ds.to_netcdf(tmp_path / "in.nc")
    example("coarse", tmp_path / "in.nc", "t", "y", "x", "30", tmp_path / "out.nc")
    back = xr.open_dataset(tmp_path / "out.nc", engine="netcdf4").t
    width = np.sin(np.deg2rad(lat + 5)) - np.sin(np.deg2rad(lat - 5))
    parts = (ds.t.values * width[:, None]).reshape(3, 6, 3, 12, 3)
    there = np.isfinite(parts)
    whole = np.broadcast_to(width[:, None], (18, 36)).reshape(6, 3, 12, 3) * there
    np.testing.assert_allclose(back.values, np.nansum(parts, (2, 4)) / whole.sum((2, 4)), rtol=1e-12)
    assert list(back.y.values) == list(np.arange(-75.0, 90, 30)) and list(back.x.values) == list(np.arange(15.0, 360, 30)) and back.attrs == {"units": "K"}
    assert set(back.coords) == {"time", "y", "x"} and back.y.attrs == {"units": "degrees_north"}


def test_histogram_example(data):
    lines = example("histogram", data / "ostia_monthly.nc", "surface_temperature", "288", "305", "34").splitlines()
    values = xr.open_dataset(data / "ostia_monthly.nc", engine="netcdf4").surface_temperature.values
    counts, _ = np.histogram(values[np.isfinite(values)].astype("f8"), bins=34, range=(288, 305))
    assert [int(line.split("\t")[1]) for line in lines] == [*counts, int(np.isnan(values).sum()), 0]


def test_composite_example(tmp_path):
    """Within its limit, as xarray has it; what is missing, or dark in both bands, stays out."""
    rng = np.random.default_rng(8)
    time = pd.date_range("2021-05-20", periods=30, freq="5D")
    shape = (30, 40, 50)
    ds = xr.Dataset({n: (("time", "y", "x"), rng.integers(-1, 200, shape)) for n in ("red", "nir")}, {"time": time, "y": np.arange(40.0), "x": np.arange(50.0)})
    packed = {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -1, "zlib": True, "chunksizes": (1, 40, 50)}
    ds = (ds.where(ds >= 0) * 0.01).assign_coords(time=time)
    ds.to_netcdf(tmp_path / "in.nc", engine="netcdf4", encoding={"red": packed, "nir": packed})
    example("composite", tmp_path / "in.nc", "red", "nir", "time", tmp_path / "out.zarr", "8")
    ds = xr.open_dataset(tmp_path / "in.nc", engine="netcdf4").load()
    total = ds.nir + ds.red
    expected = ((ds.nir - ds.red) / total.where(total > 0)).resample(time="MS").max()
    with xr.open_zarr(tmp_path / "out.zarr", chunks=None) as out:
        assert out.ndvi.attrs == {"long_name": "greatest NDVI of the month"} and out.ndvi.dims == expected.dims
        np.testing.assert_array_equal(out.time.values, expected.time.values)
        np.testing.assert_allclose(out.ndvi.values, expected.values, rtol=1e-12)
