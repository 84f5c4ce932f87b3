"""Functions of the user: apply_ufunc, map_blocks, map, reduce."""

import numpy as np
import xarray as xr

from .registry import programs

programs(
    "blocks",
    elementwise=lambda ds: xr.apply_ufunc(_celsius, ds.tas, dask="parallelized", output_dtypes=[float]),
    elementwise_allowed=lambda ds: xr.apply_ufunc(_celsius, ds.tas, dask="allowed"),
    two_arguments=lambda ds: xr.apply_ufunc(np.hypot, ds.tas, ds.pr, dask="parallelized", output_dtypes=[float]),
    broadcast_arguments=lambda ds: xr.apply_ufunc(lambda a, b: a * b, ds.tas, ds.lsm, dask="parallelized", output_dtypes=[float]),
    constants=lambda ds: xr.apply_ufunc(lambda a, k: a * k, ds.tas, 2.0, dask="parallelized", output_dtypes=[float]),
    keywords=lambda ds: xr.apply_ufunc(lambda a, k: a * k, ds.tas, kwargs={"k": 3}, dask="parallelized", output_dtypes=[float]),
    keep_attrs=lambda ds: xr.apply_ufunc(_celsius, ds.tas, dask="parallelized", output_dtypes=[float], keep_attrs=True),
    dataset=lambda ds: xr.apply_ufunc(_celsius, ds[["tas", "pr"]], dask="parallelized", output_dtypes=[float]),
    core_dim=lambda ds: xr.apply_ufunc(lambda a: np.nanmean(a, axis=-1), ds.tas.chunk(time=-1), input_core_dims=[["time"]], dask="parallelized",
                                       output_dtypes=[float]),
    core_dim_rechunk=lambda ds: xr.apply_ufunc(lambda a: np.nanmax(a, axis=-1), ds.tas.fillna(0), input_core_dims=[["time"]], dask="parallelized",
                                               output_dtypes=[float], dask_gufunc_kwargs={"allow_rechunk": True}),
    core_dim_in_chunks=lambda ds: xr.apply_ufunc(lambda a: np.nanmean(a, axis=-1), ds.tas.chunk(time=100), input_core_dims=[["time"]],
                                                 dask="parallelized", output_dtypes=[float]),
    new_dim=lambda ds: xr.apply_ufunc(lambda a: np.stack([a.min(-1), a.max(-1)], -1), ds["count"].chunk(time=-1), input_core_dims=[["time"]],
                                      output_core_dims=[["bound"]], dask="parallelized", output_dtypes=["i4"],
                                      dask_gufunc_kwargs={"output_sizes": {"bound": 2}}),
    same_dim=lambda ds: xr.apply_ufunc(lambda a: a - a.mean(-1, keepdims=True), ds.tas.fillna(0).chunk(time=-1), input_core_dims=[["time"]],
                                       output_core_dims=[["time"]], dask="parallelized", output_dtypes=[float]),
    two_results=lambda ds: xr.apply_ufunc(lambda a: (a.min(-1), a.max(-1)), ds["count"].chunk(time=-1), input_core_dims=[["time"]],
                                          output_core_dims=[[], []], dask="parallelized", output_dtypes=["i4", "i4"]),
    results_of_two_types=lambda ds: xr.apply_ufunc(lambda a: (a.min(-1), a.mean(-1), a.max(-1), a * 2), ds["count"].chunk(time=-1), input_core_dims=[["time"]],
                                                   output_core_dims=[[], [], [], ["time"]], dask="parallelized", output_dtypes=["i4", float, "i4", "i4"]),
    vectorize=lambda ds: xr.apply_ufunc(_slope, ds.tas.chunk(time=-1), input_core_dims=[["time"]], vectorize=True, dask="parallelized",
                                        output_dtypes=[float]),
    vectorize_elementwise=lambda ds: xr.apply_ufunc(lambda a: a + 1 if a > 50 else a, ds["count"].isel(time=slice(0, 9)), vectorize=True,
                                                    dask="parallelized", output_dtypes=["i4"]),
    correlation=lambda ds: xr.apply_ufunc(_pearson, ds.tas.fillna(0).chunk(time=-1), ds["index"].chunk(time=-1), input_core_dims=[["time"], ["time"]],
                                          dask="parallelized", output_dtypes=[float]),
    exclude_dims=lambda ds: xr.apply_ufunc(lambda a: a[..., ::2], ds.tas.chunk(lon=-1), input_core_dims=[["lon"]], output_core_dims=[["lon"]],
                                           exclude_dims={"lon"}, dask="parallelized", output_dtypes=[float],
                                           dask_gufunc_kwargs={"output_sizes": {"lon": 3}}),
    sizes_not_said=lambda ds: xr.apply_ufunc(_celsius, ds.pr, dask="parallelized"),
    forbidden=lambda ds: xr.apply_ufunc(lambda a: a.compute() if hasattr(a, "compute") else a, ds.tas),
    quantile_vectorized=lambda ds: xr.apply_ufunc(np.nanpercentile, ds.tas.isel(lat=slice(1, 4)).chunk(time=-1), kwargs={"q": 90, "axis": -1},
                                                  input_core_dims=[["time"]], dask="parallelized", output_dtypes=[float]),
    map_blocks=lambda ds: xr.map_blocks(lambda x: x - 273.15, ds.tas),
    map_blocks_template=lambda ds: xr.map_blocks(lambda x: x.mean("time"), ds.tas.chunk(time=-1), template=ds.tas.mean("time")),
    map_blocks_method=lambda ds: ds.tas.map_blocks(lambda x: x * 2),
    map_blocks_dataset=lambda ds: ds[["tas", "pr"]].map_blocks(lambda x: x.clip(0)),
    map_blocks_numpy=lambda ds: xr.map_blocks(lambda x: x.copy(data=np.asarray(x.data) * 2), ds.tas, template=ds.tas),
    map=lambda ds: ds[["tas", "pr"]].map(np.sqrt),
    reduce_user=lambda ds: ds.tas.reduce(lambda a, axis: np.nanmax(a, axis=axis) - np.nanmin(a, axis=axis), "time"),
    where_method_of_data=lambda ds: ds.tas.copy(data=np.where(np.isnan(ds.tas.data), 0, ds.tas.data)),
    data_mean=lambda ds: ds.pr.copy(data=ds.pr.data * 2).max("time"),
    heat_index=lambda ds: xr.apply_ufunc(_celsius, ds.tas, dask="allowed").where(ds.flag).resample(time="MS").max(),
)


def _celsius(a):
    return a - 273.15


def _slope(series):
    good = ~np.isnan(series)
    return np.polyfit(np.arange(series.size)[good], series[good], 1)[0] if good.sum() > 2 else np.nan


def _pearson(a, b):
    a = a - a.mean(-1, keepdims=True)
    b = b - b.mean(-1, keepdims=True)
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1) + 1e-30)
