"""Composites of maps that are stored one time to a chunk, with cells in pieces and whole ones: Craton against xarray on NumPy, and against itself with
other threads and memory limits."""

import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()
PIECES = "cells are pieces of chunks"
SIZES = {"time": 13, "y": 530, "x": 500}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two bands with clouds, in chunks of 270 x 500 of one time: the second row of chunks is shorter."""
    rng = np.random.default_rng(40)
    ds = xr.Dataset(coords={"time": xr.date_range("2018-01-15", periods=SIZES["time"], freq="31D"), "y": np.linspace(60, 30, SIZES["y"])})
    for name, level in (("red", 0.1), ("nir", 0.3)):
        values = level + 0.05 * rng.random(tuple(SIZES.values()))
        values[rng.random(values.shape) < 0.2] = np.nan
        values[:, 7:9, 100:103] = np.nan
        ds[name] = (tuple(SIZES), values)
    packed = {"dtype": "i2", "scale_factor": 1e-4, "add_offset": 0.0, "_FillValue": -9999, "zlib": True, "complevel": 1, "chunksizes": (1, 270, 500)}
    path = tmp_path_factory.mktemp("scenes") / "scenes.nc"
    ds.to_netcdf(path, engine="netcdf4", encoding={"red": packed, "nir": packed})
    return path


def composites(ds):
    index = (ds.nir - ds.red) / (ds.nir + ds.red)
    months = index.groupby("time.month")
    return [months.mean(), months.count(), index.min("time"), index.max("time"), index.mean("time"), index.std("time"), index.fillna(-2).argmax("time")]


def weighted_part(ds):
    return [(ds.nir.isel(y=slice(3, None)) * np.cos(np.deg2rad(ds.y))).groupby("time.season").max()]


@pytest.mark.parametrize("program", [composites, weighted_part])
def test_the_same_as_xarray_and_the_same_bits(program, scenes):
    with xr.set_options(use_bottleneck=False, use_numbagg=False), xr.open_dataset(scenes, engine="netcdf4") as ds:
        expected = program(ds.load())
    with xr.open_dataset(scenes, engine="craton", chunks={}) as ds:
        lazy = program(ds)
        answers = []
        with craton.set_options(threads=2, memory_limit="1 GiB"):
            assert PIECES in craton.explain(*(r.data for r in lazy))
        for threads, memory in ((2, "1 GiB"), (5, "1 GiB"), (1, "12 MiB")):
            with craton.set_options(threads=threads, memory_limit=memory):
                answers.append(craton.compute(*(r.data for r in lazy)))
        for other in answers[1:]:
            assert all(np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes() for a, b in zip(answers[0], other, strict=True))
        for result, answer, plain in zip(lazy, answers[0], expected, strict=True):
            assert result.dims == plain.dims
            np.testing.assert_allclose(answer, plain.values, rtol=1e-12, atol=1e-12)
