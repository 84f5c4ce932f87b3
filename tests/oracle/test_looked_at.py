"""Of a reduction only what is looked at is computed, and that has the bits of the whole."""
import os

import numpy as np
import pytest
import xarray as xr

import craton
from craton.conversion import as_array

craton.enable()
SEED = int(os.environ.get("CRATON_SEED", "1"))
PROGRAMS = 1500 if os.environ.get("CRATON_LONG") else 150


@pytest.fixture
def damaged(tmp_path):
    """12 times on a map of 20 times 30, in chunks of 4, 5, 10; only those of rows 5 to 9 and columns 10 to 19 can be read."""
    values = np.random.default_rng(1).random((12, 20, 30))
    ds = xr.Dataset({"t": (("time", "y", "x"), values)}, {"time": xr.date_range("2001-01-01", periods=12, freq="MS")})
    ds.craton.to_zarr(tmp_path / "s.zarr", encoding={"t": {"chunks": (4, 5, 10)}})
    for chunk in (tmp_path / "s.zarr/t/c").glob("*/*/*"):
        if chunk.parts[-2:] != ("1", "1"):
            chunk.write_bytes(b"no frame of Zstandard")
    return xr.open_dataset(tmp_path / "s.zarr", engine="craton", chunks={}).t, ds.t


LOOKS = {
    "a mean": lambda t: t.mean("time").isel(y=slice(5, 9), x=15),
    "a standard deviation, backwards": lambda t: t.std("time").isel(y=slice(9, 4, -2), x=slice(10, 20)),
    "single places": lambda t: t.max("time").isel(y=[7, 5, 9], x=[10, 19]),
    "groups": lambda t: t.groupby("time.month").mean().isel(y=6, x=slice(11, 13)),
    "another axis": lambda t: t.isel(x=slice(10, 20)).sum("x").isel(y=[6, 8]),
    "a reduction of a reduction": lambda t: t.mean("time").isel(x=slice(10, 20)).max("x").isel(y=slice(5, 10)),
    "behind arithmetic": lambda t: (t.mean("time") * 2 + 1).transpose("x", "y").isel(x=12)[5:7],
    "two looks": lambda t: t.mean("time").isel(y=5, x=10) + t.mean("time").isel(y=9, x=19),
    "a median": lambda t: t.median("time").isel(y=slice(5, 9), x=15),
    "percentiles": lambda t: t.quantile([0.05, 0.5], "time").isel(y=7, x=slice(10, 20)),
    "a percentile of groups": lambda t: t.groupby("time.season").quantile(0.9).isel(y=[6, 8], x=10),
}


@pytest.mark.parametrize("name", LOOKS)
def test_chunks_that_nobody_looks_at_are_not_read(damaged, name):
    lazy, whole = damaged
    with craton.set_options(threads=2):
        got = LOOKS[name](lazy).compute()
    xr.testing.assert_allclose(got, LOOKS[name](whole), rtol=1e-14)
    with pytest.raises(Exception, match="t/c"):
        lazy.mean("time").compute()


def test_explain_says_what_is_looked_at(damaged):
    text = craton.explain(damaged[0].mean("time").isel(y=slice(5, 9), x=15).data)
    assert "only what is looked at later: [0:12, 5:9, 15:16]" in text, text


@pytest.fixture
def damaged_later(tmp_path):
    """Two years of months on a map, two months in a chunk, which is a cell; only those of March and April, November and December can be read."""
    values = np.random.default_rng(2).random((24, 131, 127))
    values[2, :, 0] = np.nan
    ds = xr.Dataset({"t": (("time", "y", "x"), values)}, {"time": xr.date_range("2001-01-01", periods=24, freq="MS")})
    ds.craton.to_zarr(tmp_path / "s.zarr", encoding={"t": {"chunks": (2, 131, 127)}})
    for chunk in (tmp_path / "s.zarr/t/c").glob("*/*/*"):
        if int(chunk.parts[-3]) % 6 not in (1, 5):
            chunk.write_bytes(b"no frame of Zstandard")
    return xr.open_dataset(tmp_path / "s.zarr", engine="craton", chunks={}).t, ds.t


LOOKS_AT_GROUPS = {
    "one": lambda t: t.groupby("time.month").mean().sel(month=3),
    "some that lie apart": lambda t: t.groupby("time.month").std().sel(month=[12, 4]),
    "a step": lambda t: t.groupby("time.month").max().isel(month=slice(11, 2, -8)),
    "and places": lambda t: t.groupby("time.month").sum().isel(y=slice(1, 4), x=0).sel(month=[4, 3]),
    "two reductions": lambda t: t.groupby("time.month").max().sel(month=3) - t.groupby("time.month").min().sel(month=4),
    "a reduction of them": lambda t: t.groupby("time.month").mean().sel(month=[3, 12]).mean(("y", "x")),
    "anomalies": lambda t: (t.groupby("time.month") - t.groupby("time.month").mean())[2:4],
    "all that is left": lambda t: t[22:].groupby("time.month").mean(),
}


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("name", LOOKS_AT_GROUPS)
def test_chunks_without_a_group_that_is_looked_at_are_not_read(damaged_later, name, threads):
    lazy, whole = damaged_later
    with craton.set_options(threads=threads):
        got = LOOKS_AT_GROUPS[name](lazy).compute()
    xr.testing.assert_allclose(got, LOOKS_AT_GROUPS[name](whole), rtol=1e-14)
    with pytest.raises(Exception, match="t/c"):
        lazy.groupby("time.month").mean().compute()


def test_groups_beside_what_is_stored(damaged_later):
    """One scan makes all elements and some groups: it reads everything, and the others have no states."""
    _, whole = damaged_later
    lazy = whole.chunk({"time": 2}, chunked_array_type="craton")
    got = craton.compute((lazy * 2).data, lazy.groupby("time.month").mean().sel(month=3).data)
    np.testing.assert_array_equal(got[0], whole.values * 2)
    np.testing.assert_allclose(got[1], whole.groupby("time.month").mean().sel(month=3).values, rtol=1e-14)


def test_one_map_looked_at_in_several_places():
    """A map of labels is held once; which of its groups are looked at is another question for each scan, and one for all reductions of a scan."""
    rng = np.random.default_rng([SEED, 79])
    labels = xr.DataArray(rng.integers(0, 5, (260, 270)), dims=("y", "x"), name="zone")
    whole = [xr.DataArray(rng.random(labels.shape), dims=labels.dims) for _ in range(3)]
    chunks, groups = [{"y": 100}, {"x": 60}, {"y": 90, "x": 90}], [1, 3, [4]]
    lazy = [a.chunk(c, chunked_array_type="craton") for a, c in zip(whole, chunks, strict=True)]
    got = craton.compute(*(a.groupby(labels).mean().isel(zone=g).data for a, g in zip(lazy, groups, strict=True)))
    for a, g, one in zip(whole, groups, got, strict=True):
        np.testing.assert_allclose(one, a.groupby(labels).mean().isel(zone=g).values, rtol=1e-12)
    by, expected = lazy[0].groupby(labels), whole[0].groupby(labels)
    got = craton.compute(by.max().isel(zone=4).data, by.min().isel(zone=[0, 2]).data, by.sum().isel(zone=1).data)
    np.testing.assert_array_equal(got[0], expected.max().isel(zone=4).values)
    np.testing.assert_array_equal(got[1], expected.min().isel(zone=[0, 2]).values)
    np.testing.assert_allclose(got[2], expected.sum().isel(zone=1).values, rtol=1e-12)


def test_explain_says_which_groups_are_looked_at(damaged_later):
    text = craton.explain(damaged_later[0].groupby("time.month").mean().sel(month=3).data)
    assert "along axis 0 only the 2 of 12 that have elements of the groups" in text, text


def pick(rng, a):
    """A look at an array, as indices of NumPy."""
    if rng.random() < 0.3 and a.ndim:
        axis = int(rng.integers(a.ndim))
        return (slice(None),) * axis + (rng.integers(0, a.shape[axis], rng.integers(1, 4)),)
    out = []
    for n in a.shape:
        lo, hi = sorted(int(v) for v in rng.integers(0, n + 1, 2))
        step = int(rng.choice([1, 1, 2, -1]))
        out.append(slice(lo, max(hi, lo + 1), step) if step > 0 else slice(min(hi, n - 1), lo - 1 if lo else None, step))
    return tuple(out)


def reduce(rng):
    name = str(rng.choice(["sum", "mean", "std", "max", "nanmean", "nansum", "argmin", "median", "nanmedian"]))
    return getattr(np, name), name


def one_of_groups(rng):
    """Reductions of groups along an axis, looked at in part, beside pandas' way of doing it."""
    shape = tuple(int(n) for n in rng.integers(2, 25, rng.integers(1, 4)))
    axis, n_groups = int(rng.integers(len(shape))), int(rng.integers(1, 9))
    dims = [f"d{i}" for i in range(len(shape))]
    labels = np.sort(rng.integers(0, n_groups, shape[axis])) if rng.random() < 0.5 else rng.integers(0, n_groups, shape[axis])
    values = rng.normal(size=shape).astype(rng.choice(["f4", "f8"]))
    values[rng.random(shape) < 0.1] = np.nan
    chunks = {d: int(rng.integers(1, n + 1)) for d, n in zip(dims, shape, strict=True)}
    whole = xr.DataArray(values, dims=dims, name="v")
    return [a.assign_coords(g=(dims[axis], labels)) for a in (whole, whole.chunk(chunks, chunked_array_type="craton"))]


def one_program(rng):
    """A reduction, looked at once or twice, on both sides; the lazy one also as a part of the whole."""
    shape = tuple(int(n) for n in rng.integers(2, 25, rng.integers(2, 5)))
    values = rng.normal(size=shape).astype(rng.choice(["f4", "f8"]))
    values[rng.random(shape) < 0.1] = np.nan
    lazy = as_array(values, chunks=tuple(int(rng.integers(1, n + 1)) for n in shape))
    function, name = reduce(rng)
    axes = [int(a) for a in rng.permutation(len(shape))[: 1 if name == "argmin" else rng.integers(1, len(shape))]]
    axes = axes[0] if name == "argmin" else tuple(axes)
    if name == "argmin":
        values[np.isnan(values)] = 0
        lazy = as_array(values, chunks=lazy.chunksize)
    with np.errstate(all="ignore"):
        whole, expected = function(lazy, axis=axes), function(values, axis=axes)
    first = pick(rng, expected)
    looks = [whole[first], np.cumsum(whole[first], axis=0) if whole[first].ndim and name != "argmin" else whole[first]]
    wanted = [expected[first], np.cumsum(expected[first], axis=0) if expected[first].ndim and name != "argmin" else expected[first]]
    if rng.random() < 0.5:
        second = pick(rng, expected)
        looks.append(whole[second] * 2)
        wanted.append(expected[second] * 2)
    if whole.ndim > 1 and rng.random() < 0.5:
        looks.append(np.max(whole, axis=0)[:1])
        wanted.append(np.max(expected, axis=0)[:1])
    return whole, first, looks, wanted, values.dtype


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning", "ignore:Degrees of freedom:RuntimeWarning")
def test_random_looks_at_reductions():
    for case in range(PROGRAMS):
        rng = np.random.default_rng([SEED, 77, case])
        whole, first, looks, wanted, dtype = one_program(rng)
        told = f"seed {SEED}, case {case}"
        tolerance = 1e-12 if dtype == np.float64 else 2e-5
        with craton.set_options(threads=int(rng.choice([1, 2, 7]))):
            together = craton.compute(*looks)
            alone = looks[0].compute()
            assert np.array_equal(alone, whole.compute()[first], equal_nan=True), told
        assert np.array_equal(together[0], alone, equal_nan=True), told
        for got, expected in zip(together, wanted, strict=True):
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance, err_msg=told)


def test_random_looks_at_groups():
    for case in range(PROGRAMS // 2):
        rng = np.random.default_rng([SEED, 78, case])
        whole, lazy = one_of_groups(rng)
        names = [str(n) for n in rng.choice(["sum", "mean", "std", "max", "count", "first", "median"], 2)]
        told = f"seed {SEED}, case {case}: {names} of {whole.sizes}"
        expected, made = ([getattr(a.groupby("g"), name)() for name in names] for a in (whole, lazy))
        first = pick(rng, made[0].transpose("g", ...))
        looks = [a.transpose("g", ...)[first] for a in made]
        wanted = [a.transpose("g", ...)[first] for a in expected]
        with craton.set_options(threads=int(rng.choice([1, 2, 7]))):
            together = craton.compute(*looks)
            alone = looks[0].compute()
            assert np.array_equal(alone, made[0].transpose("g", ...).compute()[first], equal_nan=True), told
        assert np.array_equal(together[0], alone, equal_nan=True), told
        tolerance = 1e-12 if whole.dtype == np.float64 else 2e-5
        for got, value in zip(together, wanted, strict=True):
            np.testing.assert_allclose(got, value, rtol=tolerance, atol=tolerance, err_msg=told)
