"""Single points of files: the values of xarray's own reader, and each chunk read once however many points lie in it."""

import os

import numpy as np
import pytest
import xarray as xr

import craton
from craton import _craton, points

SEED = int(os.environ.get("CRATON_SEED", "1"))
SHAPE = (12, 13, 17)
KINDS = ("f4", "f8", "u1", "i8")



craton.enable()


def written(path, grid, rng):
    ds = xr.Dataset(coords={"t": np.datetime64("2001-01-01") + np.arange(SHAPE[0]), "y": np.arange(SHAPE[1]) * 2.5, "x": np.arange(SHAPE[2]) * 0.5})
    for kind in KINDS:
        values = np.abs(rng.normal(0, 60, SHAPE)).astype(kind)
        if kind[0] == "f":
            values[rng.random(SHAPE) < 0.2] = np.nan
        ds[kind] = (("t", "y", "x"), values)
    ds["packed"] = (("t", "y", "x"), np.where(rng.random(SHAPE) < 0.1, np.nan, rng.integers(0, 900, SHAPE) * 0.1))
    ds["when"] = (("t", "y", "x"), np.datetime64("2001-01-01", "ns") + rng.integers(0, 90, SHAPE).astype("m8[D]"))
    ds.when.values[0, 0, 0] = np.datetime64("NaT")
    encoding = {name: {"chunksizes": grid, "zlib": True} for name in ds.data_vars}
    encoding["packed"].update(dtype="i2", scale_factor=0.1, _FillValue=np.int16(-999))
    encoding["when"].update(units="hours since 2001-01-01", dtype="i4", _FillValue=np.int32(-1))
    ds.to_netcdf(path, engine="netcdf4", encoding=encoding)


@pytest.mark.parametrize("grid", [(1, 13, 17), (12, 2, 3), (4, 5, 6), (12, 13, 17)])
def test_points_are_those_of_xarray(tmp_path, grid):
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    path = tmp_path / "points.nc"
    written(path, grid, rng)
    with xr.open_dataset(path, engine="netcdf4") as plain, xr.open_dataset(path, engine="craton", chunks={}) as lazy:
        plain.load()
        for shape in ((40,), (2, 1, 9)):
            dims = ["a", "b", "c"][: len(shape)]
            at = {d: xr.DataArray(rng.integers(-n, n, shape), dims=dims) for d, n in zip("tyx", SHAPE)}
            for key in ({"y": at["y"], "x": at["x"]}, {"t": at["t"], "x": at["x"]}, at, {"y": at["y"], "x": at["x"], "t": slice(9, 1, -2)}):
                xr.testing.assert_identical(lazy.isel(key).compute(), plain.isel(key))


def test_points_of_what_is_computed(tmp_path):
    rng = np.random.default_rng(SEED)
    path = tmp_path / "points.nc"
    written(path, (4, 13, 17), rng)
    at = {d: xr.DataArray(rng.integers(0, n, 50), dims="station") for d, n in zip("yx", SHAPE[1:])}
    with xr.open_dataset(path, engine="netcdf4") as plain, xr.open_dataset(path, engine="craton", chunks={}) as lazy:
        results = [((ds.f8 - ds.packed).isel(at) * 2).mean("t") for ds in (plain, lazy)]
        xr.testing.assert_allclose(results[1].compute(), results[0], rtol=1e-13)


def test_a_chunk_is_read_once_for_all_of_its_points(tmp_path):
    rng = np.random.default_rng(SEED)
    path = tmp_path / "points.nc"
    written(path, (1, 13, 17), rng)
    at = {d: xr.DataArray(rng.integers(0, n, 100), dims="station") for d, n in zip("yx", SHAPE[1:])}
    with xr.open_dataset(path, engine="craton", chunks={}) as lazy:
        text = craton.explain(lazy.f4.isel(at))
        assert text.count(str(path)) == 1, text


def test_a_large_chunk_costs_no_memory_per_element(tmp_path):
    """Five points in its corners and middle: what describes them is small, and is what a cluster is sent."""
    values = np.random.default_rng(SEED).integers(0, 200, (2, 1500, 2000)).astype("u1")
    xr.Dataset({"v": (("t", "y", "x"), values)}).to_netcdf(tmp_path / "large.nc", engine="netcdf4", encoding={"v": {"chunksizes": (1, 1500, 2000)}})
    at = {"y": xr.DataArray([0, 1499, 700, 0, 1499], dims="p"), "x": xr.DataArray([0, 1999, 3, 1999, 0], dims="p")}
    with xr.open_dataset(tmp_path / "large.nc", engine="craton", chunks={}) as lazy:
        few = lazy.v.isel(at)
        assert len(_craton.encode_graph((few.data._node,), 1 << 20)) < 10000
        np.testing.assert_array_equal(few.values, values[:, at["y"].values, at["x"].values])


@pytest.mark.parametrize("most", [0, 10**6])
def test_many_points_far_apart(tmp_path, monkeypatch, most):
    """The track of a satellite: in boxes (most 0), and as an expression, through the same chunks."""
    rng = np.random.default_rng(SEED)
    monkeypatch.setattr(points, "MOST_PARTS", most)
    monkeypatch.setattr(points, "BLOCK", 100)
    path = tmp_path / "points.nc"
    written(path, (4, 5, 6), rng)
    at = {d: xr.DataArray(rng.integers(-n, n, 270), dims="track") for d, n in zip("tyx", SHAPE)}
    with xr.open_dataset(path, engine="netcdf4") as plain, xr.open_dataset(path, engine="craton", chunks={}) as lazy:
        for key in (at, {"t": at["t"], "x": at["x"]}, {"y": at["y"], "x": at["x"], "t": slice(9, 1, -2)}):
            xr.testing.assert_identical(lazy.isel(key).compute(), plain.isel(key))
            xr.testing.assert_identical(lazy.isel(key).isel(track=slice(7, None, 3)).compute(), plain.isel(key).isel(track=slice(7, None, 3)))
        assert (lazy.f4.isel(at).data._node.recipe[0] == "python") == (most == 0)
        names = xr.DataArray(np.array([f"n{i}" for i in range(13)])[:, None] + np.array([f"{i:02d}" for i in range(17)]), dims=("y", "x"))
        ours = names.chunk(x=5).isel(y=at["y"], x=at["x"])
        np.testing.assert_array_equal(ours.values, names.isel(y=at["y"], x=at["x"]).values)


def test_a_long_track_over_many_chunks(tmp_path):
    """Neighbours that lie in different chunks: putting them in order must not take a list for each."""
    rng = np.random.default_rng(SEED)
    path = tmp_path / "points.nc"
    written(path, (4, 5, 6), rng)
    at = {d: xr.DataArray(rng.integers(0, n, 20_000), dims="track") for d, n in zip("tyx", SHAPE)}
    with xr.open_dataset(path, engine="netcdf4") as plain, xr.open_dataset(path, engine="craton", chunks={}) as lazy:
        xr.testing.assert_identical(lazy.packed.isel(at).compute(), plain.packed.isel(at))


def test_values_at_the_place_of_an_extreme(tmp_path):
    """A position for each element of a map, as argmin gives it."""
    rng = np.random.default_rng(SEED)
    path = tmp_path / "points.nc"
    written(path, (4, 5, 6), rng)
    with xr.open_dataset(path, engine="netcdf4") as plain, xr.open_dataset(path, engine="craton", chunks={}) as lazy:
        places = plain.f8.load().fillna(0).argmin("y")
        xr.testing.assert_identical(lazy.f8.isel(y=places).compute(), plain.f8.isel(y=places))
