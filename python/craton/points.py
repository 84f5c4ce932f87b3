"""Many single points of a lazy array: stations along time, for instance.

A point by itself is a slice, and reads the chunks that it lies in. Points that share a chunk would have it decoded once for each of them;
they are taken out of it together, as groups of one element each: the chunk is read once, whatever the number of points.
"""

import numpy as np

from .array import wrap
from .graph import make, walk

FEW = 4                     # points in a chunk that are not worth looking at all its elements
MOST_CELLS = 4 << 20        # of the rows and columns that points are taken out of together: there is a number for each
_IN_MEMORY = ("memory", "scalar", "full")


def take_points(array, axes, positions):
    """positions[i][k]: where point k lies along axes[i]. The points are the last axis of the result, in the place of `axes`."""
    parts = []
    for members in _by_chunk(array, axes, positions):
        chosen = [p[members] for p in positions]
        lines = [np.unique(p, return_inverse=True) for p in chosen] if len(members) >= FEW else []
        if lines and _together(array, lines):
            part, places = _out_of_lines(array, axes, lines)
            parts.append((part, members, places))
        else:
            parts.extend((_point(array, axes, [p[k] for p in positions]), [k], [0]) for k in members)
    at, order = 0, np.empty(len(positions[0]), np.int64)
    for part, members, places in parts:
        order[members] = at + np.asarray(places)
        at += part.shape[-1]
    if len(parts) == 1:
        node = parts[0][0]
    else:
        node = make("concat", tuple(part for part, _, _ in parts), parts[0][0].ndim - 1)
    if at != len(order) or (order != np.arange(at)).any():
        node = make("take", (node,), node.ndim - 1, order)
    return wrap(node, array.dtype)


def _by_chunk(array, axes, positions):
    """Positions in the list of points, for each column of chunks that has some."""
    column = np.zeros(len(positions[0]), np.int64)
    for axis, index in zip(axes, positions):
        ends = np.cumsum(array.chunks[axis])
        column = column * len(ends) + np.searchsorted(ends, index, side="right")
    order = np.argsort(column, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(column[order])) + 1)


def _together(array, lines):
    """Elements in memory are looked up one by one; texts have no groups."""
    return array.dtype.kind not in "SU" and np.prod([len(line) for line, _ in lines], dtype=float) <= MOST_CELLS and _is_read(array._node)


def _is_read(node):
    """Whether anything is read or computed for it, and not only looked at in memory."""
    return any(not n.recipe[1] and n.recipe[0] not in _IN_MEMORY for n in walk((node,)))


def _sliced(array, axes, starts, counts):
    start, count = [0] * array.ndim, list(array.shape)
    for axis, first, n in zip(axes, starts, counts):
        start[axis], count[axis] = int(first), int(n)
    return make("slice", (array._node,), tuple(start), (1,) * array.ndim, tuple(count))


def _last(node, axes):
    """The same with `axes` at the end."""
    return make("permute", (node,), tuple(i for i in range(node.ndim) if i not in axes) + tuple(axes))


def _point(array, axes, position):
    node = _last(_sliced(array, axes, position, [1] * len(axes)), axes)
    for _ in axes[1:]:
        node = make("squeeze", (node,), node.ndim - 1)
    return node


def _out_of_lines(array, axes, lines):
    """The node of the different points among these, and which of them each is. lines: per axis the positions that any point has, and which of
    them each point has: what lies between them is not looked at, so the numbers of groups are few however large a chunk is."""
    node = array._node
    for axis, (line, _) in zip(axes, lines):
        node = make("take", (node,), axis, line)
    node = _last(node, axes)
    counts = [len(line) for line, _ in lines]
    flat = np.ravel_multi_index([place.ravel() for _, place in lines], counts)
    cells, places = np.unique(flat, return_inverse=True)
    codes = np.full(counts, -1, np.int32)
    codes.ravel()[cells] = np.arange(len(cells), dtype=np.int32)
    last = tuple(range(node.ndim - len(axes), node.ndim))
    return make("group", (node,), "first", last, codes, len(cells), False, 0, 0, None), places
