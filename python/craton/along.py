"""Along one axis, in order: running sums and products, differences and gradients, filling of gaps."""

from numbers import Number

import numpy as np

from .array import wrap
from .conversion import as_array, astype
from .dtypes import is_time
from .functions import function, refuse, sorted_axes, unsupported
from .graph import make
from .making import full
from .shapes import concatenate, expand_dims, flip, ravel, take


def _cumulated(name, a, axis, dtype, skipna):
    a = as_array(a)
    duration = a.dtype.kind == "m" and name.endswith("cumsum") and dtype is None
    if a.dtype.kind not in "biuf" and not duration:
        raise unsupported(f"{name} of {a.dtype}", "Convert to numbers first: durations / np.timedelta64(1, 's').")
    if axis is None:
        a, axis = ravel(a), 0
    axis = sorted_axes(axis, a.ndim)[0] if a.ndim else 0
    if dtype is not None:
        a = astype(a, dtype)
    if not a.ndim:
        a = expand_dims(a, 0)
    if duration:
        from .times import time_cumsum

        return time_cumsum(a, axis)
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


@function()
def diff(a, n=1, axis=-1, prepend=None, append=None):
    refuse("diff", prepend=prepend, append=append)
    a = as_array(a)
    axis = sorted_axes(axis, a.ndim)[0]
    for _ in range(n):
        later, sooner = [slice(None)] * a.ndim, [slice(None)] * a.ndim
        later[axis], sooner[axis] = slice(1, None), slice(None, -1)
        a, b = a[tuple(later)], a[tuple(sooner)]
        a = a != b if a.dtype == bool else a - b
    return a


@function()
def gradient(f, *varargs, axis=None, edge_order=1):
    """As NumPy: second-order differences inside, first- or second-order ones at the two ends."""
    f = as_array(f)
    axes = sorted_axes(axis, f.ndim)
    if f.dtype.kind == "M":
        f = f.view(f"m8{f.dtype.str[3:]}")      # since 1970, as in NumPy
    if f.dtype.kind not in "biufm":
        raise unsupported(f"gradient of {f.dtype}")
    if f.dtype.kind == "b":  # as NumPy, where truth values have no differences
        raise TypeError("craton: gradient of booleans: they have no differences. Make them numbers first: .astype(float)")
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    spacings = list(varargs) or [1.0]
    spacings = spacings * len(axes) if len(spacings) == 1 else spacings
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    if f.dtype.kind in "biu":
        f = astype(f, np.float64)
    answers = [_gradient_along(f, np.asarray(h), i, edge_order) for h, i in zip(spacings, axes)]
    return answers[0] if axis is None and len(axes) == 1 or isinstance(axis, Number) else tuple(answers)


def _gradient_along(f, h, axis, edge_order):
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are required.")
    if h.ndim:
        if h.shape != (n,):
            raise ValueError("when 1d, distances must match the length of the corresponding dimension")
        h = np.diff(h)
        h = h[0] if (h == h[0]).all() else h
    even = not h.ndim

    def part(start, stop):
        return f[(slice(None),) * axis + (slice(start, stop if stop else None),)]

    def along(values):
        return np.reshape(values, (-1,) + (1,) * (f.ndim - axis - 1)).astype(values.dtype if is_time(f.dtype) else np.result_type(f.dtype, values.dtype))

    if even:
        inside = (part(2, None) - part(None, -2)) / (2.0 * h)
    else:
        d1, d2 = h[:-1], h[1:]
        a, b, c = -d2 / (d1 * (d1 + d2)), (d2 - d1) / (d1 * d2), d1 / (d2 * (d1 + d2))
        inside = along(a) * part(None, -2) + along(b) * part(1, -1) + along(c) * part(2, None)
    first, last = (h, h) if even else (h[0], h[-1])
    if edge_order == 1:
        begin, end = (part(1, 2) - part(0, 1)) / first, (part(-1, None) - part(-2, -1)) / last
    elif even:
        begin = (-1.5 / h) * part(0, 1) + (2.0 / h) * part(1, 2) + (-0.5 / h) * part(2, 3)
        end = (0.5 / h) * part(-3, -2) + (-2.0 / h) * part(-2, -1) + (1.5 / h) * part(-1, None)
    else:
        d1, d2 = h[0], h[1]
        begin = -(2.0 * d1 + d2) / (d1 * (d1 + d2)) * part(0, 1) + (d1 + d2) / (d1 * d2) * part(1, 2) - d1 / (d2 * (d1 + d2)) * part(2, 3)
        d1, d2 = h[-2], h[-1]
        end = d2 / (d1 * (d1 + d2)) * part(-3, -2) - (d2 + d1) / (d1 * d2) * part(-2, -1) + (2.0 * d2 + d1) / (d2 * (d1 + d2)) * part(-1, None)
    return astype(concatenate([begin, inside, end], axis), f.dtype)


def push(a, limit=None, axis=-1):
    """Missing values become the last one before them, at most limit steps back: xarray's ffill; bfill flips."""
    a = as_array(a)
    axis = sorted_axes(axis, a.ndim)[0]
    if not is_time(a.dtype) and a.dtype.kind not in "biuf":
        raise unsupported(f"ffill and bfill of {a.dtype}", "Call .compute() first.")
    limit = a.shape[axis] if limit is None else int(limit)
    if limit < 0:
        raise ValueError("craton: the limit of ffill and bfill is a number of steps, 0 or more")
    if not limit:
        return a
    limit = 0 if limit >= a.shape[axis] else limit
    if is_time(a.dtype):
        from .times import time_push

        return time_push(a, axis, limit)
    return wrap(make("fill_forward", (a._node,), axis, limit))


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
            part = flip(push(flip(part, axis), None, axis), axis)
        order.append(members)
        parts.append(part)
    if not parts:
        return array
    return take(concatenate(parts, axis), np.argsort(np.concatenate(order), kind="stable"), axis)
