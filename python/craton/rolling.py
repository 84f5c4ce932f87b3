"""What xarray makes of rolling(), recognised as the one moving window that it is.

rolling(time=30).max() is, as xarray writes it: missing values replaced by what changes nothing, padding of the same in front, a maximum over each
window; a second moving window that counts what is valid; and NaN where that is too little. A mean is such a sum divided by such a count. Here this
becomes one window that knows how many elements have to be valid, for which everything is read once.

Nothing is assumed: values, padding, and count must be those of one array, or the operations are done as they are written.
"""

import numpy as np

from .graph import make

NEUTRAL = {"sum": 0.0, "prod": 1.0, "min": np.inf, "max": -np.inf}
OF_VALID = ("var", "std")


def of_valid(nodes):
    """where(enough are valid, a reduction of windows, NaN) as one node; None: it is something else."""
    condition, reduced, other = nodes
    counted = _enough(condition)
    if counted is None or not _is_nan(other):
        return None
    window = _valid_only(reduced)
    if window is None or window[:4] != counted[:4]:
        return None
    (x, axis, width, padding, name, ddof), least = window, counted[4]
    return make("window", (_padded(x, axis, padding),), name, axis, width, True, ddof, least)


def mean_of_valid(total, count):
    """A sum of windows of at least so many valid elements divided by their number, as one node; None: it is something else."""
    operation, inputs, parameters = total.recipe
    if operation != "window" or parameters[0] != "sum" or len(parameters) < 6 or total.dtype != count.dtype:
        return None
    if count.recipe[0] == "cast":
        count = count.recipe[1][0]
    if count.recipe[0] != "map" or count.recipe[2] != ("where",):
        return None
    condition, number, other = count.recipe[1]
    counted, summed = _enough(condition), _split(inputs[0])
    if counted is None or summed is None or not _is_nan(other) or not _is_nan_padding(summed):
        return None
    if number.recipe[0] == "cast":
        number = number.recipe[1][0]
    _, axis, width, _, ddof, least = parameters
    if number is not condition.recipe[1][0] or counted != (summed[0], axis, width, summed[2], least) or summed[1] not in (axis, None):
        return None
    return make("window", inputs, "mean", axis, width, True, ddof, least)


def _enough(node):
    """(x, axis, width, padding, least) of: a window has at least so many valid elements of x."""
    if node.recipe[0] != "map" or node.recipe[2] != ("greater_equal",):
        return None
    windows, least = node.recipe[1]
    least = _scalar(least)
    if windows.recipe[0] != "window" or least is None:
        return None
    name, axis, width, *_ = windows.recipe[2]
    split = _split(windows.recipe[1][0])
    if name != "sum" or split is None or split[1] not in (axis, None) or any(fill != 0 for fill in split[3]):
        return None
    x = _valid(split[0])
    if x is None or least != int(least) or not 1 <= least <= width:
        return None
    return x, axis, width, split[2], int(least)


def _valid_only(node):
    """(x, axis, width, padding, name, ddof) of: a reduction of the valid elements of x in windows."""
    if node.recipe[0] != "window":
        return None
    name, axis, width, skipna, ddof, *more = node.recipe[2]
    split = _split(node.recipe[1][0])
    if more or split is None or split[1] not in (axis, None):
        return None
    x, _, padding, fills = split
    if name in OF_VALID:
        return (x, axis, width, padding, name, ddof) if skipna and x.dtype in ("<f4", "<f8") and _is_nan_padding(split) else None
    if name not in NEUTRAL or any(fill != NEUTRAL[name] for fill in fills) or x.recipe[0] != "map" or x.recipe[2] != ("where",):
        return None
    condition, values, other = x.recipe[1]
    if values is not _valid(condition) or _scalar(other) != NEUTRAL[name] or node.dtype != values.dtype or values.dtype not in ("<f4", "<f8"):
        return None
    return values, axis, width, padding, name, ddof


def _split(node):
    """(x, axis, (elements before, after), their values) of an array with constant padding; axis None: without."""
    if node.recipe[0] != "concat":
        return node, None, (0, 0), ()
    axis, parts = node.recipe[2][0], list(node.recipe[1])
    before = parts.pop(0) if len(parts) > 1 and parts[0].recipe[0] == "full" else None
    after = parts.pop() if len(parts) > 1 and parts[-1].recipe[0] == "full" else None
    if len(parts) != 1:
        return node, None, (0, 0), ()
    edges = [None if edge is None else edge.recipe[2] for edge in (before, after)]
    return (parts[0], axis, tuple(0 if edge is None else edge[1][axis] for edge in edges),
            tuple(np.frombuffer(edge[2], edge[0])[0] for edge in edges if edge is not None))


def _padded(x, axis, padding):
    parts = [x]
    for place, length in zip((0, 1), padding):
        if length:
            shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
            parts.insert(place * len(parts), make("full", (), x.dtype, shape, np.array(np.nan, x.dtype).tobytes(), None))
    return x if len(parts) == 1 else make("concat", tuple(parts), axis)


def _is_nan_padding(split):
    return all(np.isnan(fill) for fill in split[3])


def _valid(node):
    """x of ~isnan(x)."""
    if node.recipe[0] != "map" or node.recipe[2] != ("invert",) or node.recipe[1][0].recipe[0] != "map":
        return None
    inner = node.recipe[1][0]
    return inner.recipe[1][0] if inner.recipe[2] == ("isnan",) else None


def _scalar(node):
    while node.recipe[0] == "cast":
        node = node.recipe[1][0]
    if node.recipe[0] != "scalar":
        return None
    code, value, _ = node.recipe[2]
    return np.frombuffer(value, code)[0] if np.dtype(code).kind in "iuf" else None


def _is_nan(node):
    value = _scalar(node)
    return value is not None and np.isnan(value)
