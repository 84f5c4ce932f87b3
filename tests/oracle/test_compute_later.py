"""to_zarr(compute=False): a store that is there before its values, which are written later, at once or part by part; and stores without consolidated
metadata. Compared with what xarray writes, through zarr-python."""

import os

import numpy as np
import pytest
import xarray as xr
import zarr

import craton

craton.enable()
VERSIONS = pytest.mark.parametrize("version", [2, 3])


def dataset():
    rng = np.random.default_rng(5)
    return xr.Dataset(
        {"t": (("time", "x"), rng.normal(size=(12, 7))), "n": (("time", "x"), rng.integers(0, 9, (12, 7)).astype("i2")), "area": ("x", np.arange(7.0))},
        {"time": np.arange(12), "label": ("x", list("abcdefg"))},
    )  # fmt: skip


def lazy():
    ds = dataset()
    ds["t"], ds["n"] = ds.t.chunk(time=4), ds.n.chunk(time=4)
    return ds


def chunk_files(path, name):
    return [os.path.join(folder, f) for folder, _, files in os.walk(path / name) for f in files if f[0] not in ".z"]


@VERSIONS
@pytest.mark.parametrize("group", [None, "a/b"])
def test_all_at_once(tmp_path, version, group):
    write = lazy().craton.to_zarr(tmp_path / "x", compute=False, zarr_format=version, group=group)
    place = tmp_path / "x" / (group or "")
    assert isinstance(write, craton.PendingWrite) and "2 variables" in repr(write)
    assert not chunk_files(place, "t") and not chunk_files(place, "n") and chunk_files(place, "area")
    with xr.open_zarr(tmp_path / "x", chunks=None, group=group) as begun:
        assert begun.t.isnull().all() and begun.label.values.tolist() == list("abcdefg")
        xr.testing.assert_identical(begun[["area", "time"]].load(), dataset()[["area", "time"]])
    write.compute()
    with xr.open_zarr(tmp_path / "x", chunks=None, group=group) as whole:
        xr.testing.assert_identical(whole.load(), dataset())


@VERSIONS
@pytest.mark.parametrize("by", ["craton", "xarray"])
def test_part_by_part(tmp_path, version, by):
    """The template of a large store: regions by several writers, also xarray's own."""
    lazy().craton.to_zarr(tmp_path / "x", mode="w", compute=False, consolidated=True, zarr_format=version, encoding={"t": {"chunks": (4, 7)}, "n": {"chunks": (4, 7)}})
    for begin in (8, 0, 4):
        part = dataset().isel(time=slice(begin, begin + 4))[["t", "n"]].drop_vars("label")
        if by == "craton":
            part.chunk(time=4).craton.to_zarr(tmp_path / "x", region={"time": slice(begin, begin + 4)})
        else:
            part.to_zarr(tmp_path / "x", region={"time": slice(begin, begin + 4)})
    with xr.open_zarr(tmp_path / "x", chunks=None) as whole:
        xr.testing.assert_identical(whole.load(), dataset())


@VERSIONS
def test_by_xarray_itself(tmp_path, version):
    """What it gives is dask's; what dask then calls is Craton's."""
    write = lazy().to_zarr(tmp_path / "x", compute=False, zarr_format=version)
    assert not chunk_files(tmp_path / "x", "t") and chunk_files(tmp_path / "x", "area")
    lazy().isel(time=slice(4, 8))[["t", "n"]].drop_vars("label").to_zarr(tmp_path / "x", region={"time": slice(4, 8)})
    with xr.open_zarr(tmp_path / "x", chunks=None) as part:
        np.testing.assert_array_equal(part.t.values[4:8], dataset().t.values[4:8])
        assert np.isnan(part.t.values[:4]).all()
    write.compute()
    with xr.open_zarr(tmp_path / "x", chunks=None) as whole:
        xr.testing.assert_identical(whole.load(), dataset())


def test_netcdf_by_xarray_itself(tmp_path):
    write = lazy().to_netcdf(tmp_path / "x.nc", engine="netcdf4", compute=False)
    write.compute()
    with xr.open_dataset(tmp_path / "x.nc", engine="netcdf4") as whole:
        xr.testing.assert_identical(whole.load(), dataset())


@VERSIONS
@pytest.mark.parametrize("group", [None, "a/b"])
def test_without_consolidated_metadata(tmp_path, version, group):
    lazy().craton.to_zarr(tmp_path / "x", consolidated=False, zarr_format=version, group=group)
    root = zarr.open_group(tmp_path / "x", mode="r", use_consolidated=False)
    assert root.metadata.consolidated_metadata is None and not (tmp_path / "x" / ".zmetadata").exists()
    with xr.open_zarr(tmp_path / "x", chunks=None, group=group, consolidated=False) as whole:
        xr.testing.assert_identical(whole.load(), dataset())
    with xr.open_dataset(tmp_path / "x", engine="craton", group=group) as whole:
        xr.testing.assert_identical(whole.load(), dataset())
    dataset().isel(time=[0]).craton.to_zarr(tmp_path / "x", append_dim="time", group=group, mode="a") if version == 3 else None
    assert zarr.open_group(tmp_path / "x", mode="r", use_consolidated=False).metadata.consolidated_metadata is None


REFUSED = {
    "later and resumed": (dict(compute=False, resume=True), "one of them"),
    "later into what is there": (dict(compute=False, region={"time": slice(0, 4)}), "region="),
    "empty chunks": (dict(write_empty_chunks=True), "leave write_empty_chunks out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    options, reason = REFUSED[name]
    dataset().to_zarr(tmp_path / "x")
    with pytest.raises(ValueError, match=reason):
        lazy().craton.to_zarr(tmp_path / "x", **options)
    with xr.open_zarr(tmp_path / "x", chunks=None) as whole:
        xr.testing.assert_identical(whole.load(), dataset())


# ---- names, dimensions, formats ----


def test_names(tmp_path):
    """As xarray: names are text; a variable without one has none when it is read again."""
    values = dataset().area.variable
    for i, (name, kind) in enumerate({0: TypeError, (4, 5): TypeError, True: TypeError, "": ValueError}.items()):
        with pytest.raises(kind, match="string"):
            xr.Dataset({name: values}).craton.to_netcdf(tmp_path / f"{i}.nc")
        with pytest.raises(kind, match="string"):
            xr.Dataset({name: values}).craton.to_zarr(tmp_path / f"{i}.zarr")
    assert not list(tmp_path.iterdir())
    xr.Dataset({None: values}).craton.to_netcdf(tmp_path / "x.nc")
    xr.Dataset({None: values}).craton.to_zarr(tmp_path / "x.zarr")
    for path, engine in (("x.nc", "netcdf4"), ("x.nc", "craton"), ("x.zarr", "zarr"), ("x.zarr", "craton")):
        with xr.open_dataset(tmp_path / path, engine=engine) as ds:
            xr.testing.assert_identical(ds.load(), xr.Dataset({None: values}))


def test_unlimited_dimensions_that_are_not_there(tmp_path):
    ds = dataset()
    with pytest.raises(ValueError, match="not part of the dataset"):
        ds.craton.to_netcdf(tmp_path / "x.nc", unlimited_dims=["z"])
    ds.encoding["unlimited_dims"] = {"z", "time"}
    with pytest.warns(UserWarning, match="declared in 'dataset.encoding'"):
        ds.craton.to_netcdf(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc", engine="netcdf4") as back:
        assert back.encoding["unlimited_dims"] == {"time"}


def test_encodings_that_nobody_understands(tmp_path):
    for write in (dataset().craton.to_netcdf, dataset().craton.to_zarr):
        with pytest.raises(ValueError, match="unexpected encoding parameters 'scale_facter'; did you mean 'scale_factor'"):
            write(tmp_path / "x", encoding={"t": {"scale_facter": 2}})
        with pytest.raises(ValueError, match="unexpected encoding parameters 'xyz'. "):
            write(tmp_path / "x", encoding={"t": {"xyz": 2}})
        with pytest.raises(ValueError, match="castable to dict"):
            write(tmp_path / "x", encoding={"t": "i2"})
    for asked in ({"zstd": True}, {"bzip2": True}, {"compression": "szip"}, {"significant_digits": 3}):
        with pytest.raises(ValueError, match="no meaning in NetCDF-4, or not yet"):
            dataset().craton.to_netcdf(tmp_path / "x", encoding={"t": asked})
    assert not list(tmp_path.iterdir())


def test_deflate_in_the_words_of_others(tmp_path):
    for i, asked in enumerate(({"zlib": True, "complevel": 7}, {"compression": "zlib", "complevel": 7}, {"compression": "gzip", "compression_opts": 7})):
        dataset().craton.to_netcdf(tmp_path / f"{i}.nc", encoding={"t": {**asked, "fletcher32": False}})
        with xr.open_dataset(tmp_path / f"{i}.nc", engine="netcdf4") as back:
            assert back.t.encoding["zlib"] and back.t.encoding["complevel"] == 7
            xr.testing.assert_identical(back.load(), dataset())


def test_other_formats_are_refused(tmp_path):
    dataset().craton.to_netcdf(tmp_path / "x.nc", format="NETCDF4")
    with pytest.raises(ValueError, match="xarray's own to_netcdf"):
        dataset().craton.to_netcdf(tmp_path / "y.nc", format="NETCDF3_64BIT")


def test_what_is_no_path_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for write in (dataset().craton.to_zarr, dataset().craton.to_netcdf):
        with pytest.raises(NotImplementedError, match="not on this machine"):
            write("s3://bucket/x")
        with pytest.raises(TypeError, match="a path on this machine"):
            write({"a": b""})
    with pytest.raises(TypeError, match="once"):
        dataset().craton.to_zarr()
    assert not list(tmp_path.iterdir())
    dataset().craton.to_zarr(store=f"file://{tmp_path}/x.zarr", mode="w")
    with xr.open_zarr(tmp_path / "x.zarr", chunks=None) as ds:
        xr.testing.assert_identical(ds.load(), dataset())


@VERSIONS
def test_booleans_are_zarrs_own(tmp_path, version):
    ds = xr.Dataset({"b": ("x", np.arange(7) % 3 == 0)})
    ds.chunk(x=3).craton.to_zarr(tmp_path / "x", zarr_format=version)
    ds.chunk(x=3).rename(b="c").craton.to_zarr(tmp_path / "x", mode="a")
    ds.to_zarr(tmp_path / "theirs", zarr_format=version)
    group, theirs = zarr.open_group(tmp_path / "x", mode="r"), zarr.open_group(tmp_path / "theirs", mode="r")
    for name in "bc":
        assert group[name].dtype == theirs["b"].dtype == bool and dict(group[name].attrs) == dict(theirs["b"].attrs)
    for engine in ("zarr", "craton"):
        with xr.open_dataset(tmp_path / "x", engine=engine) as back:
            xr.testing.assert_identical(back.load(), ds.assign(c=ds.b))
    ds.rename(b="c").assign(b=ds.b).craton.to_zarr(tmp_path / "x", append_dim="x", mode="a")
    with xr.open_zarr(tmp_path / "x", chunks=None) as back:
        assert back.c.values.tolist() == 2 * ds.b.values.tolist() and back.c.dtype == bool
    ds.chunk(x=3).craton.to_netcdf(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc", engine="netcdf4") as back:
        xr.testing.assert_identical(back.load(), ds)
