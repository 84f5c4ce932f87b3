"""groupby and resample without importing flox, which imports dask, SciPy and numpy_groupies: half of the start-up time of a program that
needs none of them. Installed by craton.enable().

xarray's own function prepares the call and finishes its result; it imports flox by name for the reduction between. For lazy arrays of
Craton it is run with an import that finds the two functions below in flox's place. What they do not take (several groupings,
labels of more than one dimension, times, quantiles, variables of another kind) goes to flox, as groupby.py has it.
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
        if not _is_plain(self):
            return function(self, *args, **kwargs)
        # A copy each time: what others have replaced in xarray's module stays replaced.
        names = {**function.__globals__, "__builtins__": _BUILTINS}
        ours = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
        ours.__kwdefaults__ = function.__kwdefaults__
        return ours(self, *args, **kwargs)

    reduce_or_scan._of_craton = True
    return reduce_or_scan


def _is_plain(grouped):
    groupers, obj = getattr(grouped, "groupers", ()), getattr(grouped, "_original_obj", None)
    if len(groupers) != 1 or groupers[0].codes.ndim != 1 or isinstance(groupers[0].codes.data, Array):
        return False
    (dim,) = groupers[0].codes.dims
    variables = obj.data_vars.values() if hasattr(obj, "data_vars") else (obj,)
    return len(variables) > 0 and all(isinstance(v.variable._data, Array) and v.dtype.kind in "biuf" and dim in v.dims for v in variables)


def _xarray_reduce(obj, *codes, **kwargs):
    dims = codes[0].dims
    if set(kwargs) - _TAKEN or kwargs["func"] not in REDUCTIONS or tuple(kwargs["dim"]) != dims or kwargs["isbin"]:
        from flox.xarray import xarray_reduce

        return xarray_reduce(obj, *codes, **kwargs)
    return _reduce_along(obj, codes[0], **kwargs)


def _reduce_along(obj, codes, *, func, dim, keep_attrs, expected_groups, skipna=None, ddof=0, **options):
    import xarray as xr

    (dim,), name = dim, codes.name
    options = {k: options[k] for k in ("fill_value", "min_count", "dtype") if k in options}

    def reduce(array, labels):
        missing = skipna or (skipna is None and array.dtype.kind == "f")
        function = "nan" + func if missing and func not in ("all", "any", "count") else func
        return groupby_reduce(array, labels, func=function, expected_groups=expected_groups, finalize_kwargs={"ddof": ddof}, **options)[0]

    result = xr.apply_ufunc(
        reduce,
        obj if isinstance(obj, xr.Dataset) else obj._to_temp_dataset(),
        codes.variable,
        input_core_dims=[[dim], [dim]],
        output_core_dims=[[name]],
        exclude_dims={dim},
        dask="allowed",
        keep_attrs=keep_attrs,
    )
    for key, variable in result.data_vars.items():
        kept = [d for d in variable.dims if d != name]
        at = 0 if isinstance(obj, xr.Dataset) else obj.get_axis_num(dim)
        result[key] = variable.variable.transpose(*kept[:at], name, *kept[at:])
    result = result.assign_coords({name: np.arange(len(expected_groups[0]))})
    return result if isinstance(obj, xr.Dataset) else obj._from_temp_dataset(result)


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
