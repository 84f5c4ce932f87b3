"""Times on lazy arrays: datetime64 and timedelta64 are stored as int64, NaT is the lowest value and spreads as NaN does."""

import numpy as np

from .array import Array, wrap
from .conversion import as_array, astype
from .dtypes import NAT, is_time
from .elementwise import COMPARISONS, elementwise, isnat, where
from .functions import unsupported
from .reductions import reduction


def _as_integers(a):
    """The same node, seen as int64."""
    return wrap(a._node, np.dtype(np.int64))


def _numpy_type(name, values):
    """What NumPy would answer: asked with empty arrays, so that all of its rules and refusals hold."""
    probes = []
    for v in values:
        if hasattr(v, "dtype"):
            probes.append(np.empty((0,), v.dtype) if getattr(v, "ndim", 0) or isinstance(v, Array) else np.asarray(v))
        else:
            probes.append(v)
    return getattr(np, name)(*probes).dtype


def time_cast(a, dtype):
    if is_time(a.dtype) and is_time(dtype):
        if a.dtype.kind != dtype.kind:
            raise TypeError(f"Cannot cast from {a.dtype} to {dtype}")
        one, other = (np.datetime_data(d) for d in (a.dtype, dtype))
        if "generic" in (one[0], other[0]):
            return wrap(a._node, dtype)
        if {one[0], other[0]} & {"Y", "M"} and one[0] != other[0]:
            raise unsupported(f"a conversion from {a.dtype} to {dtype}")
        wide = np.timedelta64(1, f"{one[1]}{one[0]}") if one[1] != 1 else np.timedelta64(1, one[0])
        narrow = np.timedelta64(1, f"{other[1]}{other[0]}") if other[1] != 1 else np.timedelta64(1, other[0])
        ticks = _as_integers(a)
        if wide >= narrow:
            scaled = ticks * int(wide // narrow)
        else:
            scaled = elementwise("floor_divide", ticks, int(narrow // wide))
        return wrap(where(isnat(a), NAT, scaled)._node, dtype)
    if is_time(a.dtype):
        if dtype.kind not in "iufb":
            raise unsupported(f"a conversion from {a.dtype} to {dtype}")
        return astype(_as_integers(a), dtype)
    if a.dtype.kind == "f":
        ticks = where(elementwise("isnan", a), NAT, astype(a, np.int64))
        return wrap(ticks._node, dtype)
    if a.dtype.kind in "iub":
        return wrap(astype(a, np.int64)._node, dtype)
    raise unsupported(f"a conversion from {a.dtype} to {dtype}")


def time_elementwise(name, *values):
    values = [v if hasattr(v, "dtype") or isinstance(v, (int, float)) else np.asarray(v) for v in values]
    result = _numpy_type(name, values)
    if name in COMPARISONS:
        common = np.result_type(*[v.dtype for v in values])
        a, b = (astype(as_array(v), common) for v in values)
        missing = isnat(a) | isnat(b)
        answer = elementwise(name, _as_integers(a), _as_integers(b))
        return answer | missing if name == "not_equal" else answer & ~missing
    if name in ("add", "subtract"):
        unit = np.dtype(f"m8[{np.datetime_data(result)[0]}]")
        parts = []
        for v in values:
            v = as_array(v)
            parts.append(astype(v, np.dtype(v.dtype.kind + unit.str[2:]) if is_time(v.dtype) else unit))
        a, b = parts
        answer = elementwise(name, _as_integers(a), _as_integers(b))
        return wrap(where(isnat(a) | isnat(b), NAT, answer)._node, result)
    if name == "divide" and result.kind == "f" and all(is_time(getattr(v, "dtype", np.dtype(int))) for v in values):
        common = np.result_type(*[v.dtype for v in values])
        a, b = (astype(as_array(v), common) for v in values)
        answer = elementwise("divide", _as_integers(a), _as_integers(b))
        return where(isnat(a) | isnat(b), np.nan, answer)
    if name in ("isfinite",):
        return ~isnat(values[0])
    if name in ("multiply", "divide") and result.kind == "m":
        return _scaled(name, [as_array(v) for v in values], result)
    raise unsupported(f"{name} of {', '.join(str(getattr(v, 'dtype', type(v).__name__)) for v in values)}")


def _scaled(name, arrays, result):
    """A timedelta times or by a number, cut to whole ticks toward zero; NaT where there is no finite answer. As NumPy does it."""
    a, b = arrays
    missing = isnat(a) if is_time(a.dtype) else isnat(b)
    a, b = (_as_integers(v) if is_time(v.dtype) else v for v in arrays)
    if "f" in (a.dtype.kind, b.dtype.kind):
        answer = elementwise(name, astype(a, np.float64), astype(b, np.float64))
        missing = missing | ~elementwise("isfinite", answer)
        return wrap(where(missing, NAT, astype(where(missing, 0.0, answer), np.int64))._node, result)
    a, b = (astype(v, np.int64) for v in (a, b))
    if name == "multiply":
        return wrap(where(missing, NAT, a * b)._node, result)
    nothing = b == 0
    b = where(nothing, 1, b)
    rest, floor = elementwise("remainder", a, b), elementwise("floor_divide", a, b)
    toward_zero = where((rest != 0) & ((a < 0) != (b < 0)), floor + 1, floor)
    return wrap(where(missing | nothing, NAT, toward_zero)._node, result)


def time_reduction(name, a, axes, keepdims, skipna):
    """min and max: NaT is the lowest integer, so that min finds it first, and max must be told."""
    if name not in ("min", "max"):
        raise unsupported(f"{name} of {a.dtype}")
    missing, ticks = isnat(a), _as_integers(a)
    far = np.iinfo(np.int64).max
    if skipna:
        ticks = where(missing, far if name == "min" else NAT, ticks)
        answer = reduction(name, ticks, axes, None, keepdims)
        empty = reduction("all", missing, axes, None, keepdims)
    else:
        answer = reduction(name, ticks, axes, None, keepdims)
        empty = reduction("any", missing, axes, None, keepdims)
    return wrap(where(empty, NAT, answer)._node, a.dtype)
