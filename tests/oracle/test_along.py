"""Along an axis: running sums and products, filling of gaps, moving windows; against NumPy and xarray, and against themselves with other
threads, memory limits and parts of the answer.

Seeds as in programs.py: CRATON_SEED is the first, CRATON_CASES how many of each kind.
"""

import pickle
import re
import unittest.mock
import warnings

import filling
import numpy as np
import pandas as pd
import programs
import pytest
import xarray as xr
from numpy.lib.stride_tricks import sliding_window_view

import craton
from craton import namespace as xp
from craton.along import push
from craton.conversion import as_array

craton.enable()

SEEDS = range(programs.SEED, programs.SEED + programs.CASES)
TYPES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]


def values_of(rng, shape, dtype):
    """Sums of these are exact; products, with few elements other than 1, mostly."""
    values = programs.random_values(rng, shape, dtype)
    if np.dtype(dtype).kind == "f":
        values[rng.random(shape) < rng.choice([0, 0.1, 0.6])] = np.nan
        if rng.random() < 0.1:
            values[rng.random(shape) < 0.05] = rng.choice([np.inf, -np.inf])
    return values


def shape_of(rng):
    if rng.random() < 0.3:  # so that there are several blocks
        return tuple(int(n) for n in rng.permutation([int(rng.integers(80, 400)), int(rng.integers(1, 30)), int(rng.integers(1, 5))]))
    return programs.random_shape(rng)


def source(rng, dtype):
    """The same array lazy and ready, sometimes seen through views or made of parts."""
    values = values_of(rng, shape_of(rng), dtype)
    lazy = as_array(values, chunks=programs.random_chunks(rng, values.shape))
    kind = rng.integers(0, 6)
    if kind == 0:
        axes = rng.permutation(values.ndim).tolist()
        return lazy.transpose(axes), values.transpose(axes)
    if kind == 1:
        key = (slice(None, None, -1),) * values.ndim
        return lazy[key], values[key]
    if kind == 2 and dtype not in ("b1", "u8"):
        widths = [(int(rng.integers(0, 4)), int(rng.integers(0, 4))) for _ in range(values.ndim)]
        return np.pad(lazy, widths), np.pad(values, widths)
    if kind == 3:
        index = rng.integers(0, values.shape[0], values.shape[0])
        return lazy[index], values[index]
    return lazy, values


def part_of(rng, ndim, shape):
    """An index of the answer: any part of it can be computed by itself."""
    kind = rng.integers(0, 5)
    if kind == 0:
        return tuple(slice(int(rng.integers(0, n)), None, int(rng.integers(1, 4))) for n in shape)
    if kind == 1:
        return tuple(slice(None, None, -int(rng.integers(1, 4))) for _ in shape)
    if kind == 2:
        axis = int(rng.integers(0, ndim))
        return (slice(None),) * axis + (rng.integers(0, shape[axis], 7),) if shape[axis] else ...
    if kind == 3:
        return (int(rng.integers(0, shape[0])),) if shape[0] else ...
    return ...


def same(answer, expected, what, single=False):
    assert isinstance(answer, craton.Array), what
    assert answer.dtype == expected.dtype and answer.shape == expected.shape, f"{what}: {answer.dtype}{answer.shape}"
    answer = answer.compute()
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(answer, expected, err_msg=what)
    else:
        tolerance = 1e-6 if single or expected.dtype == np.float32 else 1e-12
        size = np.abs(expected).max(initial=1, where=np.isfinite(expected))
        np.testing.assert_allclose(answer, expected, rtol=tolerance, atol=tolerance * size, err_msg=what)


def quiet(function, *args, **kwargs):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@pytest.mark.parametrize("seed", SEEDS)
def test_cumulation_as_numpy(seed):
    rng = programs.rng_of([seed, 31])
    dtype = TYPES[seed % len(TYPES)]
    lazy, values = source(rng, dtype)
    name = str(rng.choice(["cumsum", "nancumsum", "cumprod", "nancumprod"]))
    if name.endswith("prod") and values.dtype.kind == "f":
        signs = np.sign(values) * np.where(np.abs(values) > 25, 2.0, 1.0).astype(values.dtype)
        lazy, values = np.sign(lazy) * np.where(abs(lazy) > 25, 2.0, 1.0).astype(values.dtype), signs
    axis = None if rng.random() < 0.1 else int(rng.integers(-values.ndim, values.ndim))
    what = f"seed {seed}: {name} of {dtype}{values.shape} along {axis}"
    wide = values.astype("f8") if values.dtype == np.float32 else values
    expected = quiet(getattr(np, name), wide, axis=axis)
    expected = quiet(expected.astype, np.float32) if values.dtype == np.float32 else expected
    answer = getattr(np, name)(lazy, axis=axis)
    if name.endswith("prod") and not np.isfinite(values).all():
        # The order of multiplication decides whether inf * 0 appears: a NaN there either way.
        expected = np.where(np.isinf(expected), np.nan, expected)
        answer = xp.where(np.isinf(answer), np.nan, answer)
        if name == "nancumprod" and np.isinf(values).any():
            return
    key = part_of(rng, expected.ndim, expected.shape)
    same(answer[key], expected[key], what)


@pytest.mark.parametrize("seed", SEEDS)
def test_fill(seed):
    rng = programs.rng_of([seed, 32])
    lazy, values = source(rng, ["f4", "f8", "i4"][seed % 3])
    axis, limit = int(rng.integers(-values.ndim, values.ndim)), [None, 1, 2, 5, 100][int(rng.integers(0, 5))]
    expected, answer = filling.push(values, limit, axis), push(lazy, limit, axis)
    key = part_of(rng, values.ndim, values.shape)
    same(answer[key], expected[key], f"seed {seed}: push of {values.dtype}{values.shape} along {axis}, limit {limit}")


WINDOWS = ("sum", "prod", "mean", "min", "max", "var", "std", "any", "all", "median", "argmax")


@pytest.mark.parametrize("seed", SEEDS)
def test_windows_as_numpy(seed):
    rng = programs.rng_of([seed, 33])
    dtype = TYPES[seed % len(TYPES)]
    lazy, values = source(rng, dtype)
    n_axes = 2 if values.ndim > 1 and rng.random() < 0.25 else 1
    axes = tuple(int(i) for i in rng.permutation(values.ndim)[:n_axes])
    widths = tuple(int(rng.integers(1, min(values.shape[i], 12 if n_axes == 2 else 60) + 1)) for i in axes)
    name = WINDOWS[int(rng.integers(0, len(WINDOWS)))]
    if dtype == "b1" and name in ("var", "std", "median"):
        name = "mean"
    if name == "argmax" and n_axes == 2:
        name = "max"
    skipna = values.dtype.kind == "f" and name not in ("any", "all", "argmax") and rng.random() < 0.6
    if values.dtype.kind == "f":
        values[np.isinf(values)] = 0  # inf - inf depends on the order
        lazy = np.where(np.isinf(lazy), 0.0, lazy).astype(values.dtype)
        if name == "prod":
            values, lazy = np.sign(values), np.sign(lazy)
    last = tuple(range(-n_axes, 0)) if n_axes > 1 else -1
    keywords = {"ddof": int(rng.integers(0, 2))} if name in ("var", "std") else {}
    name = ("nan" if skipna else "") + name
    what = f"seed {seed}: {name} of windows {widths} along {axes} of {dtype}{values.shape}"
    wide = values.astype("f8") if values.dtype == np.float32 else values
    expected = np.asarray(quiet(getattr(np, name), sliding_window_view(wide, widths, axes), axis=last, **keywords))
    if values.dtype == np.float32 and expected.dtype == np.float64:
        expected = expected.astype(np.float32)
    windows = xp.sliding_window_view(lazy, widths, axes)
    assert windows.shape == sliding_window_view(values, widths, axes).shape, what
    answer = getattr(np, name)(windows, axis=last, **keywords)
    key = part_of(rng, expected.ndim, expected.shape)
    same(answer[key], expected[key], what)


@pytest.mark.parametrize("seed", list(SEEDS)[::3])
def test_windows_themselves(seed):
    """Element by element, cut, and seen."""
    rng = programs.rng_of([seed, 34])
    lazy, values = source(rng, ["f8", "i2"][seed % 2])
    axis = int(rng.integers(0, values.ndim))
    width = int(rng.integers(1, min(8, values.shape[axis]) + 1))
    ours, theirs = xp.sliding_window_view(lazy, width, axis), sliding_window_view(values, width, axis)
    assert ours.shape == theirs.shape and tuple(map(sum, ours.chunks)) == theirs.shape and ours.ndim == theirs.ndim
    same(ours, theirs, f"seed {seed}")
    same(pickle.loads(pickle.dumps(ours)), theirs, f"seed {seed}: pickled")
    same(np.where(ours > 3, ours * 2, 1), np.where(theirs > 3, theirs * 2, 1), f"seed {seed}: where")
    same(np.sum(ours, axis=axis), np.sum(theirs, axis=axis), f"seed {seed}: over positions")
    same(np.einsum("...i,i", ours, np.arange(width) + 1.0), np.einsum("...i,i", theirs, np.arange(width) + 1.0), f"seed {seed}: weighted")


# ---- bits and memory -------------------------------------------------------------------------------------------------


def bits(arrays, threads, memory, refusals=0):
    """A limit that is too small is refused with the need named: what is kept between phases first, then what a scan takes."""
    try:
        with craton.set_options(threads=threads, memory_limit=memory):
            return [np.ascontiguousarray(a.compute()).tobytes() for a in arrays], [a.tobytes() for a in craton.compute(*arrays)]
    except MemoryError as e:
        kept = re.search(r"kept between phases take ([0-9.]+) MiB", str(e))
        assert (refusals > 0 or memory == "2 MiB") and refusals < 3, e
        named = float(kept[1]) + 2 if kept else float(re.search(r"needs ([0-9.]+) MiB", str(e))[1])
        return bits(arrays, threads, f"{named + 0.1:.1f} MiB", refusals + 1)


@pytest.mark.parametrize("seed", list(SEEDS)[::20])
def test_bits_do_not_depend_on_threads_memory_or_parts(seed):
    rng = programs.rng_of([seed, 35])
    shape = tuple(int(n) for n in rng.permutation([int(rng.integers(300, 500)), int(rng.integers(20, 60)), int(rng.integers(10, 30))]))
    values = rng.normal(size=shape).astype(str(rng.choice(["f4", "f8"]))) * 10
    values[rng.random(shape) < 0.1] = np.nan
    lazy = as_array(values, chunks=tuple(max(1, n // int(rng.integers(2, 9))) for n in shape))
    axis = int(rng.integers(0, 3))
    width = int(rng.integers(2, min(40, shape[axis])))
    windows = xp.sliding_window_view(lazy, width, axis)
    arrays = [np.nancumsum(lazy, axis=axis), push(lazy, None, axis), push(lazy, 3, axis), np.nanmean(windows, axis=-1), np.nanstd(windows, axis=-1)]
    arrays += [np.max(np.nancumsum(lazy, axis=axis), axis=axis), np.nancumsum(lazy - np.nanmean(lazy, axis=axis, keepdims=True), axis=axis) + lazy]
    arrays += [np.nanmax(xp.sliding_window_view(np.nancumsum(lazy, axis=axis), 5, axis), axis=-1)]
    reference = None
    for threads, memory in ((1, None), (2, None), (7, None), (1, "12 MiB"), (2, "16 MiB"), (7, "24 MiB"), (2, "2 MiB")):
        alone, together = bits(arrays, threads, memory)
        assert alone == together, f"seed {seed}: {threads} threads, memory {memory}, {shape} along {axis}, alone and together"
        reference = alone if reference is None else reference
        for i, (a, b) in enumerate(zip(alone, reference)):
            assert a == b, f"seed {seed}: array {i}, {threads} threads, memory {memory}, {shape} along {axis}"
    for i, array in enumerate(arrays):
        whole, key = array.compute(), part_of(rng, array.ndim, array.shape)
        np.testing.assert_array_equal(array[key].compute(), whole[key], err_msg=f"seed {seed}: a part of array {i}")


def test_one_large_value_spoils_only_its_own_windows():
    values = np.full(400, 266.95)
    values[100] = 1e36
    answer = np.mean(xp.sliding_window_view(as_array(values, chunks=(30,)), 7), axis=-1).compute()
    np.testing.assert_allclose(np.delete(answer, range(94, 101)), 266.95, rtol=1e-15)


# ---- through xarray --------------------------------------------------------------------------------------------------


def labelled(rng):
    shape = int(rng.integers(3, 120)), int(rng.integers(2, 9)), int(rng.integers(2, 9))
    coords = {"time": pd.date_range("2001-01-15", periods=shape[0], freq="5D"), "lat": np.linspace(-60, 60, shape[1]), "lon": np.arange(shape[2]) * 10.0}
    ds = xr.Dataset(
        {
            "a": (("time", "lat", "lon"), values_of(rng, shape, "f8"), {"units": "K"}),
            "b": (("time", "lat", "lon"), values_of(rng, shape, "i4")),
            "c": (("lat", "lon"), values_of(rng, shape[1:], "f8")),
        },
        coords=coords,
    )
    ds["a"] = ds.a.where(np.isfinite(ds.a))
    return ds, ds.chunk({d: int(rng.integers(1, max(2, n // 2 + 1))) for d, n in ds.sizes.items()})


def programs_of(rng, ds):
    dim = str(rng.choice(["time", "lat", "lon"]))
    n = ds.sizes[dim]
    width = int(rng.integers(1, min(n, 40) + 1))
    window = {dim: width, "min_periods": [None, 1, max(1, width // 2)][int(rng.integers(0, 3))], "center": bool(rng.random() < 0.5)}
    limit = [None, 1, 3][int(rng.integers(0, 3))]
    name = str(rng.choice(["sum", "mean", "min", "max", "std", "var", "count", "prod", "median"]))
    return {
        "rolling": lambda d: getattr(d.a.rolling(**window), name)(),
        "rolling integers": lambda d: getattr(d.b.rolling(**window), name)(),
        "rolling dataset": lambda d: d[["a", "b"]].rolling(**window).mean(),
        "rolling two": lambda d: d.a.rolling(lat=2, lon=2, center=True).mean(),
        "rolling reduced": lambda d: d.a.rolling(**window).mean().max(dim),
        "rolling construct": lambda d: d.a.rolling({dim: min(width, 7)}).construct("w", stride=2),
        "rolling reduce": lambda d: d.a.rolling(**window).reduce(np.nanmax),
        "cumulative": lambda d: d.a.cumulative(dim).max(),
        "cumsum": lambda d: d.a.cumsum(dim, skipna=[None, False][n % 2]),
        "cumsum two": lambda d: d.a.cumsum(["time", "lon"]),
        "cumsum dataset": lambda d: d.cumsum(),
        "cumsum groups": lambda d: d.a.groupby("time.month").cumsum(),
        "cumsum resampled": lambda d: d.a.resample(time="QS").cumsum(),
        "cumprod": lambda d: np.sign(d.b).cumprod(dim),
        "integrate": lambda d: d.a.fillna(0).cumulative_integrate(dim),
        "ffill": lambda d: d.a.ffill(dim, limit=limit),
        "bfill": lambda d: d.a.bfill(dim, limit=limit),
        "ffill dataset": lambda d: d.ffill("lat"),
        "anomalies": lambda d: (d.a - d.a.mean("time")).rolling(**window).mean(),
        "fill and roll": lambda d: d.a.ffill(dim).rolling(**window).sum(),
        "coarsen": lambda d: d.a.coarsen({dim: min(n, 3)}, boundary="trim").mean(),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_labelled(seed):
    rng = programs.rng_of([seed, 36])
    ds, lazy = labelled(rng)
    catalogue = programs_of(rng, ds)
    name = sorted(catalogue)[seed % len(catalogue)]
    what = f"seed {seed}: {name}"
    with xr.set_options(use_bottleneck="fill" in name, use_numbagg=False), unittest.mock.patch("xarray.core.duck_array_ops._push", filling.push):
        expected = quiet(catalogue[name], ds)
    answer = quiet(catalogue[name], lazy)
    x, y = (o if isinstance(o, xr.Dataset) else o.to_dataset(name="v") for o in (answer, expected))
    assert all(isinstance(v.data, craton.Array) for v in x.data_vars.values()), f"{what} is not lazy"
    assert set(x.variables) == set(y.variables) and answer.attrs == expected.attrs, what
    for k in y.data_vars:
        assert x[k].dims == y[k].dims and x[k].attrs == y[k].attrs, f"{what}: {k}"
        same(x[k].data, y[k].values, f"{what}: {k}")


@pytest.mark.parametrize("name", ["mean", "sum", "min", "max", "std", "var", "prod"])
def test_one_window_is_made_of_what_xarray_writes(name):
    """Not one for the values and another one for how many are valid, each of which would read everything."""
    _, lazy = labelled(programs.rng_of([5, 37]))
    for window in ({"time": 3}, {"time": 3, "min_periods": 1}, {"time": 3, "center": True}, {"lat": 2, "min_periods": 2}):
        answer = getattr(lazy.a.rolling(**window), name)()
        assert answer.craton.explain().count("goes along") == 1, window


def test_what_only_looks_like_rolling():
    """Another array is counted, or the padding is another one."""
    ds, lazy = labelled(programs.rng_of([5, 37]))
    looks = {
        "count of another": lambda d: d.a.where(d.a > 0).rolling(time=3, min_periods=1).sum() / d.a.rolling(time=3, min_periods=1).count(),
        "enough of another": lambda d: d.a.where(d.a > 0).rolling(time=3, min_periods=1).sum().where(d.a.rolling(time=3, min_periods=1).count() >= 2),
        "padded by ones": lambda d: d.a.fillna(1).rolling(time=3).construct("w", fill_value=1.0).sum("w").where(d.a.rolling(time=3).count() >= 2),
        "another width": lambda d: d.a.rolling(time=3, min_periods=1).sum() / d.a.rolling(time=4, min_periods=1).count(),
        "another value": lambda d: d.a.rolling(time=3, min_periods=1).sum().where(d.a.rolling(time=3, min_periods=1).count() >= 2, 7.0),
    }
    for what, program in looks.items():
        with xr.set_options(use_bottleneck=False, use_numbagg=False):
            same(quiet(program, lazy).data, quiet(program, ds).values, what)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
def test_windows_without_degrees_of_freedom(name):
    values = np.array([1.0, 2.0, 2.0, np.nan, 5.0, np.inf, 7.0])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for width, ddof in ((2, 2), (1, 1), (2, 3), (3, 2)):
            ours = getattr(np, name)(xp.sliding_window_view(as_array(values, chunks=(3,)), width), axis=-1, ddof=ddof)
            np.testing.assert_allclose(ours.compute(), getattr(np, name)(sliding_window_view(values, width), axis=-1, ddof=ddof), rtol=1e-12)
        for n in (1, 2, 3):
            few = np.stack([values[:n], values[-n:]], axis=1)
            ours = getattr(np, name)(as_array(few, chunks=(1, 2)), axis=0, ddof=2)
            np.testing.assert_allclose(ours.compute(), getattr(np, name)(few, axis=0, ddof=2), rtol=1e-12)


def test_one_nan_for_all():
    """Which of several NaN is passed on is up to the compiler and the length of a loop; so results have the same one, as those of sums have."""
    values = np.random.default_rng(5).normal(size=(40, 37))
    values[::3, ::2], values[1::3, ::5] = np.nan, -np.nan
    assert np.signbit(values[np.isnan(values)]).any() and not np.signbit(values[np.isnan(values)]).all()
    for dtype in ("f4", "f8"):
        a = as_array(values.astype(dtype), chunks=(7, 9))
        lazy = [xp.cumsum(a, axis=0), xp.cumprod(a, axis=1), a + a[::-1], a * a[:, ::-1], xp.sum(a, axis=0), xp.mean(a, axis=1), xp.std(a, axis=0),
                *(getattr(xp, name)(xp.sliding_window_view(a, 5, axis), axis=-1) for axis in (0, 1) for name in ("sum", "mean", "std", "prod", "max", "min"))]
        for k, answer in enumerate(craton.compute(*lazy)):
            assert np.isnan(answer).any() and not np.signbit(answer[np.isnan(answer)]).any(), (dtype, k)


def test_errors():
    a = as_array(np.arange(12.0).reshape(3, 4), chunks=(2, 2))
    with pytest.raises(np.exceptions.AxisError):
        np.cumsum(a, axis=2)
    with pytest.raises(NotImplementedError, match="cumprod of timedelta64"):
        np.cumprod(a.astype("i8").view("m8[ns]"), axis=0)
    with pytest.raises(NotImplementedError, match="out="):
        np.cumsum(a, axis=0, out=np.empty((3, 4)))
    with pytest.raises(ValueError, match="limit"):
        push(a, -1, 0)
    with pytest.raises(ValueError, match="window shape cannot be larger"):
        xp.sliding_window_view(a, 4, 0)
    with pytest.raises(ValueError, match="as many axes"):
        xp.sliding_window_view(a, (2, 2), 0)
    long = as_array(np.arange(20_000.0), chunks=(5_000,))
    with pytest.raises(NotImplementedError, match="windows of 9000 elements"):
        np.median(xp.sliding_window_view(long, 9000), axis=-1)
    assert np.max(xp.sliding_window_view(long, 9000), axis=-1).compute()[-1] == 19_999
    many = a
    for _ in range(20):
        many = np.cumsum(many, axis=0)
    with pytest.raises(Exception, match="made of each other"):
        many.compute()


def test_explain_names_the_window():
    a = as_array(np.arange(60.0).reshape(20, 3), chunks=(5, 3))
    text = craton.explain(np.sum(xp.sliding_window_view(a, 4, 0), axis=-1))
    assert "along axis 0: window of 4 elements" in text and "scan over (17, 3)" in text, text


def test_padding_leaves_the_other_axes_in_their_chunks():
    """A moving mean over a map in pieces would otherwise hold whole maps."""
    values = np.arange(4800.0).reshape(40, 10, 12)
    a = as_array(values, chunks=(8, 5, 4))
    padded = xp.pad(a, ((29, 2), (0, 0), (0, 0)), constant_values=np.nan)
    assert padded.chunks[1:] == a.chunks[1:]
    np.testing.assert_array_equal(padded.compute(), np.pad(values, ((29, 2), (0, 0), (0, 0)), constant_values=np.nan))
    sums = np.nansum(xp.sliding_window_view(padded, 30, 0), axis=-1)
    assert sums.chunks[1:] == a.chunks[1:]
    np.testing.assert_array_equal(sums.compute(), np.nansum(sliding_window_view(np.pad(values, ((29, 2), (0, 0), (0, 0)), constant_values=np.nan), 30, 0), -1))
