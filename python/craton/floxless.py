"""groupby and resample without importing flox, which imports dask, SciPy and numpy_groupies: half of the start-up time of a program that
needs none of them. Installed by craton.enable().

xarray's own function prepares the call and finishes its result; it imports flox by name for the reduction between. For lazy arrays of
Craton it is run with an import that finds the two functions below in flox's place. Labels may have any number of dimensions, all of which
are reduced (zonal statistics), and other dimensions with them. What is not taken (several groupings, lazy labels, a dimension of labels that is
kept, quantiles, variables of another kind or with some of the dimensions that are reduced) goes to flox, as groupby.py has it.
"""

import builtins
import functools
import importlib
import importlib.metadata
import types

import numpy as np

from .array import Array
from .groupby import REDUCTIONS, _scan, groupby_reduce

_TAKEN = {"func", "dim", "expected_groups", "isbin", "keep_attrs", "skipna", "fill_value", "min_count", "dtype", "method", "engine", "ddof"}


def reduce_without_flox():
    groupby = importlib.import_module("xarray.core.groupby")
    for name in ("_flox_reduce", "_flox_scan"):
        function = getattr(groupby.GroupBy, name, None)
        if isinstance(function, types.FunctionType) and not function.__closure__ and not hasattr(function, "_of_craton"):
            setattr(groupby.GroupBy, name, _with_ours(function))


def _with_ours(function):
    @functools.wraps(function)
    def reduce_or_scan(self, *args, **kwargs):
        if not _is_plain(self, others=function.__name__ == "_flox_reduce"):
            return function(self, *args, **kwargs)
        # A copy each time: what others have replaced in xarray's module stays replaced.
        names = {**function.__globals__, "__builtins__": _BUILTINS}
        ours = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
        ours.__kwdefaults__ = function.__kwdefaults__
        return ours(self, *args, **kwargs)

    reduce_or_scan._of_craton = True
    return reduce_or_scan


def _is_plain(grouped, others):
    """Whether what is grouped is numbers or times of Craton, beside `others` without the dimensions of the labels, which stay what they are."""
    groupers, obj = getattr(grouped, "groupers", ()), getattr(grouped, "_original_obj", None)
    if len(groupers) != 1 or groupers[0].codes.ndim == 0 or isinstance(groupers[0].codes.data, Array):
        return False
    dims = set(groupers[0].codes.dims)
    variables = obj.data_vars.values() if hasattr(obj, "data_vars") else (obj,)
    grouped = [v for v in variables if not (others and dims.isdisjoint(v.dims))]
    return len(grouped) > 0 and all(isinstance(v.variable._data, Array) and v.dtype.kind in "biufmM" and dims <= set(v.dims) for v in grouped)


def _xarray_reduce(obj, *codes, **kwargs):
    known = kwargs["func"] in REDUCTIONS or kwargs["func"] == "median"
    if set(kwargs) - _TAKEN or not known or kwargs["isbin"] or not _is_taken(kwargs["dim"], codes[0], obj):
        from flox.xarray import xarray_reduce

        return xarray_reduce(obj, *codes, **kwargs)
    return _reduce_along(obj, codes[0], **kwargs)


def _is_taken(dim, codes, obj):
    """Whether the dimensions of the labels all go. Labels of several dimensions that are called like another one: flox knows what that means."""
    variables = obj.data_vars.values() if hasattr(obj, "data_vars") else (obj,)
    return (
        len(set(dim)) == len(dim)
        and set(codes.dims) <= set(dim)
        and all(set(dim) <= set(v.dims) or set(dim).isdisjoint(v.dims) for v in variables)
        and (codes.ndim == 1 or codes.name not in obj.dims)
    )


def _reduce_along(obj, codes, *, func, dim, keep_attrs, expected_groups, skipna=None, ddof=0, **options):
    import xarray as xr

    # In the order of dim, as flox has it: first and last look at elements in that order.
    dim, name, ds = list(dim), codes.name, obj if isinstance(obj, xr.Dataset) else obj._to_temp_dataset()
    codes = codes.transpose(*(d for d in dim if d in codes.dims))
    shape = [codes.sizes.get(d, 1) for d in dim]
    options = {k: options[k] for k in ("fill_value", "min_count", "dtype") if k in options}
    others = {k: v for k, v in ds.data_vars.items() if set(dim).isdisjoint(v.dims)}

    def reduce(array, labels):
        missing = skipna or (skipna is None and (array.dtype.kind == "f" or array.dtype.kind in "mM" and func == "mean"))
        function = "nan" + func if missing and func not in ("all", "any", "count") else func
        labels, finalize = labels.reshape(shape), {"ddof": ddof}
        return groupby_reduce(array, labels, func=function, expected_groups=expected_groups, finalize_kwargs=finalize, **options)[0]

    result = xr.apply_ufunc(
        reduce,
        ds.drop_vars(others),
        codes,
        input_core_dims=[dim, codes.dims],
        output_core_dims=[[name]],
        exclude_dims=set(dim),
        dask="allowed",
        keep_attrs=keep_attrs,
    )
    for key, variable in result.data_vars.items():
        kept = [d for d in variable.dims if d != name]
        at = _place_of_groups(ds[key], kept, codes, isinstance(obj, xr.Dataset))
        result[key] = variable.variable.transpose(*kept[:at], name, *kept[at:])
    n_groups = len(expected_groups[0])
    result = result.assign({k: v.expand_dims({name: n_groups}).variable for k, v in others.items()}).assign_coords({name: np.arange(n_groups)})
    return result if isinstance(obj, xr.Dataset) else obj._from_temp_dataset(result)


def _place_of_groups(variable, kept, codes, in_dataset):
    """Where flox puts the new dimension: in place of the one of the labels, but first in datasets; that of labels of several, last."""
    if codes.ndim > 1:
        return len(kept)
    axis = variable.get_axis_num(codes.dims[0])
    return 0 if in_dataset else sum(variable.get_axis_num(d) < axis for d in kept)


def _flox():
    flox, inner = types.ModuleType("flox"), types.ModuleType("flox.xarray")
    flox.__version__ = importlib.metadata.version("flox")
    flox.xarray, flox.groupby_scan = inner, _scan
    inner.xarray_reduce = _xarray_reduce
    return flox


def _import(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and name in ("flox", "flox.xarray"):
        flox = _flox()
        return flox.xarray if name == "flox.xarray" and fromlist else flox
    return builtins.__import__(name, globals, locals, fromlist, level)


_BUILTINS = {**vars(builtins), "__import__": _import}
