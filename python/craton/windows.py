"""Views of moving windows: xarray makes a rolling mean of pad(), sliding_window_view() and nanmean() over the new axis.

A view of windows remembers what it is a view of. Element by element, f(windows of x) is windows of f(x), so that the operations which xarray
puts between the view and the reduction are done on x; and the reduction becomes one moving window of the engine (moving.py). Where that is not
possible (medians, the windows themselves), the view is what it seems to be: its slices, stacked.
"""

import math

import numpy as np

from .array import Array, view_of
from .functions import unsupported

MOST_SLICES = 4096  # of a view that is not reduced by the engine


class Windows:
    """Of base: spans are (axis, width), one for each axis of positions inside a window, which are the last axes of the view."""

    __slots__ = ("base", "spans")

    def __init__(self, base, spans):
        self.base, self.spans = base, spans

    def of(self, base):
        return Windows(base, self.spans)

    def like(self, other):
        return isinstance(other, Windows) and other.spans == self.spans and other.base.shape == self.base.shape

    def at(self, starts):
        """The base from `starts` on, one position per window."""
        key = [slice(None)] * self.base.ndim
        for (axis, width), start in zip(self.spans, starts):
            key[axis] = slice(start, start + self.base.shape[axis] - width + 1)
        return self.base[tuple(key)]

    @property
    def shape(self):
        shape = list(self.base.shape)
        for axis, width in self.spans:
            shape[axis] -= width - 1
        return tuple(shape) + tuple(width for _, width in self.spans)

    @property
    def chunks(self):
        return self.at([0] * len(self.spans)).chunks + tuple((width,) for _, width in self.spans)

    def stacked(self):
        """The node of the view."""
        elements = math.prod(width for _, width in self.spans)
        if elements > MOST_SLICES:
            raise unsupported(f"this operation on windows of {elements} elements", f"At most {MOST_SLICES} are possible.")
        return self._stacked([])._node

    def _stacked(self, starts):
        from .shapes import stack

        if len(starts) == len(self.spans):
            return self.at(starts)
        return stack([self._stacked(starts + [i]) for i in range(self.spans[len(starts)][1])], axis=self.base.ndim)


def windows_of(value):
    return value._windows if isinstance(value, Array) else None


def lifted(values):
    """What an element-wise operation on windows (or blocks, blocks.py) is done on instead, and a view as the answer is seen; None: on the values as they are."""
    views = [v for v in map(windows_of, values) if v is not None]
    if not views:
        return None
    for value in values:
        windows = windows_of(value)
        if windows is None and np.ndim(value):
            return None
        if windows is not None and not views[0].like(windows):
            return None
    return [v if windows_of(v) is None else v._windows.base for v in values], views[0]


def view(base, like):
    return view_of(like.of(base))
