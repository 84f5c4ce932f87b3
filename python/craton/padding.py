"""pad: an array with more elements before and behind, in all of NumPy's ways but functions.

Axis after axis, as NumPy does: what is put at the ends of a later axis is made of the padded earlier ones.
"""

import numpy as np

from .conversion import as_array, astype, constant
from .elementwise import elementwise
from .functions import FUNCTIONS, function, unsupported
from .shapes import broadcast_to, concatenate, take

_BY_POSITION = ("edge", "wrap", "reflect", "symmetric")
_STATISTICS = {"maximum": "max", "minimum": "min", "mean": "mean", "median": "median"}
_OPTIONS = {"constant": "constant_values", "linear_ramp": "end_values", "reflect": "reflect_type", "symmetric": "reflect_type",
            **dict.fromkeys(_STATISTICS, "stat_length")}  # fmt: skip


@function()
def pad(array, pad_width, mode="constant", **options):
    array = as_array(array)
    if callable(mode) or mode not in ("constant", "empty", "linear_ramp", *_BY_POSITION, *_STATISTICS):
        known = ", ".join(("constant", "empty", "linear_ramp", *_BY_POSITION, *_STATISTICS))
        raise unsupported(f"pad with mode {mode!r}", f"Modes {known} are available.")
    option = _OPTIONS.get(mode)
    if unknown := {k for k, v in options.items() if v is not None} - {option}:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    given = options.get(option)
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, (0, 0)) for i in range(array.ndim)]
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    if any(n < 0 for pair in widths for n in pair):
        raise ValueError("index can't contain negative values")
    odd = option == "reflect_type" and given == "odd"
    if option == "reflect_type" and given not in (None, "even", "odd"):
        raise ValueError(f"unsupported value for reflect_type: {given!r}; it is 'even' or 'odd'")
    values = None if option == "reflect_type" or given is None else np.broadcast_to(np.asarray(given), (array.ndim, 2))
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        if not array.shape[axis] and mode not in ("constant", "empty"):
            raise ValueError(f"craton: can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
        if mode in _BY_POSITION:
            array = _mirrored_odd(array, axis, before, after, mode) if odd else _by_position(array, axis, before, after, mode)
            continue
        pair = (None, None) if values is None else values[axis]
        ends = [_end(array, axis, n, mode, value, last) for n, value, last in ((before, pair[0], False), (after, pair[1], True))]
        array = concatenate([e for e in (ends[0], array, ends[1]) if e is not None], axis)
    return array


def _by_position(array, axis, before, after, mode):
    return take(array, np.pad(np.arange(array.shape[axis]), (before, after), mode=mode), axis)


def _mirrored_odd(array, axis, before, after, mode):
    """Twice the value at the edge less what lies as far on the other side of it."""
    n = array.shape[axis]
    if max(before, after) > n - (mode == "reflect"):
        raise unsupported(f"pad with mode {mode!r} and reflect_type='odd' by more than the length of the axis", "Pad twice.")
    mirrored = _by_position(array, axis, before, after, mode)
    head = 2 * _part(array, axis, slice(0, 1)) - _part(mirrored, axis, slice(0, before))
    tail = 2 * _part(array, axis, slice(n - 1, None)) - _part(mirrored, axis, slice(before + n, None))
    return concatenate([head, array, tail], axis)


def _part(array, axis, where):
    return array[(slice(None),) * axis + (where,)]


def _end(array, axis, n, mode, value, last):
    """What is put at one end of an axis; None: nothing. value: of the option, for this end."""
    if not n:
        return None
    shape = array.shape[:axis] + (n,) + array.shape[axis + 1 :]
    if mode in ("constant", "empty"):
        return constant(shape, np.asarray(0 if value is None else value, array.dtype))
    length = array.shape[axis]
    if mode == "linear_ramp":
        return _ramp(_part(array, axis, slice(length - 1, None) if last else slice(0, 1)), axis, n, 0 if value is None else value, last)
    used = length if value is None else min(int(value), length)
    if used < 1:
        raise ValueError(f"stat_length of {value} yields no value for padding")
    statistic = FUNCTIONS[_STATISTICS[mode]](_part(array, axis, slice(length - used, None) if last else slice(0, used)), axis=axis, keepdims=True)
    if array.dtype.kind in "iu" and statistic.dtype.kind == "f":
        statistic = elementwise("rint", statistic)
    return broadcast_to(astype(statistic, array.dtype), shape)


def _ramp(edge, axis, n, end, last):
    """From the end's value in n equal steps to the edge, without the edge itself: numpy.linspace."""
    if edge.dtype.kind not in "biuf":
        raise unsupported(f"pad with mode 'linear_ramp' of {edge.dtype}", "Convert to numbers first.")
    steps = np.arange(n, dtype=np.float64)
    steps = (steps[::-1] if last else steps).reshape((-1,) + (1,) * (edge.ndim - axis - 1))
    ramp = (astype(edge, np.float64) - float(end)) / n * steps + float(end)
    return astype(elementwise("floor", ramp) if edge.dtype.kind in "iu" else ramp, edge.dtype)
