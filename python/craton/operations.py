"""Operations on lazy arrays, by their NumPy names.

One table, `FUNCTIONS`, answers three callers: the methods and operators of Array, the namespace that xarray asks for, and
NumPy's own functions called on an Array (`__array_function__`). To add an operation, write it under its NumPy name with
@function. What is not in the table raises NotImplementedError: nothing is ever computed behind the user's back.
"""

import math
from numbers import Number

import numpy as np

from . import _craton
from .array import Array, wrap
from .dtypes import NAT, is_time, node_code, result_type, storage
from .graph import make, memory

FUNCTIONS = {}


def function(*names):
    def register(f):
        for name in names or (f.__name__,):
            FUNCTIONS[name] = f
        return f

    return register


def unsupported(what, instead=None):
    hint = instead or "Select what you need, .compute() it, and go on with NumPy."
    return NotImplementedError(f"craton: {what} is not available on lazy arrays yet. {hint}")


def refuse(name, **arguments):
    """Options that NumPy has and Craton has not: an error unless they are at their default (None)."""
    for key, value in arguments.items():
        if value is not None and value is not np._NoValue:
            raise unsupported(f"{name}(..., {key}=)")


# ---- conversions ---------------------------------------------------------------------------------------------------


def is_operand(value):
    return isinstance(value, (Array, np.ndarray, np.generic, Number, list, tuple, np.datetime64, np.timedelta64, str, bytes))


def as_array(value, chunks=None):
    """A lazy array of NumPy arrays and scalars; lazy arrays are returned as they are."""
    if isinstance(value, Array):
        return value
    value = np.asarray(value)
    if value.ndim and chunks is None and value.nbytes and value.strides.count(0) == value.ndim:
        return full(value.shape, value.flat[0], value.dtype)
    return wrap(memory(value, chunks), value.dtype)


def _weak_scalar(value):
    """A Python number as NumPy's promotion sees it: it adapts to the array it meets."""
    if isinstance(value, bool):
        return make("scalar", (), "|b1", b"\1" if value else b"\0", False)
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            code = "<i8"
        elif value < 2**64:
            code = "<u8"
        else:
            raise OverflowError("craton: Python integer too large for any NumPy integer type")
    elif isinstance(value, float):
        code = "<f8"
    else:
        raise unsupported(f"arithmetic with {type(value).__name__}")
    return make("scalar", (), code, np.array(value, code).tobytes(), True)


def _operands(values):
    """Nodes and NumPy types of the arguments of an element-wise operation; Python numbers stay weak (type None)."""
    nodes, dtypes = [], []
    for value in values:
        if isinstance(value, Array):
            nodes.append(value._node)
            dtypes.append(value.dtype)
        elif type(value) in (bool, int, float):
            nodes.append(_weak_scalar(value))
            dtypes.append(None)
        else:
            array = as_array(value)
            nodes.append(array._node)
            dtypes.append(array.dtype)
    return nodes, dtypes


# ---- element by element --------------------------------------------------------------------------------------------

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
               "bitwise_or", "bitwise_xor", "clip"}  # fmt: skip


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
    nodes, _ = _operands(values)
    return _same_grid(wrap(make("map", tuple(nodes), name)), values)


def _same_grid(result, values):
    """A grid of unequal chunks, which the engine does not keep, is that of the result too."""
    for value in values:
        if isinstance(value, Array) and value._chunks is not None and value.shape == result.shape:
            return result._with_chunks(value._chunks)
    return result


def _is_python_time(value):
    import datetime

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
    nodes, _ = _operands([condition, x, y])
    return _same_grid(wrap(make("map", tuple(nodes), "where")), [x, y, condition])


def _where_opaque(condition, x, y):
    dtype = np.result_type(*[v.dtype if isinstance(v, Array) else np.asarray(v) for v in (x, y)])
    if dtype.kind in "SU":
        from .bynumpy import blockwise

        return blockwise("where on text", np.where, [condition, x, y], dtype)
    if dtype.kind not in "mM":
        raise unsupported(f"where that makes elements of type {dtype}")
    x, y = (astype(as_array(v), dtype) for v in (x, y))
    return wrap(make("map", (condition._node, x._node, y._node), "where"), dtype)


function("where")(where)


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
    return elementwise("minimum", a, high) if high is not None else positive_copy(a)


def positive_copy(a):
    return a if isinstance(a, Array) else as_array(a)


@function("round", "around", "round_")
def round_(a, decimals=0, out=None):
    refuse("round", out=out)
    a = as_array(a)
    if a.dtype.kind in "iu" and decimals >= 0:
        return a
    if a.dtype.kind == "b":
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


@function()
def isin(element, test_elements, assume_unique=False, invert=False, kind=None):
    if isinstance(test_elements, Array):
        raise unsupported("isin with a lazy list of values", "Call .compute() on the values to look for.")
    element, wanted = as_array(element), np.unique(np.asarray(test_elements))
    if wanted.size > 256:
        raise unsupported(f"isin with {wanted.size} values (at most 256)")
    found = full(element.shape, False, bool, chunks=element.chunks)
    if element.dtype.kind in "SU":
        from .bynumpy import blockwise

        return blockwise("isin of text", lambda a: np.isin(a, wanted, invert=invert), [element], np.dtype(bool))
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
    return wrap(make("map", (x._node, _weak_scalar(NAT)), "equal"))


def _float_power(a, b):
    return elementwise("power", astype(as_array(a), np.float64), astype(as_array(b), np.float64))


def _exp2(a):
    a = as_array(a)
    return elementwise("power", 2.0, a if a.dtype.kind == "f" else astype(a, np.result_type(a.dtype, np.float16)))


def _isnan_of_any(a):
    """isnan of integers and booleans too: False everywhere."""
    a = as_array(a)
    if is_time(a.dtype):
        return isnat(a)
    if a.dtype.kind in "iub":
        return full(a.shape, False, bool, chunks=a.chunks)
    return wrap(make("map", (a._node,), "isnan"))


COMPOSED = {
    "isnat": isnat,
    "isnan": _isnan_of_any,
    "float_power": _float_power,
    "exp2": _exp2,
    "conjugate": positive_copy,
    "conj": positive_copy,
}


@function()
def astype(x, dtype, *, copy=True, device=None):
    x, dtype = as_array(x), np.dtype(dtype)
    if dtype == x.dtype:
        return x
    if windows.lifted([x]) is not None:
        return windows.view(astype(x._windows.base, dtype), x._windows.spans)
    if is_time(dtype) or is_time(x.dtype):
        from .times import time_cast

        return time_cast(x, dtype)
    if dtype.kind == x.dtype.kind and dtype.kind in "SU" and not dtype.itemsize:
        return x  # text of whatever length it has
    if dtype.kind in "SU" and x.dtype.kind in "SU" and dtype.itemsize:
        from .bynumpy import blockwise

        return blockwise("astype of text", lambda a: a.astype(dtype), [x], dtype)
    if dtype.kind not in "biuf" or x.dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise unsupported(f"a conversion from {x.dtype} to {dtype}")
    return _same_grid(wrap(make("cast", (x._node,), node_code(dtype))), [x])


# ---- reductions ----------------------------------------------------------------------------------------------------


def _axes(axis, ndim):
    """Sorted positions of the axes to reduce; None means all."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    wanted = []
    for a in axes:
        a = int(a)
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(a, ndim)
        wanted.append(a % ndim if ndim else 0)
    if len(set(wanted)) != len(wanted):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(wanted))


def reduction(name, a, axis=None, dtype=None, keepdims=False, skipna=False, ddof=0, min_count=0):
    a = as_array(a)
    axes = _axes(axis, a.ndim)
    keepdims = False if keepdims is np._NoValue or keepdims is None else bool(keepdims)
    if is_time(a.dtype):
        from .times import time_reduction

        return time_reduction(name, a, axes, keepdims, skipna)
    if a.dtype.kind in "SU":
        raise unsupported(f"{name} of text")
    skipna = skipna and a.dtype.kind == "f"
    if name in ("min", "max", "argmin", "argmax") and any(a.shape[i] == 0 for i in axes):
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
    if a._windows is not None and not keepdims and not min_count:
        moving = windows.reduced(name, a._windows, axes, dtype, skipna, ddof)
        if moving is not None:
            return moving
    node = a._node
    if not axes:
        # Nothing to reduce, or a 0-d array: the same as reducing an axis of one element.
        node, axes, keepdims = make("expand", (node,), 0), (0,), False
    if dtype is not None and np.dtype(dtype).kind not in "biuf":
        raise unsupported(f"{name} with dtype={np.dtype(dtype)}")
    code = None if dtype is None else node_code(dtype)
    return wrap(make("reduce", (node,), name, axes, skipna, keepdims, int(ddof), int(min_count), code))


def _define_reductions():
    def plain(name, skipna):
        def f(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None, **kwargs):
            refuse(name, out=out, initial=initial, where=where, **kwargs)
            return reduction(name, a, axis, dtype, keepdims, skipna)

        return f

    def extreme(name, skipna):
        def f(a, axis=None, out=None, keepdims=False, initial=None, where=None):
            refuse(name, out=out, initial=initial, where=where)
            return reduction(name, a, axis, None, keepdims, skipna)

        return f

    def spread(name, skipna):
        def f(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None):
            refuse(name, out=out, where=where, mean=mean)
            if correction is not None and correction is not np._NoValue:
                ddof = correction
            if ddof != int(ddof):
                raise unsupported(f"{name} with a ddof that is not a whole number")
            return reduction(name, a, axis, dtype, keepdims, skipna, ddof)

        return f

    def position(name, skipna):
        def f(a, axis=None, out=None, *, keepdims=False):
            refuse(name, out=out)
            return _position(name, a, axis, keepdims, skipna)

        return f

    for name, aliases in {"sum": (), "prod": ("product",), "mean": ()}.items():
        function(name, *aliases)(plain(name, False))
        function("nan" + name)(plain(name, True))
    for name in ("min", "max"):
        function(name, "a" + name)(extreme(name, False))
        function("nan" + name)(extreme(name, True))
    for name in ("any", "all"):
        function(name)(extreme(name, False))
    for name in ("std", "var"):
        function(name)(spread(name, False))
        function("nan" + name)(spread(name, True))
    for name in ("argmin", "argmax"):
        function(name)(position(name, False))
        function("nan" + name)(position(name, True))


def _position(name, a, axis, keepdims, skipna):
    a = as_array(a)
    if isinstance(axis, tuple):
        if len(axis) != 1:
            raise TypeError(f"craton: {name} takes one axis or none")
        axis = axis[0]
    return reduction(name, a, axis, None, keepdims, skipna)


_define_reductions()


@function()
def count_nonzero(a, axis=None, *, keepdims=False):
    return reduction("sum", elementwise("not_equal", a, 0), axis, None, keepdims)


@function()
def ptp(a, axis=None, out=None, keepdims=False):
    refuse("ptp", out=out)
    return reduction("max", a, axis, None, keepdims) - reduction("min", a, axis, None, keepdims)


@function()
def average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    if returned:
        raise unsupported("average with returned=True", "Sum the weights beside it.")
    if weights is None:
        return reduction("mean", a, axis, None, keepdims)
    a, weights = as_array(a), as_array(weights)
    axes = _axes(axis, a.ndim)
    if weights.shape != a.shape:
        if weights.shape != tuple(a.shape[i] for i in axes):
            raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
        weights = expand_dims(weights, tuple(i for i in range(a.ndim) if i not in axes))
    dtype = np.result_type(a.dtype, weights.dtype, np.float64 if a.dtype.kind in "biu" else a.dtype)
    total = reduction("sum", broadcast_to(weights, a.shape), axes, dtype, keepdims)
    return reduction("sum", a * weights, axes, dtype, keepdims) / total


# ---- shape ---------------------------------------------------------------------------------------------------------


@function("transpose", "permute_dims")
def transpose(a, axes=None):
    a = as_array(a)
    axes = tuple(reversed(range(a.ndim))) if axes is None or axes == (None,) else tuple(int(i) % max(1, a.ndim) for i in axes)
    if sorted(axes) != list(range(a.ndim)):
        raise ValueError("axes don't match array")
    if axes == tuple(range(a.ndim)):
        return a
    return wrap(make("permute", (a._node,), axes), a.dtype)


@function("matrix_transpose")
def matrix_transpose(a):
    return swapaxes(a, -1, -2)


@function()
def swapaxes(a, axis1, axis2):
    a = as_array(a)
    axes = list(range(a.ndim))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return transpose(a, axes)


@function()
def moveaxis(a, source, destination):
    a = as_array(a)
    source, destination = (np.lib.array_utils.normalize_axis_tuple(s, a.ndim) for s in (source, destination))
    order = [n for n in range(a.ndim) if n not in source]
    for to, where_from in sorted(zip(destination, source)):
        order.insert(to, where_from)
    return transpose(a, order)


@function()
def expand_dims(a, axis):
    a = as_array(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = a.ndim + len(axes)
    if any(not -ndim <= i < ndim for i in axes):
        raise np.exceptions.AxisError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    node = a._node
    for i in sorted(i % ndim for i in axes):
        node = make("expand", (node,), i)
    return wrap(node, a.dtype)


@function()
def squeeze(a, axis=None):
    a = as_array(a)
    axes = [i for i, n in enumerate(a.shape) if n == 1] if axis is None else _axes(axis, a.ndim)
    node = a._node
    for i in sorted(axes, reverse=True):
        if a.shape[i] != 1:
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
        node = make("squeeze", (node,), i)
    return wrap(node, a.dtype)


@function()
def broadcast_to(a, shape, subok=False):
    a = as_array(a)
    shape = (shape,) if isinstance(shape, Number) else tuple(int(n) for n in shape)
    if np.broadcast_shapes(a.shape, shape) != shape:
        raise ValueError(f"operands could not be broadcast together with shapes {a.shape} and {shape}")
    if shape == a.shape:
        return a
    return wrap(make("broadcast", (a._node,), shape), a.dtype)


@function()
def broadcast_arrays(*arrays, subok=False):
    arrays = [as_array(a) for a in arrays]
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple(broadcast_to(a, shape) for a in arrays)


@function()
def reshape(a, /, shape=None, order="C", *, newshape=None, copy=None):
    a = as_array(a)
    shape = newshape if shape is None else shape
    shape = [shape] if isinstance(shape, Number) else [int(n) for n in shape]
    if order not in ("C", "A"):
        raise unsupported(f"reshape with order={order!r}")
    if -1 in shape:
        known = math.prod(n for n in shape if n != -1)
        if shape.count(-1) > 1 or not known or a.size % known:
            raise ValueError(f"cannot reshape array of size {a.size} into shape {tuple(shape)}")
        shape[shape.index(-1)] = a.size // known
    if math.prod(shape) != a.size:
        raise ValueError(f"cannot reshape array of size {a.size} into shape {tuple(shape)}")
    a = squeeze(a)
    wanted = tuple(n for n in shape if n != 1)
    if a.shape != wanted:
        from .reshaping import reshaped

        a = reshaped(a, wanted) if a.size else full(wanted, np.zeros((), a.dtype)[()], a.dtype)
    return expand_dims(a, tuple(i for i, n in enumerate(shape) if n == 1)) if 1 in shape else a


@function()
def ravel(a, order="C"):
    return reshape(a, (-1,), order=order)


@function("concatenate", "concat")
def concatenate(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    refuse("concatenate", out=out)
    arrays = [as_array(a) for a in arrays]
    if axis is None:
        raise unsupported("concatenate(axis=None)")
    if not arrays:
        raise ValueError("need at least one array to concatenate")
    dtype = result_type(*arrays) if dtype is None else np.dtype(dtype)
    axis = _axes(axis, arrays[0].ndim)[0] if arrays[0].ndim else 0
    for a in arrays[1:]:
        if a.ndim != arrays[0].ndim or a.shape[:axis] + a.shape[axis + 1 :] != arrays[0].shape[:axis] + arrays[0].shape[axis + 1 :]:
            raise ValueError("all the input array dimensions except for the concatenation axis must match exactly")
    arrays = [a for a in arrays if a.shape[axis]] or arrays[:1]
    arrays = [astype(a, dtype) for a in arrays]
    if len(arrays) == 1:
        return arrays[0]
    return wrap(make("concat", tuple(a._node for a in arrays), axis), dtype)


@function()
def stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    refuse("stack", out=out)
    arrays = [as_array(a) for a in arrays]
    axis = axis % (arrays[0].ndim + 1)
    return concatenate([expand_dims(a, axis) for a in arrays], axis, dtype=dtype)


@function()
def flip(m, axis=None):
    m = as_array(m)
    axes = _axes(axis, m.ndim)
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(m.ndim))]


@function()
def roll(a, shift, axis=None):
    a = as_array(a)
    if axis is None:
        raise unsupported("roll without an axis")
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,)
    for by, i in zip(shifts, axis if isinstance(axis, (tuple, list)) else (axis,)):
        n = a.shape[i]
        by = by % n if n else 0
        if by:
            key = [slice(None)] * a.ndim
            first, second = list(key), list(key)
            first[i], second[i] = slice(n - by, None), slice(None, n - by)
            a = concatenate([a[tuple(first)], a[tuple(second)]], i)
    return a


@function()
def diff(a, n=1, axis=-1, prepend=None, append=None):
    refuse("diff", prepend=prepend, append=append)
    a = as_array(a)
    axis = _axes(axis, a.ndim)[0]
    for _ in range(n):
        later, sooner = [slice(None)] * a.ndim, [slice(None)] * a.ndim
        later[axis], sooner[axis] = slice(1, None), slice(None, -1)
        a, b = a[tuple(later)], a[tuple(sooner)]
        a = a != b if a.dtype == bool else a - b
    return a


@function()
def take(a, indices, axis=None, out=None, mode="raise"):
    refuse("take", out=out)
    a = as_array(a)
    if isinstance(indices, Array):
        raise unsupported("take with lazy indices", "Call .compute() on the indices.")
    if axis is None:
        if a.ndim != 1:
            raise unsupported("take without an axis")
        axis = 0
    axis = _axes(axis, a.ndim)[0]
    indices = np.asarray(indices)
    if indices.ndim > 1:
        raise unsupported("take with indices of several dimensions")
    key = [slice(None)] * a.ndim
    key[axis] = int(indices) if indices.ndim == 0 else indices.astype(np.int64)
    return a[tuple(key)]


@function()
def tile(A, reps):
    A = as_array(A)
    reps = tuple(int(n) for n in reps) if np.iterable(reps) else (int(reps),)
    if len(reps) > A.ndim:
        A = expand_dims(A, tuple(range(len(reps) - A.ndim)))
    for axis, n in enumerate((1,) * (A.ndim - len(reps)) + reps):
        A = A[(slice(None),) * axis + (slice(0, 0),)] if n < 1 else concatenate([A] * n, axis)
    return A


@function()
def repeat(a, repeats, axis=None):
    a = as_array(a)
    if axis is None:
        a, axis = ravel(a), 0
    axis = _axes(axis, a.ndim)[0]
    return take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


@function()
def outer(a, b, out=None):
    refuse("outer", out=out)
    return expand_dims(ravel(a), 1) * expand_dims(ravel(b), 0)


@function()
def gradient(f, *varargs, axis=None, edge_order=1):
    """As NumPy: second-order differences inside, first- or second-order ones at the two ends."""
    f = as_array(f)
    axes = _axes(axis, f.ndim)
    if f.dtype.kind not in "biuf":
        raise unsupported(f"gradient of {f.dtype}")
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    spacings = list(varargs) or [1.0]
    spacings = spacings * len(axes) if len(spacings) == 1 else spacings
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    if f.dtype.kind in "biu":
        f = astype(f, np.float64)
    answers = [_gradient_along(f, np.asarray(h), i, edge_order) for h, i in zip(spacings, axes)]
    return answers[0] if axis is None and len(axes) == 1 or isinstance(axis, Number) else tuple(answers)


def _gradient_along(f, h, axis, edge_order):
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are required.")
    if h.ndim:
        if h.shape != (n,):
            raise ValueError("when 1d, distances must match the length of the corresponding dimension")
        h = np.diff(h)
        h = h[0] if (h == h[0]).all() else h
    even = not h.ndim

    def part(start, stop):
        return f[(slice(None),) * axis + (slice(start, stop if stop else None),)]

    def along(values):
        return np.reshape(values, (-1,) + (1,) * (f.ndim - axis - 1)).astype(np.result_type(f.dtype, values.dtype))

    if even:
        inside = (part(2, None) - part(None, -2)) / (2.0 * h)
    else:
        d1, d2 = h[:-1], h[1:]
        a, b, c = -d2 / (d1 * (d1 + d2)), (d2 - d1) / (d1 * d2), d1 / (d2 * (d1 + d2))
        inside = along(a) * part(None, -2) + along(b) * part(1, -1) + along(c) * part(2, None)
    first, last = (h, h) if even else (h[0], h[-1])
    if edge_order == 1:
        begin, end = (part(1, 2) - part(0, 1)) / first, (part(-1, None) - part(-2, -1)) / last
    elif even:
        begin = (-1.5 / h) * part(0, 1) + (2.0 / h) * part(1, 2) + (-0.5 / h) * part(2, 3)
        end = (0.5 / h) * part(-3, -2) + (-2.0 / h) * part(-2, -1) + (1.5 / h) * part(-1, None)
    else:
        d1, d2 = h[0], h[1]
        begin = -(2.0 * d1 + d2) / (d1 * (d1 + d2)) * part(0, 1) + (d1 + d2) / (d1 * d2) * part(1, 2) - d1 / (d2 * (d1 + d2)) * part(2, 3)
        d1, d2 = h[-2], h[-1]
        end = d2 / (d1 * (d1 + d2)) * part(-3, -2) - (d2 + d1) / (d1 * d2) * part(-2, -1) + (2.0 * d2 + d1) / (d2 * (d1 + d2)) * part(-1, None)
    return astype(concatenate([begin, inside, end], axis), f.dtype)


@function()
def unravel_index(indices, shape, order="C"):
    if order != "C":
        raise unsupported(f"unravel_index with order={order!r}")
    rest, positions = as_array(indices), []
    for n in reversed([int(n) for n in np.atleast_1d(shape)]):
        positions.insert(0, elementwise("remainder", rest, n))
        rest = elementwise("floor_divide", rest, n)
    return tuple(positions)


@function()
def pad(array, pad_width, mode="constant", *, constant_values=0, reflect_type="even", **kwargs):
    array = as_array(array)
    refuse("pad", **kwargs)
    if callable(mode) or mode not in ("constant", "edge", "wrap", "reflect", "symmetric") or reflect_type != "even":
        raise unsupported(f"pad with mode {mode!r}", "Modes constant, edge, wrap, reflect and symmetric are available.")
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, (0, 0)) for i in range(array.ndim)]
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    values = np.broadcast_to(np.asarray(constant_values), (array.ndim, 2))
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        if mode != "constant":
            array = take(array, np.pad(np.arange(array.shape[axis]), (before, after), mode=mode), axis)
            continue
        parts = [array]
        for n, value, at in ((before, values[axis, 0], 0), (after, values[axis, 1], len(parts) + 1)):
            if n:
                shape = array.shape[:axis] + (n,) + array.shape[axis + 1 :]
                parts.insert(at, full(shape, value, array.dtype))
        array = concatenate(parts, axis)
    return array


# ---- products ------------------------------------------------------------------------------------------------------


@function()
def einsum(subscripts, *operands, out=None, optimize=None, **kwargs):
    """Sums of products over named axes: multiply what is aligned, then sum what is not wanted."""
    refuse("einsum", out=out, **kwargs)
    if not isinstance(subscripts, str):
        raise unsupported("einsum without a subscripts string")
    arrays = [as_array(a) for a in operands]
    inputs, output = _subscripts(subscripts.replace(" ", ""), [a.ndim for a in arrays])
    letters = list(output) + [c for c in dict.fromkeys("".join(map("".join, inputs))) if c not in output]
    dtype = result_type(*arrays)
    if dtype.kind not in "biuf":
        raise unsupported(f"einsum of {dtype}")
    product = None
    for a, names in zip(arrays, inputs):
        if len(set(names)) != len(names):
            raise unsupported(f"einsum with a repeated index ({subscripts})")
        a = transpose(a, [names.index(c) for c in letters if c in names])
        a = expand_dims(a, tuple(i for i, c in enumerate(letters) if c not in names)) if len(names) < len(letters) else a
        product = a if product is None else (product & a if dtype == bool else product * a)
    shape = np.broadcast_shapes(product.shape, *[_extents(a, n, letters) for a, n in zip(arrays, inputs)])
    product = astype(broadcast_to(product, shape), dtype)
    axes = tuple(range(len(output), len(letters)))
    if not axes:
        return product
    return reduction("any", product, axes) if dtype == bool else reduction("sum", product, axes, dtype)


def _extents(a, names, letters):
    sizes = dict(zip(names, a.shape))
    return tuple(sizes.get(c, 1) for c in letters)


def _subscripts(text, ndims):
    """Index names of every operand and of the result. An ellipsis stands for the names "0", "1", ... counted from the right."""
    left, arrow, right = text.partition("->")
    inputs, widest = [], 0
    parts = left.split(",")
    if len(parts) != len(ndims):
        raise ValueError(f"einsum: {len(parts)} subscripts for {len(ndims)} arrays")
    for part, ndim in zip(parts, ndims):
        n = ndim - len(part.replace("...", ""))
        if n < 0 or n > 0 and "..." not in part:
            raise ValueError(f"einsum: {part!r} does not fit an array of {ndim} dimensions")
        widest = max(widest, n)
        names = [str(i) for i in reversed(range(n))]
        before, dots, after = part.partition("...")
        inputs.append(list(before) + (names if dots else []) + list(after))
    everything = [str(i) for i in reversed(range(widest))]
    if arrow:
        before, dots, after = right.partition("...")
        output = list(before) + (everything if dots else []) + list(after)
    else:
        flat = [c for names in inputs for c in names if c not in everything]
        output = everything + sorted(c for c in set(flat) if flat.count(c) == 1)
    return inputs, output


@function()
def tensordot(a, b, axes=2):
    a, b = as_array(a), as_array(b)
    if isinstance(axes, Number):
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    left, right = ([x] if isinstance(x, Number) else list(x) for x in axes)
    letters = [chr(97 + i) for i in range(a.ndim + b.ndim)]
    of_a, of_b = letters[: a.ndim], letters[a.ndim :]
    for i, j in zip(left, right):
        of_b[j] = of_a[i]
    summed = {of_a[i] for i in left}
    output = [c for c in of_a + of_b if c not in summed]
    return einsum(f"{''.join(of_a)},{''.join(of_b)}->{''.join(output)}", a, b)


@function()
def vecdot(a, b, axis=-1):
    product = as_array(a) * as_array(b)
    return astype(reduction("sum", product, axis), product.dtype)


@function()
def dot(a, b, out=None):
    refuse("dot", out=out)
    a, b = as_array(a), as_array(b)
    if not a.ndim or not b.ndim:
        return a * b
    return tensordot(a, b, axes=([a.ndim - 1], [max(0, b.ndim - 2)]))


def matmul(a, b):
    a, b = as_array(a), as_array(b)
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: Input operand does not have enough dimensions")
    names = {(1, 1): "i,i->", (1, 2): "i,...ij->...j", (2, 1): "...ij,j->...i", (2, 2): "...ij,...jk->...ik"}
    return einsum(names[min(a.ndim, 2), min(b.ndim, 2)], a, b)


COMPOSED["matmul"] = matmul


# ---- making --------------------------------------------------------------------------------------------------------


@function()
def full(shape, fill_value, dtype=None, *, chunks=None, device=None):
    from .chunks import grid_size, normalize

    shape = (int(shape),) if isinstance(shape, Number) else tuple(int(n) for n in shape)
    if isinstance(fill_value, Array):
        return broadcast_to(fill_value if dtype is None else astype(fill_value, dtype), shape)
    value = np.asarray(fill_value, dtype)
    if value.ndim:
        raise unsupported("full with an array of values", "Use broadcast_to().")
    sizes = None
    if chunks is not None:
        sizes = tuple(grid_size(s) for s in normalize(chunks, shape, dtype=value.dtype))
    if value.dtype.kind in "SU":
        return broadcast_to(as_array(value), shape)
    stored = value.astype(value.dtype.newbyteorder("=")).view(storage(value.dtype))
    return wrap(make("full", (), node_code(value.dtype), shape, stored.tobytes(), sizes), value.dtype)


def _filled(value):
    def f(shape, dtype=float, *, chunks=None, device=None, order="C", like=None):
        return full(shape, value, dtype, chunks=chunks)

    return f


function("zeros", "empty")(_filled(0))
function("ones")(_filled(1))


@function()
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, chunks=None, device=None):
    same = shape is None or tuple(np.atleast_1d(shape)) == a.shape
    shape = a.shape if shape is None else shape
    if chunks is None and same and isinstance(a, Array):
        chunks = a.chunks
    return full(shape, fill_value, a.dtype if dtype is None else dtype, chunks=chunks)


@function()
def zeros_like(a, dtype=None, order="K", subok=True, shape=None, **kwargs):
    return full_like(a, np.zeros((), a.dtype if dtype is None else dtype)[()], dtype, shape=shape, **kwargs)


@function()
def ones_like(a, dtype=None, order="K", subok=True, shape=None, **kwargs):
    return full_like(a, np.ones((), a.dtype if dtype is None else dtype)[()], dtype, shape=shape, **kwargs)


FUNCTIONS["empty_like"] = zeros_like


@function()
def asarray(a, dtype=None, *, copy=None, device=None, **kwargs):
    a = as_array(a)
    return a if dtype is None else astype(a, dtype)


@function()
def arange(start, stop=None, step=1, dtype=None, *, chunks=None, **kwargs):
    return as_array(np.arange(*((0, start) if stop is None else (start, stop)), step, dtype=dtype))


@function("real")
def real(a):
    return as_array(a)


@function("imag")
def imag(a):
    return zeros_like(as_array(a))


@function()
def shape(a):
    return a.shape


@function()
def ndim(a):
    return a.ndim


@function()
def size(a, axis=None):
    return a.size if axis is None else math.prod(a.shape[i] for i in _axes(axis, a.ndim))


@function("result_type")
def _result_type(*arguments):
    return result_type(*arguments)


@function()
def iscomplexobj(a):
    return False


@function()
def isrealobj(a):
    return True


# What needs more than the engine has today: the reason, and what to write instead.
MISSING = {
    "nonzero": "How many elements are true is not known without computing: call .compute() on the mask, as in where(mask.compute(), drop=True).",
    "cross": "Write the products of the components.",
}


def _missing(name, instead):
    def f(*args, **kwargs):
        raise unsupported(name, instead)

    f.__name__ = name
    return f


for _name, _instead in MISSING.items():
    FUNCTIONS[_name] = _missing(_name, _instead)


from . import along, quantiles, windows  # noqa: E402, F401 (registers their functions)
