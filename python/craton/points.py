"""Many single points of a lazy array: stations along time, for instance.

A point by itself is a slice, and reads the chunks that it lies in. Points that share a chunk would have it decoded once for each of them;
they are taken out of it together, as groups of one element each: the chunk is read once, whatever the number of points.

Thousands of points that go from chunk to chunk (the track of a satellite through a model) would make a long expression. They are one array that Python
fills: of some points at a time, the boxes of the chunks that they lie in.
"""

import math

import numpy as np

from .array import wrap
from .graph import make, walk
from .pythonnode import python_node

FEW = 4                     # points in a chunk that are not worth looking at all its elements
MOST_CELLS = 4 << 20        # of the rows and columns that points are taken out of together: there is a number for each
MOST_PARTS = 2000           # of an expression of single points
MOST_ORDERED = 4 << 20      # numbers that put the parts in order
BLOCK = 4 << 20             # elements that are filled at a time, out of boxes
_IN_MEMORY = ("memory", "scalar", "full")


def take_points(array, axes, positions):
    """positions[i][k]: where point k lies along axes[i]. The points are the last axis of the result, in the place of `axes`."""
    plan = []
    for members in _by_chunk(array, axes, positions):
        lines = [np.unique(p[members], return_inverse=True) for p in positions] if len(members) >= FEW else []
        plan.append((members, lines if lines and _together(array, lines) else None))
    if _is_long(plan, len(positions[0])):
        return _box_by_box(array, axes, positions)
    parts = []
    for members, lines in plan:
        if lines is not None:
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


def _is_long(plan, n):
    """Whether the expression would be: of many parts, or putting their points in order is, which takes a list of all points for each neighbour
    that comes from another part."""
    of = np.empty(n, np.int64)
    for number, (members, lines) in enumerate(plan):
        of[members] = number if lines is not None else -1 - np.arange(len(members)) - number * n
    return sum(len(members) if lines is None else 1 for members, lines in plan) > MOST_PARTS or np.count_nonzero(np.diff(of)) * n > MOST_ORDERED


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


class _Boxes:
    """Points, the last axis, out of a box for each chunk that some of them lie in."""

    def __init__(self, axes, positions, columns, dtype):
        self.axes, self.positions, self.columns, self.dtype = axes, positions, columns, dtype

    def __repr__(self):
        return "single points"

    def __call__(self, inputs, start, count):
        from .runtime import read_box

        values = np.empty(count, self.dtype)
        here = slice(start[-1], start[-1] + count[-1])
        positions, columns = [p[here] for p in self.positions], self.columns[here]
        for column in np.unique(columns):
            members = np.flatnonzero(columns == column)
            kept = iter(zip(start, count))
            chosen = {axis: p[members] for axis, p in zip(self.axes, positions)}
            box = [(int(chosen[i].min()), int(np.ptp(chosen[i])) + 1) if i in chosen else next(kept) for i in range(inputs[0].ndim)]
            block = read_box(inputs[0], tuple(s for s, _ in box), tuple(n for _, n in box), self.dtype)
            block = np.moveaxis(block, self.axes, range(len(self.axes)))
            found = block[tuple(p - p.min() for p in chosen.values())]
            values[..., members] = np.moveaxis(found, 0, -1)
        return values


def _box_by_box(array, axes, positions):
    columns = np.empty(len(positions[0]), np.int64)
    for number, members in enumerate(_by_chunk(array, axes, positions)):
        columns[members] = number
    kept = [i for i in range(array.ndim) if i not in axes]
    shape = tuple(array.shape[i] for i in kept)
    sizes = tuple(array.chunksize[i] for i in kept)
    call = _Boxes(tuple(axes), positions, columns, array.dtype)
    return python_node(call, (array._node,), array.dtype, (*shape, len(columns)), (*sizes, max(1, BLOCK // max(1, math.prod(sizes)))))
