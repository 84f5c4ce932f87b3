"""Grouped reductions: where xarray hands groupby and resample to flox, lazy arrays of Craton go to the engine.

flox knows NumPy and dask. `install` has the two functions wrapped through which xarray enters it; calls without a Craton
array pass through untouched.
"""

import functools
import importlib.abc
import importlib.util
import math
import sys
import threading
import warnings
from numbers import Number

import numpy as np

from .along import grouped_cumulation
from .array import Array, wrap
from .graph import make
from .conversion import astype
from .dtypes import is_time
from .elementwise import isnat, where
from .functions import unsupported
from .labelmap import counts, shared
from .quantiles import grouped
from .reductions import reduction

# Names of flox without "nan" -> reductions of the engine.
REDUCTIONS = {
    "sum": "sum",
    "prod": "prod",
    "mean": "mean",
    "min": "min",
    "max": "max",
    "count": "count",
    "var": "var",
    "std": "std",
    "any": "any",
    "all": "all",
    "first": "first",
    "last": "last",
}

ORDERED = ("median", "quantile")

MOST_REPEATED = 1 << 28   # codes of labels that are repeated along other dimensions, 1 GiB

# Reductions of whole groups that can be made of those of their slices, and by which.
OF_SLICES = {"sum": "sum", "prod": "prod", "min": "min", "max": "max", "count": "sum", "any": "any", "all": "all"}


def _codes(by, expected, isbin):
    """Positions of labels among the expected groups, -1 for none, and the groups."""
    import pandas as pd

    by = np.asarray(by)
    if expected is None:
        if isbin:
            raise ValueError("craton: bins need expected_groups")
        codes, groups = pd.factorize(by.ravel(), sort=True)
        return codes.reshape(by.shape), np.asarray(groups)
    if isbin and not isinstance(expected, pd.IntervalIndex):
        expected = pd.IntervalIndex.from_breaks(np.asarray(expected))
    index = expected if isinstance(expected, pd.Index) else pd.Index(np.asarray(expected))
    if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1 and by.dtype.kind in "iu":
        inside = by.size == 0 or by.min() >= -1 and by.max() < len(index)
        return by if inside else np.where((by >= 0) & (by < len(index)), by, -1), index.values
    return index.get_indexer(by.ravel()).reshape(by.shape), index.values


def _tuple(value, n):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


def _combined_codes(bys, expected_groups, isbin, shape):
    """One code per element of the grouped axes (row-major over all groupings), the groups, and how many of each."""
    codes, groups, sizes = None, [], []
    for by, expected, bins in zip(bys, _tuple(expected_groups, len(bys)), _tuple(isbin, len(bys))):
        if isinstance(by, Array):
            raise unsupported("groupby with lazy labels", "Call .compute() on the labels.")
        one, labels = _codes(by, expected, bins)
        one = np.broadcast_to(one, shape[len(shape) - one.ndim :])
        n = len(labels)
        codes = one if codes is None else np.where((codes < 0) | (one < 0), -1, codes * n + one)
        groups.append(labels)
        sizes.append(n)
    return codes, groups, sizes


def _fixed_axes(array, codes_shape, axis):
    """Positions of the reduced axes: all axes that the labels have, the last of the array."""
    n = len(codes_shape)
    if axis is None:
        return tuple(range(array.ndim - n, array.ndim))
    axes = axis if isinstance(axis, (tuple, list, range)) else (axis,)
    return tuple(sorted(a % array.ndim for a in axes))


def groupby_reduce(
    array,
    *by,
    func,
    expected_groups=None,
    sort=True,
    isbin=False,
    axis=None,
    fill_value=None,
    dtype=None,
    min_count=None,
    method=None,
    engine=None,
    reindex=None,
    finalize_kwargs=None,
):
    """What flox.groupby_reduce answers, for a lazy array: (result, *groups); the groups are the last axes of the result."""
    skipna = isinstance(func, str) and func.startswith("nan")
    plain = func.removeprefix("nan") if isinstance(func, str) else None
    name = REDUCTIONS.get(plain, plain if plain in ORDERED else None)
    if is_time(getattr(array, "dtype", np.dtype(bool))) and plain != "quantile" and plain != "median":
        from .grouptimes import grouped_times

        same = {"expected_groups": expected_groups, "sort": sort, "isbin": isbin, "axis": axis, "method": method, "engine": engine, "reindex": reindex}
        if (min_count or 0) > 1 or dtype is not None:     # 1 is xarray's, where groups may have no members; those are NaT
            raise unsupported(f"groupby().{plain} of {array.dtype} with min_count or dtype")
        if plain == "count":
            return groupby_reduce(~isnat(array), *by, func="sum", fill_value=fill_value, **same)
        return grouped_times(lambda values, name, fill: groupby_reduce(values, *by, func=name, fill_value=fill, **same), array, plain, skipna)
    if name is None:
        raise unsupported(f"groupby().{func if isinstance(func, str) else 'reduce'}", "Use .map() on groups that fit into memory.")
    widest = max(np.ndim(b) for b in by)
    # Where no labels differ the codes have one element: a code for each element of all data could need more memory than there is.
    shape = np.broadcast_shapes(*(np.shape(b) for b in by), (1,) * widest)
    codes, groups, sizes = _combined_codes(by, expected_groups, isbin, shape)
    codes = np.broadcast_to(codes, shape)
    axes = _fixed_axes(array, shape, axis)
    kept = [i for i in range(array.ndim - widest, array.ndim) if i not in axes]
    if kept:
        # The labels may still be the same all along an axis that is not reduced.
        for i in sorted((i - (array.ndim - widest) for i in kept), reverse=True):
            if codes.shape[i] and (codes != codes.take([0], axis=i)).any():
                raise unsupported("groupby with labels that vary along a dimension that is kept", "Reduce over that dimension too.")
            codes = codes.take(0, axis=i)
        array = array.transpose([i for i in range(array.ndim) if i not in axes] + list(axes))
        axes = tuple(range(array.ndim - len(axes), array.ndim))
    if any(i < array.ndim - codes.ndim for i in axes):
        raise unsupported("groupby over dimensions without labels in this order")
    finalize_kwargs = finalize_kwargs or {}
    if name in ORDERED:
        if finalize_kwargs.get("method", "linear") != "linear":
            raise unsupported(f"groupby().quantile(method={finalize_kwargs['method']!r})", "Use method='linear'.")
        q = finalize_kwargs["q"] if name == "quantile" else None
        result = grouped(name, array, axes, _code_of_each(name, array, codes), math.prod(sizes), skipna, q)
    else:
        result = _grouped_in_steps(name, array, axes, codes, math.prod(sizes), skipna, int(finalize_kwargs.get("ddof", 0)))
    if fill_value is not None and not isinstance(fill_value, Number):
        # For first and last xarray says "missing" without a type: integers stay integers where every group has members.
        keep = result.dtype.kind != "f" and _seen(codes, math.prod(sizes)).all()
        fill_value, min_count = None if keep else np.nan, None
    elif fill_value is None and plain == "sum" and result.dtype.kind == "f":
        fill_value = np.nan  # what flox says of groups that nobody belongs to, when nothing is asked
    if fill_value is not None:
        result = _fill_empty(result, codes, math.prod(sizes), fill_value)
    if min_count:
        valid = _grouped_in_steps("count", array, axes, codes, math.prod(sizes), True, 0)
        result = where(valid >= int(min_count), result, np.nan if fill_value is None else fill_value)
    if dtype is not None:
        result = astype(result, dtype)
    if len(sizes) > 1:
        result = result.reshape(result.shape[:-1] + tuple(sizes))
    return (result, *groups)


def _seen(codes, n_groups):
    return counts(codes, n_groups) > 0


def _fill_empty(result, codes, n_groups, fill_value):
    """Groups that nobody belongs to, which resampling over a gap and bins make. The type is that of the fill value even when there are none."""
    seen = _seen(codes, n_groups)
    dtype = np.result_type(result.dtype, fill_value)
    return astype(result, dtype) if seen.all() else astype(where(seen, result, fill_value), dtype)


def _grouped_in_steps(name, array, axes, codes, n_groups, skipna, ddof):
    """Grouped by codes that are the same all along some of the axes: each slice is grouped, then the slices are reduced, where that is the same."""
    first = array.ndim - codes.ndim
    free = [i for i in axes if codes.shape[i - first] == 1 and array.shape[i] > 1]
    if not free or 0 in array.shape or name not in (*OF_SLICES, "mean"):
        return _grouped(name, array, axes, _code_of_each(name, array, codes), n_groups, skipna, ddof)
    if name in ("sum", "prod") and array.dtype.kind == "f" and array.dtype.itemsize < 8:
        return astype(_grouped_in_steps(name, astype(array, np.float64), axes, codes, n_groups, skipna, 0), array.dtype)
    if name == "mean":
        total = _grouped_in_steps("sum", astype(array, np.float64), axes, codes, n_groups, skipna, 0)
        mean = total / _grouped_in_steps("count", array, axes, codes, n_groups, True, 0) if skipna else total / _elements(array, codes, n_groups)
        return astype(mean, array.dtype if array.dtype.kind == "f" else np.float64)
    labelled = [i for i in axes if i not in free]
    kept = [i for i in range(array.ndim) if i not in axes]
    slices = array.transpose(kept + free + labelled)
    codes = codes.squeeze(tuple(i - first for i in free))
    of_slices = _grouped(name, slices, tuple(range(array.ndim - len(labelled), array.ndim)), codes, n_groups, skipna, 0)
    return reduction(OF_SLICES[name], of_slices, tuple(range(len(kept), len(kept) + len(free))), skipna=skipna)


def _code_of_each(name, array, codes):
    """Codes in the shape of the axes that are grouped."""
    shape = array.shape[array.ndim - codes.ndim :]
    if math.prod(shape) > max(MOST_REPEATED, codes.size):
        raise unsupported(f"groupby().{name} of {math.prod(shape)} elements by {codes.size} labels", "Reduce over the dimensions of the labels alone.")
    return np.broadcast_to(codes, shape)


def _elements(array, codes, n_groups):
    """How many each group has, missing ones too."""
    repeated = math.prod(array.shape[array.ndim - codes.ndim :]) // codes.size
    return counts(codes, n_groups) * float(repeated)


def _grouped(name, array, axes, codes, n_groups, skipna, ddof):
    if array.dtype.kind not in "biuf":
        raise unsupported(f"groupby().{name} of {array.dtype}")
    codes = shared(codes)
    node = make("group", (array._node,), name, axes, codes, n_groups, skipna and array.dtype.kind == "f", ddof, 0, None)
    return wrap(node)


def _scan(array, *by, func, axis=-1, dtype=None, expected_groups=None, method=None, engine=None):
    """What flox.groupby_scan answers, for a lazy array."""
    axes = _fixed_axes(array, np.shape(by[0]), axis)
    if len(by) != 1 or isinstance(by[0], Array) or np.ndim(by[0]) != 1 or axes != (array.ndim - 1,) or not isinstance(func, str):
        raise unsupported("cumulative operations over several groupings or dimensions", "Use one grouping by a coordinate of one dimension.")
    result = grouped_cumulation(func, array, np.asarray(by[0]), axes[0])
    return result if dtype is None else astype(result, dtype)


def _ours(arguments):
    return any(isinstance(a, Array) for a in arguments)


class _WhenImported(importlib.abc.MetaPathFinder):
    """flox is slow to import and many sessions never group anything: it is wrapped when xarray first asks for it.

    xarray also asks whether flox is there, without importing it: the finder stays until flox has really been executed."""

    def __init__(self):
        self._here = threading.local()

    def find_spec(self, name, path=None, target=None):
        if name != "flox" or getattr(self._here, "asking", False):
            return None
        self._here.asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._here.asking = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_wrap(module):
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                wrap_flox()

            spec.loader.exec_module = execute_and_wrap
        return spec


def install():
    """Has flox wrapped, now or when it is imported."""
    if "flox" in sys.modules:
        if sys.modules["flox"] is not None:
            wrap_flox()
    elif not any(isinstance(finder, _WhenImported) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenImported())


def wrap_flox():
    import flox
    import flox.xarray

    try:
        reduce, scan = flox.xarray.groupby_reduce, flox.groupby_scan
    except AttributeError:
        warnings.warn("craton: this version of flox is not known; call xarray.set_options(use_flox=False)", stacklevel=2)
        return
    if hasattr(reduce, "__wrapped_by_craton__"):
        return

    @functools.wraps(reduce)
    def reduce_or_ours(array, *by, **kwargs):
        return groupby_reduce(array, *by, **kwargs) if _ours((array, *by)) else reduce(array, *by, **kwargs)

    @functools.wraps(scan)
    def scan_or_ours(array, *by, **kwargs):
        if _ours((array, *by)):
            return _scan(array, *by, **kwargs)
        return scan(array, *by, **kwargs)

    reduce_or_ours.__wrapped_by_craton__ = True
    flox.xarray.groupby_reduce = reduce_or_ours
    flox.groupby_scan = scan_or_ours
