"""Views of blocks: xarray coarsens by reshape(), which gives each coarse dimension an axis of the positions inside of its blocks, and by a
reduction over those axes.

A view of blocks remembers what it is a view of, as views of moving windows do (windows.py). Element by element, f(blocks of x) is blocks of f(x); and a
reduction over all positions inside is one by groups along each axis, which the engine has. Where that is not possible the view is what it seems to
be: the elements in their new shape, which Python cuts out (reshaping.py).
"""

import math

import numpy as np

from .array import view_of, wrap
from .conversion import astype
from .graph import make

SEPARABLE = ("sum", "prod", "min", "max", "any", "all")     # of blocks of several dimensions: along one after the other
ENGINE = SEPARABLE + ("mean", "var", "std")


class Blocks:
    """Of base, in this shape: widths says for each axis of the base how long its blocks are; None: it stays one axis."""

    __slots__ = ("base", "shape", "widths", "_cut")

    def __init__(self, base, shape, widths):
        self.base, self.shape, self.widths, self._cut = base, shape, widths, None

    def of(self, base):
        return Blocks(base, self.shape, self.widths)

    def like(self, other):
        return isinstance(other, Blocks) and (other.base.shape, other.shape, other.widths) == (self.base.shape, self.shape, self.widths)

    @property
    def chunks(self):
        return self.stacked().chunks

    def stacked(self):
        """The node of the view."""
        if self._cut is None:
            from .shapes import expand_dims, squeeze
            from .reshaping import reshaped

            cut = reshaped(squeeze(self.base), tuple(n for n in self.shape if n != 1))
            self._cut = expand_dims(cut, tuple(i for i, n in enumerate(self.shape) if n == 1))._node
        return self._cut

    def inside(self):
        """The axes of positions inside of blocks."""
        at = np.cumsum([1 if width is None else 2 for width in self.widths]) - 1
        return tuple(int(i) for i, width in zip(at, self.widths) if width is not None)


def blocks_of(array, shape):
    """The view of an array in a shape that parts some of its axes in two, (number of blocks, length); None: it is another shape."""
    left, widths = list(shape), []
    for extent in array.shape:
        if left and left[0] == extent:
            widths.append(None)
            del left[0]
        elif len(left) > 1 and left[0] * left[1] == extent:
            widths.append(left[1])
            del left[:2]
        else:
            return None
    if left or not array.size or not any(widths) or array.dtype.kind not in "biuf":
        return None
    return view_of(Blocks(array, tuple(shape), tuple(widths)))


def reduced(name, blocks, axes, dtype, skipna, ddof):
    """A reduction over all positions inside of blocks, by groups of the engine; None: not one of its own."""
    base, parted = blocks.base, [i for i, width in enumerate(blocks.widths) if width is not None]
    if name not in ENGINE or tuple(sorted(axes)) != blocks.inside() or len(parted) > 1 and name in ("var", "std"):
        return None
    if name in ("any", "all"):
        base = astype(base, bool)
    elif base.dtype.kind == "b" and name in ("min", "max"):
        return None
    result = _type_of(name, base.dtype, dtype)
    if name in ("mean", "var", "std") and base.dtype.kind != "f" or base.dtype.kind != "f" and name in ("sum", "prod") or dtype is not None:
        base = astype(base, result)
    skipna = skipna and base.dtype.kind == "f"
    if len(parted) == 1:
        return astype(_along(name, base, parted[0], blocks.widths, skipna, ddof), result)
    if name in ("sum", "prod", "mean") and base.dtype.kind == "f":
        base = astype(base, np.float64)     # rounded once, not after each dimension
    if name == "mean":
        total = _along_all("sum", base, parted, blocks.widths, skipna)
        valid = _along_all("count", base, parted, blocks.widths, True) if skipna else math.prod(blocks.widths[i] for i in parted)
        return astype(total / valid, result)
    return astype(_along_all(name, base, parted, blocks.widths, skipna), result)


def _type_of(name, dtype, asked):
    """Of NumPy's answer."""
    return np.dtype(asked) if asked is not None else np.asarray(getattr(np, name)(np.ones(1, dtype), axis=0)).dtype


def _along_all(name, array, parted, widths, skipna):
    for axis in reversed(parted):
        array = _along(name, array, axis, widths, skipna, 0)
        name = "sum" if name == "count" else name
    return array


def _along(name, array, axis, widths, skipna, ddof):
    """One element for each block along an axis, in its place."""
    order = [i for i in range(array.ndim) if i != axis] + [axis]
    number = (np.arange(array.shape[axis]) // widths[axis]).astype(np.int32)
    last = array.transpose(order)
    skipna = bool(skipna and array.dtype.kind == "f")
    groups = wrap(make("group", (last._node,), name, (array.ndim - 1,), number, array.shape[axis] // widths[axis], skipna, int(ddof), 0, None))
    return groups.transpose([order.index(i) for i in range(array.ndim)])
