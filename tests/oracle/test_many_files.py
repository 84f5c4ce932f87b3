"""More files than a process may have open: a dataset of thousands of them is read as one of a few, a file that is replaced meanwhile is an error,
and a chunk that could not be opened for want of descriptors is no missing value."""
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
FILES, MAY_BE_OPEN = 80, 64

BEGIN = f"""
import os, resource, sys
import xarray as xr, craton
craton.enable()
craton.set_options(threads=2)
resource.setrlimit(resource.RLIMIT_NOFILE, ({MAY_BE_OPEN}, {MAY_BE_OPEN}))
place = sys.argv[1]
"""


def run(program, *arguments):
    answer = subprocess.run([sys.executable, "-c", BEGIN + program, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def series(place, format):
    values = np.random.default_rng(5).random((FILES, 6, 7)).astype("f4")
    for i, one in enumerate(values):
        with netCDF4.Dataset(place / f"{i:03}.nc", "w", format=format) as f:
            f.createDimension("time", 1)
            f.createDimension("lat", 6)
            f.createDimension("lon", 7)
            f.createVariable("time", "f8", ("time",))[:] = i
            chunks = {"chunksizes": (1, 3, 7), "zlib": True} if format == "NETCDF4" else {}
            f.createVariable("v", "f4", ("time", "lat", "lon"), **chunks)[:] = one
    return values


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_64BIT_OFFSET"])
def test_a_series_of_more_files_than_may_be_open(tmp_path, format):
    values = series(tmp_path, format)
    out = run("""
ds = xr.open_mfdataset(place + "/*.nc", engine="craton")
ds.v.mean("time").compute().to_netcdf(place + "/mean.out", engine="netcdf4")
before = len(os.listdir("/proc/self/fd"))
again = [xr.open_dataset(f"{place}/{i:03}.nc", engine="craton", chunks={}) for i in range(80)]
print(len(os.listdir("/proc/self/fd")) - before)
""", tmp_path)  # fmt: skip
    np.testing.assert_allclose(xr.open_dataset(tmp_path / "mean.out").v, values.mean(0, dtype="f8"), rtol=1e-6)
    assert int(out) < MAY_BE_OPEN / 2
    limits = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (MAY_BE_OPEN, MAY_BE_OPEN))  # noqa: E731
    answer = subprocess.run([CRATON, "calc", "v | mean time lat lon", "--along", "time", *sorted(tmp_path.glob("*.nc"))], capture_output=True, text=True, preexec_fn=limits, timeout=120)
    assert answer.returncode == 0, answer.stderr
    assert abs(float(answer.stdout.split()[-1]) - values.mean(dtype="f8")) < 1e-4


def test_geotiffs(tmp_path):
    values = np.random.default_rng(6).integers(0, 200, (FILES, 20, 30), dtype="u1")
    for i, one in enumerate(values):
        with rasterio.open(tmp_path / f"{i:03}.tif", "w", driver="GTiff", height=20, width=30, count=1, dtype="uint8", crs="EPSG:32633", compress="deflate",
                           transform=from_origin(0, 0, 10, 10)) as f:  # fmt: skip
            f.write(one, 1)
    out = run("""
all = xr.concat([xr.open_dataset(f"{place}/{i:03}.tif", engine="craton", chunks={}).band_data for i in range(80)], "scene")
print(float(all.sum(dtype="f8")))
""", tmp_path)  # fmt: skip
    assert float(out) == values.sum()


def test_a_file_that_is_replaced_is_an_error(tmp_path):
    series(tmp_path, "NETCDF4")
    out = run("""
all = [xr.open_dataset(f"{place}/{i:03}.nc", engine="craton", chunks={}) for i in range(80)]
os.replace(f"{place}/000.nc", f"{place}/079.nc")
try:
    print(all[79].v.values)
except RuntimeError as e:
    print(e)
""", tmp_path)  # fmt: skip
    assert "079.nc was changed or replaced" in out and "open it again" in out


@pytest.mark.parametrize("kind", ["zarr", "references"])
def test_what_cannot_be_opened_for_want_of_descriptors_is_not_missing(tmp_path, kind):
    path = tmp_path / "d.zarr"
    xr.Dataset({"v": ("x", np.ones(8))}).to_zarr(path, zarr_format=2, encoding={"v": {"chunks": (4,)}}, consolidated=False)
    if kind == "references":
        refs = {".zgroup": '{"zarr_format": 2}', "v/0": [str(path / "v/0")], "v/1": [str(path / "v/1")]}
        refs |= {f"v/{n}": (path / "v" / n).read_text() for n in (".zarray", ".zattrs")}
        path = tmp_path / "d.json"
        path.write_text(json.dumps({"version": 1, "refs": refs}))
    out = run("""
ds = xr.open_dataset(place, engine="craton", chunks={}, unreadable="missing")
ds.v.sum().compute()
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
try:
    print("values", ds.v.values)
except OSError as e:
    print(e)
""", path)  # fmt: skip
    assert "Too many open files" in out and "values" not in out and "ulimit -n" in out
