"""xarray imports dask (and with it SciPy) as soon as it asks what kind of array it has, or which chunk managers there are: more than a
second of processor time and 40 MiB for a program that computes with Craton. Installed by craton.enable(): the questions are answered
without the import while nobody has imported dask. Who asks for dask by name gets it, as always.

For the same reason `engine="craton"` is looked up as xarray looks up its own engines: without importing what other packages have registered (kerchunk's
brings zarr, 0.2 seconds). Any other name, and no name, is xarray's own affair.
"""

import functools
import importlib
import importlib.metadata
import sys


def answer_without_dask():
    # What has not been imported did not make the object; objects that only follow dask's protocol say so themselves.
    _replace("xarray.namedarray.utils", "is_dask_collection", _collections)
    _replace("xarray.namedarray.pycompat", "array_type", lambda f: lambda mod: () if mod == "dask" and "dask.array" not in sys.modules else f(mod))
    _replace("xarray.namedarray.parallelcompat", "load_chunkmanagers", _managers)
    _replace("xarray.backends.plugins", "get_backend", _backends)


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


def _collections(ask):
    def is_dask_collection(x):  # by this name it is known in daskcalls.py
        return ("dask.base" in sys.modules or _may_be_collection(x)) and ask(x)

    return is_dask_collection


def _may_be_collection(x):
    return getattr(type(x), "__dask_graph__", None) is not None and not type(x).__module__.startswith(("xarray.", "craton."))


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


# ---- engines -----------------------------------------------------------------------------------------------------------


def _backends(look_up):
    def get_backend(engine):
        plugins = sys.modules["xarray.backends.plugins"]
        if engine != "craton" or plugins.list_engines.cache_info().currsize > 0 or not _is_registered_once():
            return look_up(engine)
        from .backend import CratonBackend

        plugins.set_missing_parameters({engine: CratonBackend})
        return CratonBackend()

    return get_backend


@functools.cache
def _is_registered_once():
    found = {e.value for e in importlib.metadata.entry_points(group="xarray.backends", name="craton")}
    return found == {"craton.backend:CratonBackend"}
