"""Order statistics: quantiles and medians on Craton against NumPy and xarray, and against themselves with other threads and memory limits.

Seeds as in programs.py: CRATON_SEED is the first, CRATON_CASES how many of each kind.
"""

import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import programs
import pytest
import xarray as xr

import craton
from craton.conversion import as_array
from craton.quantiles import METHODS, ranked

craton.enable()

SEEDS = range(programs.SEED, programs.SEED + programs.CASES)
TYPES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]


def values_of(rng, shape, dtype, infinities=True):
    """Ties, gaps, infinities, zeros of both signs, and the whole range of integers."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.4
    if dtype.kind in "iu":
        if rng.random() < 0.5:
            return rng.integers(0, 9, shape).astype(dtype)
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    values = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3)
    if rng.random() < 0.3:
        values = np.round(values)
    kind = rng.integers(0, 6 if infinities else 5)
    if kind == 1:
        values[rng.random(shape) < 0.2] = np.nan
    elif kind == 2:
        values[rng.random(shape) < 0.9] = np.nan
    elif kind == 3:
        values[...] = np.nan
    elif kind == 4:
        values[rng.random(shape) < 0.1] = -0.0
        values[rng.random(shape) < 0.1] = 5e-324
    elif kind == 5:
        values[rng.random(shape) < 0.05] = rng.choice([np.inf, -np.inf])
    return values.astype(dtype)


def quiet(function, *args, **kwargs):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def shape_of(rng):
    """Sometimes so many chunks that a computation has several cells."""
    if rng.random() < 0.3:
        return tuple(int(n) for n in rng.permutation([int(rng.integers(150, 400)), int(rng.integers(10, 40)), int(rng.integers(2, 8))]))
    return programs.random_shape(rng)


def lazy_of(rng, values):
    if values.ndim and rng.random() < 0.2:
        values = values[::-1]
        return as_array(values, chunks=programs.random_chunks(rng, values.shape)), values
    if values.ndim > 1 and rng.random() < 0.2:
        values = np.asfortranarray(values)
    return as_array(values, chunks=programs.random_chunks(rng, values.shape)), values


def axis_of(rng, ndim):
    if rng.random() < 0.2:
        return None
    axes = tuple(int(i) for i in rng.permutation(ndim)[: int(rng.integers(1, ndim + 1))])
    return axes[0] - (ndim if rng.random() < 0.3 else 0) if len(axes) == 1 and rng.random() < 0.7 else axes


def quantiles_of(rng, skipna):
    kind = rng.integers(0, 4 if skipna else 5)  # numpy.nanquantile mixes up the axes of two-dimensional q
    if kind == 0:
        return float(rng.random())
    if kind == 1:
        return int(rng.integers(0, 2))
    if kind == 2:
        return rng.random(int(rng.integers(1, 12)))
    if kind == 3:
        return [0, 0.25, 0.5, 1.0, 0.5]
    return rng.random((2, 3))


def same(answer, expected, what):
    assert answer.dtype == expected.dtype, f"{what}: {answer.dtype}, NumPy has {expected.dtype}"
    np.testing.assert_array_equal(answer, expected, err_msg=what)


@pytest.mark.parametrize("seed", SEEDS)
def test_quantile_as_numpy(seed):
    rng = programs.rng_of(seed)
    dtype = TYPES[seed % len(TYPES)]
    lazy, values = lazy_of(rng, values_of(rng, shape_of(rng), dtype))
    skipna, percent = bool(rng.random() < 0.5), bool(rng.random() < 0.2)
    name = ("nan" if skipna else "") + ("percentile" if percent else "quantile")
    q, method, axis = quantiles_of(rng, skipna), str(rng.choice(METHODS)) if rng.random() < 0.6 else "linear", axis_of(rng, values.ndim)
    q = np.asarray(q) * 100 if percent else q
    keywords = {"axis": axis, "method": method, "keepdims": bool(rng.random() < 0.3)}
    what = f"seed {seed}: {name} of {dtype}{values.shape}, q {q}, {keywords}"
    function = getattr(np, name)
    try:
        expected = np.asarray(quiet(function, values.copy(), q, **keywords))
    except TypeError:
        with pytest.raises(TypeError):
            function(lazy, q, **keywords)
        return
    answer = function(lazy, q, **keywords)
    assert isinstance(answer, craton.Array), what
    if values.dtype.kind == "f" and answer.dtype == np.float64 != expected.dtype and (skipna or np.isnan(expected).all()):
        # numpy.nanquantile takes the type of its first series for all; that of a series of nothing but NaN is too narrow. And
        # numpy.quantile of one series with a NaN returns that NaN.
        expected = np.asarray(quiet(function, values.astype("f8"), q, **keywords))
        assert answer.shape == expected.shape, what
        np.testing.assert_allclose(answer.compute(), expected, rtol=1e-3 if dtype == "f2" else 1e-6, err_msg=what)
        return
    assert answer.shape == expected.shape, what
    same(answer.compute(), expected, what)


@pytest.mark.parametrize("seed", SEEDS)
def test_median_as_numpy(seed):
    rng = programs.rng_of([seed, 1])
    dtype = TYPES[seed % len(TYPES)]
    lazy, values = lazy_of(rng, values_of(rng, shape_of(rng), dtype))
    name, axis, keepdims = str(rng.choice(["median", "nanmedian"])), axis_of(rng, values.ndim), bool(rng.random() < 0.3)
    what = f"seed {seed}: {name} of {dtype}{values.shape} over {axis}"
    expected = np.asarray(quiet(getattr(np, name), values, axis=axis, keepdims=keepdims))
    answer = getattr(np, name)(lazy, axis=axis, keepdims=keepdims)
    assert answer.shape == expected.shape, what
    same(answer.compute(), expected, what)


# ---- bits and memory -------------------------------------------------------------------------------------------------


def alone_and_together(arrays, threads, memory):
    """Bytes of the results. A limit may be refused before anything runs; then the one that the refusal names has to do."""
    try:
        with craton.set_options(threads=threads, memory_limit=memory):
            return ([np.ascontiguousarray(a.compute()).tobytes() for a in arrays],
                    [np.ascontiguousarray(a).tobytes() for a in craton.compute(*arrays)])
    except MemoryError as e:
        assert memory == "2 MiB", e  # the data are as large as this
        named = float(re.search(r"needs ([0-9.]+) MiB", str(e))[1])
        return alone_and_together(arrays, threads, f"{named + 0.1:.1f} MiB")


@pytest.mark.parametrize("seed", list(SEEDS)[::5])
def test_bits_do_not_depend_on_threads_or_memory(seed):
    """A megabyte or two in limits that hold it whole, in parts, and hardly."""
    rng = programs.rng_of([seed, 2])
    shape = tuple(int(n) for n in rng.permutation([int(rng.integers(300, 500)), int(rng.integers(20, 60)), int(rng.integers(10, 30))]))
    values = values_of(rng, shape, str(rng.choice(["f8", "f4", "i4"])))
    lazy = as_array(values, chunks=tuple(max(1, n // int(rng.integers(2, 9))) for n in shape))
    axis = axis_of(rng, 3)
    arrays = [np.nanquantile(lazy, [0.1, 0.5, 0.99], axis=axis), np.median(lazy, axis=axis), np.nanquantile(lazy + 1, 0.3, axis=axis)]
    axes = tuple(sorted(int(i) for i in rng.permutation(3)[: int(rng.integers(1, 3))]))
    codes = rng.integers(-1, 4, [shape[i] for i in axes]).astype(np.int32)
    arrays += [ranked(lazy, None, axes, "linear", True, codes=codes, n_groups=5), ranked(lazy, [0.2, 0.7], axes, "hazen", False, codes=codes, n_groups=4)]
    arrays.append(np.nanquantile(lazy, [0.95, 0.9], axis=axis, method="hazen"))
    arrays = pickle.loads(pickle.dumps(arrays))
    reference = None
    for threads, memory in ((1, None), (2, None), (7, None), (1, "3 MiB"), (2, "4 MiB"), (7, "6 MiB"), (2, "2 MiB")):
        answers, together = alone_and_together(arrays, threads, memory)
        assert answers == together, f"seed {seed}: {threads} threads, memory {memory}, {shape} over {axis}, alone and together"
        reference = answers if reference is None else reference
        assert answers == reference, f"seed {seed}: {threads} threads, memory {memory}, {shape} over {axis}"
    expected = quiet(np.nanquantile, values.astype("f8") if np.isnan(values).any() else values, [0.1, 0.5, 0.99], axis=axis)
    atol = 1e-6 * np.nanmax(np.abs(expected), initial=0, where=np.isfinite(expected))
    np.testing.assert_allclose(arrays[0].compute(), expected, rtol=1e-6, atol=atol, err_msg=f"seed {seed}")
    by_group = np.moveaxis(arrays[3].compute(), axes[0], 0)
    for g in range(5):
        members = np.moveaxis(values, axes, range(len(axes)))[codes == g]
        np.testing.assert_array_equal(by_group[g], quiet(np.nanmedian, members, axis=0), err_msg=f"seed {seed}: group {g} of {axes}")


def adversaries(n, rng):
    """Orders that are bad for one pivot rule or another."""
    organ = np.concatenate([np.arange(n // 2), np.arange(n - n // 2)[::-1]])
    return {
        "rising": np.arange(n),
        "falling": np.arange(n)[::-1],
        "organ pipe": organ,
        "equal": np.full(n, 3),
        "two values": np.arange(n) % 2,
        "zeros and a few": np.where(rng.random(n) < 0.02, rng.integers(1, 100, n), 0),
        "sawtooth": np.arange(n) % 17,
        "by bits": np.arange(n) ^ (np.arange(n) >> 1),
    }


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1"])
def test_difficult_orders(dtype):
    rng = np.random.default_rng(3)
    for n in (1, 2, 3, 24, 25, 127, 128, 1000, 4001):
        series = {k: v.astype(dtype) for k, v in adversaries(n, rng).items()}
        table = np.stack(list(series.values()), axis=1)
        wide = np.tile(table, (1, 5))
        for q in ([0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.999, 1], [0.25, 0.9], [1], [0.001]):
            same(np.quantile(as_array(table, chunks=(max(1, n // 3), 3)), q, axis=0).compute(), np.quantile(table, q, axis=0), f"{n} of {dtype}")
            same(np.quantile(as_array(wide, chunks=(max(1, n // 2), 40)), q, axis=0).compute(), np.quantile(wide, q, axis=0), f"{n} of {dtype}")


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i2", "u4", "i8"])
def test_near_an_end(dtype):
    """Of each series only the largest or smallest values are held. Length, places beside it and chunks vary; other axes are reduced with it, or lie outside."""
    rng = np.random.default_rng([5, ord(dtype[0]), int(dtype[1])])
    for case in range(10):
        n, y, x = int(rng.integers(256, 1200)), int(rng.integers(1, 4)), int(rng.integers(64, 100))
        values = values_of(rng, (n, y, x), dtype)
        axis = [0, (0, 1), 0][case % 3]
        chunks = (int(rng.integers(1, n // 2)), int(rng.integers(1, y + 1)), x)
        if case % 3 == 2:
            values, axis, chunks = values.transpose(1, 0, 2), 1, (chunks[1], chunks[0], x)
        q = [0.95, [0.9, 0.99], 0.03, [0, 0.1], 1.0][case % 5]
        name, method = ["quantile", "nanquantile"][int(rng.integers(0, 2))], str(rng.choice(METHODS))
        what = f"case {case}: {name} {q} by {method} of {dtype}{values.shape} along {axis}, chunks {chunks}"
        answer = getattr(np, name)(as_array(values, chunks=chunks), q, axis=axis, method=method)
        assert "values at hand" in craton.explain(answer), what
        expected = np.asarray(quiet(getattr(np, name), values.copy(), q, axis=axis, method=method))
        if answer.dtype == expected.dtype:
            same(quiet(answer.compute), expected, what)
        else:  # numpy.nanquantile of several quantiles, where the first series is all missing
            np.testing.assert_allclose(quiet(answer.compute), expected, rtol=1e-6, err_msg=what)


def test_many_quantiles():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(900, 5))
    q = rng.permutation(np.linspace(0, 1, 501))
    same(np.quantile(as_array(values, chunks=(100, 2)), q, axis=0).compute(), np.quantile(values, q, axis=0), "501 quantiles")


# ---- through xarray --------------------------------------------------------------------------------------------------


def labelled(rng):
    """Without infinities: next to them flox interpolates differently from NumPy (inf - inf), and so from Craton."""
    shape = int(rng.integers(2, 120)), int(rng.integers(1, 9)), int(rng.integers(1, 9))
    time = xr.date_range("2001-01-15", periods=shape[0], freq=str(rng.choice(["7D", "MS", "D"])), calendar="standard", use_cftime=False)
    coords = {"time": time, "lat": np.linspace(-60, 60, shape[1]), "lon": np.arange(shape[2]) * 10.0}
    dims = ("time", "lat", "lon")
    ds = xr.Dataset(
        {
            "a": xr.DataArray(values_of(rng, shape, str(rng.choice(["f4", "f8"])), False), dims=dims, attrs={"units": "K"}),
            "b": xr.DataArray(values_of(rng, shape, str(rng.choice(["i2", "i4", "f8"])), False), dims=dims),
            "c": xr.DataArray(values_of(rng, shape[1:], "f8", False), dims=dims[1:], attrs={"long_name": "c"}),
        },
        coords=coords,
        attrs={"title": "t"},
    )
    chunks = {d: int(rng.integers(1, n + 1)) for d, n in ds.sizes.items()}
    return ds, ds.chunk(chunks, chunked_array_type="craton")


def programs_of(rng):
    q = [0.5, [0.1, 0.9], [0.5]][int(rng.integers(0, 3))]
    dim = ["time", ["time", "lon"], ["lat", "lon"], None][int(rng.integers(0, 4))]
    skipna = [None, True, False][int(rng.integers(0, 3))]
    by = str(rng.choice(["time.month", "time.season", "time.year"]))
    method = str(rng.choice(METHODS))
    return {
        "quantile": lambda d: d.a.quantile(q, dim, skipna=skipna),
        "method": lambda d: d.a.quantile(q, dim, method=method),
        "integers": lambda d: d.b.quantile(q, dim, skipna=skipna, keep_attrs=True),
        "dataset": lambda d: d.quantile(q, ["lat", "lon"]),
        "median": lambda d: d.a.median(dim, skipna=skipna),
        "dataset median": lambda d: d.median(),
        "anomaly": lambda d: d.a - d.a.median("time"),
        "groupby quantile": lambda d: d.a.groupby(by).quantile(q, skipna=skipna),
        "groupby quantile of a dimension": lambda d: d.a.groupby(by).quantile(q, dim="time"),
        "groupby median": lambda d: d.a.groupby(by).median(skipna=skipna),
        "groupby dataset": lambda d: d[["a", "b"]].groupby(by).median("time"),
        "groupby integers": lambda d: d.b.groupby(by).quantile(q),
        "bins": lambda d: d.a.groupby_bins("lat", [-61, -20, 30, 61]).median(),
        "resample": lambda d: d.a.resample(time="2MS").median(),
        "resample quantile": lambda d: d.a.resample(time="QS-DEC").quantile(q),
        "coarsen": lambda d: d.a.coarsen(time=2, boundary="trim").median(),
        "of a reduction": lambda d: d.a.mean("lon").quantile(q, "time"),
        "percentile of a where": lambda d: d.a.where(d.a > 0).quantile(q, "time"),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_labelled_order_statistics(seed):
    rng = programs.rng_of([seed, 3])
    ds, lazy = labelled(rng)
    catalogue = programs_of(rng)
    name = sorted(catalogue)[seed % len(catalogue)]
    what = f"seed {seed}: {name}"
    with xr.set_options(use_bottleneck=False, use_numbagg=False):
        expected = quiet(catalogue[name], ds)
        answer = quiet(catalogue[name], lazy)
    variables = {k: v for k, v in (answer if isinstance(answer, xr.Dataset) else answer.to_dataset(name="v")).data_vars.items()}
    assert all(isinstance(v.data, craton.Array) for v in variables.values()), f"{what} is not lazy"
    answer = answer.compute()
    x, y = (o if isinstance(o, xr.Dataset) else o.to_dataset(name="v") for o in (answer, expected))
    assert answer.attrs == expected.attrs and set(x.variables) == set(y.variables), what
    for k in y.variables:
        assert x[k].dims == y[k].dims and x[k].attrs == y[k].attrs, f"{what}: {k}"
        if k in y.data_vars and y[k].dtype == np.float32 != x[k].dtype:
            assert np.isnan(y[k].values).any(), f"{what}: {k}"  # numpy.nanquantile after a series of nothing, see above
        else:
            assert x[k].dtype == y[k].dtype, f"{what}: {k} is {x[k].dtype}, not {y[k].dtype}"
        if y[k].dtype.kind == "f":
            single = "f4" in (ds.a.dtype.str[1:], y[k].dtype.str[1:])
            tolerance = 1e-6 if single else 1e-12
            size = np.abs(y[k].values).max(initial=1, where=np.isfinite(y[k].values))
            np.testing.assert_allclose(x[k].values, y[k].values, rtol=tolerance, atol=tolerance * size, err_msg=f"{what}: {k}")
        else:
            np.testing.assert_array_equal(x[k].values, y[k].values, err_msg=f"{what}: {k}")


# ---- what is handed to NumPy, and what is refused --------------------------------------------------------------------


def test_fallbacks_say_their_name_once():
    rng = np.random.default_rng(5)
    values = rng.integers(0, 40, (30, 6)).astype("f8")
    weights = rng.random((30, 6)) + 0.1
    times = values.astype("i8").astype("M8[D]")
    lazy = as_array(values, chunks=(7, 2))
    cases = [
        (np.quantile, (lazy, [0.2, 0.7]), (values, [0.2, 0.7]), {"axis": 0, "method": "inverted_cdf", "weights": weights}, "with weights"),
        (np.nanpercentile, (lazy, np.float32([20, 70])), (values, np.float32([20, 70])), {"axis": 1}, "quantiles of float32"),
        (np.quantile, (as_array(times, chunks=(7, 2)), 0.5), (times, 0.5), {"axis": 0}, r"datetime64\[D\]"),
    ]
    for function, args, plain, keywords, word in cases:
        with pytest.warns(UserWarning, match=word):
            answer = function(*args, **keywords)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            function(*args, **keywords)
        same(answer.compute(), np.asarray(function(*plain, **keywords)), word)


def test_refusals():
    lazy = as_array(np.arange(12.0).reshape(3, 4), chunks=(2, 2))
    with pytest.raises(ValueError, match="range"):
        np.quantile(lazy, 1.5)
    with pytest.raises(ValueError, match="range"):
        np.percentile(lazy, [10, np.nan])
    with pytest.raises(ValueError, match="not a valid method"):
        np.quantile(lazy, 0.5, method="tdigest")
    with pytest.raises(TypeError):
        np.quantile(as_array(np.array([True, False])), 0.5)
    with pytest.raises(NotImplementedError, match="text"):
        np.median(as_array(np.array(["a", "b"])))
    with pytest.raises(np.exceptions.AxisError):
        np.median(lazy, axis=2)


def test_weighted_quantile_goes_block_by_block():
    rng = np.random.default_rng(6)
    da = xr.DataArray(rng.normal(size=(20, 6)), dims=("time", "x"))
    weights = xr.DataArray(rng.random(20), dims="time")
    lazy = da.chunk(x=2, chunked_array_type="craton").weighted(weights).quantile([0.2, 0.5], dim="time")
    assert isinstance(lazy.data, craton.Array)
    xr.testing.assert_allclose(lazy.compute(), da.weighted(weights).quantile([0.2, 0.5], dim="time"), rtol=1e-12)


@pytest.mark.parametrize("first", ["median()", "quantile(0.5)", "mean()"])
def test_first_groupby_of_a_process(first):
    """xarray looks for flox without importing it before it imports it."""
    program = (
        "import numpy as np, xarray as xr, craton, importlib.util\n"
        "craton.enable()\n"
        "assert importlib.util.find_spec('flox') is not None\n"
        "da = xr.DataArray(np.arange(24.0), dims='t', coords={'t': np.arange(24) % 3})\n"
        f"answer = da.chunk(t=5, chunked_array_type='craton').groupby('t').{first}\n"
        "assert isinstance(answer.data, craton.Array), type(answer.data)\n"
        f"xr.testing.assert_allclose(answer.compute(), da.groupby('t').{first})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_quantile_without_dask():
    program = (
        "import sys\n"
        "sys.modules['dask'] = None\n"
        "import numpy as np, xarray as xr, craton\n"
        "craton.enable()\n"
        "da = xr.DataArray(np.random.default_rng(1).normal(size=(60, 4)), dims=('t', 'x'))\n"
        "answer = da.chunk(t=7, x=3).quantile([0.1, 0.5], 't')\n"
        "assert isinstance(answer.data, craton.Array), type(answer.data)\n"
        "xr.testing.assert_identical(answer.compute(), da.quantile([0.1, 0.5], 't'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("memory", [None, "24 MiB"])
def test_of_a_file(tmp_path, memory):
    """Chunks of one time step; with little memory they are decoded several times, as foretold."""
    rng = np.random.default_rng(8)
    ds = xr.Dataset({"tas": (("time", "lat", "lon"), rng.normal(280, 10, (120, 96, 144)).astype("f4"), {"units": "K"})})
    ds.tas.values[rng.random(ds.tas.shape) < 0.1] = np.nan
    path = tmp_path / "tas.nc"
    ds.to_netcdf(path, engine="netcdf4", encoding={"tas": {"chunksizes": (1, 96, 144), "zlib": True, "complevel": 1}})
    with xr.open_dataset(path, engine="craton", chunks={}) as lazy, craton.set_options(memory_limit=memory, threads=2):
        answer = lazy.quantile([0.05, 0.5, 0.95], "time")
        xr.testing.assert_identical(answer.compute(), ds.quantile([0.05, 0.5, 0.95], "time"))
        season = lazy.tas.groupby(xr.DataArray(np.arange(120) % 4, dims="time", name="season")).median("time")
        expected = np.stack([np.nanmedian(ds.tas.values[i::4], axis=0) for i in range(4)])
        np.testing.assert_array_equal(season.transpose("season", ...).values, expected)
