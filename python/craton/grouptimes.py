"""groupby and resample of datetime64 and timedelta64: what xarray answers without flox, which takes NaT for a number.

Everything is made of groups of the ticks. min and max spread NaT unless they are told to leave it out, first and last pass over it, as do means.
"""

import numpy as np

from .array import wrap
from .dtypes import NAT
from .elementwise import isnat, where
from .functions import unsupported
from .times import as_integers, from_halves, halves, mean_from


def grouped_times(reduce, array, plain, skipna):
    """(result, *groups). reduce(values, name, fill): groups of numbers, with what stands for a group that nobody belongs to."""
    missing, ticks = isnat(array), as_integers(array)
    if plain in ("min", "max"):
        # NaT is the lowest tick. Where it must not win, or must where it would not, it is the highest.
        far = np.iinfo(np.int64).max if skipna == (plain == "min") else None
        result, *groups = reduce(ticks if far is None else where(missing, far, ticks), plain, NAT)
        result = result if far is None else where(result == far, NAT, result)
    elif plain in ("first", "last"):
        upper, *groups = reduce(where(missing, np.nan, halves(ticks)[0]), "nan" + plain, np.nan)
        result = from_halves(upper, reduce(where(missing, np.nan, halves(ticks)[1]), "nan" + plain, np.nan)[0])
    elif plain == "sum" and array.dtype.kind == "m":
        result, *groups = reduce(where(missing, 0, ticks), "sum", NAT)
        result = result if skipna else where(reduce(missing, "sum", 0)[0] > 0, NAT, result)
    elif plain == "mean":
        count, *groups = reduce(~missing, "sum", 0)
        result = mean_from(array, array.size, where(count == 0, 1, count), lambda values: reduce(values, "sum", 0)[0])
        gaps = reduce(missing, "sum", 0)[0] > 0 if not skipna else count == 0
        result = where(gaps | (count == 0), NAT, result)
    elif plain in ("sum", "prod", "std", "var"):
        raise TypeError(f"craton: groupby().{plain} of {array.dtype} has no meaning; durations are numbers as durations / np.timedelta64(1, 's')")
    else:
        raise unsupported(f"groupby().{plain} of {array.dtype}")
    return (wrap(result._node, array.dtype), *groups)
