"""Element by element: NumPy's ufuncs, and the functions made of them.

elementwise() is the door for all ufuncs and operators: it takes times, text and windows to where they are known, and makes of the
rest one node of the engine. COMPOSED has the ufuncs that are made of others.
"""

import datetime
from numbers import Number

import numpy as np

from . import _craton, rolling, windows
from .array import Array, wrap
from .conversion import as_array, astype, operands, same_grid, weak_scalar
from .dtypes import NAT, is_time, result_type
from .functions import function, refuse, unsupported
from .graph import make
from .making import full, zeros_like

ALIASES = {
    "true_divide": "divide",
    "mod": "remainder",
    "fabs": "absolute",
    "abs": "absolute",
    "radians": "deg2rad",
    "degrees": "rad2deg",
    "bitwise_not": "invert",
    "bitwise_invert": "invert",
    "pow": "power",
    "acos": "arccos",
    "asin": "arcsin",
    "atan": "arctan",
    "atan2": "arctan2",
}
COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
LOGICAL = {"logical_and", "logical_or", "logical_xor"}
# Element-wise operations whose result has the integer type of their arguments.
OF_INTEGERS = {"add", "subtract", "multiply", "floor_divide", "remainder", "power", "maximum", "minimum", "fmax", "fmin", "bitwise_and",
               "bitwise_or", "bitwise_xor", "clip", "fmod", "left_shift", "right_shift", "gcd", "lcm"}  # fmt: skip


def elementwise(name, *values):
    """A ufunc of the engine by its NumPy name."""
    name = ALIASES.get(name, name)
    lifted = windows.lifted(values)
    if lifted is not None:
        return windows.view(elementwise(name, *lifted[0]), lifted[1])
    if name in COMPOSED:
        return COMPOSED[name](*values)
    if any(isinstance(v, complex) or getattr(v, "dtype", np.dtype(bool)).kind == "c" for v in values):
        raise unsupported("arithmetic with complex numbers")
    if any(is_time(v.dtype) for v in values if hasattr(v, "dtype")) or any(_is_python_time(v) for v in values):
        from .times import time_elementwise

        return time_elementwise(name, *values)
    texts = [isinstance(v, (str, bytes)) or getattr(v, "dtype", np.dtype(bool)).kind in "SUO" for v in values]
    if any(texts) and (name not in COMPARISONS or any(getattr(v, "dtype", np.dtype(bool)).kind == "O" for v in values)):
        raise unsupported(f"{name} of text or objects")
    if any(texts) or not _craton.map_arity(name):
        from .bynumpy import elementwise_by_numpy

        return elementwise_by_numpy(name, values)
    values = _fit_integers(name, values)
    if isinstance(values, Array):
        return values
    nodes, _ = operands(values)
    mean = rolling.mean_of_valid(*nodes) if name == "divide" else None
    return same_grid(wrap(mean if mean is not None else make("map", tuple(nodes), name)), values)


def _is_python_time(value):
    return isinstance(value, (datetime.datetime, datetime.timedelta))


def _fit_integers(name, values):
    """A Python integer that does not fit the integer type it meets: NumPy compares it exactly (then this is the answer), and refuses
    anything else."""
    if name in LOGICAL:
        return [bool(v) if type(v) is int else v for v in values]
    if name == "power" and getattr(values[0], "dtype", np.dtype(int)).kind in "iub" and type(values[0]) is not float:
        _refuse_negative_power(values[1])
    strong = [v.dtype for v in values if hasattr(v, "dtype")]
    if name not in OF_INTEGERS and name not in COMPARISONS or not strong or any(d.kind == "f" for d in strong):
        return values
    common = result_type(*strong)
    if common.kind not in "iu":
        return values
    limits = np.iinfo(common)
    for value in values:
        if type(value) is int and not limits.min <= value <= limits.max:
            if name not in COMPARISONS:
                raise OverflowError(f"Python integer {value} out of bounds for {common}")
            return _compare_beyond(name, values, value > limits.max)
    return values


def _compare_beyond(name, values, above):
    """An integer array and a Python integer above, or below, all that its type holds: the same answer everywhere."""
    array, first = (as_array(values[1]), False) if type(values[0]) is int else (as_array(values[0]), True)
    less = above == first  # the left side is the smaller
    answer = {"less": less, "less_equal": less, "greater": not less, "greater_equal": not less, "equal": False, "not_equal": True}[name]
    return full(array.shape, answer, bool, chunks=array.chunks)


def _refuse_negative_power(exponent):
    dtype = getattr(exponent, "dtype", np.dtype(type(exponent)) if isinstance(exponent, Number) else None)
    if dtype is None or dtype.kind != "i":
        return
    if isinstance(exponent, Array):
        raise unsupported("an integer to the power of a lazy signed integer", "Convert one of them to float64 first: negative powers have no integer result.")
    if np.any(np.asarray(exponent) < 0):
        raise ValueError("Integers to negative integer powers are not allowed.")


@function()
def where(condition, x=np._NoValue, y=np._NoValue):
    if x is np._NoValue or y is np._NoValue:
        raise unsupported("where with a condition alone", "The number of true elements is not known without computing.")
    lifted = windows.lifted([condition, x, y])
    if lifted is not None:
        return windows.view(where(*lifted[0]), lifted[1])
    dtypes = [getattr(v, "dtype", None) for v in (x, y)]
    if not isinstance(condition, Array) or condition.dtype != bool:
        condition = astype(as_array(condition), bool)
    if any(d is not None and d.kind in "mMSU" for d in dtypes):
        return _where_opaque(condition, x, y)
    nodes, _ = operands([condition, x, y])
    moving = rolling.of_valid(nodes)
    return same_grid(wrap(moving if moving is not None else make("map", tuple(nodes), "where")), [x, y, condition])


def _where_opaque(condition, x, y):
    dtype = np.result_type(*[v.dtype if isinstance(v, Array) else np.asarray(v) for v in (x, y)])
    if dtype.kind in "SU":
        from .bynumpy import blockwise

        return blockwise("where on text", np.where, [condition, x, y], dtype)
    if dtype.kind not in "mM":
        raise unsupported(f"where that makes elements of type {dtype}")
    x, y = (astype(as_array(v), dtype) for v in (x, y))
    return wrap(make("map", (condition._node, x._node, y._node), "where"), dtype)

@function()
def clip(a, a_min=None, a_max=None, out=None, *, min=None, max=None, **kwargs):
    refuse("clip", out=out, **kwargs)
    low = a_min if min is None or min is np._NoValue else min
    high = a_max if max is None or max is np._NoValue else max
    low, high = (None if v is np._NoValue else v for v in (low, high))
    if getattr(a, "dtype", np.dtype(float)).kind in "iu":
        # As NumPy: a Python integer beyond the type does not limit anything.
        limits = np.iinfo(a.dtype)
        low = None if type(low) is int and low <= limits.min else low
        high = None if type(high) is int and high >= limits.max else high
    if low is not None and high is not None:
        return elementwise("clip", a, low, high)
    if low is not None:
        return elementwise("maximum", a, low)
    return elementwise("minimum", a, high) if high is not None else as_array(a)


@function("round", "around", "round_")
def round_(a, decimals=0, out=None):
    refuse("round", out=out)
    a = as_array(a)
    if a.dtype.kind in "iu" and decimals >= 0:
        return a
    if a.dtype.kind in "iu":    # to tens, in float64 as NumPy does it
        return astype(round_(astype(a, np.float64), decimals), a.dtype)
    if a.dtype.kind == "b":
        if decimals:
            raise TypeError("craton: round of booleans to decimals: make them numbers first, .astype(float)")
        return astype(a, np.float16)
    if a.dtype.kind != "f":
        raise unsupported(f"round of {a.dtype}")
    if decimals == 0:
        return elementwise("rint", a)
    factor = 10.0 ** abs(decimals)
    if decimals > 0:
        return elementwise("divide", elementwise("rint", elementwise("multiply", a, factor)), factor)
    return elementwise("multiply", elementwise("rint", elementwise("divide", a, factor)), factor)


@function()
def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    a, b = as_array(a), as_array(b)
    b = astype(b, np.result_type(b.dtype, 1.0))  # as NumPy: the difference of small integers must not wrap around
    near = elementwise("less_equal", abs(a - b), atol + rtol * abs(b)) & elementwise("isfinite", b) | (a == b)
    if equal_nan and a.dtype.kind == "f" and b.dtype.kind == "f":
        near = near | elementwise("isnan", a) & elementwise("isnan", b)
    return near


MOST_COMPARED = 256     # values that every element is compared with in turn


@function()
def isin(element, test_elements, assume_unique=False, invert=False, kind=None):
    if isinstance(test_elements, Array):
        raise unsupported("isin with a lazy list of values", "Call .compute() on the values to look for.")
    element, wanted = as_array(element), np.unique(np.asarray(test_elements))
    if element.dtype.kind in "SU" or wanted.size > MOST_COMPARED:
        from .bynumpy import blockwise

        what = "isin of text" if element.dtype.kind in "SU" else f"isin with more than {MOST_COMPARED} values"
        return blockwise(what, lambda a: np.isin(a, wanted, invert=invert), [element], np.dtype(bool))
    found = full(element.shape, False, bool, chunks=element.chunks)
    for value in wanted:
        found = found | (element == value)
    return ~found if invert else found


@function()
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    x = as_array(x)
    if x.dtype.kind != "f":
        return x
    limits = np.finfo(x.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    x = where(x == np.inf, high, where(x == -np.inf, low, x))
    return where(elementwise("isnan", x), nan, x)


def isnat(x):
    x = as_array(x)
    if not is_time(x.dtype):
        raise TypeError("ufunc 'isnat' is only defined for np.datetime64 and np.timedelta64.")
    return wrap(make("map", (x._node, weak_scalar(NAT)), "equal"))


def _float_power(a, b):
    _refuse_times("float_power", a, b)
    return elementwise("power", astype(as_array(a), np.float64), astype(as_array(b), np.float64))


def _refuse_times(name, *values):
    for value in values:
        if is_time(getattr(value, "dtype", np.dtype(bool))):
            raise TypeError(f"craton: {name} of {value.dtype} is not defined, as in NumPy")


def _conjugate(a):
    _refuse_times("conjugate", a)
    return as_array(a)


def _divmod(a, b):
    return elementwise("floor_divide", a, b), elementwise("remainder", a, b)


def _modf(a):
    """Both parts with the sign of a; an infinity has nothing behind the point."""
    a = as_array(a)
    whole = elementwise("trunc", a if a.dtype.kind == "f" else astype(a, np.result_type(a.dtype, np.float16)))
    return elementwise("copysign", where(elementwise("isinf", a), 0.0, a - whole), a), whole


def _isnan_of_any(a):
    """isnan of integers and booleans too: False everywhere."""
    a = as_array(a)
    if is_time(a.dtype):
        return isnat(a)
    if a.dtype.kind in "iub":
        return full(a.shape, False, bool, chunks=a.chunks)
    return wrap(make("map", (a._node,), "isnan"))


@function("real")
def real(a):
    return as_array(a)


@function("imag")
def imag(a):
    return zeros_like(as_array(a))


@function()
def unravel_index(indices, shape, order="C"):
    if order != "C":
        raise unsupported(f"unravel_index with order={order!r}")
    rest, positions = as_array(indices), []
    for n in reversed([int(n) for n in np.atleast_1d(shape)]):
        positions.insert(0, elementwise("remainder", rest, n))
        rest = elementwise("floor_divide", rest, n)
    return tuple(positions)


def _matmul(a, b):
    from .products import matmul

    return matmul(a, b)


COMPOSED = {
    "isnat": isnat,
    "isnan": _isnan_of_any,
    "float_power": _float_power,
    "divmod": _divmod,
    "modf": _modf,
    "conjugate": _conjugate,
    "conj": _conjugate,
    "matmul": _matmul,
}
