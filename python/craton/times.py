"""Times on lazy arrays: datetime64 and timedelta64 are stored as int64, NaT is the lowest value and spreads as NaN does."""

import numpy as np

from .array import Array, wrap
from .conversion import as_array, astype
from .dtypes import NAT, is_time
from .elementwise import COMPARISONS, LOGICAL, elementwise, isnat, where
from .functions import sorted_axes, unsupported
from .graph import make
from .making import full
from .reductions import reduction


def as_integers(a):
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
        if a.dtype.kind != dtype.kind:      # as NumPy: the ticks stay, whatever the units
            return wrap(a._node, dtype)
        one, other = (np.datetime_data(d) for d in (a.dtype, dtype))
        if "generic" in (one[0], other[0]):
            return wrap(a._node, dtype)
        if {one[0], other[0]} & {"Y", "M"} and one[0] != other[0]:
            raise unsupported(f"a conversion from {a.dtype} to {dtype}")
        wide = np.timedelta64(1, f"{one[1]}{one[0]}") if one[1] != 1 else np.timedelta64(1, one[0])
        narrow = np.timedelta64(1, f"{other[1]}{other[0]}") if other[1] != 1 else np.timedelta64(1, other[0])
        ticks = as_integers(a)
        if wide >= narrow:
            scaled = ticks * int(wide // narrow)
        else:
            scaled = elementwise("floor_divide", ticks, int(narrow // wide))
        return wrap(where(isnat(a), NAT, scaled)._node, dtype)
    if is_time(a.dtype):
        if dtype.kind not in "iufb":
            raise unsupported(f"a conversion from {a.dtype} to {dtype}")
        return astype(as_integers(a), dtype)
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
        common = np.result_type(*[getattr(v, "dtype", np.dtype(np.int64)) for v in values])
        a, b = (astype(as_array(v), common) for v in values)
        missing = isnat(a) | isnat(b)
        answer = elementwise(name, as_integers(a), as_integers(b))
        return answer | missing if name == "not_equal" else answer & ~missing
    if name in ("add", "subtract"):
        unit = np.dtype(f"m8[{np.datetime_data(result)[0]}]")
        parts = []
        for v in values:
            v = as_array(v)
            parts.append(astype(v, np.dtype(v.dtype.kind + unit.str[2:]) if is_time(v.dtype) else unit))
        a, b = parts
        answer = elementwise(name, as_integers(a), as_integers(b))
        return wrap(where(isnat(a) | isnat(b), NAT, answer)._node, result)
    if name == "divide" and result.kind == "f" and all(is_time(getattr(v, "dtype", np.dtype(int))) for v in values):
        common = np.result_type(*[v.dtype for v in values])
        a, b = (astype(as_array(v), common) for v in values)
        answer = elementwise("divide", as_integers(a), as_integers(b))
        return where(isnat(a) | isnat(b), np.nan, answer)
    if name in ("isfinite",):
        return ~isnat(values[0])
    if name == "isinf":
        return full(values[0].shape, False, bool, chunks=as_array(values[0]).chunks)
    if name in ("negative", "absolute", "positive", "sign"):    # NaT, the lowest integer, is its own negative; its sign is NumPy's too
        return wrap(elementwise(name, as_integers(values[0]))._node, result)
    if name in LOGICAL:
        return elementwise(name, *(astype(as_array(v), bool) for v in values))
    if name in ("maximum", "minimum", "fmax", "fmin"):
        return _farther(name, *(astype(as_array(v), result) for v in values))
    if name == "clip":
        a, low, high = (astype(as_array(v), result) for v in values)
        return _farther("minimum", _farther("maximum", a, low), high)
    if name in ("floor_divide", "remainder") and all(is_time(getattr(v, "dtype", np.dtype(int))) for v in values):
        return _whole(name, *values, result)
    if name in ("multiply", "divide", "floor_divide") and result.kind == "m":
        return _scaled("multiply" if name == "multiply" else "divide", [as_array(v) for v in values], result)
    raise unsupported(f"{name} of {', '.join(str(getattr(v, 'dtype', type(v).__name__)) for v in values)}")


def _farther(name, a, b):
    """The later or sooner of two; NaT, which is the lowest integer, spreads through maximum and minimum and is passed over by fmax and fmin."""
    answer = elementwise("maximum" if "max" in name else "minimum", as_integers(a), as_integers(b))
    if name == "maximum":
        answer = where(isnat(a) | isnat(b), NAT, answer)
    elif name == "fmin":
        answer = where(isnat(a), as_integers(b), where(isnat(b), as_integers(a), answer))
    return wrap(answer._node, a.dtype)


def _whole(name, a, b, result):
    """How often one duration is in another, 0 where one of them is missing or b is none; or what is left then, NaT there."""
    common = np.result_type(a.dtype, b.dtype)
    a, b = (astype(as_array(v), common) for v in (a, b))
    undefined = isnat(a) | isnat(b) | (as_integers(b) == 0)
    answer = elementwise(name, as_integers(a), where(undefined, 1, as_integers(b)))
    return wrap(where(undefined, NAT if name == "remainder" else 0, answer)._node, result)


def _scaled(name, arrays, result):
    """A timedelta times or by a number, cut to whole ticks toward zero; NaT where there is no finite answer. As NumPy does it."""
    a, b = arrays
    missing = isnat(a) if is_time(a.dtype) else isnat(b)
    a, b = (as_integers(v) if is_time(v.dtype) else v for v in arrays)
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
    """min, max and their places: NaT is the lowest integer, so that min finds it first, and max must be told. Sums and means are of durations, as in NumPy."""
    missing, ticks = isnat(a), as_integers(a)
    if name in ("any", "all"):      # NaT is not 0
        return reduction(name, ticks, axes, None, keepdims)
    empty = reduction("all" if skipna else "any", missing, axes, None, keepdims)
    far = np.iinfo(np.int64).max
    if name in ("argmin", "argmax"):  # as NumPy, the first that is missing, unless they are left out
        if skipna == (name == "argmin"):
            ticks = where(missing, far, ticks)
        return reduction(name, ticks, axes, None, keepdims)
    if name in ("min", "max"):
        if skipna:
            ticks = where(missing, far if name == "min" else NAT, ticks)
        answer = reduction(name, ticks, axes, None, keepdims)
    elif name == "sum" and a.dtype.kind == "m":
        answer = reduction("sum", where(missing, 0, ticks), axes, None, keepdims)
        empty = empty if not skipna else False      # the sum of nothing is none
    elif name == "mean" and a.dtype.kind == "m" and not skipna:
        count = int(np.prod([a.shape[i] for i in axes], dtype=object))
        below, exact = _mean_below(where(missing, 0, ticks), max(count, 1), count, lambda values: reduction("sum", values, axes, None, keepdims))
        answer = where(exact | (below >= 0), below, below + 1)      # cut toward zero
    else:
        raise unsupported(f"{name} of {a.dtype}")
    return wrap((where(empty, NAT, answer) if empty is not False else answer)._node, a.dtype)


def halves(ticks):
    """Upper and lower 32 bits as float64, which holds both exactly; the lower ones are not negative."""
    return tuple(astype(elementwise(name, ticks, HALF), np.float64) for name in ("floor_divide", "remainder"))


def from_halves(upper, lower):
    """Ticks again; NaT where a half is NaN."""
    missing = elementwise("isnan", upper)
    upper, lower = (astype(where(missing, 0.0, half), np.int64) for half in (upper, lower))
    return where(missing, NAT, upper * HALF + lower)


def time_push(a, axis, limit):
    """Gaps become the last time before them. The engine fills NaN."""
    missing = isnat(a)
    pushed = (wrap(make("fill_forward", (where(missing, np.nan, half)._node,), axis, limit)) for half in halves(as_integers(a)))
    return wrap(from_halves(*pushed)._node, a.dtype)


def time_cumsum(a, axis):
    """Running sums of durations; after the first that is missing all are, in NumPy's nancumsum too."""
    missing = isnat(a)
    sums = wrap(make("cumulate", (where(missing, 0, as_integers(a))._node,), axis, False, False))
    gaps = wrap(make("cumulate", (astype(missing, np.int64)._node,), axis, False, False))
    return wrap(where(gaps > 0, NAT, sums)._node, a.dtype)


# ---- means ----

HALF = 1 << 32
_MOST_MEANT = 1 << 31


def _mean_below(ticks, count, most, total):
    """The mean of int64 as the whole number that is not above it, and whether it is that number. count: of what is summed, not 0; most: of elements;
    total(values): their sums.

    Exact: the upper and lower 32 bits are summed apart, so that neither sum overflows."""
    if most >= _MOST_MEANT:
        raise unsupported(f"the mean of {most} times", "Take the mean along one dimension after the other, or of a part of them.")
    upper = total(elementwise("floor_divide", ticks, HALF))
    lower = total(elementwise("remainder", ticks, HALF))
    upper, lower = upper + elementwise("floor_divide", lower, HALF), elementwise("remainder", lower, HALF)
    whole = elementwise("floor_divide", upper, count)
    rest = elementwise("remainder", upper, count) * HALF + lower                       # below count * 2**32
    return whole * HALF + elementwise("floor_divide", rest, count), elementwise("remainder", rest, count) == 0


def mean_from(a, most, count, total):
    """The mean in ticks, cut as mean_of_times() says; NaT is left out, and count is not 0."""
    below, exact = _mean_below(where(isnat(a), 0, as_integers(a)), count, most, total)
    return where(exact | (below >= (_middle_year(a) if a.dtype.kind == "M" else 0)), below, below + 1)


def mean_of_times(a, axis=None, skipna=None):
    """What xarray's mean() of times is, with two differences: it is lazy, and exact to the tick, where xarray goes through float64, which loses the last
    digits of nanoseconds. As there, what is left of a tick is cut off toward the beginning of the year in the middle of all times; of durations toward zero."""
    axes = sorted_axes(axis, a.ndim)
    missing = isnat(a)
    count = reduction("sum", ~missing, axes)
    most = int(np.prod([a.shape[i] for i in axes], dtype=object))
    answer = mean_from(a, most, where(count == 0, 1, count), lambda values: reduction("sum", values, axes))
    nothing = count == 0 if skipna is not False else reduction("any", missing, axes)
    return wrap(where(nothing, NAT, answer)._node, a.dtype)


def _middle_year(a):
    """The tick at which the year begins that is in the middle between the first and the last time."""
    unit, ticks = np.datetime_data(a.dtype)
    if unit in ("Y", "M", "generic") or np.timedelta64(1, "D") % np.timedelta64(ticks, unit):
        raise unsupported(f"the mean of {a.dtype}", "Convert to seconds first: astype('M8[s]').")
    day = int(np.timedelta64(1, "D") // np.timedelta64(ticks, unit))
    every = tuple(range(a.ndim))
    first, last = (_year_of(elementwise("floor_divide", as_integers(time_reduction(f, a, every, False, True)), day)) for f in ("min", "max"))
    return _day_of(first + elementwise("floor_divide", last - first, 2)) * day


# The proleptic Gregorian calendar in eras of 400 years, and years that begin in March so that the leap day is their last: H. Hinnant, "chrono-Compatible
# Low-Level Date Algorithms". Days are counted from 1970-01-01, floor division throughout.
_ERA_DAYS, _BEFORE_1970, _TO_JANUARY = 146097, 719468, 306


def _year_of(days):
    days = days + _BEFORE_1970
    era = days // _ERA_DAYS
    days = days - era * _ERA_DAYS
    year = (days - days // 1460 + days // 36524 - days // 146096) // 365
    days = days - (365 * year + year // 4 - year // 100)
    return year + era * 400 + astype(days >= _TO_JANUARY, np.int64)


def _day_of(year):
    """Of its first of January, which is in the year before."""
    year = year - 1
    era = year // 400
    year = year - era * 400
    return era * _ERA_DAYS + year * 365 + year // 4 - year // 100 + (_TO_JANUARY - _BEFORE_1970)
