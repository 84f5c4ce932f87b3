"""What xarray does lazily for dask alone, done for lazy arrays of Craton too. Installed by craton.enable(); other arrays pass
through untouched, and what another version of xarray does not have is left out.

* weighted(): missing weights are looked for when the answer is computed, not when it is asked for.
* merge, concat, arithmetic: coordinates that are the same expression are not compared value by value.
* .dt of times that are no index, block by block; their means (times.py).
* to_netcdf(engine="craton") is .craton.to_netcdf (writing.py).
* to_netcdf and to_zarr of other engines do not remove what they are still to read (ownstore.py).
* ffill and bfill, without bottleneck or numbagg.
* polyfit, series by series; idxmax and idxmin of whole arrays.
* groupby by a map of labels prepares what reductions never look at: only when it is asked for (members.py). Its labels are numbered once, and by a
  table (labelmap.py).
* open_mfdataset joins like files before they are decoded (series.py).
* map_blocks calls the function with blocks of xarray objects (mapblocks.py).
* resample understands frequencies as they were spelled in 2022 (frequencies.py).
"""

import functools
import importlib
import os

import numpy as np

from . import bynumpy, labelmap, members, ownstore
from .array import Array
from .dtypes import is_time
from .frequencies import understand_old_frequencies
from .functions import refuse, unsupported
from .pythonnode import python_node
from .series import series_or

_DASK_TOO = ("xarray.core.accessor_dt", "xarray.computation.weighted", "xarray.computation.fit")


def hook_xarray():
    for name in _DASK_TOO:
        _wrap(name, "is_duck_dask_array", lambda f: lambda x: isinstance(x, Array) or f(x))
    _wrap("xarray.core.variable", "is_0d_dask_array", lambda f: lambda x: isinstance(getattr(x, "_data", x), Array) and x.ndim == 0 or f(x))
    _wrap("xarray.computation.fit", "least_squares", _least_squares_or)
    for name in ("xarray.core.duck_array_ops", "xarray.structure.merge", "xarray.structure.concat"):
        _wrap(name, "lazy_array_equiv", _same_expression_or)
    _wrap("xarray.core.duck_array_ops", "mean", _mean_or)
    _wrap("xarray.core.duck_array_ops", "_datetime_nanreduce", _extreme_or)
    _wrap("xarray.backends.writers", "to_netcdf", _to_netcdf_or)
    _wrap("xarray.backends.writers", "to_zarr", _to_zarr_or)
    _hook_groups()
    _wrap("xarray.core.parallel", "map_blocks", _map_blocks_or)
    _wrap("xarray", "map_blocks", _map_blocks_or)
    for name in ("xarray", "xarray.backends.api"):
        _wrap(name, "open_mfdataset", series_or)
    for name in ("xarray.core.duck_array_ops", "xarray.core.missing"):
        _wrap(name, "push", _push_or)
    understand_old_frequencies()


def _hook_groups():
    """Only where both places that look at what is made later are as they are known."""
    try:
        from xarray.core.groupby import GroupBy
        from xarray.groupers import EncodedGroups, UniqueGrouper
    except ImportError:
        return
    if "_obj" not in vars(GroupBy) or "group_indices" not in getattr(EncodedGroups, "__dataclass_fields__", ()):
        return
    if not isinstance(vars(EncodedGroups).get("group_indices", property()), property):  # a default: no property may take its place
        return
    members.lists_when_asked_for(EncodedGroups)
    members.stacked_when_asked_for(GroupBy)
    _wrap("xarray.core.groupby", "_codes_to_group_indices", lambda f: members.members_of_groups)
    _wrap("xarray.core.groupby", "_ensure_1d", members.one_dimension_or)
    if not hasattr(UniqueGrouper.factorize, "_of_craton"):
        UniqueGrouper.factorize = functools.wraps(UniqueGrouper.factorize)(labelmap.groups_of_labels_or(UniqueGrouper.factorize))
        UniqueGrouper.factorize._of_craton = True


def _wrap(module, name, make):
    try:
        module = importlib.import_module(module)
        function = getattr(module, name)
    except (ImportError, AttributeError):
        return
    if not hasattr(function, "_of_craton"):
        wrapped = functools.wraps(function)(make(function))
        wrapped._of_craton = True
        setattr(module, name, wrapped)


def _push_or(function):
    from .along import push

    def push_or_ours(array, n=None, axis=-1, **kwargs):
        return push(array, n, axis) if isinstance(array, Array) else function(array, n, axis, **kwargs)

    return push_or_ours


# ---- times, files ------------------------------------------------------------------------------------------------------


def _mean_or(function):
    from .times import mean_of_times

    def mean_or_ours(array, axis=None, skipna=None, **kwargs):
        if isinstance(array, Array) and is_time(array.dtype):
            refuse("mean of times", **kwargs)
            return mean_of_times(array, axis, skipna)
        return function(array, axis=axis, skipna=skipna, **kwargs)

    return mean_or_ours


def _extreme_or(function):
    from .times import time_reduction

    def extreme_or_ours(array, func):
        name = getattr(func, "__name__", "")
        if isinstance(array, Array) and name in ("min", "max"):
            return time_reduction(name, array, tuple(range(array.ndim)), False, True)
        return function(array, func)

    return extreme_or_ours


def _to_netcdf_or(function):
    def to_netcdf_or_ours(dataset, path_or_file=None, mode="w", format=None, group=None, engine=None, encoding=None, unlimited_dims=None, compute=True,
                          multifile=False, **kwargs):  # fmt: skip
        if engine != "craton":
            _check_replaced(path_or_file, dataset)
            return function(dataset, path_or_file, mode, format, group, engine, encoding, unlimited_dims, compute, multifile, **kwargs)
        from .writing import to_netcdf

        if path_or_file is None or not compute or multifile or any(kwargs.values()):
            raise unsupported("to_netcdf(engine='craton') into memory, into several files at once, with compute=False, or of what is no NetCDF",
                              "Write one file after the other, or choose another engine.")  # fmt: skip
        return to_netcdf(dataset, path_or_file, mode=mode, format=format, group=group, encoding=encoding, unlimited_dims=unlimited_dims)

    return to_netcdf_or_ours


def _to_zarr_or(function):
    def to_zarr_or_not(dataset, store=None, mode=None, group=None, *args, **kwargs):
        region = kwargs.get("region")
        place = store if isinstance(store, (str, os.PathLike)) else getattr(store, "root", None)
        if mode == "w":
            _check_replaced(place, dataset, group)
        elif _is_local(place) and kwargs.get("append_dim") is None and (region is None or isinstance(region, dict) and "auto" not in region.values()):
            # Before the first of them is written; else xarray finds the places, and the chunk manager asks.
            ownstore.check(_below(place, group), {n: (v, [_span(region, *d) for d in v.sizes.items()], False) for n, v in dataset.variables.items()})
        return function(dataset, store, mode, group, *args, **kwargs)

    return to_zarr_or_not


def _span(region, dim, size):
    begin = (region or {}).get(dim, slice(0, None)).start or 0
    return begin, begin + size


def _is_local(path):
    return isinstance(path, (str, os.PathLike)) and "://" not in os.fspath(path)


def _below(path, group):
    return os.path.join(path, (group or "").strip("/"))


def _check_replaced(path, dataset, group=None):
    if _is_local(path):
        ownstore.check_replaced(_below(path, group), dataset)


# ---- the same expression ---------------------------------------------------------------------------------------------


def _same_expression_or(compare):
    def lazy_array_equiv(a, b):
        a, b = (getattr(x, "array", x) if not isinstance(x, (Array, np.ndarray)) else x for x in (a, b))
        if isinstance(a, Array) and isinstance(b, Array):
            if a.shape != b.shape:
                return False
            return True if same_expression(a, b) else None
        return compare(a, b)

    return lazy_array_equiv


MAX_COMPARED = 10_000


def same_expression(a, b):
    """Whether two lazy arrays were made in the same way of the same sources. False may still be equal values."""
    if a._node is b._node:
        return a.dtype == b.dtype
    if a.dtype != b.dtype or a._node.op != b._node.op:
        return False
    seen, left = set(), [(a._node, b._node)]
    while left:
        x, y = left.pop()
        if x is y or (id(x), id(y)) in seen:
            continue
        seen.add((id(x), id(y)))
        (operation, inputs, parameters), (other, others, theirs) = x.recipe, y.recipe
        if len(seen) > MAX_COMPARED or operation != other or len(inputs) != len(others) or not _same(parameters, theirs):
            return False
        left.extend(zip(inputs, others))
    return True


def _same(a, b):
    if a is b:
        return True
    if isinstance(a, (tuple, list)) and type(a) is type(b) and len(a) == len(b):
        return all(map(_same, a, b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.__array_interface__ == b.__array_interface__ or a.nbytes <= 8192 and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return isinstance(a, (str, bytes, int, float, bool, type(None), np.generic)) and type(a) is type(b) and a == b


# ---- polyfit ---------------------------------------------------------------------------------------------------------


class _Fit:
    """Coefficients (or, with `rest`, sums of squared residuals) of whole series: xarray's own function on blocks of them."""

    def __init__(self, lhs, rcond, skipna, dtype, rest):
        self.lhs, self.rcond, self.skipna, self.dtype, self.rest = lhs, rcond, skipna, dtype, rest

    def __call__(self, inputs, start, count):
        from xarray.core.nputils import least_squares

        from .runtime import read_box

        n = 0 if self.rest else 1
        series = tuple(inputs[0].shape[:1])
        rhs = read_box(inputs[0], (0,) + tuple(start[n:]), series + tuple(count[n:]), self.dtype)
        coefficients, rest = least_squares(self.lhs, rhs, rcond=self.rcond, skipna=self.skipna)
        if self.rest:
            return np.broadcast_to(np.asarray(rest, np.float64) if np.size(rest) else np.nan, count)
        return np.asarray(coefficients, np.float64)[start[0] : start[0] + count[0]]

    def __repr__(self):
        return "least squares"


def _least_squares_or(solve):
    def least_squares(lhs, rhs, rcond=None, skipna=False):
        if not isinstance(rhs, Array):
            return solve(lhs, rhs, rcond=rcond, skipna=skipna)
        lhs = np.asarray(lhs)
        shape, sizes = rhs.shape[1:], tuple(rhs.chunksize[1:])
        fit = functools.partial(_Fit, lhs, rcond, bool(skipna), rhs.dtype)
        bynumpy.say("polyfit")
        coefficients = python_node(fit(False), (rhs._node,), np.dtype(np.float64), lhs.shape[1:] + shape, lhs.shape[1:] + sizes)
        return coefficients, python_node(fit(True), (rhs._node,), np.dtype(np.float64), shape, sizes)

    return least_squares


# ---- map_blocks ------------------------------------------------------------------------------------------------------


def _lazy(obj):
    from .explaining import arrays_of

    return bool(arrays_of(obj))


def _map_blocks_or(function):
    def map_blocks(func, obj, args=(), kwargs=None, template=None):
        if not any(map(_lazy, (obj, *args) if isinstance(args, (list, tuple)) else (obj,))):
            return function(func, obj, args, kwargs, template)
        from .mapblocks import map_blocks as block_by_block

        return block_by_block(func, obj, args, kwargs, template)

    return map_blocks
