"""gcc and clang, inner loops for several SIMD levels and for the baseline alone: `craton calc` of every build writes the same bytes.

CRATON_BUILDS names the build folders. The first one's result is also compared with xarray where xarray has the same operation in few words;
tests/oracle does that for all of them.
"""
import filecmp
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

BUILDS = [Path(name) for name in os.environ["CRATON_BUILDS"].split()]
SEED = int(os.environ.get("CRATON_SEED", "1"))

EXPRESSIONS = [
    "t", "packed", "count_of * 2 + 1", "count_of // 7 + count_of % 7", "t * 0.1 + packed", "t - packed / 3", "t ** 2", "t // 3", "t % 3",
    "t > packed", "maximum(t, packed)", "minimum(t, packed)", "hypot(t, packed)", "arctan2(t, packed)", "t.clip(270, 290)", "t.where(packed > 1)",
    *(f"t | {name}" for name in ("abs", "sqrt", "floor", "ceil", "rint", "sign", "isnan", "isfinite", "deg2rad")),
    *(f"packed / 40 | {name}" for name in ("exp", "sin", "cos", "tan", "arctan")), *(f"t | {name}" for name in ("log", "log10", "log2")),
    *(f"{variable} | {name}" for variable in ("t", "packed", "wide", "count_of") for name in ("mean", "sum", "min", "max", "std", "var", "count")),
    *(f"t | {name} {dims}" for name in ("mean", "sum", "std", "max", "median", "quantile 0.3") for dims in ("time", "lat", "lon lat")),
    "t | weighted mean lat lon", "wide | weighted sum lat lon", "t | anomaly month", "t | by season std", "t | monthly max", "t | yearly mean",
    "t | monthly quantile 0.9", "t | rolling time=5 mean", "t | rolling time=5 max", "t | to degC",
    "t.isel(time=0:9) | regrid r20x10 bilinear", "t.isel(time=0:9) | regrid r20x10 conservative skipna", "t.isel(time=0:9) | regrid r20x10 nearest",
]  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    rng = np.random.default_rng(SEED)
    shape = (200, 18, 37)
    t = rng.normal(280, 12, shape).astype("f4")
    t[rng.random(shape) < 0.1] = np.nan
    t[3, 4, 5], t[3, 4, 6] = np.inf, -0.0
    packed = rng.normal(3, 20, shape)
    packed[rng.random(shape) < 0.05] = np.nan
    dims = ("time", "lat", "lon")
    ds = xr.Dataset({"t": (dims, t, {"units": "K"}), "packed": (dims, packed), "wide": (dims, rng.standard_normal(shape) * 1e10),
                     "count_of": (dims, rng.integers(0, 1000, shape).astype("i4"))},
                    {"time": xr.date_range("2001-01-01", periods=200, freq="5D"), "lat": np.linspace(-85, 85, 18),
                     "lon": np.linspace(0, 350, 37)})
    path = tmp_path_factory.mktemp("bits") / "in.nc"
    chunks = {"chunksizes": (50, 18, 20), "zlib": True}
    ds.to_netcdf(path, engine="netcdf4", encoding={"t": chunks, "wide": chunks, "count_of": chunks,
                                                   "packed": {**chunks, "dtype": "i2", "scale_factor": 0.01, "add_offset": 1.5, "_FillValue": -32768}})
    return path


def calc(build, expression, source, target):
    done = subprocess.run([build / "src/cli/craton", "calc", "-q", "-t", "2", expression, source, "-o", target], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{build.name}: {expression}: {done.stderr}"


def files(store):
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())


def is_fill(store):
    """A chunk that holds the fill value alone is not written: infinities make a standard deviation missing, a minimum may be 0."""
    with xr.open_zarr(store, chunks=None) as ds:
        return all(np.isnan(v).all() or not v.values.any() for v in ds.data_vars.values())


def test_there_is_something_to_compare():
    assert len(BUILDS) >= 4 and len({build.name for build in BUILDS}) == len(BUILDS)
    compilers = {build.name: (build / "build.ninja").read_text().count("-march=x86-64-v3") for build in BUILDS}
    assert 0 in compilers.values() and max(compilers.values()) > 0, compilers
    assert {"clang" in (build / "meson-info/intro-compilers.json").read_text() for build in BUILDS} == {True, False}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_bits(source, tmp_path, expression):
    stores = [tmp_path / f"{build.name}.zarr" for build in BUILDS]
    for build, store in zip(BUILDS, stores):
        calc(build, expression, source, store)
    names = files(stores[0])
    if not any("/c/" in name or name.endswith("/c") for name in names):
        assert is_fill(stores[0]), names
    for build, store in zip(BUILDS[1:], stores[1:]):
        assert files(store) == names
        different = [name for name in names if not filecmp.cmp(stores[0] / name, store / name, shallow=False)]
        assert different == [], f"{BUILDS[0].name} and {build.name} differ"


ORACLE = {
    "t * 0.1 + packed": lambda ds: ds.t * 0.1 + ds.packed,
    "t | mean time": lambda ds: ds.t.where(np.isfinite(ds.t) | np.isnan(ds.t)).mean("time"),
    "wide | std": lambda ds: ds.wide.std(),
    "packed | max": lambda ds: ds.packed.max(),
}


@pytest.mark.parametrize("expression", ["wide | std", "packed | max", "t * 0.1 + packed"])
def test_values(source, tmp_path, expression):
    calc(BUILDS[0], expression, source, tmp_path / "out.zarr")
    with xr.open_dataset(source, engine="netcdf4") as ds, xr.open_zarr(tmp_path / "out.zarr", chunks=None) as out:
        (name,) = out.data_vars
        np.testing.assert_allclose(out[name].values, ORACLE[expression](ds).values, rtol=2e-6)
