"""Random labelled programs: xarray on Craton against xarray on NumPy.

A case is a cell (an operation of the catalogue, an element type, a calendar, a kind of chunks, a pattern of missing values: cells.py)
filled by a seed. The reference of float32 values is computed in float64, since NumPy's own float32 sums are less exact than what is
tested; element type, dimensions, coordinates, attributes and names come from xarray on NumPy with the same input.
"""

import warnings

import cells
import filling
import numpy as np
import pandas as pd
import xarray as xr

from craton import Array

CALENDARS = ["standard", "noleap", "360_day", "all_leap", "julian", "proleptic_gregorian"]


def rng_of(*seed):
    return np.random.default_rng([*seed, 4711])


def time_axis(rng, n, calendar):
    freq = str(rng.choice(["D", "5D", "MS", "6h", "QS"]))
    start = f"{int(rng.integers(1900, 2080)):04d}-{int(rng.integers(1, 13)):02d}-{int(rng.integers(1, 29)):02d}"
    use_cftime = calendar not in ("standard", "proleptic_gregorian")
    return xr.date_range(start, periods=n, freq=freq, calendar=calendar, use_cftime=use_cftime)


def field(rng, shape, dtype, missing=None):
    dtype = np.dtype(dtype)
    if dtype.kind in "mM":
        return cells.random_times(rng, shape, dtype, missing or str(rng.choice(cells.MISSING[:-1])))
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return rng.integers(0, 120, shape).astype(dtype)
    # float16 has three digits: without the 270 its values are exact.
    values = (rng.integers(-400, 400, shape) / 8 + (0 if dtype == np.float16 else 270)).astype(dtype)
    values[cells.missing(rng, shape, missing or str(rng.choice(cells.MISSING[:-1])))] = np.nan
    return values


def threshold(rng, ds):
    """A number that some values of a lie below and others above."""
    if ds.a.dtype.kind in "mM":
        return cells.random_times(rng, (1,), ds.a.dtype, "none")[0]
    if ds.a.dtype == np.float16:
        return float(rng.integers(-60, 40) / 8)
    return float(rng.integers(2100, 2200) / 8) if ds.a.dtype.kind == "f" else float(rng.integers(0, 120))


def dataset(rng, cell):
    n = int(rng.integers(2, 50)), int(rng.integers(1, 9)), int(rng.integers(1, 9))
    calendar = cell.calendar
    lat = np.sort(rng.choice(np.arange(-80, 81, 5), n[1], replace=False)).astype("f4" if rng.random() < 0.3 else "f8")
    if rng.random() < 0.5:
        lat = lat[::-1]
    lon = np.arange(n[2]) * 10.0
    dims = ("time", "lat", "lon")
    kind = str(rng.choice(["f4", "f8", "i2", "i4", "u1", "i8", "b1"]))
    ds = xr.Dataset(
        {
            "a": (dims, field(rng, n, cells.concrete(rng, cell.dtype), cell.missing), {"units": "K", "long_name": "first"}),
            "b": (dims, field(rng, n, kind), {"units": "K"}),
            "c": (dims[1:], field(rng, n[1:], "f8"), {"units": "m"}),
        },
        coords={"time": time_axis(rng, n[0], calendar), "lat": ("lat", lat, {"units": "degrees_north"}), "lon": lon, "height": 2.0,
                "area": (("lat", "lon"), np.abs(field(rng, n[1:], "i4")) + 1.0)},
        attrs={"source": "oracle"},
    )  # fmt: skip
    order = [dims[i] for i in rng.permutation(3)]
    return ds.transpose(*order) if rng.random() < 0.3 else ds


def chunked(rng, ds, kind):
    """Never one chunk alone: time has at least two elements."""
    sizes = dict(zip(("time", "lat", "lon"), cells.chunk_sizes(rng, tuple(ds.sizes[d] for d in ("time", "lat", "lon")), kind)))
    lazy = ds.chunk(sizes, chunked_array_type="craton")
    assert max(len(c) for c in lazy.a.chunks) > 1
    return lazy


# ---- the catalogue: name -> (random choices made once -> function of a Dataset) -----------------------------------------

CATALOGUE = {}


def operation(f):
    CATALOGUE[f.__name__] = f
    return f


def some_dims(rng, least=0):
    dims = ["time", "lat", "lon"]
    return [dims[i] for i in sorted(rng.permutation(3)[: int(rng.integers(max(1, least), 4))])]


def positions(rng, n):
    kind = int(rng.integers(0, 5))
    if kind == 0:
        return int(rng.integers(-n, n))
    if kind == 1:
        a, b = sorted(int(i) for i in rng.integers(0, n + 1, 2))
        return slice(a, b) if b > a else slice(None)
    if kind == 2:
        return slice(None, None, int(rng.choice([2, -1, -2])))
    if kind == 3:
        return [int(i) for i in rng.integers(-n, n, int(rng.integers(1, n + 1)))]
    mask = rng.random(n) < 0.6
    mask[int(rng.integers(0, n))] = True
    return mask


@operation
def isel(rng, ds):
    key = {d: positions(rng, ds.sizes[d]) for d in some_dims(rng)}
    return lambda d: d.isel(key)


@operation
def sel_time(rng, ds):
    t = ds.time.values
    a, b = sorted(int(i) for i in rng.integers(0, len(t), 2))
    text = [str(t[i])[:10] for i in (a, b)]
    return lambda d: d.sel(time=slice(*text))


@operation
def sel_near(rng, ds):
    where = float(rng.integers(-90, 90))
    return lambda d: d.sel(lat=where, method="nearest").sel(lon=slice(5, 45))


@operation
def arithmetic(rng, ds):
    k = float(rng.integers(-40, 40) / 8) or 1.0
    forms = [
        lambda d: d.a + d.b,
        lambda d: d.a - d.c,
        lambda d: d.c * d.a + k,
        lambda d: (d.a - d.b) / (d.a + 1000),
        lambda d: k - d.a,
        lambda d: d.a / k,
        lambda d: d * 2 + 1,
        lambda d: -d.a + abs(d.b.astype("f8")),
        lambda d: d.a.isel(time=slice(1, None)) - d.a.isel(time=slice(None, -1)),
        lambda d: (d.a + d.area) * d.lat,
        lambda d: d.b.astype("f4") + np.float64(0.5),
        lambda d: d.b + np.int16(3),
    ]
    if ds.a.dtype.kind in "mM":
        forms = TIME_ARITHMETIC[ds.a.dtype.kind]
    return forms[int(rng.integers(0, len(forms)))]


HOUR, DATE = np.timedelta64(1, "h"), np.datetime64("2000-02-29", "s")
TIME_ARITHMETIC = {
    "M": [lambda d: d.a - d.a.isel(time=0), lambda d: d.a + 3 * HOUR, lambda d: d.a - DATE, lambda d: (d.a - DATE) / HOUR,
          lambda d: d.a - d.time.isel(time=0, drop=True),
          lambda d: d.a.isel(time=slice(1, None)) - d.a.isel(time=slice(None, -1)), lambda d: np.maximum(d.a, d.a.isel(lat=0)),
          lambda d: (d.a - DATE) // (7 * HOUR)],
    "m": [lambda d: d.a + d.a.isel(time=0), lambda d: -d.a, lambda d: abs(d.a), lambda d: d.a * 3, lambda d: d.a / 2.5, lambda d: d.a // 7,
          lambda d: d.a / HOUR, lambda d: DATE - d.a, lambda d: d.a % np.timedelta64(7, "s"), lambda d: d.a // np.timedelta64(7, "s"), lambda d: d.a * d.c, lambda d: d.a * d.b,
          lambda d: np.fmin(d.a, d.a.isel(lat=0)), lambda d: np.sign(d.a.fillna(HOUR)), lambda d: d.time - d.a if d.time.dtype.kind == "M" else d.a - HOUR],
}  # fmt: skip


@operation
def comparison(rng, ds):
    k = threshold(rng, ds)
    forms = [lambda d: d.a > k, lambda d: (d.a > k) & (d.a < k + 20), lambda d: d.a == d.b, lambda d: d.a != d.a, lambda d: (d.b > 3) | (d.c < k),
             lambda d: ~(d.a >= k), lambda d: d.a.isnull(), lambda d: d.notnull(), lambda d: d.b.isin([1, 2, 5])]  # fmt: skip
    return forms[int(rng.integers(0, len(forms)))]


@operation
def where(rng, ds):
    k = threshold(rng, ds)
    forms = [lambda d: d.a.where(d.a > k), lambda d: d.where(d.a > k), lambda d: d.a.where(d.lat > 0, 0.0), lambda d: d.b.where(d.c > k, d.a),
             lambda d: xr.where(d.a > k, d.b, d.c), lambda d: xr.where(d.a > k, 1, 0), lambda d: d.a.fillna(0), lambda d: d.fillna(3),
             lambda d: d.a.fillna(d.c), lambda d: d.a.clip(k, k + 10), lambda d: d[["a", "c"]].clip(min=260)]  # fmt: skip
    return forms[int(rng.integers(0, len(forms)))]


@operation
def reduce(rng, ds):
    names = ["mean", "sum", "min", "max", "std", "var", "count", "prod"]
    if ds.a.dtype.kind in "mM":
        names = ["mean", "min", "max", "count", *(["sum"] if ds.a.dtype.kind == "m" else [])]
        name = str(rng.choice(names))
    else:
        name = str(rng.choice(names, p=[0.2, 0.2, 0.12, 0.12, 0.12, 0.12, 0.1, 0.02]))
    dims = None if rng.random() < 0.2 else some_dims(rng) if rng.random() < 0.6 else some_dims(rng)[0]
    kwargs = {}
    if name != "count" and rng.random() < 0.4:
        kwargs["skipna"] = bool(rng.random() < 0.5)
    if name in ("std", "var") and rng.random() < 0.4:
        kwargs["ddof"] = 1
    if name in ("sum", "prod") and kwargs.get("skipna", True) and rng.random() < 0.4:
        kwargs["min_count"] = int(rng.integers(1, 5))
    if rng.random() < 0.3:
        kwargs["keep_attrs"] = bool(rng.random() < 0.5)
    if name == "prod":
        return lambda d: (d.a / 64 if d.a.dtype == np.float16 else d.a / 270).prod(dims, **kwargs)
    whole = bool(rng.random() < 0.5) and ds.a.dtype.kind not in "mM"
    return lambda d: getattr(d if whole else d.a, name)(dims, **kwargs)


@operation
def truth(rng, ds):
    name, dims = str(rng.choice(["any", "all"])), some_dims(rng)
    k = threshold(rng, ds)
    return lambda d: getattr(d.a > k, name)(dims)


@operation
def position(rng, ds):
    name, dim = str(rng.choice(["argmin", "argmax"])), str(rng.choice(["time", "lat", "lon"]))
    fill = threshold(rng, ds) if ds.a.dtype.kind in "mM" else 0
    return lambda d: getattr(d.a.fillna(fill), name)(dim)


GROUPERS = ["time.month", "time.year", "time.season", "time.dayofyear", "time.day"]


@operation
def groupby(rng, ds):
    by = str(rng.choice(GROUPERS))
    name = str(rng.choice(["mean", "sum", "min", "max", "std", "var", "count", "first", "last"]))
    dims = "time" if rng.random() < 0.5 else None if rng.random() < 0.5 else ["time", "lat"]
    if name in ("first", "last"):
        return lambda d: getattr(d.a.groupby(by), name)()
    kwargs = {"skipna": bool(rng.random() < 0.5)} if name not in ("count",) and rng.random() < 0.3 else {}
    if name in ("std", "var") and rng.random() < 0.4:
        kwargs["ddof"] = 1
    if name == "sum" and kwargs.get("skipna", True) and rng.random() < 0.3:
        kwargs["min_count"] = 2
    whole = dims == "time" and ds.a.dtype.kind not in "mM"
    return lambda d: getattr(d.groupby(by) if whole else d.a.groupby(by), name)(dims, **kwargs)


@operation
def group_by_labels(rng, ds):
    labels = rng.integers(0, 4, ds.sizes["time"]).astype("f8" if rng.random() < 0.5 else "i4")
    if labels.dtype.kind == "f":
        labels[rng.random(labels.shape) < 0.2] = np.nan
        labels[0] = 1
    name = str(rng.choice(["mean", "sum", "max", "count"]))
    return lambda d: getattr(d.a.groupby(xr.DataArray(labels, dims="time", name="label")), name)()


@operation
def zones(rng, ds):
    labels = xr.DataArray(rng.integers(0, 3, (ds.sizes["lat"], ds.sizes["lon"])), dims=("lat", "lon"), name="zone")
    name = str(rng.choice(["mean", "sum", "std", "count", "max"]))
    return lambda d: getattr(d.a.groupby(labels), name)()


@operation
def bins(rng, ds):
    edges = [-90, -40, 0, 35, 90]
    name = str(rng.choice(["mean", "sum", "count"]))
    return lambda d: getattr(d.a.groupby_bins("lat", edges), name)()


@operation
def anomaly(rng, ds):
    by = str(rng.choice(GROUPERS))
    forms = [lambda d: d.groupby(by) - d.groupby(by).mean("time"), lambda d: d.a.groupby(by) - d.a.groupby(by).mean("time"),
             lambda d: (d.a.groupby(by) - d.a.groupby(by).mean("time")).groupby(by).std("time"),
             lambda d: d.a.groupby(by) / d.a.groupby(by).max("time")]  # fmt: skip
    return forms[int(rng.integers(0, len(forms)))]


@operation
def resample(rng, ds):
    freq = str(rng.choice(["MS", "QS-DEC", "YS", "10D", "ME", "2MS"]))
    name = str(rng.choice(["mean", "sum", "max", "count", "min"]))
    return lambda d: getattr(d.a.resample(time=freq), name)()


@operation
def weighted(rng, ds):
    name = str(rng.choice(["mean", "sum", "std", "var", "sum_of_weights", "sum_of_squares"]))
    dims = [["lat", "lon"], ["lat"], ["time", "lat"], None][int(rng.integers(0, 4))]
    kwargs = {"skipna": False} if name != "sum_of_weights" and rng.random() < 0.2 else {}
    if rng.random() < 0.6:
        return lambda d: getattr(d.a.weighted(np.cos(np.deg2rad(d.lat))), name)(dims, **kwargs)
    return lambda d: getattr(d[["a", "c"]].weighted(d.area), name)(["lat", "lon"], **kwargs)


@operation
def products(rng, ds):
    forms = [lambda d: xr.dot(d.a.fillna(0), d.c.fillna(0), dim=["lat", "lon"]), lambda d: xr.dot(d.a.fillna(0), d.area, dim="lat"),
             lambda d: xr.dot(d.a.fillna(0), d.lat.astype("f8")), lambda d: xr.corr(d.a, d.a * 2 + d.c.fillna(1), dim="time"),
             lambda d: xr.cov(d.a, d.c, dim="lat")]  # fmt: skip
    return forms[int(rng.integers(0, len(forms)))]


@operation
def window(rng, ds):
    dim = str(rng.choice(["time", "lat", "lon"]))
    n = int(rng.integers(1, min(ds.sizes[dim], 7) + 1))
    # Of times: xarray divides their sum in place, and fails; it makes objects of them for min and max, which Craton refuses (docs/xarray.md).
    name = str(rng.choice(["sum", "count"] if ds.a.dtype.kind in "mM" else ["mean", "sum", "min", "max", "std", "count"]))
    kwargs = {"center": bool(rng.random() < 0.4)} | ({"min_periods": int(rng.integers(1, n + 1))} if rng.random() < 0.6 else {})
    return lambda d: getattr(d.a.rolling({dim: n}, **kwargs), name)()


@operation
def blocks(rng, ds):
    dims = {d: int(rng.integers(1, ds.sizes[d] + 1)) for d in some_dims(rng)[:2]}
    name, boundary = str(rng.choice(["mean", "sum", "max", "min", "count"])), "trim" if ds.a.dtype == bool or rng.random() < 0.5 else "pad"
    return lambda d: getattr(d.a.coarsen(dims, boundary=boundary), name)()


@operation
def order(rng, ds):
    dims = some_dims(rng)
    q = [float(v) for v in rng.choice([0, 0.1, 0.25, 0.5, 0.9, 1], int(rng.integers(1, 4)), replace=False)]
    how = {"skipna": bool(rng.random() < 0.5)} if ds.a.dtype.kind == "f" else {}
    # NumPy's quantiles of float32 are float32 when its first series has no values (docs/xarray.md).
    kind = "f8" if ds.a.isnull().any() else ds.a.dtype
    forms = [lambda d: d.a.astype(kind).quantile(q, dims, **how), lambda d: d.a.astype(kind).quantile(q[0], dims[0], **how), lambda d: d.a.median(dims, **how),
             lambda d: d.a.astype(kind).groupby("time.month").quantile(q, **how), lambda d: d.a.groupby("time.year").median(**how),
             lambda d: d.a.resample(time="QS").median(**how)]  # fmt: skip
    if ds.a.dtype.kind in "mM":  # medians of times are refused (docs/xarray.md); between two of them NumPy goes through float64
        forms = [lambda d: d.a.quantile([0, 1], dims, **how), lambda d: d.a.quantile(0.5, dims, method="lower")]
    return forms[int(rng.integers(0, len(forms)))]


def dim_of(rng, ds, least=1):
    """Any dimension of so many elements; time has two at least."""
    dims = [d for d in ("time", "lat", "lon") if ds.sizes[d] >= least]
    return dims[int(rng.integers(0, len(dims)))]


@operation
def cumsum(rng, ds):
    dim = dim_of(rng, ds)
    dims = [None, dim, dim, ["time", "lat"]][int(rng.integers(0, 4))]
    skipna = None if rng.random() < 0.5 else bool(rng.random() < 0.5)
    return lambda d: d.a.cumsum(dims, skipna=skipna)


@operation
def cumprod(rng, ds):
    dim = dim_of(rng, ds)
    scale = 64 if ds.a.dtype == np.float16 else 270
    # Whole numbers wrap, the same in both.
    return (lambda d: (d.a / scale).cumprod(dim)) if ds.a.dtype.kind == "f" else (lambda d: d.a.cumprod(dim))


@operation
def cumulative(rng, ds):
    dim = dim_of(rng, ds)
    name = str(rng.choice(["sum", "count"] if ds.a.dtype.kind in "mM" else ["sum", "mean", "max", "min", "count"]))    # as window
    return lambda d: getattr(d.a.cumulative(dim), name)()


@operation
def diff(rng, ds):
    dim, n, label = dim_of(rng, ds), int(rng.integers(1, 3)), str(rng.choice(["upper", "lower"]))
    return lambda d: d.a.diff(dim, n=n, label=label)


@operation
def differentiate(rng, ds):
    edge = int(rng.integers(1, 3)) if ds.sizes["time"] > 2 else 1
    dim = dim_of(rng, ds, edge + 1)
    unit = str(rng.choice(["D", "h", "s"])) if dim == "time" else None
    return lambda d: d.a.differentiate(dim, edge, unit)


@operation
def integrate(rng, ds):
    dim = dim_of(rng, ds)
    unit = str(rng.choice(["D", "h", "s"])) if dim == "time" else None
    forms = [lambda d: d.a.integrate(dim, unit), lambda d: d.a.cumulative_integrate(dim, unit)]
    return forms[int(rng.integers(0, len(forms)))]


@operation
def ffill(rng, ds):
    dim, limit = dim_of(rng, ds), None if rng.random() < 0.5 else int(rng.integers(1, 5))
    return filling.filling((lambda d: d.a.ffill(dim, limit)) if rng.random() < 0.7 else (lambda d: d.ffill(dim, limit)))


@operation
def bfill(rng, ds):
    dim, limit = dim_of(rng, ds), None if rng.random() < 0.5 else int(rng.integers(1, 5))
    return filling.filling((lambda d: d.a.bfill(dim, limit)) if rng.random() < 0.7 else (lambda d: d.bfill(dim, limit)))


@operation
def interpolate_na(rng, ds):
    dim, method = dim_of(rng, ds, 2), str(rng.choice(["linear", "nearest"]))
    options = {} if rng.random() < 0.6 else {"limit": int(rng.integers(1, 4))} if rng.random() < 0.5 else {"use_coordinate": False}
    return lambda d: (d.a.chunk({dim: -1}) if d.a.chunks else d.a).interpolate_na(dim, method=method, **options)


def fill_of(ds):
    """What may stand at the ends of a: NaN among booleans would make objects of them, which are not lazy."""
    return False if ds.a.dtype == bool else None


@operation
def shift(rng, ds):
    by = {d: int(rng.integers(-3, 4)) for d in some_dims(rng)}
    fill = fill_of(ds)
    fill = fill if fill is not None or rng.random() < 0.6 else threshold(rng, ds) if ds.a.dtype.kind in "mM" else 7
    return lambda d: d.a.shift(by, **({} if fill is None else {"fill_value": fill}))


@operation
def roll(rng, ds):
    by, coords = {d: int(rng.integers(-9, 10)) for d in some_dims(rng)}, bool(rng.random() < 0.5)
    return lambda d: d.a.roll(by, roll_coords=coords)


@operation
def pad(rng, ds):
    dim = dim_of(rng, ds, 2)
    widths = {dim: tuple(int(i) for i in rng.integers(0, min(3, ds.sizes[dim]), 2))}
    modes = ["constant", "edge", "reflect", "symmetric", "wrap"]
    # Statistics of times NumPy rounds to whole ones, and fails.
    modes += ["linear_ramp", "maximum", "mean", "median", "minimum"] if ds.a.dtype.kind not in "mM" else []
    mode = str(rng.choice(modes))
    options = {"constant_values": False} if mode == "constant" and ds.a.dtype == bool else {}
    return lambda d: d.a.pad(widths, mode=mode, **options)


@operation
def clip(rng, ds):
    low = threshold(rng, ds)
    high = low + (20 if ds.a.dtype.kind in "fmM" else 30)
    limits = [{"min": low}, {"max": high}, {"min": low, "max": high}][int(rng.integers(0, 3))]
    return lambda d: d.a.clip(**limits)


@operation
def idx(rng, ds):
    # Labels of cftime are objects, which cannot be taken lazily: xarray says to compute() then.
    name, dim = str(rng.choice(["idxmin", "idxmax"])), str(rng.choice(["lat", "lon", "time"][: 3 if ds.time.dtype.kind == "M" else 2]))
    return lambda d: getattr(d.a, name)(dim)


@operation
def polyfit(rng, ds):
    dim = dim_of(rng, ds, 2)
    degree = int(rng.integers(0, min(3, ds.sizes[dim])))
    # From 0 to 1, so that the answer is as exact as it can be.
    return lambda d: d.a.assign_coords({dim: np.linspace(0, 1, d.sizes[dim])}).polyfit(dim, degree)


@operation
def first_last(rng, ds):
    name, freq = str(rng.choice(["first", "last"])), str(rng.choice(["MS", "QS-DEC", "YS", "10D"]))
    options = {} if rng.random() < 0.5 else {"skipna": bool(rng.random() < 0.5)}
    # What stands for a month without times is 0 among whole numbers, and True, to flox; Craton says NaN.
    forms = [lambda d: getattr(d.a.groupby("time.month"), name)(**options)]
    if ds.a.dtype.kind in "fmM":
        forms.append(lambda d: getattr(d.a.resample(time=freq), name)(**options))
    return forms[int(rng.integers(0, len(forms)))]


@operation
def construct(rng, ds):
    dim = dim_of(rng, ds, 2)
    options = {"stride": int(rng.integers(1, 3))} | ({"fill_value": False} if ds.a.dtype == bool else {})
    return lambda d: d.a.rolling({dim: 2}).construct("w", **options)


@operation
def cast(rng, ds):
    kinds = {"f": ["f2", "f4", "f8", "b1"], "M": ["f8", "i8", "b1"], "m": ["f8", "i8", "b1"]}
    kind = np.dtype(str(rng.choice(kinds.get(ds.a.dtype.kind, ["i8", "u8", "f2", "f4", "f8", "m8[s]", "b1"]))))
    return lambda d: d.a.astype(kind)


@operation
def parts_of_times(rng, ds):
    """.dt of lazy times; without gaps, with which the type of the answer depends on the values."""
    fill = threshold(rng, ds) if ds.a.dtype.kind in "mM" else 0
    names = ["days", "seconds", "microseconds"] if ds.a.dtype.kind == "m" else ["year", "month", "day", "hour", "minute", "second", "dayofyear", "season"]
    rounding = str(rng.choice(["floor", "ceil", "round"]))
    names = names if rng.random() < 0.7 else [None]
    name = names[int(rng.integers(0, len(names)))]
    return (lambda d: getattr(d.a.fillna(fill).dt, name)) if name else (lambda d: getattr(d.a.dt, rounding)("min"))


@operation
def between(rng, ds):
    """Interpolation: of labels between others, and of what is missing."""
    lats, lons = np.sort(rng.uniform(-85, 85, 3)), np.sort(rng.uniform(-5, 75, 2))
    forms = [lambda d: d.a.interp(lat=lats), lambda d: d.a.interp(lat=lats, lon=lons), lambda d: d.a.interp(lon=lons, method="nearest"),
             lambda d: d.a.chunk(lat=-1).interpolate_na("lat") if d.a.chunks else d.a.interpolate_na("lat"),
             lambda d: d.a.astype("f8").interp(lat=float(lats[0]))]  # fmt: skip
    return forms[int(rng.integers(0, len(forms)))]


@operation
def combine(rng, ds):
    new = xr.DataArray(["x", "y"], dims="member", name="member")
    forms = [
        lambda d: xr.concat([d, d + 1], "time", join="override"),
        lambda d: xr.concat([d.a, d.b], "member"),
        lambda d: xr.concat([d.a, d.a * 2], new),
        lambda d: xr.merge([d.a, d.b.rename("z")]),
        lambda d: xr.concat([d.isel(time=slice(0, 1)), d.isel(time=slice(1, None))], "time"),
        lambda d: d[["a", "b"]].to_dataarray("variable"),
        lambda d: d.a.expand_dims(run=3),
        lambda d: d.c.broadcast_like(d.a),
        lambda d: d.a.isel(time=slice(0, 5)).reindex(time=d.time),
    ]
    return forms[int(rng.integers(0, len(forms)))]


@operation
def shape(rng, ds):
    order = [["time", "lat", "lon"][i] for i in rng.permutation(3)]
    shift = int(rng.integers(-3, 4))
    # NaN among booleans would make objects of them, which are not lazy.
    filled, padded = ({"fill_value": False}, {"constant_values": False}) if ds.a.dtype == bool else ({}, {})
    forms = [
        lambda d: d.transpose(*order),
        lambda d: d.a.T,
        lambda d: d.a.isel(time=[0]).squeeze(),
        lambda d: d.a.shift(time=shift, **filled),
        lambda d: d.a.roll(lon=shift, roll_coords=True),
        lambda d: d.a.diff("time"),
        lambda d: d.a.pad(lon=(1, 2), mode="constant", **padded),
        lambda d: d.a.pad(lon=1, mode="wrap"),
        lambda d: d.sortby("lat", ascending=False),
        lambda d: d.a.astype("f4" if d.a.dtype == "f8" else "f8"),
        lambda d: d.b.astype("i4"),
        lambda d: d.rename(a="q").rename_dims(lon="x"),
        lambda d: d.a.reset_coords("area", drop=True),
        lambda d: d.assign(e=d.a * 2).assign_coords(k=d.a.mean("time")),
        lambda d: d.a.round(1),
        lambda d: xr.zeros_like(d.a) + xr.full_like(d.a, 7),
        lambda d: d.map(np.sqrt),
        lambda d: np.exp(d.a / 100),
        lambda d: d.a.stack(z=["lat"]).unstack("z") if d.sizes["lat"] > 1 else d.a,
        lambda d: d.a.head(time=3).tail(lat=2).thin(lon=2),
    ]
    return forms[int(rng.integers(0, len(forms)))]


@operation
def functions(rng, ds):
    forms = [
        # The type that is promised is kept, and has to be the true one.
        lambda d: xr.apply_ufunc(lambda x: x * 2 + 1, d.a, dask="parallelized", output_dtypes=[(np.zeros(1, d.a.dtype) * 2 + 1).dtype]),
        lambda d: xr.apply_ufunc(lambda x, y: x - y, d.a, d.c, dask="parallelized", output_dtypes=[float]),
        lambda d: xr.apply_ufunc(lambda x: x.max(axis=-1), d.a.chunk(time=-1) if d.a.chunks else d.a, input_core_dims=[["time"]], dask="parallelized",
                                 output_dtypes=[d.a.dtype]),
        lambda d: xr.apply_ufunc(np.add, d.a, 1, dask="allowed"),
    ]  # fmt: skip
    return forms[int(rng.integers(0, len(forms)))]


# ---- what is left out ------------------------------------------------------------------------------------------------------

# (operation, kinds of element types): why it is no cell. test_labelled.py tries that xarray refuses it, and Craton.
LEFT_OUT = {
    ("cumsum", "M"): "dates have no sum",
    ("cumprod", "mM"): "times have no product",
    ("integrate", "mM"): "xarray fails on variables that are times (AttributeError)",
    ("polyfit", "mM"): "xarray fits numbers only",
    ("products", "mM"): "times have no product",
    ("parts_of_times", "biuf"): "xarray has .dt of times only",
}  # fmt: skip


def left_out(operation, dtype):
    kind = np.dtype(dtype).kind
    return next((why for (o, kinds), why in LEFT_OUT.items() if o == operation and kind in kinds), None)


# ---- comparing -----------------------------------------------------------------------------------------------------------


def in_double(ds):
    return ds.map(lambda v: v.astype("f8") if v.dtype in ("f4", "f2") else v, keep_attrs=True)


def run(function, ds):
    """Groups of times in memory without flox, which takes NaT for a number."""
    without = {"use_flox": False} if any(v.dtype.kind in "mM" and not isinstance(v.variable._data, Array) for v in ds.data_vars.values()) else {}
    with warnings.catch_warnings(), xr.set_options(use_bottleneck=False, use_numbagg=False, use_opt_einsum=False, **without):
        warnings.simplefilter("ignore")
        return function(ds)


def lazy_variables(obj):
    ds = obj.to_dataset(name="__value__") if isinstance(obj, xr.DataArray) else obj
    return {k: v for k, v in ds.variables.items() if isinstance(v._data, Array)}


def same_labels(answer, expected, what):
    """Everything but the values of the data variables: dimensions, coordinates, attributes, names."""
    assert type(answer) is type(expected), what
    a, e = (o.to_dataset(name="__value__") if isinstance(o, xr.DataArray) else o for o in (answer, expected))
    assert getattr(answer, "name", None) == getattr(expected, "name", None), what
    assert set(a.variables) == set(e.variables), f"{what}: {set(a.variables)} against {set(e.variables)}"
    assert dict(a.sizes) == dict(e.sizes), f"{what}: {a.sizes} against {e.sizes}"
    assert a.attrs == e.attrs, f"{what}: {a.attrs} against {e.attrs}"
    assert set(a.coords) == set(e.coords), what
    for name in e.variables:
        x, y = a.variables[name], e.variables[name]
        assert x.dims == y.dims, f"{what}: {name} has dimensions {x.dims}, not {y.dims}"
        assert x.dtype == y.dtype, f"{what}: {name} has type {x.dtype}, not {y.dtype}"
        assert x.attrs == y.attrs, f"{what}: {name} has attributes {x.attrs}, not {y.attrs}"
    assert {k: type(i) for k, i in a.xindexes.items()} == {k: type(i) for k, i in e.xindexes.items()}, what


def has_objects(obj):
    ds = obj.to_dataset(name="__value__") if isinstance(obj, xr.DataArray) else obj
    return any(v.dtype.kind == "O" for v in ds.data_vars.values())


def same_values(answer, exact, what, single, half=False):
    """half: something is float16, whose numbers have three digits."""
    a, e = (o.to_dataset(name="__value__") if isinstance(o, xr.DataArray) else o for o in (answer, exact))
    for name in e.variables:
        x, y = a.variables[name].values, e.variables[name].values
        if x.dtype == object:  # labels of cftime that pad() made missing
            gone = pd.isnull(y)
            np.testing.assert_array_equal(pd.isnull(x), gone, err_msg=f"{what}: {name}")
            x, y = x[~gone], y[~gone]
        if x.dtype.kind != "f" or y.dtype.kind != "f":
            np.testing.assert_array_equal(x, y, err_msg=f"{what}: {name}")
            continue
        if half or x.dtype == np.float16:
            finite = np.abs(y[np.isfinite(y)])
            np.testing.assert_allclose(x, y, rtol=4e-3, atol=4e-3 * max(1.0, finite.max(initial=0.0)), err_msg=f"{what}: {name}")
            continue
        tolerance = 1e-6 if single or x.dtype == np.float32 else 1e-12
        finite = np.abs(y[np.isfinite(y)])
        # Differences and variances of numbers near 300: rounding is relative to those.
        np.testing.assert_allclose(x, y, rtol=4 * tolerance, atol=400 * tolerance * max(1.0, finite.max(initial=0.0) / 1e5), err_msg=f"{what}: {name}")
