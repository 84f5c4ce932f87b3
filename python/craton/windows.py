"""Moving windows: xarray makes a rolling mean of pad(), sliding_window_view() and nanmean() over the new axis.

A view of windows remembers what it is a view of. Element by element, f(windows of x) is windows of f(x), so that the operations which xarray
puts between the view and the reduction are done on x; and the reduction becomes one moving window of the engine. Where that is not
possible (medians, the windows themselves), the view is what it seems to be: its slices, stacked.
"""

import math

import numpy as np

from .array import Array, view_of, wrap
from .graph import make
from .operations import FUNCTIONS, _axes, as_array, astype, elementwise, function, stack, unsupported

MOST_SLICES = 4096  # of a view that is not reduced by the engine


class Windows:
    """Of base: spans are (axis, width), one for each axis of positions inside a window, which are the last axes of the view."""

    __slots__ = ("base", "spans")

    def __init__(self, base, spans):
        self.base, self.spans = base, spans

    def _inside(self, starts):
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
        return self._inside([0] * len(self.spans)).chunks + tuple((width,) for _, width in self.spans)

    def stacked(self):
        """The node of the view."""
        elements = math.prod(width for _, width in self.spans)
        if elements > MOST_SLICES:
            raise unsupported(f"this operation on windows of {elements} elements", f"At most {MOST_SLICES} are possible.")
        return self._stacked([])._node

    def _stacked(self, starts):
        if len(starts) == len(self.spans):
            return self._inside(starts)
        return stack([self._stacked(starts + [i]) for i in range(self.spans[len(starts)][1])], axis=self.base.ndim)


@function()
def sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False, automatic_rechunk=True):
    x = as_array(x)
    widths = tuple(int(w) for w in np.atleast_1d(window_shape))
    axes = tuple(range(x.ndim)) if axis is None else tuple(int(a) for a in np.atleast_1d(axis))
    if len(axes) != len(widths):
        raise ValueError("craton: window_shape and axis name as many axes")
    axes = tuple(_axes(a, x.ndim)[0] for a in axes)
    if any(w < 1 for w in widths):
        raise ValueError("craton: windows have one element at least")
    if len(set(axes)) != len(axes):
        raise unsupported("sliding_window_view with two windows along one axis")
    if any(w > x.shape[a] for a, w in zip(axes, widths)):
        raise ValueError("window shape cannot be larger than input array shape")
    return view_of(Windows(x, tuple(zip(axes, widths))))


def windows_of(value):
    return value._windows if isinstance(value, Array) else None


def lifted(values):
    """What an element-wise operation on windows is done on instead, and how the answer is seen; None: on the values as they are."""
    views = [v for v in map(windows_of, values) if v is not None]
    if not views:
        return None
    for value in values:
        windows = windows_of(value)
        if windows is None and np.ndim(value):
            return None
        if windows is not None and (windows.spans != views[0].spans or windows.base.shape != views[0].base.shape):
            return None
    return [v if windows_of(v) is None else v._windows.base for v in values], views[0].spans


def view(base, spans):
    return view_of(Windows(base, spans))


SEPARABLE = ("sum", "prod", "min", "max", "any", "all")
ENGINE = SEPARABLE + ("mean", "var", "std")


def reduced(name, windows, axes, dtype, skipna, ddof):
    """A reduction over all axes of windows as moving windows of the engine; None: not one of its own."""
    spans, base = windows.spans, windows.base
    if name not in ENGINE or axes != tuple(range(base.ndim, base.ndim + len(spans))) or base.dtype.kind not in "biuf":
        return None
    if dtype is not None:
        if name not in ("sum", "prod", "mean") or np.dtype(dtype).kind not in "iuf":
            return None
        base = astype(base, dtype)
    if name in ("any", "all"):
        extreme = reduced("max" if name == "any" else "min", Windows(astype(astype(base, bool), np.int8), spans), axes, None, False, 0)
        return astype(extreme, bool)
    if name in ("min", "max") and base.dtype == np.uint64:
        return None
    if name in ("mean", "var", "std") and base.dtype.kind in "biu":
        base = astype(base, np.float64)
    skipna = skipna and base.dtype.kind == "f"
    if len(spans) == 1:
        result = _moving(name, base, *spans[0], skipna, ddof)
    elif name in SEPARABLE:
        result = base
        for axis, width in spans:
            result = _moving(name, result, axis, width, skipna, 0)
    elif name == "mean":
        valid = ~elementwise("isnan", base) if skipna else FUNCTIONS["full"](base.shape, True, bool, chunks=base.chunks)
        exact = astype(base, np.float64)
        total = reduced("sum", Windows(exact, spans), axes, None, skipna, 0)
        result = astype(total / reduced("sum", Windows(valid, spans), axes, None, False, 0), base.dtype)
    else:
        return None
    return result if dtype is None else astype(result, dtype)


def _moving(name, base, axis, width, skipna, ddof):
    return wrap(make("window", (base._node,), name, axis, width, bool(skipna), int(ddof)))
