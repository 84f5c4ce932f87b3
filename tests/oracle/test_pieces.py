"""Composites of maps that are stored one time to a chunk, and of maps regridded from such, with cells in pieces and whole ones: Craton against xarray on
NumPy, and against itself with other threads and memory limits."""

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


MODELS = [(40, 60), (37, 72), (64, 50)]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    rng = np.random.default_rng(41)
    paths = [str(tmp_path_factory.mktemp("models") / f"{i}.nc") for i in range(len(MODELS))]
    for path, (ny, nx) in zip(paths, MODELS, strict=True):
        values = (250 + 30 * rng.random((13, ny, nx))).astype("f4")
        values[3, 5:9, 7:12] = np.nan
        coords = {"time": np.arange(13), "lat": ("lat", np.linspace(-90, 90, ny), {"units": "degrees_north"}),
                  "lon": ("lon", np.arange(nx) * 360 / nx, {"units": "degrees_east"})}
        chunks = (1, ny, nx) if nx != 72 else (2, 20, nx)
        xr.Dataset({"t": (("time", "lat", "lon"), values)}, coords).to_netcdf(path, engine="netcdf4", encoding={"t": {"zlib": True, "complevel": 1, "chunksizes": chunks}})
    return paths


def ensemble(maps):
    together = xr.concat(maps, "model", coords="minimal", compat="override")
    return [together.mean("model"), together.std("model"), together.max("model")]


def test_models_on_one_grid(models):
    target = xr.Dataset(coords={"lat": ("lat", np.linspace(-85, 85, 131), {"units": "degrees_north"}),
                                "lon": ("lon", np.linspace(4, 350, 230), {"units": "degrees_east"})})
    with xr.set_options(use_bottleneck=False, use_numbagg=False):
        plain = [xr.open_dataset(p, engine="netcdf4").t.load().interp(lat=target.lat, lon=target.lon) for p in models]
        expected = ensemble(plain)
    maps = [xr.open_dataset(p, engine="craton", chunks={}).t.craton.regrid(target, "bilinear") for p in models]
    lazy = ensemble(maps)
    answers = []
    for threads, memory in ((2, "1 GiB"), (1, "1 GiB"), (5, "20 MiB")):
        with craton.set_options(threads=threads, memory_limit=memory):
            assert memory != "1 GiB" or PIECES in craton.explain(*(r.data for r in lazy))
            answers.append(craton.compute(*(r.data for r in lazy)))
    one_by_one = []
    for k in range(13):     # states of one map are no larger than a cache
        one = ensemble([m.isel(time=[k]) for m in maps])
        assert PIECES not in craton.explain(*(r.data for r in one))
        one_by_one.append(craton.compute(*(r.data for r in one)))
    answers.append([np.concatenate(parts) for parts in zip(*one_by_one, strict=True)])
    for other in answers[1:]:
        assert all(np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes() for a, b in zip(answers[0], other, strict=True))
    for result, answer, reference in zip(lazy, answers[0], expected, strict=True):
        assert result.dims == reference.dims
        np.testing.assert_allclose(answer, reference.values, rtol=2e-5, atol=2e-4)
