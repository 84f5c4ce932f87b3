"""Merging and splitting axes of lazy arrays (stack, unstack, coarsen, ravel).

The engine has no node for this: a block of the result is cut out of the smallest box of the source that holds it. Both
shapes are seen as the same groups of axes, each group with the same number of elements in source and result.
"""

import math

import numpy as np

from .pythonnode import python_node
from .runtime import read_box


def axis_groups(source, target):
    """[(axes of the source, axes of the target)], both ascending; extents of 1 have been taken out of both shapes."""
    groups, i, j = [], 0, 0
    while i < len(source) or j < len(target):
        first_i, first_j = i, j
        n, m = source[i], target[j]
        i, j = i + 1, j + 1
        while n != m:
            if n < m:
                n *= source[i]
                i += 1
            else:
                m *= target[j]
                j += 1
        groups.append((range(first_i, i), range(first_j, j)))
    return groups


def _span(extents, start, count):
    """First and last position, counted row-major over these extents, of a box."""
    first = last = 0
    for extent, s, c in zip(extents, start, count):
        first, last = first * extent + s, last * extent + s + c - 1
    return first, last


def _bounding_box(extents, first, last):
    """The smallest box of whole inner axes that holds the positions first..last."""
    start, count = [], []
    inner = math.prod(extents)
    for extent in extents:
        inner //= extent
        a, b = first // inner, last // inner
        start.append(a)
        count.append(b - a + 1)
        if a != b:
            rest = extents[len(start) :]
            return start + [0] * len(rest), count + list(rest)
        first, last = first - a * inner, last - b * inner
    return start, count


class CutOut:
    def __init__(self, source, target, dtype):
        self.source, self.target, self.dtype = source, target, dtype
        self.groups = axis_groups(source, target)

    def __call__(self, inputs, start, count):
        begin, size, flat = [], [], []
        for mine, theirs in self.groups:
            extents = [self.source[i] for i in mine]
            first, last = _span([self.target[j] for j in theirs], [start[j] for j in theirs], [count[j] for j in theirs])
            a, n = _bounding_box(extents, first, last)
            origin, _ = _span(extents, a, n)
            flat.append(self._positions(theirs, start, count) - origin)
            begin += a
            size += n
        box = read_box(inputs[0], begin, size, self.dtype)
        box = box.reshape([math.prod(size[i] for i in mine) for mine, _ in self.groups])
        return box[np.ix_(*flat)].reshape(count)

    def _positions(self, axes, start, count):
        """Row-major positions, over these axes of the target, of the box's elements."""
        positions = np.zeros((), np.int64)
        for j in axes:
            positions = positions[..., None] * self.target[j] + np.arange(start[j], start[j] + count[j])
        return positions.ravel()

    def __repr__(self):
        return f"reshape from {self.source} to {self.target}"


def _chunks(array, groups, target):
    """Sizes that make a block of the result need little more than a block of the source."""
    sizes = list(target)
    for mine, theirs in groups:
        budget = math.prod(max(array.chunks[i]) for i in mine)
        for j in reversed(theirs):
            sizes[j] = max(1, min(target[j], budget))
            budget //= target[j]
    return tuple(sizes)


def reshaped(array, target):
    call = CutOut(array.shape, tuple(target), array.dtype)
    return python_node(call, (array._node,), array.dtype, tuple(target), _chunks(array, call.groups, target))
