"""The measured program: plain xarray, with the engine chosen by one word. Prints a digest of the result as JSON.

    program.py WORKLOAD VARIANT FILE...      w4: the second FILE is the store to write, w6: that of the regions

WORKLOAD open: everything but the work, which run.py counts to the limit of each. VARIANT: craton; or dask, with the settings tried for it: dask-native (the file's chunks), dask-auto (chunks of 128 MiB), and what is said
beside the workload below. netCDF4 and zarr-python read for all but Craton.
"""
import json
import sys

import numpy as np
import xarray as xr

CHUNK = {"lat": 24, "lon": 36}   # of what w4 writes: all days of 24 x 36 cells


def w1(ds, variant):
    """NDVI: monthly composite, long-term minimum, maximum and mean. dask-noflox: native chunks, xarray's own groupby."""
    ndvi = (ds.nir - ds.red) / (ds.nir + ds.red)
    return xr.Dataset({"monthly": ndvi.groupby("time.month").mean("time"), "low": ndvi.min("time"), "high": ndvi.max("time"),
                       "mean": ndvi.mean("time")})


def w2(ds, variant):
    """Monthly climatology, and the area-weighted mean of the daily anomalies."""
    climatology = ds.tas.groupby("time.month").mean("time")
    anomaly = ds.tas.groupby("time.month") - climatology
    weights = np.cos(np.deg2rad(ds.lat))
    return xr.Dataset({"climatology": climatology, "series": anomaly.weighted(weights).mean(("lat", "lon"))})


def w4(ds, variant, path):
    """From a chunk for each day to all days of a few cells, as a Zarr store with Zstandard at level 1. dask-years: read in chunks of a year; dask-bands:
    each worker reads all days of a band of rows, and reads each chunk of the file several times for it."""
    if variant == "craton":  # codecs by name: it needs no zarr-python
        return rechunked(ds, variant, path, {"codec": "zstd", "level": 1, "shuffle": False})
    from zarr.codecs import ZstdCodec
    return rechunked(ds, variant, path, {"compressors": [ZstdCodec(level=1)]})


def w4_default(ds, variant, path):
    """The same where nothing is said of codecs. ...-blosc: dask is told the one that is Craton's default."""
    if not variant.endswith("blosc"):
        return rechunked(ds, variant, path, {})
    from zarr.codecs import BloscCodec
    return rechunked(ds, variant, path, {"compressors": [BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")]})


def rechunked(ds, variant, path, codec):
    encoding = {"tas": {"chunks": [ds.sizes["time"], *(min(n, ds.sizes[d]) for d, n in CHUNK.items())], **codec}}
    if variant == "craton":
        return ds.craton.to_zarr(path, encoding=encoding)
    return ds.drop_encoding().chunk(time=-1, **CHUNK).to_zarr(path, encoding=encoding, zarr_format=3)


def w5(ds, variant):
    """The 90th percentile over time, as it is written for dask: time in one chunk."""
    return ds[["tas"]].chunk(time=-1, lat=24, lon=36).quantile(0.9, "time")


def w5_rolling(ds, variant):
    """The highest mean of thirty days in a row. dask-columns: all days of some cells in one chunk."""
    return ds[["tas"]].rolling(time=30).mean().max("time")


def w6(ds, variant, regions):
    """NDVI of each region and month: mean, spread, number of pixels, and a mean weighted by the height of the sun. dask-mapreduce: flox is
    told the regions and how to go about it."""
    ndvi = (ds.nir - ds.red) / (ds.nir + ds.red)
    weights = (1 + np.cos(ds.y / 1e4)).astype("f4")
    weighted, present = ndvi * weights, weights.where(ndvi.notnull(), 0)
    if variant == "dask-mapreduce":
        from flox.xarray import xarray_reduce

        def by_region(values, function):
            return xarray_reduce(values, regions, func=function, expected_groups=np.unique(regions), method="map-reduce")
    else:
        def by_region(values, function):
            return getattr(values.groupby(regions), function)(("y", "x"))
    return xr.Dataset({"mean": by_region(ndvi, "mean"), "std": by_region(ndvi, "std"), "count": by_region(ndvi, "count"),
                       "weighted": by_region(weighted, "sum") / by_region(present, "sum")})


def w7(ds, variant):
    """All days at a hundred stations. lazy: without dask; by-station: without dask, one station after the other."""
    rng = np.random.default_rng(7)
    lat = xr.DataArray(rng.uniform(-88, 88, 100), dims="station")
    lon = xr.DataArray(rng.uniform(2, 350, 100), dims="station")
    if variant == "by-station":
        stations = [ds.sel(lat=y, lon=x, method="nearest").load() for y, x in zip(lat.values, lon.values)]
        return xr.concat(stations, "station").transpose("time", "station")
    return ds.sel(lat=lat, lon=lon, method="nearest")


WORKLOADS = {"w1": w1, "w1-zarr": w1, "w2": w2, "w4": w4, "w4-default": w4_default, "w5": w5, "w5-rolling": w5_rolling, "w6": w6, "w7-maps": w7, "w7-series": w7}
CHUNKS = {"dask-auto": "auto", "dask-columns": {"time": -1, "lat": 96, "lon": 144}, "dask-years": {"time": 365}, "dask-bands": {"time": -1, "lat": CHUNK["lat"]}, "dask-blosc": "auto", "dask-years-blosc": {"time": 365}, "lazy": None, "by-station": None}


def open_file(path, variant):
    if variant == "craton":
        return xr.open_dataset(path, engine="craton", chunks={})
    engine = {"engine": "zarr", "consolidated": False} if path.endswith(".zarr") else {"engine": "netcdf4"}
    return xr.open_dataset(path, chunks=CHUNKS.get(variant, {}), **engine)


def main():
    workload, variant, path, *more = sys.argv[1:]
    xr.set_options(use_bottleneck=False, use_flox=variant != "dask-noflox")
    if variant == "craton":
        import craton
        craton.enable()
    elif CHUNKS.get(variant, {}) is not None:
        import dask
        dask.config.set({"array.slicing.split_large_chunks": False})
    if workload == "open":
        open_file(path, variant)
        return
    if workload == "w6":
        more = [xr.open_dataset(more[0], engine="craton" if variant == "craton" else "netcdf4").region.load()]
    result = WORKLOADS[workload](open_file(path, variant), variant, *more)
    if not workload.startswith("w4"):
        print_digest(result.compute())


def print_digest(result):
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
