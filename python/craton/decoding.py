"""Recognises what xarray wraps around the array of a file, so that it is computed by the engine chunk by chunk.

xarray hands a chunk manager a tower of lazy wrappers (indexing, masks, scaling, byte order). Each known one becomes a
node; a tower that ends in something unknown is read through xarray itself, one block at a time.
"""

import functools

import numpy as np
from xarray.coding import common, variables
from xarray.core import indexing

from .array import Array, wrap
from .dtypes import can_hold, node_code
from .graph import make
from .conversion import as_array, astype
from .elementwise import elementwise, where
from .pythonnode import python_node
from .selection import outer, pointwise


class ReadBlock:
    """A block of some array-like thing, through its own indexing."""

    def __init__(self, thing):
        self.thing = thing

    def __call__(self, inputs, start, count):
        return np.asarray(self.thing[tuple(slice(s, s + n) for s, n in zip(start, count))])

    def __repr__(self):
        return f"reading {type(self.thing).__name__}"


class ApplyToBlock:
    """A function of one array, element by element as far as shapes go."""

    def __init__(self, function, dtype):
        self.function, self.dtype = function, dtype

    def __call__(self, inputs, start, count):
        from .runtime import read_box

        return self.function(read_box(inputs[0], start, count, self.dtype))

    def __repr__(self):
        return f"{getattr(self.function, 'func', self.function)!r}"


def lower(data):
    """The lazy array that a tower of wrappers stands for; None when its foot is not known."""
    if isinstance(data, Array):
        return data
    if isinstance(data, np.ndarray):
        return as_array(data) if can_hold(data.dtype) else None
    rule = RULES.get(type(data))
    if rule is not None:
        return rule(data)
    lazy = getattr(data, "craton_array", None)
    return lazy if isinstance(lazy, Array) else None


def _inner(data):
    return lower(data.array)


def _indexed(data):
    array = lower(data.array)
    return None if array is None else outer(array, data.key.tuple)


def _point_indexed(data):
    array = lower(data.array)
    return None if array is None else pointwise(array, data.key.tuple)


def _pandas(data):
    values = np.asarray(data)
    return as_array(values) if can_hold(values.dtype) else None


def _to_bool(data):
    array = lower(data.array)
    return None if array is None else astype(array, bool)


def _elementwise(data):
    array = lower(data.array)
    if array is None or not can_hold(data.dtype):
        return None
    function = data.func
    if isinstance(function, functools.partial) and not function.args and function.func is variables._scale_offset_decoding:
        fused = _fused(data.array, function.keywords)
        if fused is not None:
            return fused
    known = decoded(function, array)
    if known is not None:
        return known
    chunks = tuple(max(c, default=1) for c in array.chunks)
    return python_node(ApplyToBlock(function, array.dtype), (array._node,), data.dtype, array.shape, chunks)


def decoded(function, array):
    """What one of xarray's decoders makes of a lazy array; None: it is another function."""
    if not isinstance(function, functools.partial) or function.args:
        return None
    keywords = function.keywords
    if function.func is variables._scale_offset_decoding:
        alone = _unpacked(array, None, keywords)
        return alone if alone is not None else scale(array, **keywords)
    if function.func is variables._apply_mask:
        alone = _unpacked(array, keywords, None)
        return alone if alone is not None else mask(array, **keywords)
    if function.func is np.asarray and set(keywords) == {"dtype"}:
        return astype(array, np.dtype(keywords["dtype"]))
    return None


def _fused(inner, scaling):
    """Mask and scale in one step, when a mask lies directly below the scaling."""
    if isinstance(inner, common._ElementwiseFunctionArray) and isinstance(inner.func, functools.partial):
        if inner.func.func is variables._apply_mask and not inner.func.args:
            raw = lower(inner.array)
            return None if raw is None else _unpacked(raw, inner.func.keywords, scaling)
    raw = lower(inner)
    return None if raw is None else _unpacked(raw, None, scaling)


def _unpacked(raw, masking, scaling):
    """The engine's CF unpacking where its rule is exactly xarray's; None where it is not.

    xarray converts to the floating type first, compares with the fill values in the common type of both, then multiplies and
    adds in place."""
    out = np.dtype((scaling or masking)["dtype"])
    if raw.dtype.kind not in "iuf" or out not in (np.float32, np.float64):
        return None
    fills, compare = (), raw.dtype
    if masking is not None:
        decoded = masking["decoded_fill_value"]
        if np.dtype(masking["dtype"]) != out or not isinstance(decoded, (float, np.floating)) or not np.isnan(decoded):
            return None
        common_types = {np.result_type(out, fill) for fill in masking["encoded_fill_values"]}
        if len(common_types) != 1 or len(masking["encoded_fill_values"]) > 4 or not np.can_cast(raw.dtype, out, "safe"):
            return None
        (compare,) = common_types
        if compare not in (np.float32, np.float64):
            return None
        fills = tuple(float(compare.type(fill)) for fill in masking["encoded_fill_values"])
    factors = [None, None]
    for i, key in enumerate(("scale_factor", "add_offset")):
        value = (scaling or {}).get(key)
        if value is not None:
            if np.ndim(value) or np.result_type(out, value) != out:
                return None
            factors[i] = float(out.type(value))
    code = node_code(out)
    return wrap(make("unpack", (raw._node,), *factors, code, fills, node_code(compare), code))


def mask(data, encoded_fill_values, decoded_fill_value, dtype):
    """xarray's _apply_mask in single steps."""
    data = astype(data, dtype)
    condition = None
    for fill in encoded_fill_values:
        same = elementwise("equal", data, fill)
        condition = same if condition is None else condition | same
    return data if condition is None else astype(where(condition, data.dtype.type(decoded_fill_value), data), dtype)


def scale(data, scale_factor, add_offset, dtype):
    """xarray's _scale_offset_decoding in single steps: the result of each keeps the type, as in place."""
    data = astype(data, dtype)
    if scale_factor is not None:
        data = astype(elementwise("multiply", data, scale_factor), dtype)
    if add_offset is not None:
        data = astype(elementwise("add", data, add_offset), dtype)
    return data


RULES = {
    indexing.ImplicitToExplicitIndexingAdapter: _inner,
    indexing.CopyOnWriteArray: _inner,
    indexing.MemoryCachedArray: _inner,
    indexing.NumpyIndexingAdapter: _inner,
    indexing.PandasIndexingAdapter: _pandas,
    indexing.LazilyIndexedArray: _indexed,
    indexing.LazilyVectorizedIndexedArray: _point_indexed,
    common._ElementwiseFunctionArray: _elementwise,
    variables.NativeEndiannessArray: _inner,
    variables.BoolTypeArray: _to_bool,
}


def from_xarray(data, grid):
    """The lazy array of what xarray asks to be chunked, in this grid; data itself when its elements cannot be held."""
    lazy = lower(data)
    if lazy is not None:
        return lazy
    if not can_hold(data.dtype):
        return None
    return python_node(ReadBlock(data), (), data.dtype, data.shape, tuple(max(c, default=1) for c in grid))
