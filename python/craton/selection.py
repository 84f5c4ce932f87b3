"""Selecting from lazy arrays: slices, positions, lists of positions, masks, single points."""

import operator

import numpy as np

from .array import Array, wrap
from .functions import unsupported
from .graph import make


def _full_key(key, ndim):
    """One entry per axis (None stands for a new axis)."""
    key = key if isinstance(key, tuple) else (key,)
    used = sum(k is not None and k is not Ellipsis for k in key)
    dots = [i for i, k in enumerate(key) if k is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > ndim:
        raise IndexError(f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed")
    fill = (slice(None),) * (ndim - used)
    if dots:
        return key[: dots[0]] + fill + key[dots[0] + 1 :]
    return key + fill


def _positions(index, extent):
    """A 1-d array of positions >= 0 from a list of positions or a mask."""
    if isinstance(index, Array):
        raise unsupported("a lazy array as an index", "Call .compute() on the index, or use where() instead of a mask.")
    index = np.asarray(index)
    if index.size == 0 and index.dtype.kind == "f":
        index = index.astype(np.int64)
    if index.dtype == bool:
        if index.shape != (extent,):
            raise IndexError(f"boolean index of shape {index.shape} did not match an axis of {extent} elements")
        return np.flatnonzero(index)
    if index.dtype.kind not in "iu":
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    if index.size and (index.min() < -extent or index.max() >= extent):
        bad = index.ravel()[np.flatnonzero((index.ravel() < -extent) | (index.ravel() >= extent))[0]]
        raise IndexError(f"index {bad} is out of bounds for an axis of {extent} elements")
    index = index.astype(np.int64)  # what is added below may not fit a smaller type
    return np.where(index < 0, index + extent, index)


def _as_slice(positions):
    """(start, step, count) when the positions are evenly spaced, else None."""
    n = len(positions)
    if n == 0:
        return 0, 1, 0
    if n == 1:
        return int(positions[0]), 1, 1
    step = int(positions[1] - positions[0])
    if step and (np.diff(positions) == step).all():
        return int(positions[0]), step, n
    return None


def outer(array, key):
    """Every axis by itself: ints, slices and 1-d lists or masks may be mixed freely."""
    gathered = _lazy_positions(array, key if isinstance(key, tuple) else (key,))
    if gathered is not None:
        return gathered
    key = _full_key(key, array.ndim)
    boxes, takes, dropped, new_axes = [], [], [], []
    axis = 0
    kept = 0
    for entry in key:
        if entry is None:
            new_axes.append(kept)
            kept += 1
            continue
        extent = array.shape[axis]
        if isinstance(entry, slice):
            start, stop, step = entry.indices(extent)
            count = len(range(start, stop, step))
            boxes.append((start if count else 0, step if count else 1, count))
            kept += 1
        elif isinstance(entry, (list, np.ndarray, Array, range)) and np.ndim(entry) > 0:
            positions = _positions(entry, extent)
            if positions.ndim != 1:
                raise IndexError("craton: lists of positions have one dimension here")
            even = _as_slice(positions)
            boxes.append(even or (0, 1, extent))
            if even is None:
                takes.append((axis, positions))
            kept += 1
        else:
            try:
                position = operator.index(entry)
            except TypeError:
                raise IndexError(f"craton: {entry!r} is not an index") from None
            if not -extent <= position < extent:
                raise IndexError(f"index {position} is out of bounds for axis {axis} with size {extent}")
            boxes.append((position % extent, 1, 1))
            dropped.append(axis)
        axis += 1
    node = array._node
    if any(box != (0, 1, n) for box, n in zip(boxes, array.shape)):
        node = make("slice", (node,), *[tuple(column) for column in zip(*boxes)])
    for axis, positions in takes:
        node = make("take", (node,), axis, positions)
    for axis in reversed(dropped):
        node = make("squeeze", (node,), axis)
    for axis in new_axes:
        node = make("expand", (node,), axis)
    return array if node is array._node else wrap(node, array.dtype)


class _Gather:
    """values[positions] for lazy positions: blocks of positions, and all of the (one-dimensional) values."""

    def __init__(self, dtypes):
        self.dtypes = dtypes

    def __call__(self, inputs, start, count):
        from .runtime import read_box

        positions = read_box(inputs[1], start, count, self.dtypes[1])
        return read_box(inputs[0], (0,), inputs[0].shape, self.dtypes[0])[positions]

    def __repr__(self):
        return "selection by lazy positions"


MAX_GATHERED_BYTES = 64 * 2**20


def _lazy_positions(array, key):
    """The answer when the key is one lazy array of positions into a one-dimensional array (idxmax, idxmin), else None."""
    from .chunks import grid_size
    from .pythonnode import python_node

    lazy = [k for k in key if isinstance(k, Array)]
    if not lazy:
        return None
    if array.ndim != 1 or len(key) != 1 or lazy[0].dtype.kind not in "iu" or array.nbytes > MAX_GATHERED_BYTES:
        raise unsupported("a lazy array as an index", "Call .compute() on the index, or use where() instead of a mask.")
    index = lazy[0]
    sizes = tuple(grid_size(c) for c in index.chunks)
    return python_node(_Gather((array.dtype, index.dtype)), (array._node, index._node), array.dtype, index.shape, sizes)


def assigned_by_numpy(array, key, value):
    """The array with value at key, as NumPy has it: several lists are points, and a list that a slice parts from an int is the value's first axis."""
    full = _full_key(key, array.ndim)
    lists = [i for i, k in enumerate(full) if isinstance(k, (list, np.ndarray, Array, range)) and np.ndim(k) > 0]
    chosen = [i for i, k in enumerate(full) if not isinstance(k, slice)]
    if len(lists) > 1 or lists and chosen != list(range(chosen[0], chosen[-1] + 1)):
        raise unsupported("assignment to single points", "Write xr.where(condition, new, old) or old.where(condition, new).")
    return assigned(array, key, value)


def assigned(array, key, value):
    """The array with value at key: every axis by itself (ints, slices, 1-d lists or masks), or one mask of the whole shape."""
    from .conversion import as_array, astype
    from .elementwise import where
    from .shapes import broadcast_to, expand_dims, squeeze

    key = _full_key(key, array.ndim) if not (isinstance(key, (np.ndarray, Array)) and key.dtype == bool and key.ndim == array.ndim) else (key,)
    if not isinstance(value, Array):
        value = np.asarray(value).astype(array.dtype)
    value = astype(as_array(value), array.dtype)
    if len(key) == 1 and isinstance(key[0], (np.ndarray, Array)) and key[0].ndim == array.ndim and key[0].dtype == bool and value.ndim == 0:
        return where(key[0], value, array)
    if any(k is None or np.ndim(k) > 1 or isinstance(k, Array) and k.ndim for k in key if not isinstance(k, slice)):
        raise unsupported("assignment to single points", "Write xr.where(condition, new, old) or old.where(condition, new).")
    # Where each position of an axis is found in the value; a mask of the axis says whether it is assigned to at all.
    shape, sources, mask = [], [], np.ones((1,) * array.ndim, bool)
    for axis, (entry, extent) in enumerate(zip(key, array.shape)):
        if isinstance(entry, slice):
            positions = np.arange(extent)[entry]
        elif np.ndim(entry):
            positions = _positions(entry, extent)
        else:
            positions = np.array([range(extent)[operator.index(entry)]])
        source, hit = np.zeros(extent, np.int64), np.zeros(extent, bool)
        source[positions], hit[positions] = np.arange(len(positions)), True
        mask = mask & hit.reshape((-1,) + (1,) * (array.ndim - axis - 1))
        shape.append(len(positions))
        sources.append(source)
    if not mask.any():
        return array
    if value.ndim:
        # Axes that an int has chosen are not in the value.
        ints = [i for i, k in enumerate(key) if not isinstance(k, slice) and not np.ndim(k)]
        for axis in ints:
            if value.ndim + 1 <= array.ndim and value.ndim < array.ndim - axis:
                continue
            value = expand_dims(value, axis - (array.ndim - value.ndim - 1))
        if value.ndim > array.ndim:
            value = squeeze(value, tuple(range(value.ndim - array.ndim)))
        value = broadcast_to(value, tuple(shape))
        value = outer(value, tuple(sources))
    return where(as_array(mask), value, array)


def basic(array, key):
    """NumPy's a[key]. One list is an outer selection; several lists are points."""
    gathered = _lazy_positions(array, key if isinstance(key, tuple) else (key,))
    if gathered is not None:
        return gathered
    full = _full_key(key, array.ndim)
    lists = [i for i, k in enumerate(full) if isinstance(k, (list, np.ndarray, Array, range)) and np.ndim(k) > 0]
    if len(lists) == 1 and np.ndim(full[lists[0]]) == 1:
        ints = [i for i, k in enumerate(full) if not isinstance(k, slice) and k is not None and i not in lists]
        if not ints:
            return outer(array, full)
        # NumPy counts an int beside a list as a list of one: harmless unless a slice stands between them.
        together = sorted(ints + lists)
        if together == list(range(together[0], together[-1] + 1)):
            return outer(array, full)
    if not lists:
        return outer(array, full)
    if any(k is None for k in full):
        raise IndexError("craton: new axes and several lists of positions cannot be mixed")
    result = pointwise(array, full)
    first = min(i for i, k in enumerate(full) if not isinstance(k, slice))
    advanced = [i for i, k in enumerate(full) if not isinstance(k, slice)]
    if advanced != list(range(advanced[0], advanced[-1] + 1)):
        return result
    n = len(np.broadcast_shapes(*[np.shape(full[i]) for i in advanced]))
    from .shapes import moveaxis

    return moveaxis(result, tuple(range(n)), tuple(range(first, first + n)))


def pointwise(array, key):
    """Points: the lists are broadcast against each other; their axes come first in the result."""
    from .shapes import moveaxis, reshape

    gathered = _lazy_positions(array, key if isinstance(key, tuple) else (key,))
    if gathered is not None:
        return gathered
    key = _full_key(key, array.ndim)
    axes = [i for i, k in enumerate(key) if not isinstance(k, slice)]
    if not axes:
        return outer(array, key)
    lists = [_positions(key[i], array.shape[i]) for i in axes]
    shape = np.broadcast_shapes(*[index.shape for index in lists])
    lists = [np.broadcast_to(index, shape) for index in lists]
    if len(axes) == 1 and len(shape) == 1:
        result = outer(array, key)
        order = [axes[0]] + [i for i in range(array.ndim) if i != axes[0]]
        return result.transpose(order)
    n = int(np.prod(shape))
    if n == 0:
        from .making import full

        rest = outer(array, tuple(0 if i in axes else k for i, k in enumerate(key)))  if array.size else None
        if rest is None:
            raise unsupported("selecting points of an empty array")
        return full(shape + rest.shape, 0, array.dtype)

    from .points import take_points

    array = outer(array, tuple(slice(None) if i in axes else k for i, k in enumerate(key)))
    points = take_points(array, axes, [index.ravel() for index in lists])
    return moveaxis(reshape(points, points.shape[:-1] + shape), range(-len(shape), 0), range(len(shape)))
