"""What runs on a bare machine: opens NetCDF-4 and Zarr, computes, writes both, and tells what the process has loaded. Its results are
compared outside, where netCDF4 and zarr are.

    python in_the_wheel.py FOLDER      in.nc and in.zarr are there; out.nc and out.zarr are made
"""
import json
import sys

import numpy as np
import xarray as xr

import craton

folder = sys.argv[1]
craton.enable()
nc = xr.open_dataset(f"{folder}/in.nc", engine="craton", chunks={})
zarr = xr.open_dataset(f"{folder}/in.zarr", engine="craton", chunks={})
weights = np.cos(np.deg2rad(nc.lat))
months = nc.t.groupby("time.month")
results = {
    "climatology": months.mean("time"),
    "anomaly": months - months.mean("time"),
    "weighted": nc.t.weighted(weights).mean(("lat", "lon")),
    "product": nc.t * zarr.s + 1,
    "spread": zarr.s.std("time"),
    "median": zarr.s.median("time"),
    "regridded": nc.t.isel(time=[0]).craton.regrid(xr.Dataset({"lat": [-40.0, 0.0, 40.0], "lon": [10.0, 100.0]}), "bilinear"),
}
out = xr.Dataset({name: value.drop_vars("month", errors="ignore") if name == "anomaly" else value for name, value in results.items()
                  if name != "regridded"})
out.craton.to_netcdf(f"{folder}/out.nc")
out.craton.to_zarr(f"{folder}/out.zarr", encoding={"product": {"codec": "zstd"}, "anomaly": {"codec": "lz4"}})
with open("/proc/self/maps") as maps:
    loaded = sorted({line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line})
print(json.dumps({"python": sys.version.split()[0], "loaded": loaded, "regridded": results["regridded"].values.tolist(),
                  "modules": [name for name in ("dask", "zarr", "netCDF4", "scipy", "flox") if name in sys.modules]}))
