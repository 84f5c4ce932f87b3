"""xarray imports dask (and with it SciPy) as soon as it asks what kind of array it has, or which chunk managers there are: more than a
second of processor time and 40 MiB for a program that computes with Craton. Installed by craton.enable(): the questions are answered
without the import while nobody has imported dask. Who asks for dask by name gets it, as always.
"""

import functools
import importlib
import sys


def answer_without_dask():
    # What has not been imported did not make the object; objects that only follow dask's protocol say so themselves.
    _replace("xarray.namedarray.utils", "is_dask_collection", lambda f: lambda x: ("dask.base" in sys.modules or _may_be_collection(x)) and f(x))
    _replace("xarray.namedarray.pycompat", "array_type", lambda f: lambda mod: () if mod == "dask" and "dask.array" not in sys.modules else f(mod))
    _replace("xarray.namedarray.parallelcompat", "load_chunkmanagers", _managers)


def _replace(module, name, make):
    """In the module that defines it, and in those that have imported it by name. What another version does not have is left out."""
    function = getattr(importlib.import_module(module), name, None)
    if function is None or hasattr(function, "_of_craton"):
        return
    new = functools.wraps(function)(make(function))
    new._of_craton = True
    for key, module in list(sys.modules.items()):
        if key.startswith("xarray.") and vars(module).get(name) is function:
            setattr(module, name, new)


def _may_be_collection(x):
    return getattr(type(x), "__dask_graph__", None) is not None and not type(x).__module__.startswith("xarray.")


def _managers(load):
    def load_chunkmanagers(entrypoints):
        entrypoints = list(entrypoints)
        later = [e for e in entrypoints if (e.name, e.value) == ("dask", "xarray.namedarray.daskmanager:DaskManager")]
        if not later or "dask" in sys.modules or not _dask_can_be_had():
            return load(entrypoints)
        return {"dask": _dask_later()} | load([e for e in entrypoints if e not in later])

    return load_chunkmanagers


def _dask_can_be_had():
    return importlib.import_module("xarray.namedarray.daskmanager").DaskManager.available


@functools.cache
def _dask_later():
    """xarray's manager of dask's arrays, which imports dask with its first task."""
    daskmanager = importlib.import_module("xarray.namedarray.daskmanager")

    class DaskLater(daskmanager.DaskManager):
        def __init__(self):
            pass

        @property
        def array_cls(self):
            from dask.array import Array

            return Array

    return DaskLater()
