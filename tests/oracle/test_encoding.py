"""encoding= of to_netcdf and to_zarr: what is stored, byte for byte of the values, and what is said of it, against netCDF4-python and zarr-python through
xarray's own engines."""

import warnings

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

import craton

craton.enable()


def dataset():
    rng = np.random.default_rng(7)
    t = np.where(rng.random((12, 5, 7)) < 0.2, np.nan, rng.normal(280, 20, (12, 5, 7)))
    time = xr.date_range("2001-01-15", periods=12, freq="MS")
    return xr.Dataset(
        {
            "v": (("time", "y", "x"), t, {"units": "K"}),
            "n": (("y", "x"), rng.integers(-5, 99, (5, 7))),
            "flag": ("y", np.arange(5) % 2 == 0),
            "late": ("time", np.where(np.arange(12) == 3, np.datetime64("NaT"), time.values + np.timedelta64(90, "m"))),
            "took": ("time", np.where(np.arange(12) == 5, np.timedelta64("NaT"), np.arange(12) * np.timedelta64(3, "h"))),
            "time_bnds": (("time", "two"), np.stack([time.values - np.timedelta64(14, "D"), time.values + np.timedelta64(16, "D")], 1)),
        },
        {"time": ("time", time, {"bounds": "time_bnds", "long_name": "time"}), "y": np.linspace(-1, 1, 5).astype("f4")},
    )  # fmt: skip


ENCODINGS = {
    "packed": {"v": {"_FillValue": -32768, "dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0}},
    "packed unsigned": {"v": {"_FillValue": 65535, "dtype": "uint16", "scale_factor": 0.01}},
    "fill of floats": {"v": {"_FillValue": -999.0, "dtype": "float32"}},
    "two marks": {"v": {"_FillValue": -9, "missing_value": -9, "dtype": "int32"}},
    "missing_value alone": {"v": {"missing_value": -9.0, "_FillValue": None}},
    "no fill": {"v": {"_FillValue": None}, "n": {"_FillValue": None}},
    "fill of integers": {"n": {"_FillValue": -5, "dtype": "int8"}},
    "_Unsigned": {"v": {"_FillValue": 255, "_Unsigned": "true", "dtype": "i1", "scale_factor": 2.0, "add_offset": 1.0}},
    "rounded": {"v": {"dtype": "i4", "_FillValue": -1}},
    "offset without a type": {"v": {"add_offset": 273.15}},
    "float16's neighbours": {"v": {"dtype": "float32", "scale_factor": np.float32(0.5)}},
    "flags as numbers": {"flag": {"dtype": "i1", "_FillValue": -1}},
    "times": {"late": {"units": "hours since 2000-01-01", "dtype": "int32", "_FillValue": -1}, "took": {"units": "minutes", "dtype": "int64", "_FillValue": -1}},
    "times as floats": {"late": {"units": "days since 2000-01-01", "dtype": "float64"}, "time": {"units": "days since 1970-01-01", "dtype": "f8"}},
    "times of bounds": {"time": {"units": "days since 1850-01-01", "calendar": "standard"}},
}  # fmt: skip


def raw(path, engine):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_dataset(path, engine=engine, decode_cf=False) as ds:
            return ds.load()


def quiet(f, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(*args, **kwargs)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("how", ["netcdf", "zarr2", "zarr3"])
def test_stored_as_xarray_stores_it(tmp_path, name, how):
    ds, encoding = dataset(), ENCODINGS[name]
    lazy = ds.assign({v: ds[v].chunk({d: 3 for d in ds[v].dims}) for v in ("v", "n", "flag")})    # lazy times get units that hold all there can be
    if how == "netcdf":
        quiet(ds.to_netcdf, tmp_path / "theirs", engine="netcdf4", encoding=encoding)
        quiet(lazy.craton.to_netcdf, tmp_path / "ours", encoding=encoding)
        quiet(lazy.to_netcdf, tmp_path / "again", engine="craton", encoding=encoding)       # xarray's own method
        engine = "netcdf4"
    else:
        quiet(ds.to_zarr, tmp_path / "theirs", zarr_format=int(how[-1]), encoding=encoding)
        quiet(lazy.craton.to_zarr, tmp_path / "ours", zarr_format=int(how[-1]), encoding=encoding)
        engine = "zarr"
    expected = raw(tmp_path / "theirs", engine)
    for path in ("ours", "again") if how == "netcdf" else ("ours",):
        answer = raw(tmp_path / path, engine)
        xr.testing.assert_identical(answer, expected)
        for key, v in expected.variables.items():
            assert answer[key].dtype == v.dtype and answer[key].values.tobytes() == v.values.tobytes(), key
            for attr, value in v.attrs.items():
                assert np.asarray(answer[key].attrs[attr]).dtype == np.asarray(value).dtype, (key, attr)
    # And read by Craton, decoded.
    with xr.open_dataset(tmp_path / "theirs", engine=engine) as theirs, xr.open_dataset(tmp_path / "ours", engine="craton", chunks={}) as back:
        xr.testing.assert_identical(quiet(back.compute), quiet(theirs.load))


def test_to_netcdf_of_xarray(tmp_path):
    """engine="craton" of xarray's own methods."""
    ds = dataset()[["v", "n"]]
    ds.chunk(time=4).to_netcdf(tmp_path / "x.nc", engine="craton", unlimited_dims="time")
    ds.n.to_netcdf(tmp_path / "x.nc", engine="craton", mode="a", group="more")
    ds.v.chunk(time=4).to_netcdf(tmp_path / "v.nc", engine="craton")
    with xr.open_dataset(tmp_path / "x.nc", engine="netcdf4") as back:
        assert back.encoding["unlimited_dims"] == {"time"}
        xr.testing.assert_identical(back.load(), ds)
    with xr.open_dataarray(tmp_path / "v.nc", engine="netcdf4") as back:
        xr.testing.assert_identical(back.load(), ds.v)
    with xr.open_dataset(tmp_path / "x.nc", engine="netcdf4", group="more") as back:
        xr.testing.assert_identical(back.n.load(), ds.n)
    ds.to_netcdf(tmp_path / "x.nc", engine="craton")  # mode "w", as for the other engines
    for wrong in ({"compute": False}, {"invalid_netcdf": True}):
        with pytest.raises(NotImplementedError, match="choose another engine"):
            ds.to_netcdf(tmp_path / "y.nc", engine="craton", **wrong)
    with pytest.raises(NotImplementedError, match="choose another engine"):
        ds.to_netcdf(engine="craton")
    with pytest.raises(ValueError, match="unrecognized engine"):
        ds.to_netcdf(tmp_path / "y.nc", engine="crayon")
    assert not (tmp_path / "y.nc").exists()


# ---- how it is stored in NetCDF-4 ----------------------------------------------------------------------------------------------------------------------


FILTERS = [
    {"zlib": True, "complevel": 3, "shuffle": True, "fletcher32": True, "chunksizes": (5, 2, 7)},
    {"fletcher32": True, "zlib": False},
    {"fletcher32": True, "zlib": False, "shuffle": True, "chunksizes": (5, 5, 5)},
    {"zlib": True, "shuffle": False, "chunksizes": (12, 5, 7)},
    {"compression": "zlib", "fletcher32": True, "complevel": 9},
    {"zlib": False},
    {"compression": None, "chunksizes": (3, 3, 3)},
    {"contiguous": True},
]


@pytest.mark.parametrize("asked", FILTERS, ids=str)
@pytest.mark.parametrize("packed", [False, True])
def test_filters(tmp_path, asked, packed):
    """What was asked for is in the file, and the library reads every chunk, whose checksums it checks."""
    ds, encoding = dataset()[["v"]].chunk(time=5), {"v": {**asked, **({"dtype": "i1", "_FillValue": -1, "add_offset": 280.0} if packed else {})}}
    ds.craton.to_netcdf(tmp_path / "x.nc", encoding=encoding)
    with netCDF4.Dataset(tmp_path / "x.nc") as nc:
        found, chunking = nc["v"].filters(), nc["v"].chunking()
        assert found["zlib"] == bool(asked.get("zlib") or asked.get("compression") == "zlib")
        assert found["fletcher32"] == asked.get("fletcher32", False) and found["shuffle"] == (asked.get("shuffle", found["zlib"]) and not packed)
        assert chunking == list(asked["chunksizes"]) if "chunksizes" in asked else (chunking == "contiguous") == bool(asked.get("contiguous"))
        assert not found["zlib"] or found["complevel"] == asked.get("complevel", 4)
    want = ds.compute() if not packed else None
    with xr.open_dataset(tmp_path / "x.nc", engine="netcdf4") as theirs, xr.open_dataset(tmp_path / "x.nc", engine="craton") as back:
        xr.testing.assert_identical(back.load(), theirs.load())
        xr.testing.assert_identical(theirs, want if want is not None else theirs)
        assert bool(back.v.encoding.get("fletcher32")) == found["fletcher32"]
        back.craton.to_netcdf(tmp_path / "y.nc")        # what it was read with is kept
    with netCDF4.Dataset(tmp_path / "y.nc") as nc:
        assert nc["v"].filters()["fletcher32"] == found["fletcher32"]


def test_damage_is_found_by_checksums(tmp_path):
    values = np.arange(4000.0)
    xr.Dataset({"v": ("x", values)}).craton.to_netcdf(tmp_path / "x.nc", encoding={"v": {"zlib": False, "fletcher32": True, "chunksizes": (1000,)}})
    data = bytearray((tmp_path / "x.nc").read_bytes())
    at = data.index(values[1500:1510].tobytes())
    data[at + 3] ^= 1
    (tmp_path / "x.nc").write_bytes(data)
    with pytest.raises(craton.FormatError, match="fletcher32 checksum"):
        xr.open_dataset(tmp_path / "x.nc", engine="craton").load()


def test_refused_filters(tmp_path):
    ds = dataset()[["v"]]
    for asked, what in (({"contiguous": True, "zlib": True}, "contiguous=True has no chunks"), ({"contiguous": True, "chunksizes": (1, 1, 1)}, "chunksizes"),
                        ({"fill_value": 3}, "no meaning in NetCDF-4")):  # fmt: skip
        with pytest.raises(ValueError, match=what):
            ds.craton.to_netcdf(tmp_path / "x.nc", encoding={"v": asked})
    with pytest.raises(ValueError, match="a dimension of it is unlimited"):
        ds.craton.to_netcdf(tmp_path / "x.nc", encoding={"v": {"contiguous": True}}, unlimited_dims="time")
    with pytest.raises(NotImplementedError, match="little-endian"):
        ds.craton.to_netcdf(tmp_path / "x.nc", encoding={"v": {"endian": "big"}})
    for version in (2, 3):
        for asked, what in (({"fletcher32": True}, "no meaning in Zarr"), ({"contiguous": True}, "no meaning in Zarr")):
            with pytest.raises(ValueError, match=what):
                ds.craton.to_zarr(tmp_path / "x", encoding={"v": asked}, zarr_format=version)
    with pytest.raises(ValueError, match="`_FillValue` is the fill_value"):
        ds.craton.to_zarr(tmp_path / "x", encoding={"v": {"fill_value": 3}}, zarr_format=2)
    with pytest.raises(ValueError, match="no value of int8"):
        ds.craton.to_zarr(tmp_path / "x", encoding={"v": {"fill_value": 300, "dtype": "i1", "_FillValue": -1}})
    for error in (KeyError, ValueError):
        with pytest.raises(error, match="variables that are not there: 'w'"):
            ds.craton.to_zarr(tmp_path / "x", encoding={"w": {}})
    assert not list(tmp_path.iterdir())


# ---- fill values of Zarr 3 ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, fill", [("f4", 0), ("f4", 1e20), ("f8", -7), ("f8", np.nan), ("i2", 0), ("i8", -7)])
def test_fill_value_of_zarr3(tmp_path, dtype, fill):
    ds = xr.Dataset({"v": ("x", np.arange(8).astype(dtype))})
    ds.chunk(x=3).craton.to_zarr(tmp_path / "x", encoding={"v": {"fill_value": fill}}, compute=False)
    array = zarr.open_group(tmp_path / "x", mode="r")["v"]
    np.testing.assert_array_equal(array[:], np.full(8, fill, dtype))
    for engine in ("zarr", "craton"):
        with xr.open_dataset(tmp_path / "x", engine=engine) as back:
            np.testing.assert_equal(float(back.v.encoding["fill_value"]), float(np.dtype(dtype).type(fill)))
            back.load().craton.to_zarr(tmp_path / engine)                    # it goes along
    np.testing.assert_equal(float(zarr.open_group(tmp_path / "craton", mode="r")["v"].fill_value), float(np.dtype(dtype).type(fill)))


@pytest.mark.parametrize("version", [2, 3])
def test_fill_value_as_mask(tmp_path, version):
    array = zarr.open_group(tmp_path / "x", mode="w", zarr_format=version).create_array(
        "v", shape=(4,), chunks=(2,), dtype="i4", fill_value=-1, **({"dimension_names": ["x"]} if version == 3 else {"attributes": {"_ARRAY_DIMENSIONS": ["x"]}}))
    array[:2] = [5, 6]
    for mask, expected in ((None, version == 2), (True, True), (False, False)):
        with quiet(xr.open_dataset, tmp_path / "x", engine="craton", use_zarr_fill_value_as_mask=mask, chunks={}) as ds:
            np.testing.assert_array_equal(ds.v.compute(), [5, 6, np.nan, np.nan] if expected else [5, 6, -1, -1])
