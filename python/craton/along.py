"""Along one axis, in order: running sums and products, filling of gaps."""

import numpy as np

from .array import wrap
from .dtypes import is_time
from .graph import make
from .operations import FUNCTIONS, _axes, as_array, astype, concatenate, full, function, ravel, refuse, take, unsupported


def _cumulated(name, a, axis, dtype, skipna):
    a = as_array(a)
    if is_time(a.dtype) or a.dtype.kind not in "biuf":
        raise unsupported(f"{name} of {a.dtype}", "Convert to numbers first: durations / np.timedelta64(1, 's').")
    if axis is None:
        a, axis = ravel(a), 0
    axis = _axes(axis, a.ndim)[0] if a.ndim else 0
    if dtype is not None:
        a = astype(a, dtype)
    if not a.ndim:
        a = FUNCTIONS["expand_dims"](a, 0)
    result = wrap(make("cumulate", (a._node,), axis, name.endswith("prod"), bool(skipna)))
    return result if dtype is None else astype(result, dtype)


def _define():
    def cumulation(name, skipna):
        def f(a, axis=None, dtype=None, out=None):
            refuse(name, out=out)
            return _cumulated(name, a, axis, dtype, skipna)

        return f

    for name in ("cumsum", "cumprod"):
        function(name)(cumulation(name, False))
        function("nan" + name)(cumulation("nan" + name, True))


_define()


def push(a, limit=None, axis=-1):
    """Missing values become the last one before them, at most limit steps back: xarray's ffill; bfill flips."""
    a = as_array(a)
    axis = _axes(axis, a.ndim)[0]
    if is_time(a.dtype) or a.dtype.kind not in "biuf":
        raise unsupported(f"ffill and bfill of {a.dtype}", "Call .compute() first.")
    limit = a.shape[axis] if limit is None else int(limit)
    if limit < 0:
        raise ValueError("craton: the limit of ffill and bfill is a number of steps, 0 or more")
    if not limit:
        return a
    return wrap(make("fill_forward", (a._node,), axis, 0 if limit >= a.shape[axis] else limit))


def grouped_cumulation(func, array, codes, axis):
    """groupby().cumsum(): running sums of the members of each group, at their places. codes: one per position, -1 for none."""
    plain = func.removeprefix("nan")
    if plain not in ("cumsum", "ffill", "bfill"):
        raise unsupported(f"groupby().{func}", "Use .map() with a function of xarray.")
    order, parts = [], []
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        part = take(array, members, axis)
        if code < 0:
            if array.dtype.kind != "f":
                raise unsupported("groupby().cumsum of integers of which some are in no group", "Convert to float64 first.")
            part = full(part.shape, np.nan, part.dtype)
        elif plain == "cumsum":
            part = _cumulated("cumsum", part, axis, None, func.startswith("nan"))
        elif plain == "ffill":
            part = push(part, None, axis)
        else:
            part = FUNCTIONS["flip"](push(FUNCTIONS["flip"](part, axis), None, axis), axis)
        order.append(members)
        parts.append(part)
    if not parts:
        return array
    return take(concatenate(parts, axis), np.argsort(np.concatenate(order), kind="stable"), axis)
