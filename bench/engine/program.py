"""The measured program: plain xarray, with the engine chosen by one word. Prints a digest of the result as JSON.

    program.py WORKLOAD FILE VARIANT

VARIANT: craton; or dask, with the settings tried for it: dask-native (the file's chunks), dask-auto (chunks of 128 MiB), dask-noflox
(native chunks, xarray's own groupby). The netCDF4 engine reads for dask.
"""
import json
import sys

import numpy as np
import xarray as xr


def w1(ds):
    """NDVI: monthly composite, long-term minimum, maximum and mean."""
    ndvi = (ds.nir - ds.red) / (ds.nir + ds.red)
    return xr.Dataset({"monthly": ndvi.groupby("time.month").mean("time"), "low": ndvi.min("time"), "high": ndvi.max("time"),
                       "mean": ndvi.mean("time")})


def w2(ds):
    """Monthly climatology, and the area-weighted mean of the daily anomalies."""
    climatology = ds.tas.groupby("time.month").mean("time")
    anomaly = ds.tas.groupby("time.month") - climatology
    weights = np.cos(np.deg2rad(ds.lat))
    return xr.Dataset({"climatology": climatology, "series": anomaly.weighted(weights).mean(("lat", "lon"))})


def w5(ds):
    """The 90th percentile over time, as it is written for dask: time in one chunk."""
    return ds[["tas"]].chunk(time=-1, lat=24, lon=36).quantile(0.9, "time")


def main():
    workload, path, variant = sys.argv[1:]
    xr.set_options(use_bottleneck=False, use_flox=variant != "dask-noflox")
    if variant == "craton":
        import craton
        craton.enable()
        ds = xr.open_dataset(path, engine="craton", chunks={})
    else:
        import dask
        dask.config.set({"array.slicing.split_large_chunks": False})
        ds = xr.open_dataset(path, chunks="auto" if variant == "dask-auto" else {})
    result = {"w1": w1, "w2": w2, "w5": w5}[workload](ds).compute()
    print(json.dumps({name: digest(v.values) for name, v in result.data_vars.items()}))


def digest(values):
    """[sum, sum of squares, missing, shape]; piece by piece, so that the check costs neither side memory nor time worth speaking of."""
    flat, total, squares, missing = values.ravel(order="K"), 0.0, 0.0, 0
    for begin in range(0, flat.size, 1 << 16):
        piece = flat[begin : begin + (1 << 16)].astype("f8")
        gone = np.isnan(piece)
        piece[gone] = 0
        total, missing = total + float(piece.sum()), missing + int(gone.sum())
        squares += float(np.square(piece, out=piece).sum())
    return [total, squares, missing, list(values.shape)]


if __name__ == "__main__":
    main()
