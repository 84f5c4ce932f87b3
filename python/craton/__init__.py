"""Craton: a fast, lazy engine for labelled arrays, under unmodified xarray.

    import craton, xarray as xr
    craton.enable()
    ds = xr.open_dataset("tas.nc", engine="craton", chunks={})
    ds.tas.groupby("time.month").mean("time").compute()

Nothing is read before .compute(); then everything that was asked for is computed together, chunk by chunk, on all cores
and within a memory limit.
"""

from importlib import import_module

from ._craton import FormatError, LimitError
from .array import Array
from .explaining import explain
from .options import enable, progress, set_options
from .runtime import UnreadableWarning, unreadable
from .writing import PendingWrite, compute, to_netcdf, to_zarr

__all__ = [
    "Array", "FormatError", "LimitError", "PendingWrite", "UnreadableWarning", "compute", "enable", "explain", "open_weights", "progress", "regrid_weights", "set_cluster",
    "set_options", "to_netcdf", "to_zarr", "unreadable",
]


def __getattr__(name):
    if name == "__version__":
        from importlib.metadata import version

        return version("craton")
    if name in ("Weights", "open_weights", "regrid_weights"):  # they need xarray
        return getattr(import_module("craton.regridding"), name)
    if name == "set_cluster":  # until then, computing does not ask for clusters
        return import_module("craton.cluster").set_cluster
    raise AttributeError(f"module 'craton' has no attribute {name!r}")


try:
    import_module("craton.accessor")  # registers Dataset.craton and DataArray.craton
except ImportError:  # without xarray the arrays, files and writers still work
    pass
