"""Every row of docs/from-cdo.md: the command of craton and, where `cdo` is on PATH, the one of CDO beside it, on OSTIA's monthly sea surface
temperatures with their land. The same numbers, the same missing values, but for what the page notes.

CDO calculates in double and writes float32, so does the comparison: 2e-6 of the value, and for areas of cells its own rounding.
"""
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

ROOT = Path(__file__).resolve().parents[2]
CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
DATA = Path(os.environ["CRATON_DATA"])
PAGE = (ROOT / "docs/from-cdo.md").read_text()
ROWS = [tuple(cell.replace("\\|", "|") for cell in row) for row in
        re.findall(r"^\| `(cdo [^`]+)` \| `(craton [^`]+)` \|", PAGE.split("Whole commands:")[0], re.M)]
WHOLE = [c.replace("\\|", "|") for c in re.findall(r"\| `(craton [^`]+)`", PAGE.split("Whole commands:")[1])]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cdo")
    with xr.open_dataset(DATA / "ostia_monthly.nc", engine="netcdf4") as ds:
        tos = ds.surface_temperature.reset_coords(drop=True).rename(latitude="lat", longitude="lon").rename("tos").astype("f8").load()
    for name in ("lat", "lon"):
        tos[name] = (name, tos[name].values.astype("f8"), {"units": tos[name].units, "standard_name": tos[name].standard_name})
    tos.attrs = {"units": "K", "long_name": "sea surface temperature"}
    tos.encoding = {"_FillValue": -1e30}
    ds = tos.to_dataset()
    ds.to_netcdf(folder / "in.nc", unlimited_dims="time")
    ds.isel(time=slice(0, 20)).to_netcdf(folder / "a.nc", unlimited_dims="time")
    ds.isel(time=slice(20, None)).to_netcdf(folder / "b.nc", unlimited_dims="time")
    other = ds + np.sin(np.arange(tos.size)).reshape(tos.shape)
    other.tos.attrs, other.tos.encoding = tos.attrs, tos.encoding
    other.to_netcdf(folder / "c.nc", unlimited_dims="time")
    # Without missing cells, for what differs beside them; and a grid inside.
    (folder / "whole").mkdir()
    with xr.open_dataset(DATA / "A1B_north_america.nc", engine="netcdf4") as ds:
        tos = ds.air_temperature.isel(time=slice(0, 20)).reset_coords(drop=True).rename(latitude="lat", longitude="lon").rename("tos").astype("f8").load()
    tos.attrs = {"units": "K"}
    tos.encoding = {}
    tos.to_dataset().to_netcdf(folder / "whole/in.nc", unlimited_dims="time")
    lat, lon = np.linspace(16, 58, 23), np.linspace(226, 313, 31)
    xr.Dataset({"cell": (("lat", "lon"), np.zeros((23, 31)))}, {"lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
                                                               "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"})}).to_netcdf(
        folder / "whole/grid.nc")
    return folder


def run(files, command, out):
    words = shlex.split(command)
    assert words.count("out.nc") == 1
    files = files / "whole" if "grid.nc" in command else files
    words = [str(files / out) if w == "out.nc" else w for w in words]
    words[0:1] = [str(CRATON)] if words[0] == "craton" else ["cdo", "-s", "-O", "-b", "F64"]
    (files / out).unlink(missing_ok=True)
    answer = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=files, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert answer.returncode == 0, f"{command}: {answer.stderr}"
    with xr.open_dataset(files / out, engine="netcdf4", decode_times=False) as ds:
        (name,) = [n for n, v in ds.data_vars.items() if not n.endswith(("_bnds", "_bounds"))]
        return ds[name].load()


def test_the_page_has_them():
    assert len(ROWS) >= 30 and len({c.split()[1].split(",")[0] for c, _ in ROWS}) >= 25


@pytest.mark.parametrize("cdo, ours", ROWS, ids=[c for c, _ in ROWS])
def test_same_numbers(files, cdo, ours):
    got = run(files, ours, "ours.nc")
    if not shutil.which("cdo"):
        pytest.skip("needs cdo")
    known = run(files, cdo, "known.nc")
    assert got.name == known.name
    mine, its = np.squeeze(got.values), np.squeeze(known.values)
    if "runmean" in cdo:
        assert np.isnan(mine[:2]).all()
        mine = mine[2:]
    if "timsum" in cdo or "timcumsum" in cdo:
        mine = np.where(np.isnan(its) & (mine == 0), np.nan, mine)
    assert mine.shape == its.shape
    np.testing.assert_array_equal(np.isnan(mine), np.isnan(its))
    np.testing.assert_allclose(mine, its, rtol=5e-4 if "remapcon" in cdo else 2e-6)
    there = np.isfinite(mine)
    assert there.any()
    if "remapcon" in cdo:
        assert np.mean(np.abs(mine - its)[there] < 1e-4 * its[there]) > 0.99


@pytest.mark.parametrize("command", WHOLE)
def test_whole_commands(files, tmp_path, command):
    """They run as they stand; what they write and say is checked in test_shell_files.py."""
    with xr.open_dataset(files / "in.nc") as ds:
        ds = ds.isel(time=slice(0, 14), lon=slice(0, 40)).load()
    ds.to_netcdf(tmp_path / "in.nc")
    ds.isel(time=slice(0, 5)).to_netcdf(tmp_path / "in_1.nc")
    ds.isel(time=slice(5, None)).to_netcdf(tmp_path / "in_2.nc")
    ds.to_netcdf(tmp_path / "a.nc")
    (ds.rename(tos="pr") if "b.pr" in command else ds).to_netcdf(tmp_path / "b.nc")
    words = [w for part in shlex.split(command) for w in (sorted(map(str, tmp_path.glob(part))) if "*" in part and "nc" in part else [part])]
    answer = subprocess.run([str(CRATON), *words[1:]], capture_output=True, text=True, timeout=120, cwd=tmp_path, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert answer.returncode == 0, f"{command}: {answer.stderr}"
    assert answer.stdout or len(list(tmp_path.glob("out*"))) >= 1
