"""Text in files: characters, items of fixed width, texts of any length, fill values and attributes, against what xarray's engines write and read."""

import json
import warnings

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

import craton

craton.enable()
VERSIONS = pytest.mark.parametrize("version", [2, 3])
LAZY = pytest.mark.parametrize("lazy", [False, True])

NAMES = ["Åland", "", "Rome", "Zürich", "日本語", "x"]


def dataset():
    return xr.Dataset(
        {
            "unicode": ("x", np.array(NAMES)),
            "bytes": ("x", np.array([b"ab", b"", b"cde", b"\xff\x01", b"e", b"f"])),
            "table": (("y", "x"), np.array([[f"r{i}c{j}" for j in range(6)] for i in range(3)], "S4")),
            "objects": ("x", np.array(NAMES, object)),
            "gaps": ("x", np.array(["a", None, "b", np.nan, "", "c"], object)),
            "one": ((), "alone"),
            "code": ((), b"EGI"),
            "number": ("x", np.array([1.5, np.nan, 3.0, 4.0, 5.0, 6.0], object)),
        },
        {"station": ("x", np.array(["S1", "S22", "S333", "", "S5", "S6"])), "y": [10, 20, 30]},
        {"words": ["one", "two"], "title": "wörter"},
    )  # fmt: skip


def chunked(ds):
    return ds.chunk({d: n for d, n in (("x", 4), ("y", 2)) if d in ds.dims})


def quiet(f, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(*args, **kwargs)


def opened(path, engine, **kwargs):
    with quiet(xr.open_dataset, path, engine=engine, **kwargs) as ds:
        return quiet(ds.load)


def same(answer, expected):
    xr.testing.assert_identical(answer, expected)
    for name, v in expected.variables.items():
        assert answer.variables[name].dtype == v.dtype, (name, answer.variables[name].dtype, v.dtype)


# ---- as xarray's engines write it, and as they read it -------------------------------------------------------------------------------------------------


@LAZY
def test_netcdf(tmp_path, lazy):
    ds = dataset()
    encoding = {"unicode": {"dtype": "S1"}, "table": {"char_dim_name": "letters"}}
    quiet(ds.to_netcdf, tmp_path / "theirs.nc", engine="netcdf4", encoding=encoding)
    quiet((chunked(ds) if lazy else ds).craton.to_netcdf, tmp_path / "ours.nc", encoding=encoding)
    expected = opened(tmp_path / "theirs.nc", "netcdf4")
    for engine in ("netcdf4", "h5netcdf"):
        same(opened(tmp_path / "ours.nc", engine), opened(tmp_path / "theirs.nc", engine))
    for name in ("ours.nc", "theirs.nc"):
        same(opened(tmp_path / name, "craton"), expected)
    same(quiet(xr.open_dataset, tmp_path / "ours.nc", engine="craton", chunks={"x": 2}).compute(), expected)
    with netCDF4.Dataset(tmp_path / "ours.nc") as ours, netCDF4.Dataset(tmp_path / "theirs.nc") as theirs:
        for name, v in theirs.variables.items():
            assert ours[name].dtype == v.dtype and ours[name].dimensions == v.dimensions and ours[name].ncattrs() == v.ncattrs(), name
        assert ours.words == theirs.words == ["one", "two"] and ours["unicode"]._Encoding == "utf-8"
        assert ours.dimensions["letters"].size == 4


@VERSIONS
@LAZY
def test_zarr(tmp_path, version, lazy):
    ds = dataset()
    quiet(ds.to_zarr, tmp_path / "theirs", zarr_format=version)
    quiet((chunked(ds) if lazy else ds).craton.to_zarr, tmp_path / "ours", zarr_format=version)
    expected = quiet(opened, tmp_path / "theirs", "zarr")
    for engine in ("zarr", "craton"):
        same(opened(tmp_path / "ours", engine), expected)
        same(opened(tmp_path / "theirs", engine), expected)
    back = quiet(xr.open_dataset, tmp_path / "theirs", engine="craton", chunks={"x": 2})
    assert isinstance(back.unicode.data, craton.Array) and back.unicode.dtype == "<U6" and isinstance(back.bytes.data, craton.Array)
    same(back.compute(), expected)
    same(back.isel(x=[4, 1], y=slice(1, None)).compute(), expected.isel(x=[4, 1], y=slice(1, None)))
    ours, theirs = quiet(zarr.open_group, tmp_path / "ours", mode="r"), quiet(zarr.open_group, tmp_path / "theirs", mode="r")
    for name, array in theirs.arrays():
        a, b = ours[name].metadata.to_dict(), array.metadata.to_dict()
        for key in ("dtype", "data_type", "fill_value", "shape", "attributes", "dimension_names"):
            assert a.get(key) == b.get(key) or key == "dimension_names" and not a["shape"], (name, key)


@VERSIONS
def test_other_byte_order_and_fortran_order(tmp_path, version):
    """Of other writers: characters in big-endian order, transposed chunks, absent chunks of a text that is not empty."""
    group = quiet(zarr.open_group, tmp_path / "x", mode="w", zarr_format=version)
    values = np.array([[f"{i}ä{j}" for j in range(5)] for i in range(4)])
    names = {"_ARRAY_DIMENSIONS": ["y", "x"]} if version == 2 else {}
    more = {"dimension_names": ["y", "x"]} if version == 3 else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a = group.create_array("big", shape=(4, 5), dtype=">U3", chunks=(3, 2), order="F", attributes=names, **more)
        a[:] = values
        b = group.create_array("gap", shape=(4, 5), dtype="<U4", chunks=(2, 5), fill_value="höch", attributes=names, **more)
        b[:2] = values[:2]
    back = quiet(xr.open_dataset, tmp_path / "x", engine="craton", chunks={})
    assert back.big.dtype.itemsize == 12 and back.big.values.tolist() == values.tolist()
    np.testing.assert_array_equal(back.gap.compute().values, np.where(np.arange(4)[:, None] < 2, values.astype("U4"), "höch"))


# ---- fill values -----------------------------------------------------------------------------------------------------------------------------------------


def test_missing_characters(tmp_path):
    """Of bytes with a _FillValue, in NetCDF."""
    values = np.array([b"ab", b"cdef", np.nan], object)
    for i, encoding in enumerate(({"_FillValue": b"X", "dtype": "S1"}, {"_FillValue": b""})):
        ds = xr.Dataset({"x": ("t", values, {}, encoding)})
        ds.craton.to_netcdf(tmp_path / f"{i}.nc")
        ds.to_netcdf(tmp_path / f"theirs{i}.nc", engine="netcdf4")
        for engine in ("netcdf4", "craton"):
            for name in (f"{i}.nc", f"theirs{i}.nc"):
                same(opened(tmp_path / name, engine), ds)
    with pytest.raises(ValueError, match="longer than the text"):
        xr.Dataset({"x": ("t", np.array([b"abc", b"d"]), {"_FillValue": b"abc"})}).craton.to_netcdf(tmp_path / "two.nc")
    with pytest.raises(NotImplementedError, match="not yet supported on unicode"):
        xr.Dataset({"x": ("t", np.array(["ab", np.nan], object), {}, {"dtype": "S1", "_FillValue": b"X"})}).craton.to_netcdf(tmp_path / "two.nc")
    assert not (tmp_path / "two.nc").exists()


@VERSIONS
def test_fill_of_bytes_in_zarr(tmp_path, version):
    """xarray does not read what it writes of it in version 3."""
    ds = xr.Dataset({"x": ("t", np.array([b"ab", b"-", b"c"]), {"_FillValue": b"-"})})
    quiet(ds.craton.to_zarr, tmp_path / "ours", zarr_format=version)
    quiet(ds.to_zarr, tmp_path / "theirs", zarr_format=version)
    ours, theirs = (quiet(zarr.open_group, tmp_path / name, mode="r")["x"] for name in ("ours", "theirs"))
    assert dict(ours.attrs) == dict(theirs.attrs) and ours.fill_value == theirs.fill_value
    expected = xr.Dataset({"x": ("t", np.array([b"ab", np.nan, b"c"], object))})
    for name, engine in (("ours", "zarr"), ("ours", "craton"), ("theirs", "craton")):
        if version == 2 or engine == "craton":
            same(opened(tmp_path / name, engine), expected)


# ---- into a store that is there ------------------------------------------------------------------------------------------------------------------------


@VERSIONS
@LAZY
def test_append_and_region(tmp_path, version, lazy):
    ds = dataset()[["unicode", "bytes", "station"]]
    more = ds.isel(x=slice(None, None, -1)).assign(bytes=("x", np.array([b"z", b"yy", b"", b"x", b"w", b"v"])))
    quiet(ds.craton.to_zarr, tmp_path / "x", zarr_format=version, encoding={n: {"chunks": (4,)} for n in ds.variables})
    quiet((chunked(more) if lazy else more).craton.to_zarr, tmp_path / "x", append_dim="x")
    expected = xr.concat([ds, more], "x")
    for engine in ("zarr", "craton"):
        same(opened(tmp_path / "x", engine), expected)
    quiet(more.isel(x=slice(0, 4))[["bytes"]].drop_vars("station").craton.to_zarr, tmp_path / "x", region={"x": slice(4, 8)})
    expected.bytes[4:8] = more.bytes[:4].values
    same(opened(tmp_path / "x", "zarr"), expected)
    for wrong, what in ((ds.assign(unicode=ds.unicode + "longer"), "would be cut off"), (ds.assign(unicode=("x", np.arange(6))), "comes as int64"),
                        (ds.assign(bytes=ds.unicode.variable), "comes as <U6")):  # fmt: skip
        with pytest.raises(ValueError, match=what):
            quiet(wrong.craton.to_zarr, tmp_path / "x", append_dim="x")
        same(opened(tmp_path / "x", "zarr"), expected)


@VERSIONS
def test_later_and_in_a_group(tmp_path, version):
    ds = dataset()
    write = quiet(chunked(ds).craton.to_zarr, tmp_path / "x", zarr_format=version, compute=False)
    assert quiet(opened, tmp_path / "x", "zarr").one.item() == "alone"
    write.compute()
    quiet(ds.craton.to_zarr, tmp_path / "x", zarr_format=version, group="g")
    quiet(ds.craton.to_zarr, tmp_path / "x", zarr_format=version, group="g", mode="w")
    quiet(ds.to_zarr, tmp_path / "theirs", zarr_format=version)
    expected = quiet(opened, tmp_path / "theirs", "zarr")
    same(opened(tmp_path / "x", "zarr").drop_vars("gaps"), expected.drop_vars("gaps"))
    same(opened(tmp_path / "x", "zarr", group="g"), expected)
    ds["flag"] = ("x", np.arange(6) > 2)
    quiet(ds[["flag", "unicode"]].drop_vars("station").rename(unicode="added").craton.to_zarr, tmp_path / "x", mode="a")
    assert opened(tmp_path / "x", "zarr").added.values.tolist() == NAMES


def test_shards_and_resume(tmp_path):
    ds = chunked(dataset()[["table", "unicode"]])
    for _ in range(2):
        ds.craton.to_zarr(tmp_path / "x", mode="w", resume=True, encoding={"table": {"chunks": (1, 2), "shards": (3, 4)}})
        same(opened(tmp_path / "x", "zarr").load(), ds.compute())
    array = zarr.open_group(tmp_path / "x", mode="r")["table"]
    assert array.shards == (3, 4) and array.chunks == (1, 2) and array.dtype == "S4"


# ---- attributes --------------------------------------------------------------------------------------------------------------------------------------------


@VERSIONS
def test_attributes(tmp_path, version):
    attrs = {"words": ["a", "", "ü"], "array": np.array(["x", "yy"]), "text": "t", "yes": True, "no": np.False_, "both": [True, False], "n": [1, 2], "f": 0.5,
             "one": ["alone"], "list": [7], "half": np.array([0.5]), "none": None, "mixed": [1, "a", None], "deep": [[1, 2], [3, 4]], "table": np.eye(2),
             "object": {"proj:epsg": 4326, "axes": ["y", "x"], "more": {"a": [1.5, "ü"]}}, "empty": []}  # fmt: skip
    ds = xr.Dataset({"v": ("x", [1.0], attrs)}, attrs=attrs)
    ds.craton.to_zarr(tmp_path / "ours", zarr_format=version)
    ds.to_zarr(tmp_path / "theirs", zarr_format=version)
    ours, theirs = (json.loads((tmp_path / w / (".zattrs" if version == 2 else "zarr.json")).read_text()) for w in ("ours", "theirs"))
    assert (ours if version == 2 else ours["attributes"]) == (theirs if version == 2 else theirs["attributes"])
    for engine in ("zarr", "craton"):
        same(opened(tmp_path / "ours", engine), opened(tmp_path / "theirs", "zarr"))


def test_characters_cut_and_joined_lazily(tmp_path):
    from xarray.coding.strings import bytes_to_char, char_to_bytes

    text = np.array([[b"abc", b"d"], [b"", b"ef"], [b"g", b"hij"]])
    lazy = xr.DataArray(text, dims=("y", "x")).chunk(y=2, x=1).data
    chars = bytes_to_char(lazy)
    assert isinstance(chars, craton.Array) and chars.shape == (3, 2, 3) and chars.dtype == "S1"
    np.testing.assert_array_equal(chars.compute(), bytes_to_char(text))
    np.testing.assert_array_equal(chars[1:, ::-1, :2].compute(), bytes_to_char(text)[1:, ::-1, :2])
    joined = char_to_bytes(chars)
    assert isinstance(joined, craton.Array) and joined.dtype == "S3"
    np.testing.assert_array_equal(joined.compute(), text)
    np.testing.assert_array_equal(char_to_bytes(xr.DataArray(np.array([b"a", b"b"])).chunk().data).compute(), b"ab")
    with pytest.raises(ValueError, match="multiple chunks"):
        char_to_bytes(xr.DataArray(np.array([b"a", b"b"])).chunk(1).data)
