"""The wheel on machines that have nothing but CPython, NumPy and xarray: no compiler, no netCDF, no HDF5, no network."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

import bare

GLIBC = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}
BUNDLED = {"zlib", "lz4", "libzstd", "libdeflate", "jansson", "snappy", "c-blosc", "hdf5", "netcdf", "libstdc++"}
BUILDING = ("libnetcdf*.*", "libhdf5*.*", "libblosc*.*", "libdeflate*.*", "libjansson*.*", "cc1", "pkg-config", "Python.h")


def programs(unpacked):
    found = [path for path in unpacked.rglob("*") if path.is_file() and path.open("rb").read(4) == b"\x7fELF"]
    assert {path.name for path in found} == {"_craton.abi3.so", "craton"}
    return found


def test_only_glibc_is_needed(unpacked):
    for path in programs(unpacked):
        dynamic = bare.run("readelf", "-dW", path)
        assert set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)) <= GLIBC, path
        assert "RPATH" not in dynamic and "RUNPATH" not in dynamic


def test_the_name_says_the_truth(wheel, unpacked):
    """The newest symbol of glibc is that of the manylinux level, so a lower level would be wrong, and so would a higher one be."""
    newest = max((int(minor) for path in programs(unpacked) for minor in re.findall(r"GLIBC_2\.(\d+)", bare.run("readelf", "-VW", path))))
    tags = re.search(r"-cp311-abi3-(.*)\.whl$", wheel.name)[1].split(".")
    assert f"manylinux_2_{newest}_x86_64" in tags
    assert [tag for tag in tags if int(re.match(r"manylinux_2_(\d+)_", tag)[1]) < newest] == []


def test_nothing_is_exported_but_the_module(unpacked):
    """netCDF4 and h5py bring an HDF5 of theirs: no symbol of ours may take its place, nor the other way round."""
    module = next(path for path in programs(unpacked) if path.suffix == ".so")
    exported = [line.split()[-1] for line in bare.run("nm", "-D", "--defined-only", module).splitlines()]
    assert exported == ["PyInit__craton"]


def test_licences_are_inside(unpacked):
    texts = next(unpacked.glob("*.dist-info")) / "licenses"
    assert {path.name for path in (texts / "bundled").iterdir()} == BUNDLED
    for name in BUNDLED:
        assert any(path.stat().st_size > 500 for path in (texts / "bundled" / name).iterdir()), name
    named = re.findall(r"^License-File: (.*)$", (texts.parent / "METADATA").read_text(), re.M)
    assert sorted(named) == sorted(str(path.relative_to(texts)) for path in texts.rglob("*") if path.is_file())
    recorded = (texts.parent / "RECORD").read_text()
    assert all(f"licenses/{name}," in recorded for name in named)


def make_input(folder):
    rng = np.random.default_rng(21)
    t = rng.normal(280, 10, (40, 12, 16)).astype("f4")
    t[rng.random(t.shape) < 0.1] = np.nan
    coordinates = {"time": xr.date_range("2001-01-15", periods=40, freq="MS"), "lat": np.linspace(-66, 66, 12), "lon": np.linspace(0, 337.5, 16)}
    ds = xr.Dataset({"t": (("time", "lat", "lon"), t, {"units": "K"})}, coordinates)
    ds.to_netcdf(folder / "in.nc", engine="netcdf4", encoding={"t": {"zlib": True, "shuffle": True, "chunksizes": (5, 6, 16)}})
    s = ds.rename(t="s") * 0.5
    codec = zarr.codecs.BloscCodec(cname="zstd", shuffle="shuffle")
    s.to_zarr(folder / "in.zarr", consolidated=False, encoding={"s": {"chunks": (8, 12, 8), "compressors": codec}})


def expected(folder):
    """By NumPy alone, from what netCDF4 reads."""
    with netCDF4.Dataset(folder / "in.nc") as nc:
        t = np.ma.filled(nc["t"][...].astype("f8"), np.nan)
        lat = np.asarray(nc["lat"][...])
    s = t.astype("f4") * np.float32(0.5)
    month = (np.arange(40) + 1) % 12  # begins with February: the first of the month after the 15th of January
    climatology = np.stack([np.nanmean(t[month == m], axis=0) for m in range(12)])
    weights = np.broadcast_to(np.cos(np.deg2rad(lat))[None, :, None], t.shape)
    there = ~np.isnan(t)
    return {
        "climatology": climatology,
        "anomaly": t - climatology[month],
        "weighted": np.where(there, t * weights, 0).sum((1, 2)) / np.where(there, weights, 0).sum((1, 2)),
        "product": t * s + 1,
        "spread": np.nanstd(s.astype("f8"), axis=0),
        "median": np.nanmedian(s, axis=0),
    }


def read_netcdf(path):
    with netCDF4.Dataset(path) as nc:
        return {name: np.ma.filled(nc[name][...].astype("f8"), np.nan) for name in nc.variables if nc[name].dtype.kind == "f"}


def read_zarr(path):
    group = zarr.open_group(path, mode="r")
    return {name: array[...] for name, array in group.arrays() if array.dtype.kind == "f"}


def test_opens_computes_and_writes(machine):
    root, python = machine
    for name in BUILDING:
        assert list(root.rglob(name)) == [], "the machine is not bare"
    folder = root / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    make_input(folder)
    shutil.copy(Path(__file__).with_name("in_the_wheel.py"), root / "work/program.py")
    done = bare.enter(root, python, "/work/program.py", "/work")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["modules"] == []
    # libzstd may be there, with the _zstd of CPython 3.14; test_only_glibc_is_needed shows that it is not ours
    assert [path for path in told["loaded"] if re.search(r"hdf5|netcdf|blosc|deflate|jansson", path)] == []
    wanted = expected(folder)
    for written in (read_netcdf(folder / "out.nc"), read_zarr(folder / "out.zarr")):
        for name, values in wanted.items():
            got = written[name]
            assert got.shape == values.shape, name
            # float32 values near 300 and their squares: 2e-7 relative to the largest
            np.testing.assert_allclose(got, values, rtol=1e-5 if name == "spread" else 5e-7, atol=5e-5 if name == "anomaly" else 0, err_msg=name)
    assert np.shape(told["regridded"]) == (1, 3, 2)


def test_the_command_comes_along(machine):
    root, _ = machine
    folder = root / "work"
    folder.mkdir(exist_ok=True)
    if not (folder / "in.nc").exists():
        make_input(folder)
    done = bare.enter(root, "/packages/bin/craton", "info", "/work/in.nc", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dimensions"]["time"]
    shutil.rmtree(folder / "mean.nc", ignore_errors=True)
    done = bare.enter(root, "/packages/bin/craton", "calc", "t | mean time", "/work/in.nc", "-o", "/work/mean.nc")
    assert done.returncode == 0, done.stderr
    with netCDF4.Dataset(folder / "in.nc") as nc, netCDF4.Dataset(folder / "mean.nc") as mean:
        t = np.ma.filled(nc["t"][...].astype("f8"), np.nan)
        np.testing.assert_allclose(np.ma.filled(mean["t"][...], np.nan), np.nanmean(t, axis=0), rtol=2e-7)


def test_beside_another_hdf5(wheel, tmp_path):
    """In one process with the HDF5 of netCDF4 and h5py: each writes and reads its own, in turns."""
    bare.run("uv", "--no-progress", "pip", "install", "--no-config", "--offline", "--no-index", "--no-deps", "--target", tmp_path / "packages", wheel)
    program = """
import sys, numpy as np, netCDF4, h5py, xarray as xr, craton
assert craton.__file__.startswith(sys.argv[1]), craton.__file__
values = np.arange(60.0).reshape(3, 4, 5)
for turn in range(4):
    xr.Dataset({"v": (("a", "b", "c"), values + turn)}).craton.to_netcdf(f"{sys.argv[1]}/ours{turn}.nc")
    with netCDF4.Dataset(f"{sys.argv[1]}/ours{turn}.nc", "a") as nc:
        assert (nc["v"][...] == values + turn).all()
        nc["v"][0] = -1
    with h5py.File(f"{sys.argv[1]}/ours{turn}.nc") as file:
        assert (file["v"][1:] == values[1:] + turn).all() and (file["v"][0] == -1).all()
    ds = xr.open_dataset(f"{sys.argv[1]}/ours{turn}.nc", engine="craton", chunks={})
    assert float(ds.v.sum()) == float((values[1:] + turn).sum() - 20)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(tmp_path / "packages")},
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", [["--help"], ["--version"]])
def test_the_command_alone(unpacked, tmp_path, option):
    """In a root with glibc's two libraries and its loader, and nothing else at all."""
    root = tmp_path / "root"
    command = next(path for path in programs(unpacked) if path.name == "craton")
    (root / "lib64").mkdir(parents=True)
    for path in bare.needed(command) | {Path("/lib64/ld-linux-x86-64.so.2")}:
        place = root / str(path).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path.resolve(), place)
    shutil.copy(command, root / "craton")
    (root / "craton").chmod(0o755)
    done = bare.enter(root, "/craton", *option)
    assert done.returncode == 0 and "craton" in done.stdout, done.stderr


def test_the_sdist_builds_with_the_libraries_of_the_system(tmp_path):
    """As pip does it where there is a compiler and what docs/installing.md names."""
    source = Path(__file__).resolve().parents[2]
    bare.run(source / "tools/wheel", "--sdist", tmp_path)
    (archive,) = tmp_path.glob("craton-*.tar.gz")
    building = Path(shutil.which("meson")).with_name("python")
    bare.run(building, "-m", "pip", "wheel", "--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", tmp_path, archive)
    (made,) = tmp_path.glob("craton-*.whl")
    bare.run("python3", "-m", "zipfile", "-e", made, tmp_path / "packages")
    make_input(tmp_path)
    program = "import sys, craton, numpy, xarray\ncraton.enable()\nprint(craton.__file__)\n" \
              "numpy.save(sys.argv[2], xarray.open_dataset(sys.argv[1], engine='craton', chunks={}).t.mean('time').compute().values)"  # fmt: skip
    told = bare.run(sys.executable, "-c", program, tmp_path / "in.nc", tmp_path / "mean.npy", env={**os.environ, "PYTHONPATH": str(tmp_path / "packages")})
    assert told.startswith(str(tmp_path / "packages"))
    with netCDF4.Dataset(tmp_path / "in.nc") as nc:
        t = np.ma.filled(nc["t"][...].astype("f8"), np.nan)
    np.testing.assert_allclose(np.load(tmp_path / "mean.npy"), np.nanmean(t, axis=0), rtol=1e-6)
