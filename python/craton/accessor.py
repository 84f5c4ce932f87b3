"""`ds.craton` and `da.craton`: what xarray's own methods cannot express."""

import xarray as xr

from . import writing
from .explaining import explain


class _Accessor:
    def __init__(self, obj):
        self._obj = obj

    def to_zarr(self, path, **options):
        """Writes a Zarr store (format="zarr3", or "zarr2"), see craton.to_zarr."""
        return writing.to_zarr(self._obj, path, **options)

    def to_netcdf(self, path, **options):
        """Writes a NetCDF-4 file, see craton.to_netcdf."""
        return writing.to_netcdf(self._obj, path, **options)

    def explain(self):
        """What computing this would do, as text. Nothing is computed."""
        return explain(self._obj)


@xr.register_dataset_accessor("craton")
class DatasetAccessor(_Accessor):
    pass


@xr.register_dataarray_accessor("craton")
class DataArrayAccessor(_Accessor):
    pass
