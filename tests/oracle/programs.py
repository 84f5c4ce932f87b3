"""Random programs on arrays, run twice: lazily by Craton and at once by NumPy.

A program is made from a seed alone; run_cell() makes one of a single operation on what a cell (cells.py) says. The seed of a failing one is in its test's name and message; run it again with
`pytest tests/oracle -k "program and SEED"` after setting CRATON_SEED, which is the first seed (default 1). CRATON_CASES is how
many programs of each kind are run.

Arrays lie in memory, in files, or in functions that are called for each block (sources.py).

Floating values are multiples of 1/8 of small size, so that sums are exact in any order. A value that went through an
inexact operation is marked, and then only continuous operations follow: a comparison of rounding errors proves nothing.
"""

import dataclasses
import functools
import os
import warnings

import cells
import filling
import numpy as np
import sources
from numpy.lib.stride_tricks import sliding_window_view

from craton import Array
from craton.along import push
from craton.operations import FUNCTIONS

SEED = int(os.environ.get("CRATON_SEED", "1"))
CASES = int(os.environ.get("CRATON_CASES", "150"))
DTYPES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "f4", "f8"]


def rng_of(seed):
    return np.random.default_rng([*np.atleast_1d(seed).tolist(), 20261124])


def random_shape(rng, least=1, most=4):
    ndim = int(rng.integers(least, most + 1))
    return tuple(int(n) for n in rng.integers(1, [0, 60, 24, 12, 8][ndim], ndim))


def random_values(rng, shape, dtype, missing=None):
    dtype = np.dtype(dtype)
    if dtype.kind in "mM":
        return cells.random_times(rng, shape, dtype, missing or str(rng.choice(cells.MISSING)))
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "u":
        return rng.integers(0, 100, shape).astype(dtype)
    if dtype.kind == "i":
        return rng.integers(-100, 100, shape).astype(dtype)
    values = np.asarray(rng.integers(-400, 400, shape) / 8).astype(dtype)
    if values.ndim:
        values[cells.missing(rng, shape, missing or str(rng.choice(cells.MISSING)))] = np.nan
    return values


def random_chunks(rng, shape):
    """At least two chunks along an axis where there is room, most of the time."""
    return tuple(int(rng.integers(1, max(2, n // 2 + 1))) if rng.random() < 0.8 else max(1, n) for n in shape)


class Value:
    """The same array twice, whether its values are exact, and the precision of the least precise type on the way."""

    def __init__(self, lazy, ready, exact=True, scale=0.0, precision=0.0):
        self.lazy, self.ready, self.exact = lazy, np.asarray(ready), exact
        self.precision = max(precision, {2: 1e-3, 4: 1e-6, 8: 1e-12}[self.ready.itemsize] if self.ready.dtype.kind == "f" else 0.0)
        finite = np.abs(self.ready[np.isfinite(self.ready)].astype("f8")) if self.ready.dtype.kind == "f" else np.zeros(0)
        self.scale = max(scale, float(finite.max(initial=0.0)))


_numpy_alone = False    # NumPy on both sides: what does it refuse?


def source(rng, shape=None, dtype=None, missing=None, chunks=None):
    shape = random_shape(rng) if shape is None else shape
    values = random_values(rng, shape, dtype or rng.choice(DTYPES), missing)
    if values.ndim > 1 and rng.random() < 0.3:  # memory that is not row-major
        values = np.asfortranarray(values)
    if values.ndim and rng.random() < 0.2:
        values = values[::-1]
    sizes = cells.chunk_sizes(rng, values.shape, chunks) if chunks else random_chunks(rng, values.shape)
    return Value(values if _numpy_alone else sources.lazy_array(values, sizes), values)


EXACT_UNARY = ["negative", "absolute", "square", "sign", "positive", "rint", "floor", "ceil", "trunc", "isnan", "isfinite", "isinf", "signbit",
               "logical_not", "invert"]  # fmt: skip
SMOOTH_UNARY = ["sqrt", "exp", "log1p", "sin", "cos", "arctan", "tanh", "deg2rad", "rad2deg", "expm1", "log", "arcsinh"]
EXACT_BINARY = ["add", "subtract", "multiply", "maximum", "minimum", "fmax", "fmin", "equal", "not_equal", "less", "less_equal", "greater",
                "greater_equal", "bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "logical_or", "logical_xor", "floor_divide",
                "remainder", "copysign"]  # fmt: skip
SMOOTH_BINARY = ["divide", "hypot", "arctan2", "add", "subtract", "multiply"]
REDUCTIONS = ["sum", "mean", "min", "max", "std", "var", "any", "all", "nansum", "nanmean", "nanmin", "nanmax", "nanstd", "nanvar", "prod",
              "nanprod", "count_nonzero", "argmin", "argmax"]  # fmt: skip


# Further ones, in cells only.
MORE_UNARY = ["isnat", "reciprocal", "exp2", "log2", "log10", "tan", "arcsin", "arccos", "sinh", "cosh", "arcsinh", "arccosh", "arctanh", "cbrt"]
MORE_BINARY = ["power", "float_power", "fmod", "heaviside", "nextafter", "left_shift", "right_shift", "gcd", "lcm", "logaddexp", "logaddexp2"]
MORE_REDUCTIONS = ["ptp", "average", "nanargmin", "nanargmax"]


class Skip(Exception):
    """The answer would not be comparable."""


class Refused(Skip):
    """NumPy refuses this, and Craton does too."""


def both(function, *values, exact=True, **kwargs):
    """Applies a NumPy function to both sides. What NumPy refuses, Craton must refuse."""
    lazy = [v.lazy if isinstance(v, Value) else v for v in values]
    ready = [v.ready if isinstance(v, Value) else v for v in values]
    exact = exact and all(v.exact for v in values if isinstance(v, Value))
    scale = max([v.scale for v in values if isinstance(v, Value)], default=0.0)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = function(*ready, **kwargs)
    except (TypeError, ValueError, OverflowError) as error:
        if _numpy_alone:
            raise Refused(str(error)) from None
        try:
            answer = function(*lazy, **kwargs)
            if isinstance(error, ValueError):  # one that depends on values may come when it runs
                answer.compute()
        except (TypeError, ValueError, OverflowError, NotImplementedError):
            raise Refused(str(error)) from None
        raise AssertionError(f"NumPy refuses {function}({[v.ready.dtype for v in values if isinstance(v, Value)]}): {error}") from None
    precision = max([v.precision for v in values if isinstance(v, Value)], default=0.0)
    return Value(expected if _numpy_alone else function(*lazy, **kwargs), expected, exact, scale, precision)


def limited(value):
    """Values for which functions do not blow up: rounding errors must stay small."""
    if value.ready.dtype.kind == "f":
        return both(np.clip, value, value.ready.dtype.type(-20), value.ready.dtype.type(20))
    return value


def step_unary(rng, v, name=None):
    in_cell = name is not None
    if name in EXACT_UNARY or name is None and v.exact and rng.random() < 0.6:
        name = name or str(rng.choice(EXACT_UNARY))
        if name == "square" and (v.scale > 1e3 or v.ready.dtype.kind in "iu"):
            raise Skip
        if name == "signbit" and ((v.ready == 0) | np.isnan(v.ready)).any():
            raise Skip  # the sign of a zero or a NaN that was computed is nobody's promise
        if name in ("sign",) and v.ready.dtype.kind == "b":
            raise Skip
        return both(getattr(np, name), v)
    if name == "isnat":
        return both(np.isnat, v)
    if name == "reciprocal":
        v = both(np.where, both(np.equal, v, 0), v.ready.dtype.type(1), v)
        return both(np.reciprocal, v, exact=v.ready.dtype.kind in "iu")
    name = name or str(rng.choice(SMOOTH_UNARY))
    if name not in FUNCTIONS and name == "arcsinh" and not in_cell:
        raise Skip
    v = limited(v)
    if name in ("sqrt", "log1p", "log", "log2", "log10", "arccosh"):
        v = both(np.absolute, v)
        if not v.exact:
            v = both(np.add, v, v.ready.dtype.type(1))
    return both(getattr(np, name), v, exact=False)


def step_binary(rng, v, others, name=None):
    other = time_operand(rng, v) if v.ready.dtype.kind in "mM" else operand(rng, v, others)
    exact = v.exact and (not isinstance(other, Value) or other.exact)
    name = name or str(rng.choice(EXACT_BINARY if exact and rng.random() < 0.7 else SMOOTH_BINARY))
    if v.ready.dtype.kind in "mM":
        return both(getattr(np, name), *((v, other) if rng.random() < 0.7 else (other, v)))
    if name in ("power", "float_power"):
        # Of whole numbers to lazy signed ones Craton says that it cannot know; floats of any size are no numbers any more.
        other = int(rng.integers(0, 4)) if rng.random() < 0.5 or v.ready.dtype.kind in "iub" else float(rng.integers(-8, 9) / 4)
        return both(getattr(np, name), limited(v), other, exact=v.ready.dtype.kind in "iub" and name == "power")
    if name in ("logaddexp", "logaddexp2"):
        return both(getattr(np, name), limited(v), limited(other) if isinstance(other, Value) else other, exact=False)
    if name == "multiply" and (v.scale > 1e3 or isinstance(other, Value) and other.scale > 1e3):
        raise Skip
    if name == "divide":
        if isinstance(other, Value):
            other = both(np.add, both(np.absolute, limited(other)), 1) if other.ready.dtype.kind != "b" else other
        elif other == 0:
            raise Skip
    if name == "copysign" and ((v.ready == 0).any() or isinstance(other, Value) and (other.ready == 0).any()):
        raise Skip
    if name in ("remainder", "floor_divide") and isinstance(other, Value) and other.ready.dtype.kind == "b":
        raise Skip
    args = (v, other) if rng.random() < 0.7 or name == "divide" else (other, v)
    return both(getattr(np, name), *args, exact=name not in SMOOTH_BINARY or name in ("add", "subtract", "multiply"))


def time_operand(rng, v):
    """Times of its kind in any unit, of the other kind, or numbers."""
    kind = int(rng.integers(0, 5))
    if kind == 0:
        return int(rng.integers(-3, 100))
    if kind == 1 and v.ready.dtype.kind == "m":
        return float(rng.integers(-40, 40) / 8)
    shape = tuple(n if rng.random() < 0.7 else 1 for n in v.ready.shape)
    if kind == 2:
        return source(rng, shape, str(rng.choice(["i2", "i8", "u1"])))
    if kind == 3:
        return source(rng, shape, cells.concrete(rng, "mM"[v.ready.dtype.kind == "m"] + "8"))
    return source(rng, shape, cells.concrete(rng, v.ready.dtype.kind + "8"))


def operand(rng, v, others):
    kind = rng.integers(0, 6)
    if kind == 0:
        return int(rng.integers(-3, 100))
    if kind == 1:
        return float(rng.integers(-40, 40) / 8)
    if kind == 2:
        return np.dtype(str(rng.choice(DTYPES))).type(rng.integers(0, 2))
    if kind == 3:
        same = [o for o in others if o.ready.shape == v.ready.shape]
        if same:
            return same[int(rng.integers(0, len(same)))]
    shape = tuple(n if rng.random() < 0.7 else 1 for n in v.ready.shape)[int(rng.integers(0, v.ready.ndim + 1)) :]
    return source(rng, shape)


def step_reduce(rng, v, name=None):
    name = name or str(rng.choice(REDUCTIONS))
    function = getattr(np, name)
    n = v.ready.ndim
    axis = None if rng.random() < 0.2 else int(rng.integers(-n, n)) if n and rng.random() < 0.6 else tuple(
        int(i) for i in rng.permutation(n)[: int(rng.integers(0, n + 1))])  # fmt: skip
    kwargs = {"axis": axis, "keepdims": bool(rng.random() < 0.3)}
    if name in ("argmin", "argmax", "nanargmin", "nanargmax"):
        if isinstance(axis, tuple) or not v.exact:
            raise Skip
    if name in ("prod", "nanprod"):
        v = both(np.clip, limited(v), -1, 1) if v.ready.dtype.kind in "if" else v
        if v.ready.dtype.kind == "f":
            v = both(np.sign, v) if v.exact else v
    if name in ("std", "var", "nanstd", "nanvar") and rng.random() < 0.3:
        kwargs["ddof"] = 1
    if name in ("any", "all", "count_nonzero") and not v.exact:
        raise Skip
    exact = v.ready.dtype.kind in "mM" or name in ("sum", "nansum", "min", "max", "nanmin", "nanmax", "any", "all", "count_nonzero", "argmin", "argmax",
                                                   "nanargmin", "nanargmax", "ptp")  # fmt: skip
    result = both(function, v, exact=exact, **kwargs)
    if name in ("sum", "mean", "std", "var", "nansum", "nanmean", "nanstd", "nanvar", "average"):
        in_double(result, function, v, **kwargs)
    if name in ("std", "var", "nanstd", "nanvar"):
        # A variance of equal values is 0 or nearly 0; its root magnifies that.
        result.scale = max(result.scale, min(v.scale, 1e150) ** 2)
        if name.endswith("std"):
            result = both(np.square, result) if result.ready.size else result
            result.exact = False
    return result


def in_double(result, function, *values, **kwargs):
    """NumPy's own sums of float32 and float16 are less exact than what is tested: its answer is that for float64."""
    ready = [v.ready if isinstance(v, Value) else v for v in values]
    if result.ready.dtype.kind == "f" and result.ready.itemsize < 8:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            better = function(*(r.astype("f8") if getattr(r, "dtype", np.dtype(bool)).kind == "f" else r for r in ready), **kwargs)
            result.ready = np.asarray(better).astype(result.ready.dtype)
    return result


def random_index(rng, shape):
    key = []
    listed = False
    for n in shape:
        kind = rng.integers(0, 6)
        if kind == 0 and n:
            key.append(int(rng.integers(-n, n)))
        elif kind == 1 and not listed and n and not any(isinstance(k, int) for k in key):
            key.append(rng.integers(-n, n, int(rng.integers(0, 2 * n))))
            listed = True
        elif kind == 2 and not listed and not any(isinstance(k, int) for k in key):
            key.append(rng.random(n) < 0.6)
            listed = True
        else:
            a, b = (int(i) for i in rng.integers(-n - 1, n + 2, 2))
            step = int(rng.choice([1, 1, 2, 3, -1, -2]))
            key.append(slice(a if rng.random() < 0.7 else None, b if rng.random() < 0.5 else None, step))
    if listed:
        key = [slice(k, k + 1) if isinstance(k, int) and k != -1 else slice(-1, None) if isinstance(k, int) else k for k in key]
    if rng.random() < 0.2 and not listed:
        key.insert(int(rng.integers(0, len(key) + 1)), None)
    if rng.random() < 0.2 and not any(k is None for k in key):
        at = int(rng.integers(0, len(key) + 1))
        key = key[:at] + [Ellipsis]
    return tuple(key)


VIEWS = {"index": 0, "transpose": 3, "expand_dims": 4, "squeeze": 5, "flip": 6, "roll": 7}


def step_view(rng, v, name=None):
    n = v.ready.ndim
    kind = VIEWS[name] if name else int(rng.integers(0, 9))
    if kind <= 2:
        key = random_index(rng, v.ready.shape)
        return both(lambda a: a[key], v)
    if kind == 3:
        axes = tuple(int(i) for i in rng.permutation(n))
        return both(np.transpose, v, axes=axes)
    if kind == 4:
        return both(np.expand_dims, v, axis=int(rng.integers(-n - 1, n + 1)))
    if kind == 5:
        return both(np.squeeze, v)
    if kind == 6 and n:
        return both(np.flip, v, axis=int(rng.integers(0, n)))
    if kind == 7 and n:
        return both(np.roll, v, int(rng.integers(-5, 6)), axis=int(rng.integers(0, n)))
    if kind == 8 and n and v.ready.size and name is None:
        mode = str(rng.choice(["constant", "edge", "wrap", "reflect", "symmetric"]))
        widths = [(int(rng.integers(0, 4)), int(rng.integers(0, 4))) for _ in range(n)]
        if mode == "reflect" and 1 in v.ready.shape:
            raise Skip
        return both(np.pad, v, widths, mode=mode)
    raise Skip


COMBINATIONS = ["concatenate", "stack", "where", "clip"]


def step_combine(rng, v, others, name=None):
    n = v.ready.ndim
    if not n:
        raise Skip
    time = cells.concrete(rng, v.ready.dtype.kind + "8") if v.ready.dtype.kind in "mM" else None
    kind = COMBINATIONS.index(name) if name else int(rng.integers(0, 4))
    if kind == 0:
        axis = int(rng.integers(0, n))
        shape = list(v.ready.shape)
        shape[axis] = int(rng.integers(0, 6))
        other = source(rng, tuple(shape), time)
        return both(lambda *a: np.concatenate(a, axis=axis), v, other)
    if kind == 1:
        other = source(rng, v.ready.shape, time)
        axis = int(rng.integers(0, n + 1))
        return both(lambda *a: np.stack(a, axis=axis), v, other)
    if kind == 2:
        condition = source(rng, v.ready.shape, "b1")
        return both(np.where, condition, v, source(rng, v.ready.shape, time) if time else operand(rng, v, others))
    low, high = sorted(int(i) for i in rng.integers(0, 50, 2))
    if time:
        low, high = np.sort(cells.random_times(rng, 2, time, "none"))
    return both(np.clip, v, low, high)


def step_cast(rng, v, name=None):
    dtype = cells.concrete(rng, name or str(rng.choice(DTYPES + ["f2"])))
    if "m" in (dtype.kind, v.ready.dtype.kind) or "M" in (dtype.kind, v.ready.dtype.kind):
        return both(lambda a: a.astype(dtype), v)
    if v.ready.dtype.kind == "f" and dtype.kind in "iu" and (not v.exact or not np.isfinite(v.ready).all() or (v.ready < 0).any()):
        raise Skip  # undefined in C
    if v.ready.dtype.kind == "f" and dtype.kind in "iu" and v.scale > 100:
        raise Skip
    if not v.exact and dtype.kind in "b" or dtype == np.float16 and v.scale > 200:
        raise Skip
    return both(lambda a: a.astype(dtype), v, exact=dtype != np.float16)


# ---- kinds of steps that only cells have -------------------------------------------------------------------------------


PADS = ["constant", "edge", "linear_ramp", "maximum", "mean", "median", "minimum", "reflect", "symmetric", "wrap"]


def step_pad(rng, v, mode):
    widths = [(int(rng.integers(0, 4)), int(rng.integers(0, 4))) for _ in v.ready.shape]
    if mode == "reflect" and 1 in v.ready.shape:
        raise Skip
    options = {}
    if mode in ("maximum", "mean", "median", "minimum") and rng.random() < 0.5:
        options["stat_length"] = int(rng.integers(1, 5))
    if mode in ("constant", "linear_ramp") and rng.random() < 0.5 and v.ready.dtype.kind not in "mM":
        options["constant_values" if mode == "constant" else "end_values"] = int(rng.integers(0, 2 if v.ready.dtype.kind == "b" else 50))
    return both(np.pad, v, widths, mode=mode, exact=mode not in ("linear_ramp", "mean", "median"), **options)


ALONG = ["cumsum", "cumprod", "nancumsum", "nancumprod", "diff", "gradient", "ffill", "bfill"]


def filled(a, backward, limit, axis):
    if backward:
        a = np.flip(a, axis)
    a = push(a, limit, axis) if isinstance(a, Array) else filling.push(a, limit, axis)
    return np.flip(a, axis) if backward else a


def step_along(rng, v, name):
    axis = int(rng.integers(-v.ready.ndim, v.ready.ndim))
    if name in ("ffill", "bfill"):
        return both(filled, v, backward=name == "bfill", limit=None if rng.random() < 0.5 else int(rng.integers(1, 6)), axis=axis)
    if name == "diff":
        return both(np.diff, v, n=int(rng.integers(1, 3)), axis=axis)
    if name == "gradient":
        order = int(rng.integers(1, 3))
        if v.ready.shape[axis] < order + 1:
            raise Skip
        spacing = 0.5 if rng.random() < 0.5 else np.cumsum(rng.integers(1, 4, v.ready.shape[axis])) / 2
        result = both(lambda a: np.gradient(a, spacing, axis=axis, edge_order=order), v, exact=False)
        return in_double(result, lambda a: np.gradient(a, spacing, axis=axis, edge_order=order), v)
    if name.endswith("cumprod"):  # of few numbers but -1, 0 and 1: products stay small
        v = ones_mostly(v)
    return in_double(both(getattr(np, name), v, axis=axis), getattr(np, name), v, axis=axis)


def ones_mostly(v):
    return both(np.sign, both(np.clip, v, -1, 1)) if v.ready.dtype.kind in "if" else v


ORDER = ["median", "nanmedian", "quantile", "nanquantile", "percentile", "nanpercentile"]


def step_order(rng, v, name):
    axis = None if rng.random() < 0.2 else int(rng.integers(0, v.ready.ndim)) if rng.random() < 0.6 else tuple(
        int(i) for i in rng.permutation(v.ready.ndim)[: int(rng.integers(1, v.ready.ndim + 1))])  # fmt: skip
    q = []
    if not name.endswith("median"):
        q = [rng.choice([0, 0.1, 0.25, 0.5, 0.9, 1], int(rng.integers(1, 4)), replace=False) * (100 if "percent" in name else 1)]
        q = [float(q[0][0])] if rng.random() < 0.5 else q
    options = {"axis": axis, "keepdims": bool(rng.random() < 0.3)}
    if v.ready.dtype.kind in "mM" and q:  # by a method that takes one of them: between two, NumPy rounds to ticks in float64
        options["method"] = str(rng.choice(["lower", "higher", "nearest"]))
    return in_double(both(getattr(np, name), v, *q, exact=v.ready.dtype.kind in "mM", **options), getattr(np, name), v, *q, **options)


WINDOW = ["sum", "mean", "min", "max", "std", "var", "prod", "any", "all"]


def step_window(rng, v, name):
    axis = int(rng.integers(0, v.ready.ndim))
    width = int(rng.integers(1, min(8, v.ready.shape[axis]) + 1))
    v = ones_mostly(v) if name == "prod" else v

    def moving(a):
        return getattr(np, name)(sliding_window_view(a, width, axis), axis=-1)

    result = in_double(both(moving, v, exact=v.ready.dtype.kind in "mM" or name in ("sum", "min", "max", "any", "all", "prod")), moving, v)
    if name in ("std", "var"):
        result.scale = max(result.scale, v.scale**2)
    if name == "std" and v.ready.dtype.kind not in "mM":
        result = both(np.square, result, exact=False)
    return result


PLACES = ["take", "repeat", "tile", "reshape", "ravel", "moveaxis", "swapaxes", "matrix_transpose", "broadcast_to", "assign"]


def step_place(rng, v, name):
    shape, n = v.ready.shape, v.ready.ndim
    axis, other = (int(i) for i in rng.integers(0, n, 2))
    if name == "take":
        return both(np.take, v, rng.integers(-shape[axis], shape[axis], int(rng.integers(0, 2 * shape[axis]))), axis=axis)
    if name == "repeat":
        return both(np.repeat, v, int(rng.integers(0, 4)), axis=axis)
    if name == "tile":
        return both(np.tile, v, [int(i) for i in rng.integers(1, 4, int(rng.integers(1, n + 2)))])
    if name == "reshape":
        size, target = v.ready.size, []
        for p in (2, 3, 5):
            while size % p == 0 and rng.random() < 0.6:
                size //= p
                target.append(p)
        return both(np.reshape, v, [int(i) for i in rng.permutation([*target, size])])
    if name == "ravel":
        return both(np.ravel, v)
    if name == "broadcast_to":
        return both(np.broadcast_to, v, (int(rng.integers(1, 4)), *shape))
    if name == "matrix_transpose":
        return both(np.matrix_transpose, v)
    if name != "assign":
        return both(getattr(np, name), v, axis, other)
    key = tuple(slice(*sorted(int(i) for i in rng.integers(0, m + 1, 2))) for m in shape)
    value = source(rng, v.ready[key].shape, v.ready.dtype)

    def assigned(a, b):
        a = a.copy()
        a[key] = b
        return a

    return both(assigned, v, value)


FUNCTIONS_OF_VALUES = ["round", "isclose", "isin", "nan_to_num", "full_like", "zeros_like", "ones_like"]


def step_values(rng, v, name):
    if name == "round":
        return both(np.round, v, int(rng.integers(-1, 3)), exact=v.ready.dtype.kind in "iub")
    if name == "isclose":
        # Well apart, or the same.
        other = both(np.where, source(rng, v.ready.shape, "b1"), v, source(rng, v.ready.shape, v.ready.dtype))
        return both(np.isclose, v, other, equal_nan=bool(rng.random() < 0.5))
    if name == "isin":
        return both(np.isin, v, random_values(rng, (5,), v.ready.dtype, "none"), invert=bool(rng.random() < 0.3))
    if name == "full_like":
        return both(np.full_like, v, random_values(rng, (1,), v.ready.dtype, "none")[0])
    return both(getattr(np, name), v)


PRODUCTS = ["einsum", "tensordot", "dot", "vecdot", "matmul", "outer"]


def step_product(rng, v, name):
    v = limited(v)
    n = v.ready.shape[-1]
    shapes = {"einsum": v.ready.shape[-2:], "tensordot": (n, 3), "dot": (n, 2), "vecdot": v.ready.shape, "matmul": (n, 2), "outer": (int(rng.integers(1, 5)),)}
    other = limited(source(rng, shapes[name], v.ready.dtype, "none"))
    calls = {
        "einsum": lambda a, b: np.einsum("...ij,ij->...j", a, b),
        "tensordot": lambda a, b: np.tensordot(a, b, axes=([a.ndim - 1], [0])),
        "outer": lambda a, b: np.outer(a, b),
    }
    call = calls.get(name, getattr(np, name))
    result = in_double(both(call, v, other, exact=v.ready.dtype.kind in "iub"), call, v, other)
    result.scale = max(result.scale, v.scale * other.scale * n)
    return result


# ---- cells ---------------------------------------------------------------------------------------------------------------


KINDS = {
    "unary": (step_unary, list(dict.fromkeys([*EXACT_UNARY, *SMOOTH_UNARY, *MORE_UNARY]))),
    "binary": (step_binary, list(dict.fromkeys([*EXACT_BINARY, *SMOOTH_BINARY, *MORE_BINARY]))),
    "reduce": (step_reduce, [*REDUCTIONS, *MORE_REDUCTIONS]),
    "view": (step_view, list(VIEWS)),
    "combine": (step_combine, COMBINATIONS),
    "cast": (step_cast, cells.TYPES),
    "pad": (step_pad, PADS),
    "along": (step_along, ALONG),
    "order": (step_order, ORDER),
    "window": (step_window, WINDOW),
    "place": (step_place, PLACES),
    "values": (step_values, FUNCTIONS_OF_VALUES),
    "product": (step_product, PRODUCTS),
}
# What a cell's operation is called: "reduce sum", "cast i2".
OPERATIONS = [f"{kind} {name}" for kind, (_, names) in KINDS.items() for name in names]
# No answer of these can be compared, whatever the values. (What NumPy refuses, left_out() finds.)
NOT_COMPARABLE = {
    **{("unary square", kind): "squares of whole numbers wrap; they are multiplications of random programs" for kind in "iu"},
    ("unary sign", "b"): "NumPy has none of booleans, and says so in another way than for other types",
    ("reduce average", "m"): "NumPy fails where it asks how much all weights are, 1 as a duration",
    **{(f"pad {mode}", "m"): "NumPy takes durations for whole numbers, rounds them and fails; Craton pads" for mode in ("maximum", "minimum", "mean")},
    ("along gradient", "b"): "NumPy has one where distances differ, which Craton refuses as all of booleans",
    **{(f"order {name}", "m"): "Craton refuses medians of times (docs/xarray.md)" for name in ("median", "nanmedian")},
    **{(f"product {name}", "m"): "NumPy multiplies durations with each other here alone; Craton refuses" for name in ("dot", "tensordot")},
}
# Functions of lazy arrays that are no operation of the cells.
NOT_DRAWN = {
    **dict.fromkeys(["shape", "ndim", "size", "result_type", "iscomplexobj", "isrealobj"], "a question about the array, nothing is computed"),
    **dict.fromkeys(["full", "zeros", "empty", "ones", "arange", "empty_like", "asarray"], "makes an array of no other"),
    **dict.fromkeys(["real", "imag", "astype", "sliding_window_view", "broadcast_arrays"], "drawn as part of others: casts, windows, operands that broadcast"),
    "unravel_index": "of places that are known to be in a shape: test_edges.py",
}
_TRIES = 40


def comparable(wanted):
    """What cannot be missing is there: signs of NaN are nobody's promise, floats that are missing no whole numbers in C. Its pattern is then one of times."""
    cells_ = []
    for cell in wanted:
        of, name = cell.operation.split()
        if np.dtype(cell.dtype).kind == "f" and (name == "signbit" or of == "cast" and np.dtype(name).kind in "iu"):
            if not left_out(cell.operation, "m8"):
                cells_.append(dataclasses.replace(cell, dtype="m8"))
            cell = dataclasses.replace(cell, missing="none")
        cells_.append(cell)
    return list(dict.fromkeys(cells_))


def left_out(operation, dtype):
    """Why an operation on a type is no cell; None: it is one."""
    return _left_out(operation, np.dtype(dtype).kind)


@functools.cache
def _left_out(operation, kind):
    """NumPy itself is asked, with a type of this kind: what it refuses in every form that is drawn."""
    global _numpy_alone
    if reason := NOT_COMPARABLE.get((operation, kind)):
        return reason
    refused, dtype = None, {"b": "b1", "u": "u2", "M": "M8", "m": "m8"}.get(kind, kind + "4")
    _numpy_alone = True
    try:
        for attempt in range(12 if kind in "mM" else 6):
            rng = rng_of([attempt, *operation.encode(), *dtype.encode()])
            try:
                draw(rng, operation, source(rng, (3, 4), cells.concrete(rng, dtype), "none"))
                return None
            except Refused as error:
                refused = f"NumPy refuses it: {error}"
            except Skip:
                pass
    finally:
        _numpy_alone = False
    return refused


def draw(rng, operation, v):
    """One form of an operation on v, and what v had to be for it; a list of Values, last first."""
    kind, name = operation.split()
    step = KINDS[kind][0]
    if kind == "cast" and v.ready.dtype.kind == "f" and np.dtype(name).kind in "iu":
        v = both(np.clip, both(np.absolute, v), 0, 90)
        v.scale = 90
    if name in ("copysign", "signbit"):
        v = both(np.where, both(np.equal, v, 0), v.ready.dtype.type(1), v)
    return [step(rng, v, [v], name) if kind in ("binary", "combine") else step(rng, v, name), v]


def run_cell(cell):
    """One operation on an array of at least two chunks, as a cell says; a list of Values, last first. Refused: NumPy does, of numbers, this form of it;
    of times there are so many that it refuses that others are drawn."""
    for attempt in range(_TRIES):
        rng = rng_of([SEED, attempt, *str(cell).encode()])
        shape = random_shape(rng, 2, 3)
        if max(shape) < 2:
            continue
        v = source(rng, shape, cells.concrete(rng, cell.dtype), cell.missing, cell.chunks)
        assert max(len(c) for c in v.lazy.chunks) > 1, f"{cell}: one chunk"
        try:
            return draw(rng, cell.operation, v)
        except Refused:
            if cell.dtype not in cells.TIMES:
                raise
        except Skip:
            continue
    raise AssertionError(f"{cell}: {_TRIES} tries gave nothing that can be compared")


def refuse_cell(operation, dtype):
    """What is left out because NumPy refuses it, on lazy arrays: an error there too."""
    rng = rng_of([SEED, *operation.encode(), *dtype.encode()])
    for _ in range(_TRIES):
        try:
            draw(rng, operation, source(rng, (3, 4), cells.concrete(rng, dtype), "none", "halves"))
        except Refused:
            return
        except Skip:
            continue
        raise AssertionError(f"{operation} of {dtype} is left out: {left_out(operation, dtype)}. Craton has an answer")


def run_program(seed, length=6):
    """The values of a program, last first."""
    rng = rng_of(seed)
    values = [source(rng)]
    for _ in range(length):
        v = values[-1] if rng.random() < 0.8 else values[int(rng.integers(0, len(values)))]
        kind = rng.choice(["unary", "binary", "reduce", "view", "combine", "cast"], p=[0.2, 0.3, 0.15, 0.2, 0.1, 0.05])
        step = {"unary": step_unary, "reduce": step_reduce, "view": step_view, "cast": step_cast}.get(kind)
        try:
            v = step(rng, v) if step else {"binary": step_binary, "combine": step_combine}[kind](rng, v, values)
        except Skip:
            continue
        if v.ready.dtype == np.float16 or v.ready.dtype.kind == "c":
            continue
        values.append(v)
    return values[::-1]


def check(value, answer, what):
    """Integers exactly; float64 within 1e-12 and float32 within 1e-6 of the largest number on the way."""
    expected = value.ready
    assert isinstance(answer, np.ndarray), what
    assert answer.dtype == expected.dtype, f"{what}: dtype {answer.dtype}, NumPy has {expected.dtype}"
    assert answer.shape == expected.shape, f"{what}: shape {answer.shape}, NumPy has {expected.shape}"
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(answer, expected, err_msg=what)
        return
    tolerance = value.precision
    if value.exact:
        np.testing.assert_array_equal(answer, expected, err_msg=what)
    else:
        scale = max(1.0, value.scale if np.isfinite(value.scale) else 1.0)
        np.testing.assert_allclose(answer, expected, rtol=4 * tolerance, atol=tolerance * scale, err_msg=what)
