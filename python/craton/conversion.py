"""What an operation gets, as lazy arrays: values of every kind, Python numbers, other types of elements."""

from numbers import Number

import numpy as np

from . import windows
from .array import Array, wrap
from .dtypes import is_time, node_code, result_type, storage
from .functions import function, unsupported
from .graph import make, memory


def is_operand(value):
    return isinstance(value, (Array, np.ndarray, np.generic, Number, list, tuple, np.datetime64, np.timedelta64, str, bytes))


def as_array(value, chunks=None):
    """A lazy array of NumPy arrays and scalars; lazy arrays are returned as they are."""
    if isinstance(value, Array):
        return value
    value = np.asarray(value)
    if value.ndim and chunks is None and value.nbytes and value.strides.count(0) == value.ndim:
        return constant(value.shape, np.asarray(value.flat[0], value.dtype))
    return wrap(memory(value, chunks), value.dtype)


def constant(shape, value, sizes=None):
    """A lazy array of one value everywhere, a NumPy array of no dimensions. sizes: of the chunks, one per axis."""
    if value.dtype.kind in "SU":
        node = memory(value, None)
        return wrap(make("broadcast", (node,), shape) if shape else node, value.dtype)
    stored = value.astype(value.dtype.newbyteorder("=")).view(storage(value.dtype))
    return wrap(make("full", (), node_code(value.dtype), shape, stored.tobytes(), sizes), value.dtype)


def weak_scalar(value):
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


def operands(values):
    """Nodes and NumPy types of the arguments of an element-wise operation; Python numbers stay weak (type None)."""
    nodes, dtypes = [], []
    for value in values:
        if isinstance(value, Array):
            nodes.append(value._node)
            dtypes.append(value.dtype)
        elif type(value) in (bool, int, float):
            nodes.append(weak_scalar(value))
            dtypes.append(None)
        else:
            array = as_array(value)
            nodes.append(array._node)
            dtypes.append(array.dtype)
    return nodes, dtypes


def same_grid(result, values):
    """A grid of unequal chunks, which the engine does not keep, is that of the result too."""
    for value in values:
        if isinstance(value, Array) and value._chunks is not None and value.shape == result.shape:
            return result._with_chunks(value._chunks)
    return result


@function()
def astype(x, dtype, *, copy=True, device=None):
    x, dtype = as_array(x), np.dtype(dtype)
    if dtype == x.dtype:
        return x
    if windows.lifted([x]) is not None:
        return windows.view(astype(x._windows.base, dtype), x._windows)
    if is_time(dtype) or is_time(x.dtype):
        from .times import time_cast

        return time_cast(x, dtype)
    if dtype.kind == x.dtype.kind and dtype.kind in "SU" and not dtype.itemsize:
        return x  # text of whatever length it has
    if dtype.kind in "SU" and x.dtype.kind in "SU" and dtype.itemsize:
        from .bynumpy import blockwise

        return blockwise("astype of text", lambda a: a.astype(dtype), [x], dtype)
    if dtype.kind in "iuf" and x.dtype.kind in "SU" and dtype.itemsize <= 8:
        from .bynumpy import blockwise

        return blockwise("astype of text", lambda a: a.astype(dtype), [x], dtype)
    if dtype.kind not in "biuf" or x.dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise unsupported(f"a conversion from {x.dtype} to {dtype}")
    return same_grid(wrap(make("cast", (x._node,), node_code(dtype))), [x])


@function()
def asarray(a, dtype=None, *, copy=None, device=None, **kwargs):
    a = as_array(a)
    return a if dtype is None else astype(a, dtype)


@function("result_type")
def _result_type(*arguments):
    return result_type(*arguments)


@function()
def iscomplexobj(a):
    return False


@function()
def isrealobj(a):
    return True
