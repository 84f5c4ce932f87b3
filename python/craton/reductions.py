"""Reductions over axes: sums, means, extremes, spreads, positions, averages."""

import numpy as np

from . import blocks, moving
from .array import wrap
from .conversion import as_array, astype
from .dtypes import is_time, node_code
from .elementwise import elementwise
from .functions import function, refuse, sorted_axes, unsupported
from .graph import make
from .shapes import broadcast_to, expand_dims


def reduction(name, a, axis=None, dtype=None, keepdims=False, skipna=False, ddof=0, min_count=0):
    a = as_array(a)
    axes = sorted_axes(axis, a.ndim)
    keepdims = False if keepdims is np._NoValue or keepdims is None else bool(keepdims)
    if is_time(a.dtype):
        from .times import time_reduction

        return time_reduction(name, a, axes, keepdims, skipna)
    if a.dtype.kind in "SU":
        from .bynumpy import place_of_text

        return place_of_text(name, a, axes, keepdims)
    skipna = skipna and a.dtype.kind == "f"
    if name in ("min", "max", "argmin", "argmax") and any(a.shape[i] == 0 for i in axes):
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
    if a._windows is not None and not keepdims and not min_count:
        views = blocks if isinstance(a._windows, blocks.Blocks) else moving
        moved = views.reduced(name, a._windows, axes, dtype, skipna, ddof)
        if moved is not None:
            return moved
    node = a._node
    if not axes:
        # Nothing to reduce, or a 0-d array: the same as reducing an axis of one element.
        node, axes, keepdims = make("expand", (node,), 0), (0,), False
    if dtype is not None and np.dtype(dtype).kind not in "biuf":
        raise unsupported(f"{name} with dtype={np.dtype(dtype)}")
    code = None if dtype is None else node_code(dtype)
    return wrap(make("reduce", (node,), name, axes, skipna, keepdims, int(ddof), int(min_count), code))


def _define_reductions():
    # To NumPy NaT is no NaN: its nansum, nanmean, nanargmin of times are sum, mean and argmin, only nanmin and nanmax pass over it.
    def plain(name, skipna):
        def f(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None, **kwargs):
            refuse(name, out=out, initial=initial, where=where, **kwargs)
            return reduction(name, a, axis, dtype, keepdims, skipna and not is_time(as_array(a).dtype))

        return f

    def extreme(name, skipna):
        def f(a, axis=None, out=None, keepdims=False, initial=None, where=None):
            refuse(name, out=out, initial=initial, where=where)
            return reduction(name, a, axis, None, keepdims, skipna)

        return f

    def spread(name, skipna):
        def f(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None):
            refuse(name, out=out, where=where, mean=mean)
            if correction is not None and correction is not np._NoValue:
                ddof = correction
            if ddof != int(ddof):
                raise unsupported(f"{name} with a ddof that is not a whole number")
            return reduction(name, a, axis, dtype, keepdims, skipna, ddof)

        return f

    def position(name, skipna):
        def f(a, axis=None, out=None, *, keepdims=False):
            refuse(name, out=out)
            return _position(name, a, axis, keepdims, skipna)

        return f

    for name, aliases in {"sum": (), "prod": ("product",), "mean": ()}.items():
        function(name, *aliases)(plain(name, False))
        function("nan" + name)(plain(name, True))
    for name in ("min", "max"):
        function(name, "a" + name)(extreme(name, False))
        function("nan" + name)(extreme(name, True))
    for name in ("any", "all"):
        function(name)(extreme(name, False))
    for name in ("std", "var"):
        function(name)(spread(name, False))
        function("nan" + name)(spread(name, True))
    for name in ("argmin", "argmax"):
        function(name)(position(name, False))
        function("nan" + name)(position(name, True))


def _position(name, a, axis, keepdims, skipna):
    a = as_array(a)
    if isinstance(axis, tuple):
        if len(axis) != 1:
            raise TypeError(f"craton: {name} takes one axis or none")
        axis = axis[0]
    return reduction(name, a, axis, None, keepdims, skipna and not is_time(a.dtype))


_define_reductions()


@function()
def count_nonzero(a, axis=None, *, keepdims=False):
    a = as_array(a)
    return reduction("sum", astype(a, bool) if is_time(a.dtype) else elementwise("not_equal", a, 0), axis, None, keepdims)


@function()
def ptp(a, axis=None, out=None, keepdims=False):
    refuse("ptp", out=out)
    return reduction("max", a, axis, None, keepdims) - reduction("min", a, axis, None, keepdims)


@function()
def average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    if returned:
        raise unsupported("average with returned=True", "Sum the weights beside it.")
    if weights is None:
        return reduction("mean", a, axis, None, keepdims)
    a, weights = as_array(a), as_array(weights)
    axes = sorted_axes(axis, a.ndim)
    if weights.shape != a.shape:
        if weights.shape != tuple(a.shape[i] for i in axes):
            raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
        weights = expand_dims(weights, tuple(i for i in range(a.ndim) if i not in axes))
    dtype = np.result_type(a.dtype, weights.dtype, np.float64 if a.dtype.kind in "biu" else a.dtype)
    total = reduction("sum", broadcast_to(weights, a.shape), axes, dtype, keepdims)
    return reduction("sum", a * weights, axes, dtype, keepdims) / total
