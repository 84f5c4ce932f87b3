"""Means, sums and running sums of lazy times and durations: as xarray has them of arrays in memory, without computing, and exact where float64 is not."""

import contextlib
import itertools
import os
import warnings
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr

import craton
from craton import runtime

craton.enable()
SEED = int(os.environ.get("CRATON_SEED", "1"))
UNITS = pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])


@contextlib.contextmanager
def nothing_computed():
    make = runtime.context

    def context():
        raise AssertionError("something was computed before it was asked for")

    runtime.context = context
    try:
        yield
    finally:
        runtime.context = make


def times(rng, kind, unit, shape, spread, missing):
    """Around 2003, or around nothing; whole seconds, so that float64 holds what is between."""
    ticks = rng.integers(-spread, spread, shape) * int(np.timedelta64(1, "s") // np.timedelta64(1, unit))
    ticks += int(np.datetime64("2003-03-04", unit).astype(int)) if kind == "M" else 0
    values = ticks.astype(f"{kind}8[{unit}]")
    values[rng.random(shape) < missing] = np.datetime64("NaT") if kind == "M" else np.timedelta64("NaT")
    return values


@UNITS
@pytest.mark.parametrize("kind", "Mm")
@pytest.mark.parametrize("missing", [0, 0.2, 1])
def test_as_xarray(kind, unit, missing):
    rng = np.random.default_rng([SEED, ord(kind), ord(unit[0]), int(10 * missing)])
    values = times(rng, kind, unit, (8, 6, 4), 40_000_000, missing)
    values[2] = np.array("NaT", values.dtype)
    plain = xr.DataArray(values, dims=("t", "y", "x"), attrs={"a": 1})
    lazy = plain.chunk(t=3, y=4)
    names = ("mean", "min", "max") if kind == "M" else ("mean", "min", "max", "sum")
    for name, dim, skipna in itertools.product(names, (None, "t", ["x", "t"]), (None, False, True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # of slices without any time
            expected = getattr(plain, name)(dim, skipna=skipna)
        with nothing_computed():
            answer = getattr(lazy, name)(dim, skipna=skipna)
        assert isinstance(answer.data, craton.Array) and answer.dtype == expected.dtype, (name, dim, skipna)
        answer = answer.compute()
        if name == "mean" and (unit == "ns" or kind == "m"):  # float64 has no such digits, and durations are cut toward zero; test_exact looks at them
            np.testing.assert_array_equal(np.isnat(answer), np.isnat(expected))
            np.testing.assert_allclose(*(np.where(np.isnat(a), 0, a.values.astype("i8")) for a in (answer, expected)), rtol=0, atol=64 if unit == "ns" else 1)
            answer = answer.copy(data=expected.values)
        xr.testing.assert_identical(answer, expected)


def test_exact():
    """Nanoseconds whose sum is beyond int64 and whose mean is beyond float64."""
    rng = np.random.default_rng(SEED)
    ticks = rng.integers(1_700_000_000_000_000_000, 1_800_000_000_000_000_000, (1000, 3))
    mean = xr.DataArray(ticks.astype("M8[ns]"), dims=("t", "x")).chunk(t=64).mean("t").compute().values.astype("i8")
    middle = int(np.datetime64("2025-01-01", "ns").astype("i8"))
    for x in range(3):
        exact = Fraction(sum(ticks[:, x].tolist()), 1000)
        assert mean[x] == middle + int(exact - middle)      # int() cuts toward zero
    durations = xr.DataArray((ticks - 2**60).astype("m8[ns]"), dims=("t", "x")).chunk(t=64)
    np.testing.assert_array_equal(durations.data.mean(0).compute().astype("i8"), [int(Fraction(sum((ticks[:, x] - 2**60).tolist()), 1000)) for x in range(3)])


def test_every_year():
    """The middle of the first and the last year, in the calendar of NumPy: also before 1970, in leap years and at turns of centuries."""
    days = [np.datetime64(f"{y:04}-{d}", "s") for y in (1, 1599, 1600, 1899, 1900, 1968, 1969, 1970, 1999, 2000, 2001, 2099, 2100, 3000) for d in
            ("01-01", "02-28", "03-01", "12-31T23:59:59")]  # fmt: skip
    rng = np.random.default_rng(SEED)
    for _ in range(12):
        plain = xr.DataArray(np.array(rng.choice(days, 3)), dims="t")
        xr.testing.assert_identical(plain.chunk(t=2).mean().compute(), plain.mean())


@pytest.mark.parametrize("year", [1899, 1959, 1999, 2003])
@pytest.mark.parametrize("first, last", [("02-28", "03-01"), ("03-01", "02-15"), ("01-01", "12-31"), ("12-31", "01-01")])
def test_years_begin_in_january(year, first, last):
    """A mean in the year before the middle one: a part of a second is cut off upward."""
    for second in range(3):
        plain = xr.DataArray(np.array([f"{year}-{first}", f"{year + (first > last)}-03-05T00:00:0{second}", f"{year + 2}-{last}"], "M8[s]"), dims="t")
        xr.testing.assert_identical(plain.chunk(t=2).mean().compute(), plain.mean())


def test_datasets_and_groups():
    rng = np.random.default_rng(SEED)
    ds = xr.Dataset({"seen": ("t", times(rng, "M", "us", 40, 9_000, 0.1)), "took": ("t", times(rng, "m", "us", 40, 9_000, 0.1)), "v": ("t", rng.random(40))},
                    {"g": ("t", np.arange(40) % 3)})  # fmt: skip
    lazy = ds.chunk(t=7)
    xr.testing.assert_allclose(lazy.mean().compute(), ds.mean())
    assert set(lazy.mean().data_vars) == set(ds.mean().data_vars)
    xr.testing.assert_identical(lazy.seen.coarsen(t=8).max().compute(), ds.seen.coarsen(t=8).max())
    xr.testing.assert_identical(lazy.took.cumsum("t").compute(), ds.took.cumsum("t"))
    xr.testing.assert_identical(lazy.took[::-1].cumsum("t").compute(), ds.took[::-1].cumsum("t"))
    one = xr.DataArray(np.datetime64("2001-05-06", "ns"))
    xr.testing.assert_identical(xr.DataArray(one.variable.chunk()).mean().compute(), one.mean())


def test_refused():
    lazy = xr.DataArray(np.array(["2001-01-01"], "M8[ns]"), dims="t").chunk()
    for f in (np.sum, np.mean, np.std, np.prod):            # of points in time, by NumPy's functions: refused as NumPy does
        with pytest.raises((NotImplementedError, TypeError)):
            f(lazy.data)
    many = lazy.isel(t=0).expand_dims(a=2**16, b=2**16)
    with pytest.raises(NotImplementedError, match="one dimension after the other"):
        many.mean()
