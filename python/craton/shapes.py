"""Elements at other places: axes moved, added and taken away, arrays joined, turned and repeated."""

import math
from numbers import Number

import numpy as np

from .array import Array, wrap
from .conversion import as_array, astype, constant
from .dtypes import result_type
from .functions import function, refuse, sorted_axes, unsupported
from .graph import make


@function()
def shape(a):
    return a.shape


@function()
def ndim(a):
    return a.ndim


@function()
def size(a, axis=None):
    return a.size if axis is None else math.prod(a.shape[i] for i in sorted_axes(axis, a.ndim))


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
    axes = [i for i, n in enumerate(a.shape) if n == 1] if axis is None else sorted_axes(axis, a.ndim)
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
    from .blocks import blocks_of

    parted = blocks_of(a, shape) if tuple(shape) != a.shape else None
    if parted is not None:
        return parted
    a = squeeze(a)
    wanted = tuple(n for n in shape if n != 1)
    if a.shape != wanted:
        from .reshaping import reshaped

        a = reshaped(a, wanted) if a.size else constant(wanted, np.zeros((), a.dtype))
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
    axis = sorted_axes(axis, arrays[0].ndim)[0] if arrays[0].ndim else 0
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
    axes = sorted_axes(axis, m.ndim)
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
def take(a, indices, axis=None, out=None, mode="raise"):
    refuse("take", out=out)
    a = as_array(a)
    if isinstance(indices, Array):
        raise unsupported("take with lazy indices", "Call .compute() on the indices.")
    if axis is None:
        if a.ndim != 1:
            raise unsupported("take without an axis")
        axis = 0
    axis = sorted_axes(axis, a.ndim)[0]
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
    axis = sorted_axes(axis, a.ndim)[0]
    return take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)
