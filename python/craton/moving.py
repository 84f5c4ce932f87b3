"""Moving windows: views of them made, and reduced by the engine."""

import numpy as np

from .array import view_of, wrap
from .conversion import as_array, astype
from .elementwise import elementwise
from .functions import function, sorted_axes, unsupported
from .graph import make
from .making import full
from .windows import Windows

SEPARABLE = ("sum", "prod", "min", "max", "any", "all")
ENGINE = SEPARABLE + ("mean", "var", "std")


@function()
def sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False, automatic_rechunk=True):
    x = as_array(x)
    widths = tuple(int(w) for w in np.atleast_1d(window_shape))
    axes = tuple(range(x.ndim)) if axis is None else tuple(int(a) for a in np.atleast_1d(axis))
    if len(axes) != len(widths):
        raise ValueError("craton: window_shape and axis name as many axes")
    axes = tuple(sorted_axes(a, x.ndim)[0] for a in axes)
    if any(w < 1 for w in widths):
        raise ValueError("craton: windows have one element at least")
    if len(set(axes)) != len(axes):
        raise unsupported("sliding_window_view with two windows along one axis")
    if any(w > x.shape[a] for a, w in zip(axes, widths)):
        raise ValueError("window shape cannot be larger than input array shape")
    return view_of(Windows(x, tuple(zip(axes, widths))))


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
        valid = ~elementwise("isnan", base) if skipna else full(base.shape, True, bool, chunks=base.chunks)
        exact = astype(base, np.float64)
        total = reduced("sum", Windows(exact, spans), axes, None, skipna, 0)
        result = astype(total / reduced("sum", Windows(valid, spans), axes, None, False, 0), base.dtype)
    else:
        return None
    return result if dtype is None else astype(result, dtype)


def _moving(name, base, axis, width, skipna, ddof):
    return wrap(make("window", (base._node,), name, axis, width, bool(skipna), int(ddof)))
