"""What a workload has left on disk, read by other libraries than Craton: a digest as program.py prints it.

    written.py w2 CLIMATOLOGY.nc SERIES.nc
    written.py c-climatology CLIMATOLOGY.nc|MONTH.nc ...     whole, or a file for each month
    written.py w4 STORE.zarr|FILE.nc      with the chunks, and the sum of the values times their places: what lies at a wrong one is seen
"""
import json
import sys

import netCDF4
import numpy as np
import zarr
from program import digest


def w2(climatology, series):
    climatology, series = (netCDF4.Dataset(path)["tas"][:].filled(np.nan) for path in (climatology, series))
    return {"climatology": digest(climatology), "series": digest(series.ravel())}


def climatology(*paths):
    fields = [netCDF4.Dataset(path)["tas"][:].filled(np.nan) for path in paths]
    return {"climatology": digest(np.concatenate(fields))}


def w4(path):
    if path.endswith(".zarr"):
        tas = zarr.open_array(f"{path}/tas", mode="r")
        chunks = tas.chunks
    else:
        tas = netCDF4.Dataset(path)["tas"]
        chunks = tas.chunking()
    total, squares, missing, placed = 0.0, 0.0, 0, 0.0
    for begin in range(0, tas.shape[1], chunks[1]):  # one row of chunks, so that memory stays small
        values = np.asarray(tas[:, begin:begin + chunks[1]])
        part = digest(values)
        total, squares, missing = total + part[0], squares + part[1], missing + part[2]
        row, column = np.arange(begin, begin + values.shape[1]), np.arange(values.shape[2])
        by_day = np.arange(len(values), dtype="f8") / len(values)
        placed += float((np.tensordot(by_day, values, 1) * (np.cos(row)[:, None] + np.sin(column))).sum())
    return {"tas": [total, squares, placed, missing, list(tas.shape), list(chunks)]}


if __name__ == "__main__":
    print(json.dumps({"w2": w2, "c-climatology": climatology, "w4": w4, "w4-default": w4}[sys.argv[1]](*sys.argv[2:])))
