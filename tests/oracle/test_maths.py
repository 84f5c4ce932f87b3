"""Functions element by element against NumPy: exp, sin and their like, remainders, shifts, divisors; values, types and errors, with what is special in each
type, huge arguments, and rows that are cut in several ways. What is in the engine must not go through NumPy, which would warn."""
import warnings

import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()

ONE = ["exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh",
       "arccosh", "arctanh", "cbrt"]  # fmt: skip
TWO = ["power", "arctan2", "hypot", "logaddexp", "logaddexp2", "fmod", "remainder", "floor_divide", "heaviside", "nextafter", "copysign"]
WHOLE = ["left_shift", "right_shift", "gcd", "lcm", "fmod", "remainder", "floor_divide"]
RELATIVE = {2: 2e-3, 4: 1e-6, 8: 1e-12}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -3.0, 1e-42, -1e-310, 88.5, -103.0, 709.5, -744.0, 65535.0, -65537.0, 3e38, 1e300, 1e22]


def numbers(dtype, rng, n=3000):
    """Of every size that the type has, most of them moderate, each kind of special number some times."""
    with np.errstate(all="ignore"):
        wide = np.ldexp(rng.uniform(-1, 1, n), rng.integers(-20, 20, n))
        wide[::3] = np.ldexp(rng.uniform(-1, 1, wide[::3].size), rng.integers(-1100, 1025, wide[::3].size))
        wide[1::7] = rng.choice(SPECIAL, wide[1::7].size)
        wide[2::7] = rng.integers(-20, 20, wide[2::7].size)
        return wide.astype(dtype)


def compare(got, want, dtype, what):
    assert got.dtype == want.dtype, what
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    # Below the normal numbers NumPy's own functions are off by some of the smallest.
    least, relative = float(np.finfo(dtype).tiny), RELATIVE[np.dtype(dtype).itemsize]
    special = ~np.isfinite(want) | (want == 0)
    small = np.abs(want) < least
    np.testing.assert_array_equal(got[special & ~small], want[special & ~small], err_msg=what)
    rest = ~special | small
    np.testing.assert_allclose(got[rest].astype("f8"), want[rest].astype("f8"), rtol=relative, atol=least * relative * 4 + 4 * float(np.finfo(dtype).smallest_subnormal), err_msg=what)
    np.testing.assert_array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]), err_msg=what)


def computed(function, *arrays, chunk):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*[xr.DataArray(a, dims="x").chunk({"x": chunk}, chunked_array_type="craton") for a in arrays]).compute().values


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("name", ONE + TWO)
def test_like_numpy(name, dtype):
    rng = np.random.default_rng([len(name), ord(name[-1]), np.dtype(dtype).itemsize])
    function = getattr(np, name)
    arrays = [numbers(dtype, rng) for _ in range(function.nin)]
    with np.errstate(all="ignore"):
        # Functions whose error grows with the argument are asked in the wider type, and rounded.
        wide = {"f2": "f4", "f4": "f8", "f8": "f8"}[dtype] if name not in ("nextafter", "floor_divide", "remainder") else dtype
        want = function(*[a.astype(wide) for a in arrays]).astype(dtype)
    if name in ("logaddexp", "logaddexp2"):
        near = np.abs(want) > 0.1 * np.maximum(np.abs(np.maximum(*arrays)), 0.1)  # where the sum does not cancel
        got = computed(function, *arrays, chunk=700)
        compare(got[near], want[near], dtype, name)
        return
    got = computed(function, *arrays, chunk=700)
    compare(got, want, dtype, name)
    assert computed(function, *arrays, chunk=1001).tobytes() == got.tobytes()


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name, dtype):
    rng = np.random.default_rng([len(name), ord(name[-1]), ord(dtype[0]), int(dtype[1])])
    limits = np.iinfo(dtype)
    a = rng.integers(limits.min, limits.max, 900, dtype, endpoint=True)
    b = rng.integers(max(limits.min, -70), min(limits.max, 70), 900, dtype, endpoint=True)
    b[b == 0] = 1  # NumPy's answers to a division by 0 come with a warning
    a[:2] = limits.min, limits.max
    with np.errstate(all="ignore"):
        want = getattr(np, name)(a, b)
    compare(computed(getattr(np, name), a, b, chunk=250), want, dtype, name)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1"])
def test_quotient_and_parts(dtype):
    rng = np.random.default_rng(8)
    a, b = rng.integers(1, 90, 500).astype(dtype), rng.integers(1, 9, 500).astype(dtype)
    lazy = [xr.DataArray(v, dims="x").chunk({"x": 99}, chunked_array_type="craton").data for v in (a, b)]
    for got, want in zip(divmod(*lazy), divmod(a, b)):
        np.testing.assert_array_equal(np.asarray(got), want)
    if dtype[0] == "f":
        x = np.array([1.5, -1.5, 0.0, -0.0, 3.0, -3.0, np.inf, -np.inf, np.nan], dtype)
        lazy = xr.DataArray(x, dims="x").chunk({"x": 4}, chunked_array_type="craton").data
        for got, want in zip(np.modf(lazy), np.modf(x)):
            np.testing.assert_array_equal(np.asarray(got), want)
            assert np.asarray(got).dtype == want.dtype
            np.testing.assert_array_equal(np.signbit(np.asarray(got))[:8], np.signbit(want)[:8])


def test_powers_of_whole_numbers_are_exact():
    base, exponent = np.meshgrid(np.arange(-12.0, 13), np.arange(0.0, 15))
    got = computed(np.power, base.ravel(), exponent.ravel(), chunk=100)
    assert got.tolist() == [float(int(b) ** int(e)) for b, e in zip(base.ravel(), exponent.ravel())]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_exponents_of_which_some_are_two(dtype):
    """Squares have a loop of their own, where one exponent is for all."""
    base, exponent = np.resize(np.array([3, 0.5, 5, 1.75, 8], dtype), 900), np.resize(np.array([2, 3, 0, 1, -1, 0.5], dtype), 900)
    compare(computed(np.power, base, exponent, chunk=300), np.power(base, exponent), dtype, "power")
    compare(computed(lambda a: a ** 2, base, chunk=300), base * base, dtype, "square")
    compare(computed(lambda a: 2 ** a, exponent, chunk=300), np.power(np.array(2, dtype), exponent), dtype, "powers of two")


@pytest.mark.parametrize("name", ["left_shift", "right_shift", "gcd", "lcm"])
def test_not_of_floats(name):
    a = np.arange(4.0)
    with pytest.raises(TypeError):
        getattr(np, name)(a, a)
    with pytest.raises(TypeError):
        computed(getattr(np, name), a, a, chunk=2)
