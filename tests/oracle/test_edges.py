"""Edges where NumPy's and xarray's rules are easily missed: groups that nobody belongs to, times scaled by numbers, integers that do not
fit. Each against the same program on NumPy: values, dtype, and errors."""
import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import craton

craton.enable()


def both(build, function):
    """The answers on NumPy and on Craton; an exception counts as an answer of its type."""
    answers = []
    for lazy in (False, True):
        try:
            answers.append(function(build(lazy)).compute())
        except (ValueError, TypeError, OverflowError) as e:
            answers.append(type(e))
    return answers


def same(build, function, change=lambda expected: expected, exact=True):
    expected, answer = both(build, function)
    if isinstance(expected, type) or isinstance(answer, type):
        assert answer is expected
        return
    expected = change(expected)
    (xr.testing.assert_identical if exact else xr.testing.assert_allclose)(answer, expected)
    assert answer.dtype == expected.dtype


def chunked(array, lazy, n=2):
    return array.chunk({d: n for d in array.dims}, chunked_array_type="craton") if lazy else array


DTYPES = ["int8", "int16", "uint8", "int64", "uint32", "bool", "float32", "float64"]


@pytest.mark.parametrize("dtype, name", itertools.product(DTYPES, ["sum", "prod", "mean", "min", "max", "count", "std", "any", "all", "first", "last"]))
def test_groups_that_nobody_belongs_to(dtype, name):
    """Resampling over a gap, bins without members; and the same without a gap, where the type must not change.

    Accepted: where xarray on NumPy has 1 for the product of nobody (on dask it has NaN), and what NaN's bits make as an integer or a boolean
    for first, last, min and max of nobody, Craton has NaN, in float64.
    """
    with xr.set_options(use_bottleneck=False):
        time = pd.date_range("2000-01-01", periods=10, freq="D")
        values = np.array([3, 1, 0, 2, 5, 1, 1, 0, 7, 1]).astype(dtype)
        for keep in ([0, 1, 8, 9], list(range(10))):
            da = xr.DataArray(values, dims="time", coords={"time": time}).isel(time=keep)
            edges = xr.DataArray(np.arange(10.0)[keep], dims="time", name="edge")
            for group in (lambda a: a.resample(time="2D"), lambda a: a.groupby_bins(edges, [0, 2, 4, 6, 10])):
                members = group(da).count().fillna(0) > 0
                odd = name in ("prod", "first", "last") or dtype == "bool" and name in ("min", "max")
                nobody = (lambda e: (e if e.dtype.kind == "f" else e.astype("f8")).where(members)) if odd and not members.all() else (lambda e: e)  # noqa: B023
                same(lambda lazy: chunked(da, lazy), lambda a: getattr(group(a), name)(), nobody, exact=name not in ("mean", "std"))  # noqa: B023


@pytest.mark.parametrize("seed", range(4))
def test_chunks_of_parts_of_parts(seed):
    """Cut where dask cuts, so where the source is: a part of a part too."""
    rng = np.random.default_rng(seed)
    n, size = int(rng.integers(20, 60)), int(rng.integers(2, 9))
    da = xr.DataArray(np.arange(n), dims="x")
    ours, theirs = da.chunk(x=size, chunked_array_type="craton"), da.chunk(x=size, chunked_array_type="dask")
    for _ in range(3):
        part = slice(int(rng.integers(0, 4)), -int(rng.integers(1, 3)))
        ours, theirs = ours.isel(x=part), theirs.isel(x=part)
        assert ours.chunks == theirs.chunks
    np.testing.assert_array_equal(ours.values, theirs.values)


NUMBERS = [1.5, 0.5, -2.5, np.float64(0.1), np.float32(3), 2, -3, 0, 0.0, np.inf, np.nan, True, np.int16(4)]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize("unit", ["ns", "s", "D"])
def test_times_scaled_by_numbers(number, unit):
    ticks = np.array([1, 2, 3, -7, 10**6, np.iinfo("i8").min]).astype(f"m8[{unit}]")
    da = xr.DataArray(ticks, dims="x")
    with np.errstate(all="ignore"):
        for function in (lambda a: a * number, lambda a: number * a, lambda a: a / number if number is not True else a):
            same(lambda lazy: chunked(da, lazy), function)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16"])
def test_times_scaled_by_arrays(dtype):
    da = xr.DataArray(np.array([1, 2, 3, -7], "m8[h]").astype("m8[ns]"), dims="x")
    other = xr.DataArray(np.array([0.5, 2, 0, -1]).astype(dtype), dims="x")
    with np.errstate(all="ignore"):
        for function in (lambda a: a * other, lambda a: other * a, lambda a: a / other):
            same(lambda lazy: chunked(da, lazy), function)


SMALL = [np.iinfo("i1").min, -1, 0, 1, np.iinfo("i1").max]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
@pytest.mark.parametrize("number", [-1, 2**63, 2**64, -(2**63) - 1, 300, 0, 255])
@pytest.mark.parametrize("name", ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"])
def test_comparison_with_any_integer(dtype, number, name):
    values = np.array(SMALL).astype(dtype)
    a = getattr(xr.DataArray(values, dims="x").chunk(x=2, chunked_array_type="craton").data, name)(number)
    np.testing.assert_array_equal(np.asarray(a), getattr(values, name)(number))


def test_close_integers_do_not_wrap_around():
    a, b = np.array([-128, 127, 5], "i1"), np.array([0, -127, 5], "i1")
    lazy = xr.DataArray(a, dims="x").chunk(x=2, chunked_array_type="craton").data
    np.testing.assert_array_equal(np.asarray(np.isclose(lazy, b)), np.isclose(a, b))


@pytest.mark.parametrize("base, exponent", [(np.array([1, 2, 3]), -1), (np.array([1, 2, 3]), 2), (np.array([1.0, 2.0]), -1),
                                            (np.array([2, 3], "u1"), np.array([1, 2], "u1")), (np.array([2, 3]), np.array([1, -2]))])
def test_powers_of_integers(base, exponent):
    same(lambda lazy: chunked(xr.DataArray(base, dims="x"), lazy), lambda a: a**exponent)


def test_scalar_product_keeps_small_types():
    a = np.array([[100, 100], [3, 4]], "i1")
    lazy = xr.DataArray(a, dims=("x", "y")).chunk(x=1, chunked_array_type="craton").data
    answer = craton.namespace.vecdot(lazy, a)
    assert answer.dtype == np.vecdot(a, a).dtype
    np.testing.assert_array_equal(np.asarray(answer), np.vecdot(a, a))
