"""Random programs on arrays, run twice: lazily by Craton and at once by NumPy.

A program is made from a seed alone; run_cell() makes one of a single operation on what a cell (cells.py) says. The seed of a failing one is in its test's name and message; run it again with
`pytest tests/oracle -k "program and SEED"` after setting CRATON_SEED, which is the first seed (default 1). CRATON_CASES is how
many programs of each kind are run.

Arrays lie in memory, in files, or in functions that are called for each block (sources.py).

Floating values are multiples of 1/8 of small size, so that sums are exact in any order. A value that went through an
inexact operation is marked, and then only continuous operations follow: a comparison of rounding errors proves nothing.
"""

import dataclasses
import os
import warnings

import cells
import numpy as np
import sources

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


def source(rng, shape=None, dtype=None, missing=None, chunks=None):
    shape = random_shape(rng) if shape is None else shape
    values = random_values(rng, shape, dtype or rng.choice(DTYPES), missing)
    if values.ndim > 1 and rng.random() < 0.3:  # memory that is not row-major
        values = np.asfortranarray(values)
    if values.ndim and rng.random() < 0.2:
        values = values[::-1]
    sizes = cells.chunk_sizes(rng, values.shape, chunks) if chunks else random_chunks(rng, values.shape)
    return Value(sources.lazy_array(values, sizes), values)


EXACT_UNARY = ["negative", "absolute", "square", "sign", "positive", "rint", "floor", "ceil", "trunc", "isnan", "isfinite", "isinf", "signbit",
               "logical_not", "invert"]  # fmt: skip
SMOOTH_UNARY = ["sqrt", "exp", "log1p", "sin", "cos", "arctan", "tanh", "deg2rad", "rad2deg", "expm1", "log", "arcsinh"]
EXACT_BINARY = ["add", "subtract", "multiply", "maximum", "minimum", "fmax", "fmin", "equal", "not_equal", "less", "less_equal", "greater",
                "greater_equal", "bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "logical_or", "logical_xor", "floor_divide",
                "remainder", "copysign"]  # fmt: skip
SMOOTH_BINARY = ["divide", "hypot", "arctan2", "add", "subtract", "multiply"]
REDUCTIONS = ["sum", "mean", "min", "max", "std", "var", "any", "all", "nansum", "nanmean", "nanmin", "nanmax", "nanstd", "nanvar", "prod",
              "nanprod", "count_nonzero", "argmin", "argmax"]  # fmt: skip


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
        try:
            answer = function(*lazy, **kwargs)
            if isinstance(error, ValueError):  # one that depends on values may come when it runs
                answer.compute()
        except (TypeError, ValueError, OverflowError, NotImplementedError):
            raise Refused from None
        raise AssertionError(f"NumPy refuses {function}({[v.dtype for v in values if isinstance(v, Value)]}): {error}") from None
    precision = max([v.precision for v in values if isinstance(v, Value)], default=0.0)
    return Value(function(*lazy, **kwargs), expected, exact, scale, precision)


def limited(value):
    """Values for which functions do not blow up: rounding errors must stay small."""
    if value.ready.dtype.kind == "f":
        return both(np.clip, value, value.ready.dtype.type(-20), value.ready.dtype.type(20))
    return value


def step_unary(rng, v, name=None):
    if name in EXACT_UNARY or name is None and v.exact and rng.random() < 0.6:
        name = name or str(rng.choice(EXACT_UNARY))
        if name == "square" and (v.scale > 1e3 or v.ready.dtype.kind in "iu"):
            raise Skip
        if name == "signbit" and ((v.ready == 0) | np.isnan(v.ready)).any():
            raise Skip  # the sign of a zero or a NaN that was computed is nobody's promise
        if name in ("sign",) and v.ready.dtype.kind == "b":
            raise Skip
        return both(getattr(np, name), v)
    name = name or str(rng.choice(SMOOTH_UNARY))
    if name not in FUNCTIONS and name == "arcsinh":
        raise Skip
    v = limited(v)
    if name in ("sqrt", "log1p", "log"):
        v = both(np.absolute, v)
        if not v.exact:
            v = both(np.add, v, v.ready.dtype.type(1))
    return both(getattr(np, name), v, exact=False)


def step_binary(rng, v, others, name=None):
    other = operand(rng, v, others)
    exact = v.exact and (not isinstance(other, Value) or other.exact)
    name = name or str(rng.choice(EXACT_BINARY if exact and rng.random() < 0.7 else SMOOTH_BINARY))
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
    if name in ("argmin", "argmax"):
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
    exact = name in ("sum", "nansum", "min", "max", "nanmin", "nanmax", "any", "all", "count_nonzero", "argmin", "argmax")
    single = v.ready.dtype == np.float32 and name in ("sum", "mean", "std", "var", "nansum", "nanmean", "nanstd", "nanvar")
    result = both(function, v, exact=exact, **kwargs)
    if single:  # NumPy's own float32 sums are less exact than what is tested
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            better = function(v.ready.astype("f8"), **kwargs).astype("f4")
        assert result.ready.dtype == np.float32
        result.ready = np.asarray(better)
    if name in ("std", "var", "nanstd", "nanvar"):
        # A variance of equal values is 0 or nearly 0; its root magnifies that.
        result.scale = max(result.scale, min(v.scale, 1e150) ** 2)
        if name.endswith("std"):
            result = both(np.square, result) if result.ready.size else result
            result.exact = False
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


VIEWS = {"index": 0, "transpose": 3, "expand_dims": 4, "squeeze": 5, "flip": 6, "roll": 7, "pad": 8}


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
    if kind == 8 and n and v.ready.size:
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
    kind = COMBINATIONS.index(name) if name else int(rng.integers(0, 4))
    if kind == 0:
        axis = int(rng.integers(0, n))
        shape = list(v.ready.shape)
        shape[axis] = int(rng.integers(0, 6))
        other = source(rng, tuple(shape))
        return both(lambda *a: np.concatenate(a, axis=axis), v, other)
    if kind == 1:
        other = source(rng, v.ready.shape)
        axis = int(rng.integers(0, n + 1))
        return both(lambda *a: np.stack(a, axis=axis), v, other)
    if kind == 2:
        condition = source(rng, v.ready.shape, "b1")
        return both(np.where, condition, v, operand(rng, v, others))
    low, high = sorted(int(i) for i in rng.integers(0, 50, 2))
    return both(np.clip, v, low, high)


def step_cast(rng, v, name=None):
    dtype = np.dtype(name or str(rng.choice(DTYPES + ["f2"])))
    if v.ready.dtype.kind == "f" and dtype.kind in "iu" and (not v.exact or not np.isfinite(v.ready).all() or (v.ready < 0).any()):
        raise Skip  # undefined in C
    if v.ready.dtype.kind == "f" and dtype.kind in "iu" and v.scale > 100:
        raise Skip
    if not v.exact and dtype.kind in "b" or dtype == np.float16 and v.scale > 200:
        raise Skip
    return both(lambda a: a.astype(dtype), v, exact=dtype != np.float16)


def _names():
    kinds = {"unary": [*EXACT_UNARY, *(n for n in SMOOTH_UNARY if n != "arcsinh")], "binary": list(dict.fromkeys([*EXACT_BINARY, *SMOOTH_BINARY])),
             "reduce": REDUCTIONS, "view": list(VIEWS), "combine": COMBINATIONS, "cast": DTYPES}  # fmt: skip
    return [f"{kind} {name}" for kind, names in kinds.items() for name in names]


# What a cell's operation is called: "reduce sum", "cast i2".
OPERATIONS = _names()
# Skipped by the steps above, whatever the values: squares of whole numbers are random_program()'s multiplications, signs of zeros and NaN
# are nobody's promise, floats that are missing or large are no whole numbers in C.
NOT_COMPARABLE = {("unary square", kind) for kind in "iu"} | {("unary sign", "b")}
_TRIES = 40


def comparable(wanted):
    """Without what no answer can be compared of; what cannot be missing is there."""
    cells_ = []
    for cell in wanted:
        kind, (of, name) = np.dtype(cell.dtype).kind, cell.operation.split()
        if (cell.operation, kind) in NOT_COMPARABLE:
            continue
        if kind == "f" and (name == "signbit" or of == "cast" and np.dtype(name).kind in "iu"):
            cell = dataclasses.replace(cell, missing="none")
        cells_.append(cell)
    return list(dict.fromkeys(cells_))


def run_cell(cell):
    """One operation on an array of at least two chunks, as a cell says; a list of Values, last first. Refused: NumPy does."""
    kind, name = cell.operation.split()
    step = {"unary": step_unary, "binary": step_binary, "reduce": step_reduce, "view": step_view, "combine": step_combine, "cast": step_cast}[kind]
    for attempt in range(_TRIES):
        rng = rng_of([SEED, attempt, *str(cell).encode()])
        shape = random_shape(rng, 2, 3)
        if max(shape) < 2:
            continue
        v = source(rng, shape, cell.dtype, cell.missing, cell.chunks)
        assert max(len(c) for c in v.lazy.chunks) > 1, f"{cell}: one chunk"
        if kind == "cast" and v.ready.dtype.kind == "f" and np.dtype(name).kind in "iu":
            v = both(np.clip, both(np.absolute, v), 0, 90)
            v.scale = 90
        if name == "copysign":
            v = both(np.where, both(np.equal, v, 0), v.ready.dtype.type(1), v)
        if name == "signbit":
            v = both(np.where, both(np.equal, v, 0), v.ready.dtype.type(1), v)
        try:
            return [step(rng, v, [v], name) if kind in ("binary", "combine") else step(rng, v, name), v]
        except Refused:
            raise
        except Skip:
            continue
    raise AssertionError(f"{cell}: {_TRIES} tries gave nothing that can be compared")


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
