"""`ds.craton` and `da.craton`: what xarray's own methods cannot express."""

import xarray as xr

from . import writing
from .explaining import explain


class _Accessor:
    def __init__(self, obj):
        self._obj = obj

    def to_zarr(self, path=None, *, store=None, **options):
        """Writes a Zarr store (zarr_format=3, or 2), see craton.to_zarr. store: what xarray calls the path."""
        if (path is None) == (store is None):
            raise TypeError("craton: to_zarr needs the path of a store, once")
        return writing.to_zarr(self._obj, store if path is None else path, **options)

    def to_netcdf(self, path, **options):
        """Writes a NetCDF-4 file, see craton.to_netcdf."""
        return writing.to_netcdf(self._obj, path, **options)

    def regrid(self, target, method="bilinear", *, norm=None, poles=True, skipna=False, na_thres=1.0, weights=None):
        """The same on another grid, lazily.

        target: a Dataset or DataArray that is on it, or the size of cells around the Earth in degrees: 1.0, or (lat, lon).
        method: "bilinear", "conservative" or "nearest".
        norm: "fracarea" (a target cell that is covered in part has the mean of that part) or "dstarea" (times the part; xESMF's "conservative").
        poles: bilinear: beyond the last row of a global grid the mean of that row is taken for the pole.
        skipna: NaN is left out; without it, it spreads to all cells that it has a part in. na_thres: a result is NaN when more than this
        share of what it is made of is.
        weights: Weights of craton.regrid_weights, or the path of a file of ESMF's or SCRIP's form; they stand in for method, norm and poles.
        """
        from .regridding import regrid

        return regrid(self._obj, target, method, norm=norm, poles=poles, skipna=skipna, na_thres=na_thres, weights=weights)

    def map_blocks(self, func, args=(), kwargs=None, template=None):
        """func(block, *args, **kwargs) for every block of it, lazily; see craton.mapblocks.map_blocks. What xarray's map_blocks does after craton.enable()."""
        from .mapblocks import map_blocks

        return map_blocks(func, self._obj, args, kwargs, template)

    def compute(self, cluster=None):
        """The same with its values. cluster: a distributed.Client or a Dask cluster to compute on, see craton.set_cluster; None: what
        set_cluster named, else this process."""
        return writing.compute(self._obj, cluster=cluster)[0]

    def explain(self):
        """What computing this would do, as text. Nothing is computed."""
        return explain(self._obj)


@xr.register_dataset_accessor("craton")
class DatasetAccessor(_Accessor):
    pass


@xr.register_dataarray_accessor("craton")
class DataArrayAccessor(_Accessor):
    pass
