"""Zonal statistics: groups by labels of several dimensions, against xarray with flox on NumPy. Values, types, order of dimensions, coordinates,
attributes and names are those of xarray, and flox is not asked on the way. Integers and booleans of expected groups that nobody belongs to are
not compared, nor are products of none: flox answers the least integer, 1 or true.

Seeds as in programs.py: CRATON_SEED is the first; of each function, an eighth of CRATON_CASES.
"""
import warnings

import numpy as np
import pandas as pd
import programs
import pytest
import xarray as xr
from xarray.core import groupby
from xarray.groupers import BinGrouper, UniqueGrouper

import craton
from craton import labelmap
from craton.groupby import groupby_reduce

craton.enable()

SEEDS = range(programs.SEED, programs.SEED + max(1, programs.CASES // 8))
FUNCTIONS = ["mean", "sum", "min", "max", "count", "std", "var", "prod", "any", "all", "first", "last", "median"]
TYPES = ["f4", "f8", "i2", "i8", "u1", "b1"]
DIMS = ["time", "z", "y", "x"]


def values_of(rng, shape, dtype):
    """Eighths: their sums are exact in float32 too, so that the order of adding does not show."""
    values = rng.integers(-40 if dtype[0] in "fi" else 0, 40, shape)
    if dtype == "b1":
        return values % 3 == 0
    values = (values / 8 if dtype[0] == "f" else values).astype(dtype)
    if dtype[0] == "f" and rng.random() < 0.7:
        values[rng.random(shape) < rng.choice([0.1, 0.7])] = np.nan
    return values


def field_of(rng, dims, sizes, dtype, name):
    field = xr.DataArray(values_of(rng, [sizes[d] for d in dims], dtype), dims=dims, name=name, attrs={"units": "m"})
    coords = {d: np.arange(sizes[d]) * 1.5 for d in dims if rng.random() < 0.6}
    coords |= {"level": 2.0, "along_time": ("time", np.arange(sizes["time"]))} if "time" in dims else {}
    coords |= {"area": (("y", "x"), rng.random((sizes["y"], sizes["x"])))} if rng.random() < 0.5 else {}
    return field.assign_coords(coords)


def labels_of(rng, field, dims):
    """Numbers, some missing, some names never met, or words; with a coordinate of their own."""
    shape = [field.sizes[d] for d in dims]
    values = rng.integers(0, 6, shape)
    kind = rng.choice(["int", "float", "word"])
    if kind == "float":
        values = np.where(rng.random(shape) < 0.2, np.nan, values / 2)
        values.flat[0] = 1.5
    elif kind == "word":
        values = np.array(["sea", "ice", "land", "lake", "town", "fog"])[values]
    coords = {d: field.coords[d] for d in dims if d in field.coords}
    return xr.DataArray(values, dims=dims, coords={**coords, "spatial_ref": 0}, name="region", attrs={"source": "a map"})


def grouped(rng_seed, obj, labels):
    """The same random way of grouping for both."""
    rng = np.random.default_rng(rng_seed)
    way = rng.integers(0, 4)
    if way == 0 and labels.dtype.kind != "U":
        return obj.groupby_bins(labels, [-1, 0.5, 1, 4, 9])
    if way == 1:
        known = [1, 0, 2, 77] if labels.dtype.kind != "U" else ["ice", "moon", "sea"]
        return obj.assign_coords(region=labels).groupby(region=UniqueGrouper(labels=known))
    if way == 2 and labels.dtype.kind != "U":
        return obj.assign_coords(region=labels).groupby(region=BinGrouper(bins=[0, 1, 2, 50, 60]))
    return obj.groupby(labels)


def reduced(groups, function, dims, options):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if function in ("first", "last"):
            return getattr(groups, function)(**{k: v for k, v in options.items() if k == "keep_attrs"})
        return getattr(groups, function)(dims, **options)


def options_of(rng, function):
    options = {"keep_attrs": bool(rng.random() < 0.5)} if rng.random() < 0.5 else {}
    if function not in ("count", "any", "all") and rng.random() < 0.4:
        options["skipna"] = bool(rng.random() < 0.5)
    if function in ("std", "var"):
        options["ddof"] = int(rng.integers(0, 2))
    if function in ("sum", "prod") and rng.random() < 0.4:
        options["min_count"] = int(rng.integers(1, 6))
    return options


def with_members(way, labels, *results):
    """Of each result, the groups that somebody belongs to, as float64; nothing is changed if that is all of them."""
    counts = grouped(way, xr.ones_like(labels, "f8"), labels).sum()
    (dim,) = counts.dims
    met = np.flatnonzero(counts.values > 0)
    return results if len(met) == counts.size else [r.isel({dim: met}).astype("f8") for r in results]


def same(ours, theirs, words):
    assert type(ours) is type(theirs), words
    pairs = [(ours[k], theirs[k]) for k in theirs] if isinstance(theirs, xr.Dataset) else [(ours, theirs)]
    for a, b in pairs:
        assert isinstance(a.variable._data, craton.Array) or a.name == "other", words
        assert (a.dims, a.dtype, a.name, a.attrs) == (b.dims, b.dtype, b.name, b.attrs), words
        tolerance = 2e-6 if b.dtype == "f4" else 1e-12
        if b.dtype.kind in "fiub":
            np.testing.assert_allclose(a.values, b.values, rtol=tolerance, atol=tolerance, err_msg=words)
        else:
            np.testing.assert_array_equal(a.values, b.values, err_msg=words)
    assert list(ours.coords) == list(theirs.coords) and set(ours.indexes) == set(theirs.indexes), words
    xr.testing.assert_identical(ours.coords.to_dataset(), theirs.coords.to_dataset())
    assert ours.attrs == theirs.attrs, words


@pytest.fixture
def flox_is_not_asked(monkeypatch):
    import flox.xarray

    original = flox.xarray.xarray_reduce

    def for_numpy_only(obj, *by, **kwargs):
        variables = obj.data_vars.values() if isinstance(obj, xr.Dataset) else [obj]
        assert not any(isinstance(v.variable._data, craton.Array) for v in variables), "flox was asked"
        return original(obj, *by, **kwargs)

    monkeypatch.setattr(flox.xarray, "xarray_reduce", for_numpy_only)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_as_xarray(seed, function, flox_is_not_asked):
    rng = np.random.default_rng([seed, FUNCTIONS.index(function)])
    dims = [str(d) for d in rng.permutation(DIMS[int(rng.integers(0, 3)) :])]
    sizes = {d: int(rng.integers(2, 12)) for d in DIMS}
    dtype = str(rng.choice({"any": ["b1"], "all": ["b1"], "prod": ["f8"]}.get(function, TYPES)))
    field = field_of(rng, dims, sizes, dtype, "t")
    zones = [str(d) for d in rng.permutation(["y", "x"] if rng.random() < 0.7 or len(dims) < 3 else dims[: int(rng.integers(1, 4))])]
    labels = labels_of(rng, field, zones)
    over = [None, [str(d) for d in rng.permutation(zones)], ...][int(rng.integers(0, 3))]
    if rng.random() < 0.3:
        field = xr.Dataset({"t": field, "u": field.transpose(*rng.permutation(dims)) * field.dtype.type(1)}, attrs={"title": "both"})
    options, way = options_of(rng, function), [seed, 5]
    chunks = {d: int(rng.integers(1, sizes[d] + 1)) for d in dims}
    words = f"seed {seed}: {function} of {dtype} {dims} in {chunks} by {labels.dtype} {zones} over {over}, {options}"
    theirs = reduced(grouped(way, field, labels), function, over, options)
    ours = reduced(grouped(way, field.chunk(chunks, chunked_array_type="craton"), labels), function, over, options)
    partly = dtype[0] != "f" or function == "prod"
    same(*(with_members(way, labels, ours, theirs) if partly else (ours, theirs)), words)


def test_labels_from_a_file(tmp_path):
    """Labels that nothing has read yet, packed, and with a fill value."""
    rng = np.random.default_rng(5)
    t = xr.DataArray(values_of(rng, (7, 30, 40), "f4"), dims=("time", "y", "x"), name="t")
    labels = xr.DataArray(rng.integers(0, 9, (30, 40)), dims=("y", "x")).where(lambda v: v > 0)
    ds = xr.Dataset({"t": t, "region": labels.assign_attrs(long_name="Region")})
    ds.to_netcdf(tmp_path / "t.nc", encoding={"region": {"dtype": "i2", "_FillValue": -1}, "t": {"zlib": True, "chunksizes": (2, 16, 13)}})
    lazy = xr.open_dataset(tmp_path / "t.nc", engine="craton", chunks={})
    regions = xr.open_dataset(tmp_path / "t.nc", engine="craton").region
    theirs = xr.open_dataset(tmp_path / "t.nc", engine="netcdf4")
    for function in ("mean", "std", "count"):
        same(getattr(lazy.t.groupby(regions), function)(), getattr(theirs.t.groupby(theirs.region), function)(), function)


@pytest.mark.parametrize("zones", [("y", "x"), ("time",)])
@pytest.mark.parametrize("function", ["mean", "max", "count", "first"])
def test_variables_without_the_dimensions_of_the_labels(zones, function, flox_is_not_asked):
    rng = np.random.default_rng(8)
    ds = xr.Dataset({"other": ("station", np.array(["a", "b"]), {"long_name": "stations"}),
                     "t": (("time", "y", "x"), values_of(rng, (9, 4, 5), "f4")), "u": (("y", "time", "x"), values_of(rng, (4, 9, 5), "f8"))})
    labels = labels_of(rng, ds.t, zones)
    lazy = ds.assign({k: ds[k].chunk(time=2, y=3, chunked_array_type="craton") for k in ("t", "u")})
    ours, theirs = (getattr(d.groupby(labels), function)() for d in (lazy, ds))
    assert list(ours) == list(theirs)
    same(ours, theirs, f"{function} by {zones}")


def test_labels_are_not_repeated_for_all_data():
    """A code for each of these elements would need 400 GB."""
    series = xr.DataArray(np.ones(12, "f4"), dims="time").chunk(time=5, chunked_array_type="craton")
    huge = series.expand_dims(y=100_000, x=90_000)
    months = xr.DataArray(np.arange(12) % 5, dims="time", name="month")
    for function in ("mean", "sum", "min", "count"):
        assert getattr(huge.groupby(months), function)(...).shape == (5,)
    for function in ("std", "median"):
        with pytest.raises(NotImplementedError, match="by 12 labels.*dimensions of the labels alone"):
            getattr(huge.groupby(months), function)(...)


def test_a_kept_dimension_of_labels_is_refused():
    t = xr.DataArray(np.zeros((4, 6)), dims=("y", "x")).chunk(y=2, chunked_array_type="craton")
    labels = xr.DataArray(np.arange(24).reshape(4, 6) % 5, dims=("y", "x"), name="region")
    with pytest.raises(NotImplementedError, match="labels that vary along a dimension that is kept.*Reduce over that dimension too"):
        t.groupby(labels).mean("x")


@pytest.mark.parametrize("n, n_groups", [(0, 1), (1, 3), (500, 7), (3000, 40000), (2000, 32767), (2000, 32768)])
def test_members_of_groups(n, n_groups):
    """xarray's own lists, of its own loop."""
    codes = np.random.default_rng(n).integers(-1, n_groups, n)
    codes[: n // 3] = n_groups - 1
    theirs = groupby._codes_to_group_indices.__wrapped__(codes, n_groups)
    ours = groupby._codes_to_group_indices(codes, n_groups)
    assert ours == theirs and all(type(i) is int for group in ours for i in group)
    assert type(ours) is type(theirs)


def test_groups_of_numpy_arrays_are_those_of_pandas():
    labels = np.random.default_rng(3).choice(["a", "b", "c"], (5, 4))
    t = xr.DataArray(np.arange(20.0).reshape(5, 4), dims=("y", "x"))
    found = t.groupby(xr.DataArray(labels, dims=("y", "x"), name="region")).groups
    expected = pd.Series(labels.ravel()).groupby(labels.ravel()).groups
    assert {k: list(v) for k, v in found.items()} == {k: list(v) for k, v in expected.items()}


def test_what_reductions_do_not_look_at_is_made_when_it_is_asked_for(monkeypatch):
    rng = np.random.default_rng(5)
    labels = xr.DataArray(rng.integers(0, 9, (300, 300)), dims=("y", "x"), name="region", coords={"y": np.arange(300), "x": np.arange(300.0)})
    plain = xr.DataArray(rng.normal(size=(2, 300, 300)), dims=("t", "y", "x"), coords=labels.coords, name="v")
    stacked, stack = [], xr.Dataset.stack

    def counted(self, *args, **kwargs):
        stacked.append(self.sizes["y"])
        return stack(self, *args, **kwargs)

    monkeypatch.setattr(xr.Dataset, "stack", counted)
    for obj in (plain, plain.to_dataset()):
        lazy = obj.chunk(t=1, y=100, chunked_array_type="craton")
        stacked.clear()
        ours, theirs = lazy.groupby(labels), obj.groupby(labels)
        xr.testing.assert_allclose(ours.mean().compute(), theirs.mean())
        assert stacked == [1, 300] and len(ours) == len(theirs)      # a corner of ours
        assert ours.groups == theirs.groups and ours.sizes == theirs.sizes
        for (a, x), (b, y) in zip(ours, theirs, strict=True):
            assert a == b
            xr.testing.assert_identical(x.compute(), y)
        assert stacked == [1, 300, 300]


def map_of(rng, kind, shape=(300, 400)):
    """Labels as they come: few or far apart, below zero, at the end of what the type holds; or of a kind that is numbered by xarray."""
    values = rng.integers(0, 7, shape)
    values[0, :7] = np.arange(7)
    types = {"u8": "u1", "negative": "i8", "end": "u8", "far": "i4", "float": "f8", "sorted": "i2", "word": "U2", "bool": "?"}
    if kind == "negative":
        values = values * 1000 - 3000
    elif kind == "end":
        return values.astype("u8") + np.uint64(2**64 - 10)
    elif kind == "far":
        values = np.array([-2_000_000_000, -3, 0, 1, 5, 17, 2_000_000_000])[values]
    elif kind == "float":
        values = np.where(values == 0, np.nan, values / 2)
    elif kind == "sorted":
        values = np.sort(values, axis=None).reshape(shape)
    return values.astype(types[kind])


@pytest.mark.parametrize("kind", ["u8", "negative", "end", "far", "float", "sorted", "word", "bool"])
def test_large_maps(kind):
    """As xarray numbers them: groups, their type, members, and what is made of them; with values in memory too."""
    rng = np.random.default_rng(11)
    labels = xr.DataArray(map_of(rng, kind), dims=("y", "x"), name="region", attrs={"source": "a map"}, coords={"y": np.arange(300.0)})
    for data in (labels, labels.transpose("x", "y"), labels[::-1]):
        plain = xr.DataArray(rng.integers(-9, 9, (2, 300, 400)).astype("f8"), dims=("t", "y", "x"), coords={"y": data.y}, name="v")
        factorize = UniqueGrouper.factorize.__wrapped__(UniqueGrouper(), data)
        ours = UniqueGrouper().factorize(data)
        xr.testing.assert_identical(ours.unique_coord, factorize.unique_coord)
        xr.testing.assert_identical(ours.coords.to_dataset(), factorize.coords.to_dataset())
        pd.testing.assert_index_equal(ours.full_index, factorize.full_index)
        xr.testing.assert_identical(ours.codes.astype("i8"), factorize.codes.astype("i8"))
        assert ours.group_indices == factorize.group_indices
        lazy, theirs = plain.chunk(t=1, y=100, chunked_array_type="craton").groupby(data), plain.groupby(data)
        same(lazy.mean(), theirs.mean(), kind)
        if kind == "float":
            continue     # xarray's arithmetic does not know pixels of no group
        anomaly = plain.groupby(data) - theirs.mean(("y", "x"))
        xr.testing.assert_allclose(anomaly.groupby(data).mean(("y", "x")), theirs.mean(("y", "x")) * 0, atol=1e-12)


def test_reductions_by_the_same_map_share_it():
    rng = np.random.default_rng(12)
    labels = xr.DataArray(rng.integers(0, 9, (300, 400)), dims=("y", "x"), name="region")
    lazy = xr.DataArray(np.ones((300, 400)), dims=("y", "x")).chunk(y=100, chunked_array_type="craton")

    def codes_of(result):
        nodes = [result.data._node]
        while nodes:
            operation, inputs, parameters = (node := nodes.pop()).recipe
            if operation == "group":
                return parameters[2], node
            nodes.extend(inputs)

    before = labels.copy(deep=True)
    found = [codes_of(getattr(lazy.groupby(b), f)())[0] for f, b in (("mean", labels), ("max", labels.copy(deep=True)), ("sum", labels + 5))]
    assert all(np.shares_memory(found[0], other) for other in found) and not found[0].flags.writeable
    xr.testing.assert_identical(labels, before)
    kept = lazy.groupby(labels).count().compute()
    changed = lazy.groupby(labels)
    labels[0] = 8
    assert not np.shares_memory(codes_of(lazy.groupby(labels).mean())[0], found[0])
    xr.testing.assert_identical(changed.count().compute(), kept)
    own = rng.integers(0, 9, (300, 400), dtype="i4")          # codes that are the caller's: they stay the caller's
    array, _ = groupby_reduce(lazy.data, own, func="count", expected_groups=(pd.RangeIndex(9),), axis=(0, 1))
    counts = np.bincount(own.ravel())
    own[...] = 0
    np.testing.assert_array_equal(array.compute(), counts)


def test_labels_that_results_have_in_common_are_not_changed():
    """pandas before 3 makes an index of the very array."""
    labels = np.arange(90000).reshape(300, 300) % 7
    codes, names = labelmap.numbered(labels)
    again = labelmap.numbered(labels.copy())
    assert again[0] is codes and again[1] is names
    for array in (codes, names):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5


def test_what_is_grouped_is_as_it_was_when_it_was_grouped():
    labels = xr.DataArray(np.arange(90000).reshape(300, 300) % 7, dims=("y", "x"), name="region")
    ds = xr.Dataset({"v": (("y", "x"), np.ones((300, 300)))})
    lazy = ds.chunk(y=100, chunked_array_type="craton")
    grouped = lazy.groupby(labels)
    lazy["v"] = lazy.v + 1
    lazy["w"] = lazy.v
    assert {name: float(v.sum()) for name, v in dict(iter(grouped))[0].data_vars.items()} == {"v": 90000 // 7 + 1.0}
